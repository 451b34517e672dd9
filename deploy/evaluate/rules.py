"""How a site's gateways are configured: the defaults, and the deadbands of the install guide."""

from types import MappingProxyType
from typing import Final

from gateway.config.camera import CameraSection
from gateway.config.serial import SerialSection
from gateway.drivers.report import ReportRule
from schemas.quantities import EventType, Quantity

_HEARTBEAT_S: Final = SerialSection(sensor="x", family="x", port="x").heartbeat_s
_CAMERA_HEARTBEAT_S: Final = CameraSection(sensor="x", family="x", url="x", camera="x").heartbeat_s
# As deploy.gateway_files sets them.
_DEADBANDS: Final = MappingProxyType(
    {
        Quantity.MASS: 500.0,
        Quantity.TEMPERATURE: 0.2,
        Quantity.HUMIDITY: 1.0,
        Quantity.SHOCK: 0.1,
    }
)
_OF_CAMERAS: Final = frozenset(
    {EventType.CAMERA_OBJECT, EventType.CAMERA_STATUS, EventType.CAMERA_TAMPER, EventType.SNAPSHOT}
)
LATE_S: Final = SerialSection(sensor="x", family="x", port="x").late_s


def report_rule(quantity: Quantity) -> ReportRule:
    """Return when a channel of this quantity is told."""
    if quantity is Quantity.INVENTORY:
        return ReportRule(heartbeat_s=0.0)
    return ReportRule(deadband=_DEADBANDS.get(quantity, 0.0), heartbeat_s=_HEARTBEAT_S)


def heartbeat_s(event: EventType | None = None) -> float:
    """Return after which time sightings (None) or events of a kind are told again."""
    return _CAMERA_HEARTBEAT_S if event in _OF_CAMERAS else _HEARTBEAT_S
