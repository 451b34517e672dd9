"""Reads what a site lives through from TOML: shifts, weather, movements, incidents, outages."""

import math
from collections.abc import Collection
from datetime import UTC, date, datetime
from typing import Final

from firmware_sim.errors import ScenarioError
from firmware_sim.life import (
    DAY_US,
    ClockPlan,
    IncidentPlan,
    IncidentsPlan,
    LifePlan,
    LinkPlan,
    MovementPlan,
    MovementsPlan,
    ShiftPlan,
    WeatherPlan,
)
from firmware_sim.months.incidents import KINDS
from firmware_sim.months.orders import longest_s
from firmware_sim.toml_table import Table

GIVEN_MAX: Final = 10_000  # Incidents or movements written one by one.
_DAYS_MAX: Final = 400
_ITEMS_MAX: Final = 1_000
_MINUTE_S: Final = 60.0
_BEGINS: Final = date(2026, 3, 2)  # A Monday.
_RATE_MAX: Final = 1_000.0  # A month; more would leave no quiet time.


def read_life(top: Table, zones: Collection[str]) -> LifePlan:
    """Return what the tables of a scenario say of its life.

    Raises:
        ScenarioError: a key is wrong.
    """
    begins = top.day("begins", default=_BEGINS)
    midnight = datetime(begins.year, begins.month, begins.day, tzinfo=UTC)
    return LifePlan(
        begins_us=round(midnight.timestamp()) * 1_000_000,
        shift=_shift(top.table("shift")),
        weather=_weather(top.table("weather")),
        movements=_movements(top, zones),
        incidents=_incidents(top),
        link=_link(top.table("link")),
        clock=_clock(top.table("clock")),
    )


def _shift(t: Table) -> ShiftPlan:
    usual = ShiftPlan()
    weekdays = usual.weekdays
    if t.has("weekdays"):
        found = t.numbers("weekdays", low=1, high=7)
        weekdays = tuple(sorted({round(day) for day in found}))
    plan = ShiftPlan(
        begins_h=t.number("begins_h", low=0.0, high=24.0, default=usual.begins_h),
        ends_h=t.number("ends_h", low=0.0, high=24.0, default=usual.ends_h),
        weekdays=weekdays,
        forklifts=t.integer("forklifts", low=0, high=100, default=usual.forklifts),
    )
    if plan.begins_h >= plan.ends_h:
        bound = f"must be later than begins_h, {plan.begins_h:g}"
        raise ScenarioError(key=t.path("ends_h"), value=plan.ends_h, bound=bound)
    t.finish()
    return plan


def _weather(t: Table) -> WeatherPlan:
    usual = WeatherPlan()
    plan = WeatherPlan(
        swing_c=t.number("swing_c", low=0.0, high=40.0, default=usual.swing_c),
        warmest_h=t.number("warmest_h", low=0.0, high=24.0, default=usual.warmest_h),
    )
    t.finish()
    return plan


def _movements(top: Table, zones: Collection[str]) -> MovementsPlan:
    given = tuple(_movement(t, zones) for t in _given(top, "movement"))
    t, usual = top.table("movements"), MovementsPlan()
    plan = MovementsPlan(
        per_day=t.number("per_day", low=0.0, high=100.0, default=usual.per_day),
        items=t.whole_span("items", low=1, high=_ITEMS_MAX, default=usual.items),
        leave_share=t.number("leave_share", low=0.0, high=1.0, default=usual.leave_share),
        keep_share=t.number("keep_share", low=0.0, high=1.0, default=usual.keep_share),
        given=given,
    )
    t.finish()
    return plan


def _given(top: Table, key: str) -> list[Table]:
    tables = top.tables(key)
    if len(tables) > GIVEN_MAX:
        raise ScenarioError(key=key, value=len(tables), bound=f"at most {GIVEN_MAX}")
    return tables


