"""Plans of cameras that give their image over HTTP."""

from gateway.config.snapshot import SnapshotSection
from gateway.drivers.intake import LIFE_CHANNEL, SensorPlan
from gateway.drivers.plan.device import DriverParts, DriverPlan
from gateway.drivers.report import Channel, ReportRule
from gateway.drivers.snapshot import SnapshotCamera
from gateway.health import Watched


def plan_snapshot(section: SnapshotSection, parts: DriverParts) -> DriverPlan:
    """Return the plan of one camera."""
    watched = Watched(sensor=section.sensor, late_s=section.late_s, channels=(LIFE_CHANNEL,))
    rules: dict[Channel, ReportRule] = {
        (section.sensor, None): ReportRule(heartbeat_s=section.heartbeat_s)
    }
    camera = SnapshotCamera(section, parts.clock, parts.state_dir)
    return DriverPlan(
        name=section.sensor,
        section=section,
        sensors=SensorPlan(watched=(watched,), rules=rules, bounds={}),
        start=camera.read,
        freshen=camera.freshen,
    )
