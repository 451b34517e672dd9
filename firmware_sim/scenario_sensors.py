"""Reads the sensors of a site's plan, each from its TOML table."""

from collections.abc import Collection
from typing import Final

from firmware_sim.errors import ScenarioError
from firmware_sim.plan import (
    CameraPlan,
    ClimatePlan,
    DoorPlan,
    GnssForm,
    GnssPlan,
    InstrumentPlan,
    ReaderForm,
    ReaderPlan,
    ScaleForm,
    ScalePlan,
    ShockPlan,
    WaterPlan,
    WeigherPlan,
)
from firmware_sim.toml_table import Table

MASS_G_MAX: Final = 1_000_000_000  # a thousand tonnes on one platform
_NAME_CHARS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_SITE_M_MAX = 100_000.0  # beyond this the flat-earth conversion of positions is wrong


def name_of(table: Table, key: str = "name") -> str:
    """Return a name that can be a file's and a topic level.

    Raises:
        ScenarioError: it is missing, too long, or holds other characters.
    """
    value = table.text(key)
    if len(value) > 32 or not set(value) <= _NAME_CHARS:
        bound = "must be 1 to 32 of a-z, 0-9 and -"  # it becomes a file name and a topic level
        raise ScenarioError(key=table.path(key), value=value, bound=bound)
    return value


def read_reader(t: Table, zones: Collection[str]) -> ReaderPlan:
    """Return a reader, or raise ``ScenarioError``."""
    plan = ReaderPlan(
        name=name_of(t),
        gateway=name_of(t, "gateway"),
        zone=t.text("zone", among=zones),
        antenna=t.integer("antenna", low=1, high=255, default=1),
        near=t.texts("near", among=zones) if t.has("near") else (),
        round_s=t.number("round_s", low=0.02, high=60.0, default=1.0),
        autostart=bool(t.integer("autostart", low=0, high=1, default=0)),
        form=ReaderForm(t.text("form", among=list(ReaderForm), default=ReaderForm.YRM100)),
        device=name_of(t, "device") if t.has("device") else t.text("name"),
    )
    if t.has("device") and plan.form is not ReaderForm.LLRP:
        bound = f"must be absent: a {plan.form} has one antenna"
        raise ScenarioError(key=t.path("device"), value=plan.device, bound=bound)
    if plan.autostart and plan.form is not ReaderForm.YRM100:
        bound = f"must be 0: a {plan.form} answers one inventory for each command"
        raise ScenarioError(key=t.path("autostart"), value=1, bound=bound)
    t.finish()
    return plan


def read_scale(t: Table, lots: Collection[str]) -> ScalePlan:
    """Return a scale, or raise ``ScenarioError``."""
    plan = ScalePlan(
        name=name_of(t),
        gateway=name_of(t, "gateway"),
        lot=t.text("lot", among=lots),
        form=ScaleForm(t.text("form", among=[f.value for f in ScaleForm])),
        rate_hz=t.number("rate_hz", low=0.1, high=50.0, default=5.0),
        capacity_g=t.integer("capacity_g", low=1, high=MASS_G_MAX),
        division_g=t.integer("division_g", low=1, high=1_000_000, default=500),
        settle_s=t.number("settle_s", low=0.0, high=60.0, default=0.6),
    )
    t.finish()
    return plan


def read_weigher(t: Table, lots: Collection[str]) -> WeigherPlan:
    """Return a weighing transmitter, or raise ``ScenarioError``."""
    plan = WeigherPlan(
        name=name_of(t),
        gateway=name_of(t, "gateway"),
        lot=t.text("lot", among=lots),
        unit=t.integer("unit", low=1, high=247),
        capacity_g=t.integer("capacity_g", low=1, high=MASS_G_MAX),
        settle_s=t.number("settle_s", low=0.0, high=60.0, default=0.6),
        period_s=t.number("period_s", low=0.1, high=3_600.0, default=1.0),
    )
    t.finish()
    return plan


