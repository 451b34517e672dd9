"""What the configuration says about every device: its driver, its sensors, rules and bounds."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from random import Random

from gateway.clock import SystemClock
from gateway.config import (
    RFID_PREFIX,
    CameraSection,
    Config,
    ModbusSection,
    RegisterSection,
    SerialSection,
)
from gateway.decode.families import family
from gateway.drivers.intake import LIFE_CHANNEL, Bounds, SensorPlan
from gateway.drivers.modbus import read_modbus
from gateway.drivers.mqtt import read_camera
from gateway.drivers.report import Channel, ReportRule
from gateway.drivers.rfid import read_rfid
from gateway.drivers.serial_line import read_serial_line
from gateway.health import Watched
from gateway.reading import Arrival
from schemas.quantities import Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverPlan:
    """One bus or port: its sensors, and how to start its driver, as often as it takes."""

    name: str
    sensors: SensorPlan
    start: Callable[[], AsyncGenerator[Sequence[Arrival], None]]


def plan_drivers(config: Config, clock: SystemClock, random: Random) -> list[DriverPlan]:
    """Return a driver for every device of ``config``."""
    plans = [_plan_serial(section, clock) for section in config.serial]
    plans += [_plan_modbus(section, clock, random) for section in config.modbus]
    plans += [_plan_camera(section, clock) for section in config.camera]
    return plans


def _plan_serial(section: SerialSection, clock: SystemClock) -> DriverPlan:
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
        sensors=SensorPlan(watched=(watched,), rules=rules, bounds=bounds),
        start=lambda: read(section, make(), clock),
    )


def _plan_modbus(section: ModbusSection, clock: SystemClock, random: Random) -> DriverPlan:
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
    rules: dict[Channel, ReportRule] = {
        (r.sensor, r.quantity): ReportRule(deadband=r.deadband, heartbeat_s=r.heartbeat_s)
        for r in registers
    }
    for sensor, own in by_sensor.items():
        rules[(sensor, None)] = ReportRule(heartbeat_s=max(r.heartbeat_s for r in own))
    bounds: dict[Channel, Bounds] = {
        (r.sensor, r.quantity): Bounds(min=r.min, max=r.max) for r in registers
    }
    return DriverPlan(
        name=section.name,
        sensors=SensorPlan(watched=watched, rules=rules, bounds=bounds),
        start=lambda: read_modbus(section, clock, random),
    )


def _plan_camera(section: CameraSection, clock: SystemClock) -> DriverPlan:
    watched = Watched(sensor=section.sensor, late_s=section.late_s, channels=(LIFE_CHANNEL,))
    rules: dict[Channel, ReportRule] = {
        (section.sensor, None): ReportRule(heartbeat_s=section.heartbeat_s)
    }
    return DriverPlan(
        name=section.sensor,
        sensors=SensorPlan(watched=(watched,), rules=rules, bounds={}),
        start=lambda: read_camera(section, clock),
    )
