"""Reads a site's plan from TOML, with errors that name key, value and bound."""

import dataclasses
import tomllib
from collections.abc import Collection
from importlib import resources
from pathlib import Path
from typing import Final

from firmware_sim.errors import ScenarioError
from firmware_sim.noise import PROFILES, NoiseProfile
from firmware_sim.plan import (
    CameraPlan,
    ClimatePlan,
    DoorPlan,
    GnssForm,
    GnssPlan,
    InstrumentPlan,
    LotPlan,
    ReaderForm,
    ReaderPlan,
    ScaleForm,
    ScalePlan,
    Scenario,
    ShockPlan,
    WeigherPlan,
    ZonePlan,
)
from firmware_sim.toml_table import Table

SCENARIO_BYTES_MAX = 1 << 20  # a site of ten thousand items is a tenth of this
_NAME_CHARS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_SITE_M_MAX = 100_000.0  # beyond this the flat-earth conversion of positions is wrong
_MASS_G_MAX = 1_000_000_000  # a thousand tonnes on one platform


def scenario_names() -> list[str]:
    """Return the names of the scenarios that come with the simulator."""
    folder = resources.files("firmware_sim.scenarios")
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name[-5:] == ".toml")


def load_scenario(name_or_path: str, *, profile: str | None = None) -> Scenario:
    """Return the scenario of that name, or of that file if it ends in ``.toml``.

    Args:
        name_or_path: a name from ``scenario_names`` or a path.
        profile: a noise profile that replaces the one the file names.

    Raises:
        ScenarioError: there is none, it is no TOML, or a key is wrong.
    """
    if name_or_path.endswith(".toml"):
        path = Path(name_or_path)
        if not path.is_file():
            raise ScenarioError(key="scenario", value=name_or_path, bound="no such file")
        text = path.read_bytes()
    else:
        known = scenario_names()
        if name_or_path not in known:
            bound = f"unknown; there is {', '.join(known)}, or give a path that ends in .toml"
            raise ScenarioError(key="scenario", value=name_or_path, bound=bound)
        text = (
            resources.files("firmware_sim.scenarios").joinpath(f"{name_or_path}.toml").read_bytes()
        )
    return parse_scenario(text, profile=profile)


def parse_scenario(text: bytes, *, profile: str | None = None) -> Scenario:
    """Return the scenario written in ``text``.

    Raises:
        ScenarioError: it is too long, no TOML, or a key is wrong.
    """
    if len(text) > SCENARIO_BYTES_MAX:
        bound = f"at most {SCENARIO_BYTES_MAX} bytes"
        raise ScenarioError(key="scenario", value=len(text), bound=bound)
    try:
        raw = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ScenarioError(key="scenario", value=str(exc), bound="must be TOML") from exc
    top = Table(raw, "")
    zones = tuple(_zone(t) for t in top.tables("zone"))
    known_zones = _unique("zone", [z.name for z in zones])
    instruments = tuple(_instrument(t) for t in top.tables("instrument"))
    known_instruments = _unique("instrument", [i.name for i in instruments])
    lots = tuple(_lot(t, known_zones, known_instruments) for t in top.tables("lot"))
    known_lots = _unique("lot", [lot.name for lot in lots])
    _unique("lot.epcs", [epc for lot in lots for epc in lot.epcs])
    scenario = Scenario(
        name=_name(top, "name"),
        site=_name(top, "site"),
        origin_lat_deg=top.number("origin_lat_deg", low=-85.0, high=85.0),
        origin_lon_deg=top.number("origin_lon_deg", low=-180.0, high=180.0),
        dock=top.text("dock", among=known_zones),
        price_period_s=top.number("price_period_s", low=0.1, high=86_400.0, default=15.0),
        noise=_noise(top.table("noise"), profile),
        zones=zones,
        lots=lots,
        readers=tuple(_reader(t, known_zones) for t in top.tables("reader")),
        scales=tuple(_scale(t, known_lots) for t in top.tables("scale")),
        weighers=tuple(_weigher(t, known_lots) for t in top.tables("weigher")),
        climates=tuple(_climate(t, known_zones) for t in top.tables("climate")),
        shocks=tuple(_shock(t, known_zones) for t in top.tables("shock")),
        doors=tuple(_door(t, known_zones) for t in top.tables("door")),
        trackers=tuple(_tracker(t, known_lots) for t in top.tables("gnss")),
        cameras=tuple(_camera(t, known_zones) for t in top.tables("camera")),
        instruments=instruments,
    )
    top.finish()
    _check_together(scenario)
    return scenario