def read_climate(t: Table, zones: Collection[str]) -> ClimatePlan:
    """Return a climate transmitter, or raise ``ScenarioError``."""
    plan = ClimatePlan(
        name=name_of(t),
        gateway=name_of(t, "gateway"),
        zone=t.text("zone", among=zones),
        unit=t.integer("unit", low=1, high=247),
        temperature_c=t.number("temperature_c", low=-60.0, high=80.0),
        humidity_pct=t.number("humidity_pct", low=0.0, high=100.0),
        overheat_c=t.number("overheat_c", low=-60.0, high=120.0),
        limit_c=t.number("limit_c", low=-60.0, high=120.0),
        air_tau_s=t.number("air_tau_s", low=0.05, high=86_400.0, default=5.0),
        lag_s=t.number("lag_s", low=0.05, high=600.0, default=8.0),
        freeze_c=t.number("freeze_c", low=-80.0, high=80.0) if t.has("freeze_c") else None,
        damp_pct=t.number("damp_pct", low=0.0, high=100.0, default=98.0),
        weather_share=t.number("weather_share", low=0.0, high=1.0, default=0.0),
        period_s=t.number("period_s", low=0.1, high=3_600.0, default=10.0),
    )
    if not plan.temperature_c < plan.limit_c < plan.overheat_c:
        bound = "must lie between temperature_c and overheat_c"
        raise ScenarioError(key=t.path("limit_c"), value=plan.limit_c, bound=bound)
    t.finish()
    return plan


def read_shock(t: Table, zones: Collection[str]) -> ShockPlan:
    """Return a shock transmitter, or raise ``ScenarioError``."""
    plan = ShockPlan(
        name=name_of(t),
        gateway=name_of(t, "gateway"),
        zone=t.text("zone", among=zones),
        unit=t.integer("unit", low=1, high=247),
        hold_s=t.number("hold_s", low=2.0, high=600.0, default=3.0),
        period_s=t.number("period_s", low=0.1, high=3_600.0, default=2.0),
    )
    t.finish()
    return plan


def read_door(t: Table, zones: Collection[str]) -> DoorPlan:
    """Return a door contact, or raise ``ScenarioError``."""
    plan = DoorPlan(
        name=name_of(t),
        gateway=name_of(t, "gateway"),
        zone=t.text("zone", among=zones),
        unit=t.integer("unit", low=1, high=247),
        period_s=t.number("period_s", low=0.1, high=3_600.0, default=2.0),
    )
    t.finish()
    return plan


def read_water(t: Table, zones: Collection[str]) -> WaterPlan:
    """Return a leak sensor, or raise ``ScenarioError``."""
    plan = WaterPlan(
        name=name_of(t),
        gateway=name_of(t, "gateway"),
        zone=t.text("zone", among=zones),
        unit=t.integer("unit", low=1, high=247),
        period_s=t.number("period_s", low=0.1, high=3_600.0, default=2.0),
    )
    t.finish()
    return plan


def read_tracker(t: Table, lots: Collection[str]) -> GnssPlan:
    """Return a GNSS tracker, or raise ``ScenarioError``."""
    plan = GnssPlan(
        name=name_of(t),
        gateway=name_of(t, "gateway"),
        lot=t.text("lot", among=lots),
        x_m=t.number("x_m", low=-_SITE_M_MAX, high=_SITE_M_MAX),
        y_m=t.number("y_m", low=-_SITE_M_MAX, high=_SITE_M_MAX),
        form=GnssForm(t.text("form", among=list(GnssForm), default=GnssForm.NMEA)),
        roof=t.flag("roof", default=False),
        period_s=t.number("period_s", low=0.1, high=3_600.0, default=1.0),
    )
    t.finish()
    return plan


def read_camera(t: Table, zones: Collection[str]) -> CameraPlan:
    """Return a camera, or raise ``ScenarioError``."""
    plan = CameraPlan(
        name=name_of(t),
        gateway=name_of(t, "gateway"),
        camera=name_of(t, "camera"),
        watches=t.texts("watches", among=zones),
    )
    t.finish()
    return plan


def read_instrument(t: Table) -> InstrumentPlan:
    """Return an instrument, or raise ``ScenarioError``."""
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
