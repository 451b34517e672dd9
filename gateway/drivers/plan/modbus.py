"""Plans of Modbus buses."""

from collections.abc import Hashable
from typing import TypeVar

from gateway.config.modbus import ModbusSection, RegisterSection
from gateway.drivers.intake import Bounds, SensorPlan
from gateway.drivers.modbus import ModbusBus
from gateway.drivers.plan.device import DriverParts, DriverPlan
from gateway.drivers.report import Channel, ReportRule
from gateway.health import Watched

T = TypeVar("T", bound=Hashable)


def plan_modbus(section: ModbusSection, parts: DriverParts) -> DriverPlan:
    """Return the plan of one bus."""
    by_sensor: dict[str, list[RegisterSection]] = {}
    for unit in section.unit:
        for register in unit.register:
            by_sensor.setdefault(register.sensor, []).append(register)
    channels: dict[tuple[str, ...], tuple[str, ...]] = {}  # Ten thousand registers have a few
    ranges: dict[Bounds, Bounds] = {}  # kinds of channels, ranges and rules: kept once each.
    alike: dict[ReportRule, ReportRule] = {}
    watched = [
        Watched(
            sensor=sensor,
            late_s=min(r.late_s for r in own),
            channels=_share(channels, tuple(r.quantity.value for r in own)),
        )
        for sensor, own in by_sensor.items()
    ]
    rules: dict[Channel, ReportRule] = {}
    bounds: dict[Channel, Bounds] = {}
    for sensor, own in by_sensor.items():
        for r in own:
            if len(own) > 1:
                rule = ReportRule(deadband=r.deadband, heartbeat_s=r.heartbeat_s)
                rules[(sensor, r.quantity)] = _share(alike, rule)
            if (r.min, r.max) != (None, None):
                bounds[(sensor, r.quantity)] = _share(ranges, Bounds(min=r.min, max=r.max))
        # Of a sensor with one register all that comes goes by that register's rule.
        deadband = own[0].deadband if len(own) == 1 else 0.0
        heartbeat_s = max(r.heartbeat_s for r in own)
        rules[(sensor, None)] = _share(
            alike, ReportRule(deadband=deadband, heartbeat_s=heartbeat_s)
        )
    bus = ModbusBus(section, parts.clock, parts.random)  # Remembers its units between starts.
    return DriverPlan(
        name=section.name,
        section=section,
        sensors=SensorPlan(watched=watched, rules=rules, bounds=bounds),
        start=bus.read,
    )


def _share(known: dict[T, T], one: T) -> T:
    """Return what is known already that equals ``one``; else ``one``, known from now on."""
    return known.setdefault(one, one)
