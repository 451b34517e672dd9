"""Plans of Modbus buses."""

from gateway.config.modbus import ModbusSection, RegisterSection
from gateway.drivers.intake import Bounds, SensorPlan
from gateway.drivers.modbus import ModbusBus
from gateway.drivers.plan.device import DriverParts, DriverPlan
from gateway.drivers.report import Channel, ReportRule
from gateway.health import Watched


def plan_modbus(section: ModbusSection, parts: DriverParts) -> DriverPlan:
    """Return the plan of one bus."""
    registers = [register for unit in section.unit for register in unit.register]
    by_sensor: dict[str, list[RegisterSection]] = {}
    for register in registers:
        by_sensor.setdefault(register.sensor, []).append(register)
    watched = [
        Watched(
            sensor=sensor,
            late_s=min(r.late_s for r in own),
            channels=tuple(r.quantity.value for r in own),
        )
        for sensor, own in by_sensor.items()
    ]
    alike: dict[tuple[float, float], ReportRule] = {}  # A thousand registers have a few rules.
    rules: dict[Channel, ReportRule] = {
        (r.sensor, r.quantity): alike.setdefault(
            (r.deadband, r.heartbeat_s),
            ReportRule(deadband=r.deadband, heartbeat_s=r.heartbeat_s),
        )
        for r in registers
    }
    for sensor, own in by_sensor.items():
        heartbeat_s = max(r.heartbeat_s for r in own)
        rules[(sensor, None)] = alike.setdefault(
            (0.0, heartbeat_s), ReportRule(heartbeat_s=heartbeat_s)
        )
    bounds: dict[Channel, Bounds] = {
        (r.sensor, r.quantity): Bounds(min=r.min, max=r.max)
        for r in registers
        if (r.min, r.max) != (None, None)
    }
    bus = ModbusBus(section, parts.clock, parts.random)  # Remembers its units between starts.
    return DriverPlan(
        name=section.name,
        section=section,
        sensors=SensorPlan(watched=watched, rules=rules, bounds=bounds),
        start=bus.read,
    )
