"""A plant whose gateway is played second by second through the worker's own transaction."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Final

from nacl.signing import SigningKey

from backend.batch import Memory, write_batch
from backend.db import Database
from backend.ingest.service import examine_all
from backend.ingest.types import Accepted
from schemas.quantities import Quantity
from tests.builders import FixedClock
from tests.gateway_double import GatewayDouble, Sealed, Tag, Value
from tests.integration.backend.web.sessions import give_password
from tests.plant import ITEM_MASS_G, TARE_MASS_G, Plant, PlantItem, build_plant

READERS: Final = {"copper": "rfid-a", "fish": "rfid-c"}


@dataclass(slots=True, kw_only=True)
class LiveSite:
    """The plant, its gateway, what has been taken from it, and what each reader reads besides."""

    db: Database
    clock: FixedClock
    plant: Plant
    gateway: GatewayDouble
    memory: Memory = field(default_factory=Memory)
    taken: set[bytes] = field(default_factory=lambda: set[bytes]())
    added: dict[str, list[bytes]] = field(default_factory=lambda: dict[str, list[bytes]]())

    def play(self, seconds: int) -> None:
        """Let the gateway send an envelope a second, each committed as the worker does."""
        for _ in range(seconds):
            self.clock.advance(timedelta(seconds=1))
            message = self.gateway.seal(self._round(), self.clock.unix_us())
            examined = examine_all([message], self.memory.book)
            with self.db.working() as conn:
                outcome = write_batch(conn, examined, self.clock.now(), self.memory)
            self.memory.settle()
            assert isinstance(outcome.verdicts[0], Accepted), outcome.verdicts

    def take(self, item: PlantItem) -> None:
        """Carry an item away: its tag falls silent, and the scale gets lighter."""
        self.taken.add(item.epc)

    def _round(self) -> list[Sealed]:
        readings: list[Sealed] = []
        for lot, reader in READERS.items():
            seen = [item.epc for item in self._there(self.plant.items[lot])]
            seen += self.added.get(reader, [])
            readings += [Tag(sensor=reader, epc=epc, rssi_cdbm=-5_500) for epc in seen]
            count = float(len(seen))
            readings.append(
                Value(sensor=reader, quantity=Quantity.INVENTORY, value=count, offset_us=1_000)
            )
        copper = len(self._there(self.plant.items["copper"]))
        gross_g = float(copper * (ITEM_MASS_G + TARE_MASS_G))
        readings.append(Value(sensor="scale-a", quantity=Quantity.MASS, value=gross_g))
        readings.append(Value(sensor="temp-c", quantity=Quantity.TEMPERATURE, value=-18.0))
        readings.append(Value(sensor="temp-c", quantity=Quantity.HUMIDITY, value=80.0))
        return readings

    def _there(self, items: Collection[PlantItem]) -> list[PlantItem]:
        return [item for item in items if item.epc not in self.taken]


def build_live_site(db: Database, clock: FixedClock) -> LiveSite:
    """Store a plant whose accounts can log in, watched by a gateway that has begun to send."""
    with db.working() as conn:
        plant = build_plant(conn, now=clock.now())
    for actor in plant.actors.values():
        give_password(db, actor)
    # The very key that the builder enrolled.
    key = SigningKey(sha256(plant.gateway_id.encode()).digest())
    gateway = GatewayDouble(name=plant.gateway_id, key=key)
    site = LiveSite(db=db, clock=clock, plant=plant, gateway=gateway)
    site.play(8)
    return site
