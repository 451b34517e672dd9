"""A lot by its sensors: the same memory however readings are cut into batches; fails closed."""

import itertools
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.collateral.rules.lot import Around, Evaluated, evaluate
from backend.collateral.rules.memory import lot_memory_json
from backend.collateral.rules.series import SeriesBook
from backend.collateral.rules.sightings import SightKey
from backend.collateral.rules.turn import fold_batch
from backend.collateral.types import (
    Condition,
    Custody,
    FactKind,
    LotState,
    QuantityState,
    SensorKey,
    SensorState,
    Sight,
    StreamView,
    Surveillance,
)
from backend.ids import ChannelId, GatewayId, ItemId, LotId, ZoneId
from backend.ingest.rules.chain import Chain
from backend.ingest.rules.columns import batch_of
from backend.ingest.service import examine_all
from backend.ingest.types import Accepted, Message
from backend.telemetry.types import ChannelRef
from schemas.quantities import EventType, Quantity
from tests.gateway_double import BASE_US, GatewayDouble, Happening, Sealed, Tag, Value
from tests.unit.backend.ingest.test_examine import book_of, head_of

SECOND_US = 1_000_000
NAME = GatewayId("gw-1")
HALL, DOCK = ZoneId(uuid4()), ZoneId(uuid4())
NET_G, TARE_G, PLATFORM_G, TOLERANCE_G = 1_000_000, 20_000, 50_000, 40_000
EPCS = tuple(bytes([0x30] * 11 + [n]) for n in range(3))
ITEMS = {epc: ItemId(uuid4()) for epc in EPCS}
LOT_ID = LotId(uuid4())
LOTS = dict.fromkeys(ITEMS.values(), LOT_ID)
GROSS_G = PLATFORM_G + 3 * (NET_G + TARE_G)


