"""A backend that starts anew amid an incident ends where one that never stopped does."""

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace
from datetime import datetime
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.alerts.rules.steps import stream_steps
from backend.collateral.rules.lot import sensor_of, state_of
from backend.collateral.rules.memory import sensor_memory_json, values_json
from backend.collateral.types import SensorState, Sight
from backend.ids import GatewayId, LotId
from backend.telemetry.types import datetime_of
from deploy.evaluate.alerts import AlertBook
from deploy.evaluate.backend import Books, KeptLot
from deploy.evaluate.permits import Permits
from deploy.evaluate.reported import Reported, batch_of
from deploy.evaluate.seed_run import Months
from deploy.evaluate.streams import Streams
from firmware_sim.months.script import site_runs
from firmware_sim.months.types import SiteRun

SECOND_US = 1_000_000
STEP_S = 60
MINUTE_US = 60 * SECOND_US
RUN_US = 30 * MINUTE_US
BEGINS_MIN = 12  # The incident: after the scales' baselines are known.
LASTS_MIN = 10
LOTS = {"overheat": "fish", "drop": "fish", "drive_off": "lubricant", "pilfer": "aluminium"}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A harbour's half hour with one incident, as its gateways told it."""

    run: SiteRun
    months: Months
    parts: tuple[Reported, ...]

    @property
    def begins_us(self) -> int:
        """When it begins."""
        return self.run.begins_us

    def instants(self, step_s: int) -> list[int]:
        """Return the ends of batches of this length."""
        ends_us = self.begins_us + RUN_US
        step_us = step_s * SECOND_US
        return [*range(self.begins_us + step_us, ends_us, step_us), ends_us]


@cache
def story(kind: str, seed: int) -> Story:
    """Return the half hour with an incident of a kind; sampled once."""
    harbour = files("firmware_sim.scenarios").joinpath("harbour.toml").read_text(encoding="utf-8")
    incident = (
        f'\n[[incident]]\nkind = "{kind}"\nday = 1\ntime = "00:{BEGINS_MIN}"\n'
        f'lot = "{LOTS.get(kind, "copper")}"\nlasts_min = {LASTS_MIN}\n'
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "harbour.toml"
        path.write_text(harbour.replace('"demo"', '"site"', 1) + incident, encoding="utf-8")
        (run,) = site_runs(str(path), seed=seed, sites=1, days=1)
    months = Months((run,), steps_us=RUN_US)
    said = months.samplers[0].take(run.begins_us + RUN_US)
    parts = tuple(months.twins[0][raw.gateway].take(raw) for raw in said)
    return Story(run=run, months=months, parts=parts)


def play(
    told: Story, instants: Sequence[int], restarts: frozenset[int] = frozenset()
) -> tuple[Books, AlertBook]:
    """Return what a backend knows, and alerted, after batches that end at some instants.

    After the batch that ends at one of ``restarts`` it knows what was stored, and nothing else.
    """
    months = told.months
    drive, backend = months.drive, months.drive.backend
    streams = Streams([part.gateway for part in told.parts])
    permits = Permits((told.run,), months.registered)
    books, alerts = backend.books(), AlertBook()
    sites = [own.site for own in months.registered]
    for span in pairwise((told.begins_us, *instants)):
        permits.apply(books, span)
        here = [part.between(*span) for part in told.parts]
        moved = streams.advance(here)
        books.flagged = moved.flagged
        batch = batch_of(here, drive.channels, drive.tags)
        turn = backend.turn(books, sites, batch, span[1])
        assert turn.raised == (), "the rules can decide"
        alerts.take((*turn.steps, *map(stream_steps, moved.faults)), span[1])
        books = restarted(turn.books) if span[1] in restarts else turn.books
    return books, alerts


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
    other_books, other_alerts = play(told, instants, restarts)
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
    """However readings were cut, and wherever it restarted, what is remembered is the same."""
    told = story(kind, 3)
    once = told.instants(RUN_US // SECOND_US)
    cuts = sorted({*once, *(told.begins_us + at_s * SECOND_US for at_s in cuts_s)})
    books, _ = play(told, once)
    others, _ = play(told, cuts, frozenset((cuts[restart % len(cuts)],)))
    assert remembered(others) == remembered(books)
