"""The plans of a whole configuration."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.config.file import KINDS, Config, sections_of
from gateway.drivers.plan.camera import plan_camera
from gateway.drivers.plan.device import DriverParts, DriverPlan
from gateway.drivers.plan.gpsd import plan_gpsd
from gateway.drivers.plan.llrp import plan_llrp
from gateway.drivers.plan.modbus import plan_modbus
from gateway.drivers.plan.serial import plan_serial
from gateway.drivers.plan.snapshot import plan_snapshot

PLANNERS: Final[Mapping[str, Callable[[Any, DriverParts], DriverPlan]]] = {
    "serial": plan_serial,
    "modbus": plan_modbus,
    "camera": plan_camera,
    "snapshot": plan_snapshot,
    "llrp": plan_llrp,
    "gpsd": plan_gpsd,
}
"""Which function plans the devices of each kind in ``gateway.config.file.KINDS``."""


def plan_drivers(config: Config, parts: DriverParts) -> list[DriverPlan]:
    """Return a driver for every device of ``config``."""
    return [
        PLANNERS[kind.key](section, parts)
        for kind in KINDS
        for _, section in sections_of(config, kind)
    ]