def _at_us(t: Table) -> int:
    day = t.integer("day", low=1, high=_DAYS_MAX)
    return (day - 1) * DAY_US + t.time_s("time") * 1_000_000


def _items(t: Table) -> tuple[tuple[str, ...], int | None]:
    """Return the EPCs that an entry names, and how many items it asks for."""
    items = tuple(epc.upper() for epc in t.texts("items")) if t.has("items") else ()
    count = t.integer("count", low=1, high=_ITEMS_MAX) if t.has("count") else None
    if items and count is not None:
        raise ScenarioError(key=t.path("count"), value=count, bound="must be absent beside items")
    return items, count


def _movement(t: Table, zones: Collection[str]) -> MovementPlan:
    items, count = _items(t)
    count = len(items) or count or 1
    stay_s = t.number("stay_min", low=1.0, high=10_080.0, default=60.0) * _MINUTE_S
    least_min = math.ceil(longest_s(count, stay_s) / _MINUTE_S)
    plan = MovementPlan(
        at_us=_at_us(t),
        lot=t.text("lot"),
        count=count,
        items=items,
        to=t.text("to", among=zones) if t.has("to") else None,
        stay_s=stay_s,
        window_s=t.number("window_min", low=least_min, high=20_160.0, default=least_min)
        * _MINUTE_S,
    )
    t.finish()
    return plan


def _incidents(top: Table) -> IncidentsPlan:
    given = tuple(_incident(t) for t in _given(top, "incident"))
    t, usual = top.table("incidents"), IncidentsPlan()
    rates = t.table("per_month")
    for kind in rates.keys():  # noqa: SIM118 - a Table is no mapping
        if kind not in KINDS:
            bound = f"unknown kind; known: {', '.join(sorted(KINDS))}"
            raise ScenarioError(key=rates.path(kind), value=kind, bound=bound)
    plan = IncidentsPlan(
        per_month={
            kind: rates.number(kind, low=0.0, high=_RATE_MAX) for kind in KINDS if rates.has(kind)
        },
        given=given,
        warmup_h=t.number("warmup_h", low=0.0, high=720.0, default=usual.warmup_h),
        quiet_h=t.number("quiet_h", low=0.0, high=72.0, default=usual.quiet_h),
    )
    t.finish()
    return plan


def _incident(t: Table) -> IncidentPlan:
    items, count = _items(t)
    lasts_s = None
    if t.has("lasts_min"):
        lasts_s = t.number("lasts_min", low=0.5, high=43_200.0) * _MINUTE_S
    plan = IncidentPlan(
        kind=t.text("kind", among=KINDS),
        at_us=_at_us(t),
        lot=t.text("lot") if t.has("lot") else None,
        items=items,
        count=count,
        lasts_s=lasts_s,
    )
    t.finish()
    return plan


def _link(t: Table) -> LinkPlan:
    usual = LinkPlan()
    plan = LinkPlan(
        outages_per_day=t.number("outages_per_day", low=0.0, high=24.0, default=0.0),
        outage_s=t.number("outage_min", low=0.1, high=1_440.0, default=10.0) * _MINUTE_S,
        long_per_month=t.number("long_per_month", low=0.0, high=30.0, default=0.0),
        long_s=t.number("long_h", low=0.1, high=168.0, default=usual.long_s / 3_600.0) * 3_600.0,
    )
    t.finish()
    return plan


def _clock(t: Table) -> ClockPlan:
    usual = ClockPlan()
    plan = ClockPlan(
        boots_back_per_month=t.number("boots_back_per_month", low=0.0, high=30.0, default=0.0),
        back_days=t.number("back_days", low=0.0, high=365.0, default=usual.back_days),
        corrected_after_s=t.number("corrected_after_min", low=0.1, high=1_440.0, default=10.0)
        * _MINUTE_S,
        drift_ppm=t.number("drift_ppm", low=0.0, high=1_000.0, default=usual.drift_ppm),
    )
    t.finish()
    return plan
