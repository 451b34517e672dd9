"""Tags before a reader, as columns: what a gateway reports of them, folded and decided.

Noise as in the design's quality.md, table "Detection": each tag has its own chance to be read in a
round, a blocked shelf reads a tenth, and a tag of the next zone is read across now and then. What
a gateway tells follows its reports by exception: a tag once a heartbeat, with the reads since.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from backend.collateral.rules.presence import Whereabouts, decide_items
from backend.collateral.rules.series import SeriesBook
from backend.collateral.rules.sightings import SightKey
from backend.collateral.rules.turn import fold_batch
from backend.collateral.types import (
    Binding,
    ItemSetup,
    Limits,
    LotSetup,
    Purpose,
    SensorKey,
    SensorState,
    Sight,
)
from backend.ids import BindingId, ChannelId, GatewayId, ItemId, LotId, ZoneId
from backend.telemetry.types import (
    ChannelRef,
    EnvelopeRow,
    ReadingBatch,
    ScalarColumns,
    SightingColumns,
    key_of,
)
from schemas.quantities import Quantity

GATEWAY = GatewayId("gw-1")
HOME: SensorKey = (GATEWAY, "rfid")
DOCK: SensorKey = (GATEWAY, "gate")
HALL_ZONE, DOCK_ZONE = ZoneId(UUID(int=1)), ZoneId(UUID(int=2))
LOT = LotId(UUID(int=3))
BASE_US = 1_795_348_800_000_000
SECOND_US = 1_000_000
HEARTBEAT_S = 5
BLOCKED_FACTOR = 0.1
LEVEL_CDBM, LEVEL_SD_CDB, CROSS_LOSS_CDB = -5_600, 300, 1_200
# Share of tags, and the parameters of the beta distribution of their chance to be read.
MIX = ((0.80, 18.0, 2.0), (0.15, 6.5, 3.5), (0.05, 2.5, 7.5))
_CHANNELS = {
    ChannelId(1): ChannelRef(gateway=GATEWAY, sensor="rfid", quantity=None),
    ChannelId(2): ChannelRef(gateway=GATEWAY, sensor="rfid", quantity=Quantity.INVENTORY),
    ChannelId(3): ChannelRef(gateway=GATEWAY, sensor="gate", quantity=None),
    ChannelId(4): ChannelRef(gateway=GATEWAY, sensor="gate", quantity=Quantity.INVENTORY),
}
_SIGHTINGS: dict[SensorKey, int] = {HOME: 1, DOCK: 3}
_ROUNDS: dict[SensorKey, int] = {HOME: 2, DOCK: 4}

Bools = NDArray[np.bool_]
Int64s = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Reports of one tag by one reader: in which second, with how many reads, how strong."""

    reader: SensorKey
    item: int
    at_s: Int64s
    count: Int64s
    rssi_cdbm: Int64s


def draw_chances(rng: np.random.Generator, tags: int) -> NDArray[np.float64]:
    """Return the chance of each tag to be read in a round, of the site's mix."""
    shares = [share for share, _, _ in MIX]
    kinds = rng.choice(len(MIX), size=tags, p=shares)
    alphas, betas = (np.array([kind[n] for kind in MIX]) for n in (1, 2))
    return rng.beta(alphas[kinds], betas[kinds])


def draw_blocked(rng: np.random.Generator, seconds: int) -> Bools:
    """Return in which seconds something stands before the shelf."""
    blocked = np.zeros(seconds, dtype=np.bool_)
    at_s = rng.exponential(1_000.0)
    while at_s < seconds:
        lasts_s = rng.exponential(300.0)
        blocked[int(at_s) : int(at_s + lasts_s) + 1] = True
        at_s += lasts_s + rng.exponential(1_000.0)
    return blocked


