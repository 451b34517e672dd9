"""A device on a serial port."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from gateway.config.camera import CAMERA_FAMILIES
from gateway.config.gpsd import GPSD_FAMILY
from gateway.config.llrp import LLRP_FAMILY
from gateway.config.types import Named, Port, Seconds, SensorName, Vocabulary, check_range
from gateway.errors import ConfigError

ELSEWHERE: Final = CAMERA_FAMILIES | {GPSD_FAMILY, LLRP_FAMILY}  # Families of other sections.
RFID_PREFIX: Final = "rfid-"  # Families that are asked for inventories, not only listened to.


class SerialSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One device on a serial port."""

    sensor: SensorName
    family: str
    port: Port
    baud: Annotated[int, Meta(ge=50, le=4_000_000)] = 9_600
    bytesize: Literal[7, 8] = 8
    parity: Literal["N", "E", "O"] = "N"
    stopbits: Literal[1, 2] = 1
    late_s: Seconds = 3.0
    heartbeat_s: Seconds = 5.0
    deadband: Annotated[float, Meta(ge=0)] = 0.0
    min: float | None = None
    max: float | None = None
    inventory_s: Annotated[float, Meta(ge=0.1, le=60)] = 1.0


def name_serial(key: str, section: SerialSection) -> Named:
    """Yield where ``section`` names a sensor."""
    yield f"{key}.sensor", section.sensor, key


def check_serial(key: str, serial: SerialSection, vocabulary: Vocabulary) -> None:
    """Refuse an unknown family, and times and bounds that contradict each other.

    Raises:
        ConfigError: With the key, its value and the bound.
    """
    serial_families = set(vocabulary.families) - ELSEWHERE
    if serial.family not in serial_families:
        bound = f"one of {', '.join(sorted(serial_families))}"
        raise ConfigError(f"{key}.family", serial.family, bound)
    check_range(key, serial.min, serial.max)
    if serial.family.startswith(RFID_PREFIX) and serial.inventory_s > serial.late_s:
        bound = f"at most late_s ({serial.late_s:g}): each round is a sign of life"
        raise ConfigError(f"{key}.inventory_s", serial.inventory_s, bound)
