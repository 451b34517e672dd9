"""Plans of RFID readers on the network."""

from gateway.config.llrp import LlrpSection
from gateway.drivers.intake import LIFE_CHANNEL, SensorPlan
from gateway.drivers.llrp import read_llrp
from gateway.drivers.plan.device import DriverParts, DriverPlan
from gateway.drivers.report import Channel, ReportRule
from gateway.health import Watched
from schemas.quantities import Quantity


def plan_llrp(section: LlrpSection, parts: DriverParts) -> DriverPlan:
    """Return the plan of one reader and the sensors of its antennas."""
    rules: dict[Channel, ReportRule] = {}
    for sensor in section.sensors:
        rules[sensor, None] = ReportRule(heartbeat_s=section.heartbeat_s)
        # Every round is reported: it proves that the reader looked.
        rules[sensor, Quantity.INVENTORY] = ReportRule(heartbeat_s=0.0)
    watched = [
        Watched(sensor=sensor, late_s=section.late_s, channels=(LIFE_CHANNEL,))
        for sensor in section.sensors
    ]
    return DriverPlan(
        name=section.sensor,
        section=section,
        sensors=SensorPlan(watched=watched, rules=rules, bounds={}),
        start=lambda: read_llrp(section, parts.clock),
    )