def tell(
    rng: np.random.Generator,
    reads: Bools,
    *,
    item: int,
    reader: SensorKey = HOME,
    begin_s: int = 0,
    level_cdbm: int = LEVEL_CDBM,
) -> Told:
    """Return what a gateway reports of a tag that is read in these seconds.

    Days are thinned side by side; each begins with a report.
    """
    day_s = min(86_400, len(reads))
    days = -(-len(reads) // day_s)
    padded = np.zeros((days, day_s), dtype=np.bool_)
    padded.reshape(-1)[: len(reads)] = reads
    none = day_s + HEARTBEAT_S
    following = np.full((days, none + 1), none, dtype=np.int32)
    following[:, :day_s] = np.where(padded, np.arange(day_s, dtype=np.int32), none)
    following = np.minimum.accumulate(following[:, ::-1], axis=1)[:, ::-1]
    rows = np.arange(days)
    now = following[:, 0]
    told: list[NDArray[np.int32]] = []
    while (now < day_s).any():
        told.append(now)
        now = following[rows, np.minimum(now + HEARTBEAT_S, none)]
    at = np.array(told, dtype=np.int64).reshape(len(told), days).T
    at_s = (at + rows[:, None] * day_s)[at < day_s]
    total = np.cumsum(reads)
    count = np.diff(total[at_s], prepend=0)
    best = rng.random(len(at_s)) ** (1.0 / np.maximum(count, 1))
    # The logistic's quantile times 0.55 is near enough to the normal's.
    noise = 0.55 * np.log(np.clip(best, 1e-9, 1 - 1e-9) / np.clip(1 - best, 1e-9, 1))
    return Told(
        reader=reader,
        item=item,
        at_s=at_s + begin_s,
        count=count,
        rssi_cdbm=(level_cdbm + LEVEL_SD_CDB * noise).astype(np.int64),
    )


@dataclass(slots=True, kw_only=True)
class Site:
    """A lot before its reader, and a dock's reader next to it; one envelope a batch."""

    items: int
    missing_after_s: int = 10
    listens: tuple[SensorKey, ...] = (HOME, DOCK)
    sensors: dict[SensorKey, SensorState] = field(default_factory=dict[SensorKey, SensorState])
    sights: dict[SightKey, Sight] = field(default_factory=dict[SightKey, Sight])
    number: int = 0

    @property
    def ids(self) -> list[ItemId]:
        """The items."""
        return [ItemId(UUID(int=100 + number)) for number in range(self.items)]

    @property
    def setup(self) -> LotSetup:
        """The lot as registered."""
        binding = Binding(
            id=BindingId(1),
            gateway=GATEWAY,
            sensor=HOME[1],
            purpose=Purpose.PRESENCE,
            zone_id=HALL_ZONE,
            lot_id=None,
            missing_after_s=self.missing_after_s,
        )
        return LotSetup(
            id=LOT,
            name="lot",
            zone_id=HALL_ZONE,
            polygon_m=[],
            origin_lat_deg=0.0,
            origin_lon_deg=0.0,
            pledged_mass_g=self.items,
            limits=Limits(),
            items=tuple(
                ItemSetup(
                    id=item, name=f"p{number}", epc=_epc(number), net_mass_g=1, tare_mass_g=0
                )
                for number, item in enumerate(self.ids)
            ),
            bindings=(binding,),
            readers={HOME: frozenset({HALL_ZONE}), DOCK: frozenset({DOCK_ZONE})},
        )

    def fold(self, told: Sequence[Told], begin_s: int, end_s: int) -> None:
        """Take in the rounds and reports from one second to before another."""
        owners = {_epc(number): item for number, item in enumerate(self.ids)}
        batch = self.batch(told, begin_s, end_s)
        folded = fold_batch(
            batch,
            SeriesBook(batch),
            owners,
            self.sensors,
            self.sights,
            dict.fromkeys(self.ids, LOT),
        )
        self.sensors |= folded.sensors
        self.sights |= folded.sights

    def look(self) -> list[Whereabouts]:
        """Return where the items are."""
        return decide_items(self.setup, self.sensors, list(self.sights.values()))

    def batch(self, told: Sequence[Told], begin_s: int, end_s: int) -> ReadingBatch:
        """Return one envelope that holds all of a span."""
        self.number += 1
        parts = [(each, *np.searchsorted(each.at_s, (begin_s, end_s)).tolist()) for each in told]
        empty = np.empty(0, dtype=np.int64)

        def column(name: str) -> Int64s:
            return np.concatenate([empty, *(getattr(e, name)[a:b] for e, a, b in parts)])

        at_us = BASE_US + column("at_s") * SECOND_US
        epcs = [np.frombuffer(key_of(_epc(e.item)), dtype=np.uint8) for e, _, _ in parts]
        sizes = [b - a for _, a, b in parts]
        epc = np.repeat(np.array(epcs).reshape(len(epcs), -1), sizes, axis=0)
        channel = np.repeat([_SIGHTINGS[e.reader] for e, _, _ in parts], sizes)
        rounds_us = BASE_US + np.arange(begin_s, end_s, dtype=np.int64) * SECOND_US
        readers = len(self.listens)
        size = readers * len(rounds_us)
        end_us = BASE_US + end_s * SECOND_US
        return ReadingBatch(
            envelopes=(
                EnvelopeRow(
                    gateway=GATEWAY,
                    number=self.number,
                    sha256=b"",
                    key_id=b"",
                    base_unix_us=BASE_US + begin_s * SECOND_US,
                    received_unix_us=end_us,
                    made_unix_us=end_us,
                    readings=size + len(at_us),
                    bytes=b"",
                ),
            ),
            scalars=ScalarColumns(
                at_us=np.tile(rounds_us, readers),
                channel=np.repeat([_ROUNDS[r] for r in self.listens], len(rounds_us)).astype("i4"),
                envelope=np.zeros(size, dtype=np.int32),
                envelope_number=np.full(size, self.number, dtype=np.int64),
                value=np.ones(size),
                quality=np.zeros(size, dtype=np.int16),
            ),
            sightings=SightingColumns(
                at_us=at_us,
                channel=channel.astype(np.int32),
                envelope=np.zeros(len(at_us), dtype=np.int32),
                envelope_number=np.full(len(at_us), self.number, dtype=np.int64),
                epc=epc,
                antenna=np.zeros(len(at_us), dtype=np.int16),
                rssi_cdbm=column("rssi_cdbm").astype(np.int16),
                count=column("count").astype(np.int32),
            ),
            events=(),
            channels=_CHANNELS,
        )


def _epc(number: int) -> bytes:
    return bytes([0x30, *([0] * 10), number])
