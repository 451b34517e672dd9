"""Plans of GNSS receivers behind gpsd."""

from gateway.config.gpsd import GpsdSection
from gateway.drivers.gpsd import read_gpsd
from gateway.drivers.intake import LIFE_CHANNEL, SensorPlan
from gateway.drivers.plan.device import DriverParts, DriverPlan
from gateway.drivers.report import Channel, ReportRule
from gateway.health import Watched


def plan_gpsd(section: GpsdSection, parts: DriverParts) -> DriverPlan:
    """Return the plan of one receiver."""
    watched = Watched(sensor=section.sensor, late_s=section.late_s, channels=(LIFE_CHANNEL,))
    rules: dict[Channel, ReportRule] = {
        (section.sensor, None): ReportRule(
            deadband=section.deadband, heartbeat_s=section.heartbeat_s
        )
    }
    return DriverPlan(
        name=section.sensor,
        section=section,
        sensors=SensorPlan(watched=(watched,), rules=rules, bounds={}),
        start=lambda: read_gpsd(section, parts.clock),
    )
