"""Plans of cameras behind a local MQTT broker."""

from gateway.config.camera import CameraSection
from gateway.drivers.intake import LIFE_CHANNEL, SensorPlan
from gateway.drivers.mqtt import read_camera
from gateway.drivers.plan.device import DriverParts, DriverPlan
from gateway.drivers.report import Channel, ReportRule
from gateway.health import Watched


def plan_camera(section: CameraSection, parts: DriverParts) -> DriverPlan:
    """Return the plan of one camera."""
    watched = Watched(sensor=section.sensor, late_s=section.late_s, channels=(LIFE_CHANNEL,))
    rules: dict[Channel, ReportRule] = {
        (section.sensor, None): ReportRule(heartbeat_s=section.heartbeat_s)
    }
    return DriverPlan(
        name=section.sensor,
        section=section,
        sensors=SensorPlan(watched=(watched,), rules=rules, bounds={}),
        start=lambda: read_camera(section, parts.clock),
    )