def _binding(sensor: str, purpose: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - a row
    return {
        "id": 1,
        "gateway_id": "gw-1",
        "sensor": sensor,
        "purpose": purpose,
        "zone_id": HALL,
        "lot_id": None,
        "tare_mass_g": PLATFORM_G,
        "tolerance_mass_g": TOLERANCE_G,
        "max_gap_s": 15,
        "missing_after_s": 10,
        **more,
    }


BINDINGS = (
    _binding("rfid", "presence"),
    _binding("scale", "load"),
    _binding("climate", "condition"),
    _binding("tracker", "position"),
    _binding("door", "door"),
    _binding("camera", "camera"),
)


@dataclass(slots=True, kw_only=True)
class Watched:
    """A lot without a database: what its sensors leave behind, kept between batches."""

    bindings: tuple[dict[str, Any], ...] = BINDINGS
    gateway: GatewayDouble = field(default_factory=GatewayDouble)
    sensors: dict[SensorKey, SensorState] = field(
        default_factory=lambda: dict[SensorKey, SensorState]()
    )
    sights: dict[SightKey, Sight] = field(default_factory=lambda: dict[SightKey, Sight]())
    memory: dict[str, Any] = field(default_factory=lambda: dict[str, Any]())
    now_us: int = BASE_US
    _chain: Chain | None = None

    def seal(self, readings: list[Sealed]) -> Message:
        """Return the next second's envelope."""
        self.now_us += SECOND_US
        return self.gateway.seal(readings, self.now_us)

    def fold(self, *messages: Message) -> Evaluated:
        """Fold messages as one batch and return what the lot is then."""
        self._chain = self._chain or Chain(heads={NAME: head_of(self.gateway)}, held={})
        accepted = [
            self._chain.judge(each)  # pyright: ignore[reportArgumentType] - all are well signed
            for each in examine_all(messages, book_of(self.gateway))
        ]
        mine = [verdict for verdict in accepted if isinstance(verdict, Accepted)]
        assert len(mine) == len(messages)
        channels: dict[tuple[str, Quantity | None], int] = {}
        tables = [
            np.array(
                [channels.setdefault(row, len(channels)) for row in v.examined.envelope.sensors],
                dtype=np.int32,
            )
            for v in mine
        ]
        refs = {
            ChannelId(number): ChannelRef(gateway=NAME, sensor=sensor, quantity=quantity)
            for (sensor, quantity), number in channels.items()
        }
        batch = batch_of(mine, tables, refs)
        book = SeriesBook(batch)
        folded = fold_batch(batch, book, ITEMS, self.sensors, self.sights, LOTS)
        self.sensors |= folded.sensors
        self.sights |= folded.sights
        return self.look(book)

    def look(self, book: SeriesBook | None = None, later_s: float = 0.0) -> Evaluated:
        """Return what the lot is now, or somewhat later."""
        by_item: dict[ItemId, list[Sight]] = {}
        for (item, _), sight in self.sights.items():
            by_item.setdefault(item, []).append(sight)
        around = Around(
            sensors=self.sensors,
            broken=frozenset(),
            streams={NAME: StreamView(stopped=False, fresh_us=self.now_us)},
            sights=by_item,
            readers={(NAME, "rfid"): frozenset({HALL}), (NAME, "gate"): frozenset({DOCK})},
            now_us=self.now_us + int(later_s * SECOND_US),
        )
        found = evaluate(_LOT | {"memory": self.memory}, _ITEM_ROWS, self.bindings, around, book)
        if found.memory is not None:
            self.memory = lot_memory_json(found.memory)
        return found

    def quiet(self, seconds: int, **changes: Any) -> LotState:  # noqa: ANN401 - of round_of
        """Play quiet seconds, a batch each; return the state after them."""
        for _ in range(seconds):
            self.fold(self.seal(round_of(**changes)))
        return self.look().decision.state


_LOT: dict[str, Any] = {
    "id": LOT_ID,
    "name": "lot",
    "zone_id": HALL,
    "pledged_mass_g": 3 * NET_G,
    "polygon_m": [[0, 0], [30, 0], [30, 20], [0, 20]],
    "origin_lat_deg": 51.95,
    "origin_lon_deg": 4.05,
    "temperature_min_c": None,
    "temperature_max_c": -15.0,
    "temperature_dwell_s": 5,
    "humidity_max_pct": None,
    "shock_max_g0": 3.0,
}
_ITEM_ROWS = [
    {"id": ITEMS[epc], "name": f"p{n}", "epc": epc, "net_mass_g": NET_G, "tare_mass_g": TARE_G}
    for n, epc in enumerate(EPCS)
]


def round_of(
    gone: frozenset[bytes] = frozenset(),
    away: frozenset[bytes] = frozenset(),
    without: frozenset[str] = frozenset(),
    **values: float,
) -> list[Sealed]:
    """Return one second's readings of all sensors; ``values`` by quantity."""
    readings: list[Sealed] = [Tag(sensor="rfid", epc=e) for e in EPCS if e not in gone | away]
    readings += [Tag(sensor="gate", epc=e) for e in EPCS if e in away]
    table = {
        ("rfid", Quantity.INVENTORY): 3.0,
        ("gate", Quantity.INVENTORY): float(len(away)),
        ("scale", Quantity.MASS): values.get("mass", GROSS_G),
        ("climate", Quantity.TEMPERATURE): values.get("temperature", -18.0),
        ("climate", Quantity.SHOCK): values.get("shock", 0.1),
        ("tracker", Quantity.LATITUDE): 51.9501 + values.get("north", 0.0),
        ("tracker", Quantity.LONGITUDE): 4.0501,
        ("tracker", Quantity.FIX): 3.0,
        ("door", Quantity.CONTACT): values.get("contact", 0.0),
    }
    readings += [
        Value(sensor=sensor, quantity=quantity, value=value, offset_us=10)
        for (sensor, quantity), value in table.items()
    ]
    readings.append(
        Happening(sensor="camera", type=EventType.CAMERA_STATUS, body={"status": "online"})
    )
    return [each for each in readings if each.sensor not in without]


def test_quiet_lot_is_sound() -> None:
    """All there, all well, all watched."""
    state = Watched().quiet(6)
    assert state.sound
    assert state.surveillance is Surveillance.LIVE
    assert state.measured_mass_g == 3 * NET_G


def test_nothing_known_locks() -> None:
    """A lot of which nothing was ever heard is not sound in any dimension that is measured."""
    state = Watched().look().decision.state
    assert not state.evaluated
    assert (state.custody, state.quantity) == (Custody.MISSING, QuantityState.UNKNOWN)
    assert state.surveillance is Surveillance.DARK


def test_one_silent_tag_on_a_full_scale_is_a_warning() -> None:
    """A tag that fell off: the scale misses nothing, so the goods are there; two are not."""
    watched = Watched()
    watched.quiet(30)
    watched.quiet(22, gone=frozenset(EPCS[:1]))
    found = watched.look().decision
    assert found.state.custody is Custody.IN_ZONE
    assert [(f.kind, f.grave) for f in found.facts] == [(FactKind.ITEM_MISSING, False)]
    watched.quiet(60, gone=frozenset(EPCS[:2]))
    found = watched.look().decision
    assert found.state.custody is Custody.MISSING
    assert all(fact.grave for fact in found.facts)


def test_item_seen_elsewhere_is_relocated() -> None:
    """Seen by the dock's reader, and by its own no more: relocated, not missing."""
    watched = Watched()
    watched.quiet(5)
    watched.quiet(8, away=frozenset(EPCS[:1]))
    found = watched.look().decision
    assert found.state.custody is Custody.RELOCATED
    assert found.items[ITEMS[EPCS[0]]][1] == DOCK


def test_cross_read_relocates_nothing() -> None:
    """Read across by the dock's reader while its own reader sees it as well."""
    watched = Watched()
    watched.quiet(5)
    for _ in range(20):
        readings = [*round_of(), Tag(sensor="gate", epc=EPCS[0], rssi_cdbm=-8_000)]
        watched.fold(watched.seal(readings))
    assert watched.look().decision.state.custody is Custody.IN_ZONE


def test_goods_taken_and_tags_left_is_tampering() -> None:
    """Weight drops and every tag is still read long after: shortfall with tamper.

    The scale knows by then what it shows, and that the pallet itself is still there.
    """
    watched = Watched()
    watched.quiet(65)
    watched.quiet(12, mass=GROSS_G - NET_G)
    found = watched.look().decision
    assert {fact.kind for fact in found.facts} == {FactKind.LOAD_SHORT, FactKind.TAGS_LEFT}
    assert found.state.tampered


def test_over_temperature_is_at_risk_at_once_and_damages_after_its_dwell() -> None:
    """Back in range it is no risk any more; damage stays."""
    watched = Watched()
    watched.quiet(5)
    assert watched.quiet(1, temperature=5.0).condition is Condition.AT_RISK
    assert watched.quiet(1).condition is Condition.SOUND
    assert watched.quiet(7, temperature=5.0).condition is Condition.DAMAGED
    assert watched.quiet(20).condition is Condition.DAMAGED
    assert watched.look().decision.facts == ()


def test_shock_damages_at_once_and_its_finding_outlasts_the_reading() -> None:
    """One reading does the harm; the finding is there though the next reading is quiet."""
    watched = Watched()
    watched.quiet(5)
    spike, calm = watched.seal(round_of(shock=6.0)), watched.seal(round_of())
    found = watched.fold(spike, calm).decision
    assert found.state.condition is Condition.DAMAGED
    assert [(fact.key, fact.grave) for fact in found.facts] == [("damage:shock", True)]


def test_leaving_the_fence_needs_several_fixes() -> None:
    """A glitch of three fixes is none; eight are a relocation."""
    watched = Watched()
    watched.quiet(10)
    assert watched.quiet(3, north=0.005).custody is Custody.IN_ZONE
    watched.quiet(5)
    assert watched.quiet(8, north=0.005).custody is Custody.RELOCATED


def test_open_door_degrades() -> None:
    """Open: tampered; shut: for a while still."""
    watched = Watched()
    watched.quiet(5)
    assert watched.quiet(1, contact=1.0).tampered
    assert watched.quiet(2).tampered
    assert not watched.quiet(12).tampered


@pytest.mark.parametrize("sensor", ["rfid", "scale", "climate", "tracker"])
def test_silence_of_an_essential_sensor_is_dark(sensor: str) -> None:
    """No readings for longer than the gap: unwatched, by our clock."""
    watched = Watched()
    watched.quiet(5)
    watched.quiet(17, without=frozenset({sensor}))
    assert watched.look().decision.state.surveillance is Surveillance.DARK


def test_silence_of_all_is_dark_and_loses_no_item() -> None:
    """After an outage nothing is missing: readers that did not listen can not have missed it."""
    watched = Watched()
    watched.quiet(5)
    later = watched.look(later_s=600).decision
    assert later.state.surveillance is Surveillance.DARK
    assert later.state.custody is Custody.IN_ZONE
    watched.now_us += 600 * SECOND_US
    assert watched.quiet(2).sound


def test_clock_stepping_back_makes_nothing_immortal() -> None:
    """A tag that goes silent after the clock stepped two weeks back is missed all the same."""
    watched = Watched()
    watched.quiet(30)
    fortnight_us = 14 * 86_400 * SECOND_US
    for _ in range(30):
        watched.now_us += SECOND_US
        message = watched.gateway.seal(
            round_of(gone=frozenset(EPCS[:2])), watched.now_us - fortnight_us
        )
        watched.fold(message)
    assert watched.look().decision.state.custody is Custody.MISSING


SECONDS = st.lists(
    st.fixed_dictionaries(
        {
            "gone": st.frozensets(st.sampled_from(EPCS)),
            "mass": st.sampled_from([GROSS_G, GROSS_G - NET_G, GROSS_G - TOLERANCE_G / 2]),
            "temperature": st.sampled_from([-18.0, 0.0]),
            "shock": st.sampled_from([0.1, 0.1, 0.1, 5.0]),
            "north": st.sampled_from([0.0, 0.005]),
            "contact": st.sampled_from([0.0, 0.0, 1.0]),
        }
    ),
    min_size=1,
    max_size=16,
)


@settings(max_examples=20, deadline=None)
@given(seconds=SECONDS, cuts=st.sets(st.integers(1, 15)))
def test_batches_do_not_matter(seconds: list[dict[str, Any]], cuts: set[int]) -> None:
    """The same envelopes, however they are cut into batches, leave the same lot behind."""
    key = GatewayDouble().key
    one, other = (Watched(gateway=GatewayDouble(key=key)) for _ in range(2))
    messages = [one.seal(round_of(**each)) for each in seconds]
    other.now_us = one.now_us
    one.fold(*messages)
    bounds = [0, *sorted(cut for cut in cuts if cut < len(messages)), len(messages)]
    for begin, end in itertools.pairwise(bounds):
        other.fold(*messages[begin:end])
    assert other.memory == one.memory
    assert other.sights == one.sights
    assert other.sensors == one.sensors
    assert other.look().decision == one.look().decision


@settings(max_examples=20, deadline=None)
@given(
    seconds=SECONDS,
    silent=st.sampled_from(["rfid", "scale", "climate", "tracker"]),
)
def test_silence_never_unlocks(seconds: list[dict[str, Any]], silent: str) -> None:
    """A lot that is not sound does not become so because a sensor said nothing at all."""
    key = GatewayDouble().key
    full, less = (Watched(gateway=GatewayDouble(key=key)) for _ in range(2))
    for each in seconds:
        full.fold(full.seal(round_of(**each)))
        less.fold(less.seal(round_of(**each, without=frozenset({silent}))))
    assert full.look().decision.state.sound or not less.look().decision.state.sound
    assert not less.look().decision.state.sound
