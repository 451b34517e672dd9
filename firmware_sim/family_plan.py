"""Reads ``[generate]``: the ranges from which the sites of a family are drawn."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from firmware_sim.errors import ScenarioError
from firmware_sim.scenario_sensors import name_of
from firmware_sim.toml_table import Table

LOTS_MAX: Final = 40  # Of one site: each has up to six units on Modbus TCP, which knows 247.
ITEMS_MAX: Final = 1_000
Span = tuple[float, float]
PLACES: Final = ("hall", "cold", "yard")
_SHARES: Final[Mapping[str, float]] = {
    "scale_share": 1.0,
    "camera_share": 0.5,
    "climate_share": 0.0,
    "shock_share": 0.5,
    "door_share": 0.5,
    "water_share": 0.0,
    "gps_share": 0.0,
    "roof_share": 0.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AirPlan:
    """The climate of the goods' zones, and the limits that they are registered with."""

    temperature_c: Span
    humidity_pct: Span
    overheat_c: float
    freeze_c: float | None
    damp_pct: float
    temperature_min_c: float | None
    temperature_max_c: float
    temperature_dwell_s: int
    humidity_max_pct: float | None
    air_tau_s: Span
    weather_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodsPlan:
    """One class of goods: how many lots of it a site has, and what each consists of.

    ``shares`` is, by key, how many of its lots have a kind of sensor.
    """

    name: str
    commodity: str
    instrument: str
    place: str
    lots: tuple[int, int]
    items: tuple[int, int]
    net_kg: Span
    net_spread: float
    tare_kg: Span
    tag_shares: Mapping[str, float] | None
    readers: tuple[int, int]
    round_s: float
    scale_period_s: float
    shares: Mapping[str, float]
    shock_max_g0: float
    air: AirPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyPlan:
    """All of ``[generate]``."""

    gateways: tuple[int, int]
    row: tuple[int, int]
    dock_readers: tuple[int, int]
    spare_zones: tuple[int, int]
    goods: tuple[GoodsPlan, ...]


def read_family(t: Table) -> FamilyPlan:
    """Return what ``[generate]`` says.

    Raises:
        ScenarioError: a key is wrong, or a site could have more lots than one may.
    """
    plan = FamilyPlan(
        gateways=t.whole_span("gateways", low=1, high=20, default=(2, 2)),
        row=t.whole_span("row", low=1, high=20, default=(2, 4)),
        dock_readers=t.whole_span("dock_readers", low=0, high=4, default=(1, 1)),
        spare_zones=t.whole_span("spare_zones", low=0, high=4, default=(0, 1)),
        goods=tuple(_goods(entry) for entry in t.tables("goods")),
    )
    t.finish()
    if not plan.goods:
        raise ScenarioError(key="generate.goods", value=[], bound="must hold one entry or more")
    if sum(goods.lots[0] for goods in plan.goods) < 1:
        bound = "must be at least 1 in one entry of goods"
        raise ScenarioError(key="generate.goods.lots", value=0, bound=bound)
    most = sum(goods.lots[1] for goods in plan.goods)
    if most > LOTS_MAX:
        bound = f"a site may have at most {LOTS_MAX}"
        raise ScenarioError(key="generate.goods.lots", value=most, bound=bound)
    names = [goods.name for goods in plan.goods]
    for name in names:
        if names.count(name) > 1:
            raise ScenarioError(key="generate.goods.name", value=name, bound="occurs twice")
    return plan


def _goods(t: Table) -> GoodsPlan:
    name = name_of(t)
    if len(name) > 20:
        bound = "must be at most 20 characters"  # sensors are named for it, with more behind
        raise ScenarioError(key=t.path("name"), value=name, bound=bound)
    place = t.text("place", among=PLACES, default="hall")
    tag_shares = t.table("tag_shares")
    plan = GoodsPlan(
        name=name,
        commodity=t.text("commodity"),
        instrument=t.text("instrument"),
        place=place,
        lots=t.whole_span("lots", low=0, high=LOTS_MAX, default=(1, 1)),
        items=t.whole_span("items", low=1, high=ITEMS_MAX),
        net_kg=t.span("net_kg", low=1.0, high=100_000.0),
        net_spread=t.number("net_spread", low=0.0, high=0.5, default=0.0),
        tare_kg=t.span("tare_kg", low=0.0, high=20_000.0, default=(20.0, 30.0)),
        tag_shares={
            kind: tag_shares.number(kind, low=0.0, high=1.0)
            for kind in tag_shares.keys()  # noqa: SIM118
        }
        or None,
        readers=t.whole_span("readers", low=0, high=8, default=(1, 1)),
        round_s=t.number("round_s", low=0.02, high=60.0, default=1.0),
        scale_period_s=t.number("scale_period_s", low=0.1, high=10.0, default=1.0),
        shares={
            key: t.number(key, low=0.0, high=1.0, default=usual) for key, usual in _SHARES.items()
        },
        shock_max_g0=t.number("shock_max_g0", low=1.5, high=6.0, default=3.0),
        air=_air(t, cold=place == "cold"),
    )
    t.finish()
    return plan


def _air(t: Table, *, cold: bool) -> AirPlan:
    def number(key: str, low: float, high: float, usual: float | None) -> float | None:
        return t.number(key, low=low, high=high) if t.has(key) else usual

    most_c = number("temperature_max_c", -80.0, 120.0, -15.0 if cold else 40.0)
    assert most_c is not None, "it has a default"
    plan = AirPlan(
        temperature_c=t.span(
            "temperature_c",
            low=-60.0,
            high=80.0,
            default=(-22.0, -18.0) if cold else (12.0, 20.0),
        ),
        humidity_pct=t.span("humidity_pct", low=0.0, high=100.0, default=(45.0, 60.0)),
        overheat_c=t.number("overheat_c", low=-60.0, high=120.0, default=12.0 if cold else 60.0),
        freeze_c=number("freeze_c", -80.0, 80.0, None),
        damp_pct=t.number("damp_pct", low=0.0, high=100.0, default=98.0),
        temperature_min_c=number("temperature_min_c", -80.0, 120.0, None),
        temperature_max_c=most_c,
        temperature_dwell_s=t.integer("temperature_dwell_s", low=0, high=86_400, default=60),
        humidity_max_pct=number("humidity_max_pct", 0.0, 100.0, None),
        air_tau_s=t.span("air_tau_s", low=0.05, high=86_400.0, default=(900.0, 2_700.0)),
        weather_share=t.number("weather_share", low=0.0, high=1.0, default=0.02 if cold else 0.3),
    )
    if not plan.temperature_c[1] < plan.temperature_max_c < plan.overheat_c:
        bound = f"must lie between temperature_c and overheat_c, {plan.overheat_c:g}"
        raise ScenarioError(
            key=t.path("temperature_max_c"), value=plan.temperature_max_c, bound=bound
        )
    return plan
