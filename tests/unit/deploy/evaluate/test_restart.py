"""A backend that starts anew amid an incident ends where one that never stopped does."""

import json
from dataclasses import astuple, fields, replace
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.collateral.rules.lot import sensor_of, state_of
from backend.collateral.rules.memory import sensor_memory_json, values_json
from backend.collateral.types import SensorState, Sight
from backend.ids import GatewayId, LotId
from backend.telemetry.types import datetime_of
from deploy.evaluate.alerts import AlertBook
from deploy.evaluate.backend import Books, KeptLot
from tests.unit.deploy.evaluate.stories import BEGINS_MIN, RUN_US, SECOND_US, play, story

STEP_S = 60
KINDS = (
    "take_pallet",
    "take_several",
    "take_goods_leave_tags",
    "swap_heavier",
    "leave_by_dock",
    "take_too_many",
    "drive_off",
    "shield_tag",
    "rezero_scale",
    "unplug_gateway",
    "cut_scale_cable",
    "overheat",
    "drop",
    "cover_camera",
    "lift_and_put_back",
)
# Their goods leave by an order, which is settled as soon as a look at them shows it done: an act,
# as final as the lender's money. A look that comes only after they are back shows none.
BY_ORDER = ("take_too_many",)


def restarted(books: Books) -> Books:
    """Return what a backend knows that has read all of it back from where it is stored."""
    sensors = {key: stored_sensor(state) for key, state in books.sensors.items()}
    fresh_us: dict[GatewayId, int] = {}
    for key, state in sensors.items():
        if state.fresh_us is not None:
            fresh_us[key[0]] = max(fresh_us.get(key[0], 0), state.fresh_us)
    return replace(
        books,
        sensors=sensors,
        sights={
            lot: {key: stored_sight(sight) for key, sight in sights.items()}
            for lot, sights in books.sights.items()
        },
        lots={lot: stored_lot(lot, kept) for lot, kept in books.lots.items()},
        fresh_us=fresh_us,
    )


def stored_sensor(state: SensorState) -> SensorState:
    """Return a sensor's state by way of its row: times to the microsecond, and JSON."""
    row = {
        "gateway_id": state.key[0],
        "sensor": state.key[1],
        "last_at": _at(state.last_at_us),
        "last_arrival_at": _at(state.arrival_us),
        "fresh_at": _at(state.fresh_us),
        "health": state.health.value,
        "values": json.loads(json.dumps(values_json(state), allow_nan=False)),
        "memory": json.loads(json.dumps(sensor_memory_json(state), allow_nan=False)),
    }
    return sensor_of(row)


def _at(unix_us: int | None) -> datetime | None:
    return None if unix_us is None else datetime_of(unix_us)


def stored_sight(sight: Sight) -> Sight:
    """Return a sighting by way of its row: whole numbers of as many bytes as its columns have."""
    names = [each.name for each in fields(Sight)]
    kept = dict(zip(names, astuple(sight), strict=True))
    wide = {name: value for name, value in kept.items() if name.endswith("_us")}
    narrow = {name: kept[name] for name in ("streak_reads", "doubt_mnat", "peak_mnat")}
    assert all(type(value) is int and abs(value) < 2**63 for value in wide.values())
    assert all(type(value) is int and abs(value) < 2**31 for value in narrow.values())
    assert abs(kept["rssi_cdbm"]) <= 2**15
    learnt = json.loads(json.dumps(kept["learnt"]))
    return replace(sight, learnt=tuple(map(int, learnt)))


def stored_lot(lot: LotId, kept: KeptLot) -> KeptLot:
    """Return a lot's state and memory by way of its row."""
    state = kept.state
    row = {
        "id": lot,
        **{name: str(value) for name, value in state.dimensions.items()},
        "short_mass_g": state.short_mass_g,
        "measured_mass_g": state.measured_mass_g,
        "condition_since": state.condition_since,
        "tampered": state.tampered,
        "evaluated": state.evaluated,
        "detail": json.loads(json.dumps(state.detail, allow_nan=False)),
    }
    memory = json.loads(json.dumps(kept.memory, allow_nan=False))
    return replace(kept, state=state_of(row), memory=memory)


def told_of(alerts: AlertBook) -> list[object]:
    """Return every alert with all its instants, and its evidence."""
    return [
        (a.cause, a.severity, a.summary, tuple(a.told), a.evidence, a.ceased_us)
        for a in alerts.every
    ]


def remembered(books: Books) -> object:
    """Return all that detectors remember."""
    return books.sensors, books.sights, {lot: kept.memory for lot, kept in books.lots.items()}


@settings(max_examples=10, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    restarts_s=st.sets(st.integers(BEGINS_MIN * 60, 29 * 60), min_size=1, max_size=4),
)
def test_restart_in_the_middle_of_an_incident_changes_nothing(
    kind: str, restarts_s: set[int]
) -> None:
    """Alerts, their instants, and all that is known in the end are as without a restart."""
    told = story(kind, 3)
    restarts = frozenset(told.begins_us + at_s * SECOND_US for at_s in restarts_s)
    instants = sorted({*told.instants(STEP_S), *restarts})
    books, alerts = play(told, instants)
    other_books, other_alerts = play(told, instants, restarts, restarted)
    assert alerts.every, "an incident leaves something to be told"
    assert told_of(other_alerts) == told_of(alerts)
    assert other_books == books


@settings(max_examples=10, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    cuts_s=st.sets(st.integers(1, 29 * 60), max_size=12),
    restart=st.integers(0, 12),
)
def test_state_equals_replay_from_the_stored_readings(
    kind: str, cuts_s: set[int], restart: int
) -> None:
    """However readings were cut, and wherever it restarted, what is remembered is the same.

    Of lots with an order at work, too, but for what its settlement has taken out of them.
    """
    told = story(kind, 3)
    once = told.instants(RUN_US // SECOND_US)
    cuts = sorted({*once, *(told.begins_us + at_s * SECOND_US for at_s in cuts_s)})
    books, _ = play(told, once)
    others, _ = play(told, cuts, frozenset((cuts[restart % len(cuts)],)), restarted)
    assert others.sensors == books.sensors
    assert others.sights == books.sights
    if kind not in BY_ORDER:
        assert remembered(others) == remembered(books)