def _check_together(scenario: Scenario) -> None:
    groups = (scenario.readers, scenario.scales, scenario.weighers, scenario.climates)
    more = (scenario.shocks, scenario.doors, scenario.trackers, scenario.cameras)
    _unique("sensor", [p.name for g in groups for p in g] + [p.name for g in more for p in g])
    network = [r for r in scenario.readers if r.form is ReaderForm.LLRP]
    _unique("antenna of an LLRP reader", [f"{r.device} {r.antenna}" for r in network])
    owners = {(r.device, r.gateway) for r in network}  # it takes one client
    _unique("device of an LLRP reader", [device for device, _ in sorted(owners)])
    tcp = (scenario.climates, scenario.shocks, scenario.doors)
    _unique("unit on Modbus TCP", [str(p.unit) for group in tcp for p in group])
    _unique("zone of a climate", [c.zone for c in scenario.climates])
    _unique("zone of a shock", [s.zone for s in scenario.shocks])
    _unique(
        "lot on a platform", [s.lot for s in scenario.scales] + [w.lot for w in scenario.weighers]
    )


def _unique(key: str, names: list[str]) -> frozenset[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ScenarioError(key=key, value=name, bound="occurs twice")
        seen.add(name)
    return frozenset(seen)


def _name(table: Table, key: str = "name") -> str:
    value = table.text(key)
    if len(value) > 32 or not set(value) <= _NAME_CHARS:
        bound = "must be 1 to 32 of a-z, 0-9 and -"  # it becomes a file name and a topic level
        raise ScenarioError(key=table.path(key), value=value, bound=bound)
    return value


def _noise(table: Table, profile: str | None) -> NoiseProfile:
    asked = table.text("profile", among=PROFILES, default="demo")
    if profile is not None and profile not in PROFILES:
        bound = f"must be one of: {', '.join(sorted(PROFILES))}"
        raise ScenarioError(key="noise profile", value=profile, bound=bound)
    found = PROFILES[profile or asked]
    numbers = [f.name for f in dataclasses.fields(NoiseProfile) if f.name != "tag_betas"]
    changes = {
        key: table.number(key, low=-1e4 if key == "rssi_dbm" else 0.0, high=1e9)
        for key in numbers
        if table.has(key)
    }
    table.finish()
    return dataclasses.replace(found, **changes)


def _zone(t: Table) -> ZonePlan:
    plan = ZonePlan(name=_name(t), polygon=t.points("polygon"))
    t.finish()
    return plan


def _lot(t: Table, zones: Collection[str], instruments: Collection[str]) -> LotPlan:
    plan = LotPlan(
        name=_name(t),
        commodity=t.text("commodity"),
        zone=t.text("zone", among=zones),
        instrument=t.text("instrument", among=instruments),
        net_g=t.integer("net_g", low=1, high=_MASS_G_MAX),
        tare_g=t.integer("tare_g", low=0, high=_MASS_G_MAX),
        epcs=tuple(epc.upper() for epc in t.texts("epcs")),
    )
    for epc in plan.epcs:
        # Gen2: an EPC is 1 to 31 words of 16 bits; the PC word holds the count in five bits.
        words, rest = divmod(len(epc), 4)
        if rest or not 1 <= words <= 31 or not set(epc) <= set("0123456789ABCDEF"):
            bound = "must be hexadecimal in whole 16-bit words, at most 31"
            raise ScenarioError(key=t.path("epcs"), value=epc, bound=bound)
    t.finish()
    return plan


def _reader(t: Table, zones: Collection[str]) -> ReaderPlan:
    plan = ReaderPlan(
        name=_name(t),
        gateway=_name(t, "gateway"),
        zone=t.text("zone", among=zones),
        antenna=t.integer("antenna", low=1, high=255, default=1),
        near=t.texts("near", among=zones) if t.has("near") else (),
        round_s=t.number("round_s", low=0.02, high=60.0, default=1.0),
        autostart=bool(t.integer("autostart", low=0, high=1, default=0)),
        form=ReaderForm(t.text("form", among=list(ReaderForm), default=ReaderForm.YRM100)),
        device=_name(t, "device") if t.has("device") else t.text("name"),
    )
    if t.has("device") and plan.form is not ReaderForm.LLRP:
        bound = f"must be absent: a {plan.form} has one antenna"
        raise ScenarioError(key=t.path("device"), value=plan.device, bound=bound)
    if plan.autostart and plan.form is not ReaderForm.YRM100:
        bound = f"must be 0: a {plan.form} answers one inventory for each command"
        raise ScenarioError(key=t.path("autostart"), value=1, bound=bound)
    t.finish()
    return plan


def _scale(t: Table, lots: Collection[str]) -> ScalePlan:
    plan = ScalePlan(
        name=_name(t),
        gateway=_name(t, "gateway"),
        lot=t.text("lot", among=lots),
        form=ScaleForm(t.text("form", among=[f.value for f in ScaleForm])),
        rate_hz=t.number("rate_hz", low=0.1, high=50.0, default=5.0),
        capacity_g=t.integer("capacity_g", low=1, high=_MASS_G_MAX),
        division_g=t.integer("division_g", low=1, high=1_000_000, default=500),
        settle_s=t.number("settle_s", low=0.0, high=60.0, default=0.6),
    )
    t.finish()
    return plan


def _weigher(t: Table, lots: Collection[str]) -> WeigherPlan:
    plan = WeigherPlan(
        name=_name(t),
        gateway=_name(t, "gateway"),
        lot=t.text("lot", among=lots),
        unit=t.integer("unit", low=1, high=247),
        capacity_g=t.integer("capacity_g", low=1, high=_MASS_G_MAX),
        settle_s=t.number("settle_s", low=0.0, high=60.0, default=0.6),
    )
    t.finish()
    return plan


def _climate(t: Table, zones: Collection[str]) -> ClimatePlan:
    plan = ClimatePlan(
        name=_name(t),
        gateway=_name(t, "gateway"),
        zone=t.text("zone", among=zones),
        unit=t.integer("unit", low=1, high=247),
        temperature_c=t.number("temperature_c", low=-60.0, high=80.0),
        humidity_pct=t.number("humidity_pct", low=0.0, high=100.0),
        overheat_c=t.number("overheat_c", low=-60.0, high=120.0),
        limit_c=t.number("limit_c", low=-60.0, high=120.0),
        air_tau_s=t.number("air_tau_s", low=0.05, high=86_400.0, default=5.0),
        lag_s=t.number("lag_s", low=0.05, high=600.0, default=8.0),
    )
    if not plan.temperature_c < plan.limit_c < plan.overheat_c:
        bound = "must lie between temperature_c and overheat_c"
        raise ScenarioError(key=t.path("limit_c"), value=plan.limit_c, bound=bound)
    t.finish()
    return plan


def _shock(t: Table, zones: Collection[str]) -> ShockPlan:
    plan = ShockPlan(
        name=_name(t),
        gateway=_name(t, "gateway"),
        zone=t.text("zone", among=zones),
        unit=t.integer("unit", low=1, high=247),
        hold_s=t.number("hold_s", low=2.0, high=600.0, default=3.0),
    )
    t.finish()
    return plan


def _door(t: Table, zones: Collection[str]) -> DoorPlan:
    plan = DoorPlan(
        name=_name(t),
        gateway=_name(t, "gateway"),
        zone=t.text("zone", among=zones),
        unit=t.integer("unit", low=1, high=247),
    )
    t.finish()
    return plan


def _tracker(t: Table, lots: Collection[str]) -> GnssPlan:
    plan = GnssPlan(
        name=_name(t),
        gateway=_name(t, "gateway"),
        lot=t.text("lot", among=lots),
        x_m=t.number("x_m", low=-_SITE_M_MAX, high=_SITE_M_MAX),
        y_m=t.number("y_m", low=-_SITE_M_MAX, high=_SITE_M_MAX),
        form=GnssForm(t.text("form", among=list(GnssForm), default=GnssForm.NMEA)),
    )
    t.finish()
    return plan


def _camera(t: Table, zones: Collection[str]) -> CameraPlan:
    plan = CameraPlan(
        name=_name(t),
        gateway=_name(t, "gateway"),
        camera=_name(t, "camera"),
        watches=t.texts("watches", among=zones),
    )
    t.finish()
    return plan


def _instrument(t: Table) -> InstrumentPlan:
    plan = InstrumentPlan(
        name=t.text("name"),
        value=t.number("value", low=-1e9, high=1e9),
        decimals=t.integer("decimals", low=0, high=8, default=2),
        currency=t.text("currency"),
        unit=t.text("unit"),
        step_share=t.number("step_share", low=0.0, high=0.1, default=0.0002),
    )
    t.finish()
    return plan
