"""What was found on a port: as a value, and as the piece of configuration to paste."""

from enum import StrEnum
from typing import Any, Final

from msgspec import Struct, field

from gateway.config.serial import RFID_PREFIX


class PortState(StrEnum):
    """What a port turned out to be."""

    RECOGNISED = "recognised"
    UNKNOWN = "unknown"  # Something speaks; no family understands it.
    SILENT = "silent"
    BUSY = "busy"
    FORBIDDEN = "forbidden"
    ABSENT = "absent"


class Setting(Struct, frozen=True, kw_only=True):
    """How a line is driven."""

    baud: int = 9_600
    bytesize: int = 8
    parity: str = "N"
    stopbits: int = 1

    def __str__(self) -> str:
        return f"{self.baud} {self.bytesize}{self.parity}{self.stopbits}"


class FoundUnit(Struct, frozen=True, kw_only=True):
    """A Modbus unit that answered; ``identity`` is empty where it tells none."""

    unit: int
    identity: str


class Found(Struct, frozen=True, kw_only=True):
    """One port; ``confidence`` is the share of valid frames among all that came."""

    port: str
    text: str
    state: PortState
    why: str = ""
    setting: Setting | None = None
    family: str = ""
    alternatives: list[str] = field(default_factory=list[str])
    confidence: float = 0.0
    frames: int = 0
    faults: int = 0
    example: dict[str, Any] = field(default_factory=dict[str, Any])
    units: list[FoundUnit] = field(default_factory=list[FoundUnit])


MODBUS: Final = "modbus"
_DEFAULT: Final = Setting()


def snippet(found: Found, number: int) -> str:
    """Return the configuration of a recognised port, the ``number``-th of its kind."""
    if found.family == MODBUS:
        return _modbus_snippet(found, number)
    kind = "rfid" if found.family.startswith(RFID_PREFIX) else found.family.partition("-")[0]
    name = {"nmea": "gnss", "ubx": "gnss"}.get(kind, kind)
    lines = ["[[serial]]", f'sensor = "{name}-{number}"', f'family = "{found.family}"']
    if found.alternatives:
        lines[-1] += f"  # or {', '.join(found.alternatives)}"
    return "\n".join([*lines, f'port = "{found.port}"', *_setting_lines(found.setting)]) + "\n"


def _modbus_snippet(found: Found, number: int) -> str:
    lines = ["[[modbus]]", f'name = "bus-{number}"', f'port = "{found.port}"']
    lines += _setting_lines(found.setting)
    for unit in found.units:
        lines += ["[[modbus.unit]]", f"unit = {unit.unit}"]
        if unit.identity:
            lines[-1] += f"  # {unit.identity}"
        lines += [
            "[[modbus.unit.register]]  # find it: probe modbus --port .. --unit .. --address ..",
            f'sensor = "modbus-{number}-{unit.unit}"',
            'quantity = "mass"',
            "address = 0",
            'type = "int32"',
        ]
    return "\n".join(lines) + "\n"


def _setting_lines(setting: Setting | None) -> list[str]:
    if setting is None:
        return []
    lines = [f"baud = {setting.baud}"]
    for key in ("bytesize", "parity", "stopbits"):
        value = getattr(setting, key)
        if value != getattr(_DEFAULT, key):
            lines.append(f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}")
    return lines
