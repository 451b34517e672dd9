"""A worker's writer on a real database, fed by a gateway double."""

from dataclasses import dataclass, field
from datetime import timedelta

from backend.batch import Memory, write_batch
from backend.db import Database
from backend.ingest.service import Book, examine_all
from backend.ingest.types import Message, Outcome, Verdict
from backend.telemetry.types import datetime_of
from schemas.quantities import Quantity
from tests.gateway_double import BASE_US, Sealed, Tag, Value
from tests.warehouse import Warehouse

SECOND_US = 1_000_000


@dataclass(slots=True, kw_only=True)
class Rig:
    """Writes messages as the worker does, and plays a quiet site second by second."""

    db: Database
    made: Warehouse
    memory: Memory = field(default_factory=Memory)
    now_us: int = BASE_US

    @property
    def book(self) -> Book:
        """What is remembered of keys and channels."""
        return self.memory.book

    def write(self, *messages: Message) -> Outcome:
        """Commit messages as one batch, at the time of the last."""
        now = datetime_of(max(message.received_unix_us for message in messages))
        examined = examine_all(messages, self.book)
        with self.db.working() as conn:
            outcome = write_batch(conn, examined, now, self.memory)
        self.memory.settle()
        return outcome

    def verdict(self, message: Message) -> Verdict:
        """Commit one message and return what became of it."""
        return self.write(message).verdicts[0]

    def quiet(
        self,
        seconds: int,
        *,
        gone: frozenset[bytes] = frozenset(),
        gross_g: float | None = None,
        extra: list[Sealed] | None = None,
    ) -> None:
        """Play seconds in which all tags but ``gone`` are read and the scale shows a weight."""
        for _ in range(seconds):
            self.now_us += SECOND_US
            self.write(self.made.gateway.seal(self.round(gone, gross_g, extra), self.now_us))

    def round(
        self,
        gone: frozenset[bytes] = frozenset(),
        gross_g: float | None = None,
        extra: list[Sealed] | None = None,
    ) -> list[Sealed]:
        """Return one second's readings."""
        seen = [epc for epc in self.made.items if epc not in gone]
        readings: list[Sealed] = [Tag(sensor="rfid", epc=epc) for epc in seen]
        readings.append(
            Value(
                sensor="rfid",
                quantity=Quantity.INVENTORY,
                value=len(seen),
                offset_us=1_000,
            )
        )
        readings.append(
            Value(
                sensor="scale",
                quantity=Quantity.MASS,
                value=self.made.gross_g if gross_g is None else gross_g,
            )
        )
        return [*readings, *(extra or [])]

    def later(self, seconds: float) -> timedelta:
        """Let time pass without readings."""
        self.now_us += int(seconds * SECOND_US)
        return timedelta(seconds=seconds)
