"""Plans of devices on serial ports."""

from gateway.config.serial import RFID_PREFIX, SerialSection
from gateway.decode.families import family
from gateway.drivers.intake import LIFE_CHANNEL, Bounds, SensorPlan
from gateway.drivers.plan.device import DriverParts, DriverPlan
from gateway.drivers.report import Channel, ReportRule
from gateway.drivers.rfid import read_rfid
from gateway.drivers.serial_line import read_serial_line
from gateway.health import Watched
from schemas.quantities import Quantity


def plan_serial(section: SerialSection, parts: DriverParts) -> DriverPlan:
    """Return the plan of one device on a serial port."""
    make = family(section.family).make
    rfid = section.family.startswith(RFID_PREFIX)
    read = read_rfid if rfid else read_serial_line
    rules: dict[Channel, ReportRule] = {
        (section.sensor, None): ReportRule(
            deadband=section.deadband, heartbeat_s=section.heartbeat_s
        ),
        # Every round is reported: it proves that the reader lives.
        (section.sensor, Quantity.INVENTORY): ReportRule(heartbeat_s=0.0),
    }
    bounds: dict[Channel, Bounds] = {
        (section.sensor, Quantity.MASS): Bounds(min=section.min, max=section.max)
    }
    watched = Watched(sensor=section.sensor, late_s=section.late_s, channels=(LIFE_CHANNEL,))
    return DriverPlan(
        name=section.sensor,
        section=section,
        sensors=SensorPlan(watched=(watched,), rules=rules, bounds=bounds),
        start=lambda: read(section, make(), parts.clock),
    )
