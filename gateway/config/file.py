"""The gateway's TOML file: what it may say, and what is wrong with it by key, value and bound."""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from msgspec import Struct, field

from gateway.config.camera import CameraSection, check_camera, name_camera
from gateway.config.gpsd import GpsdSection, check_gpsd, name_gpsd
from gateway.config.key import KeySection, check_key
from gateway.config.llrp import LlrpSection, check_llrp, name_llrp
from gateway.config.modbus import ModbusSection, check_modbus, name_modbus
from gateway.config.own import (
    GatewaySection,
    MetricsSection,
    OutboxSection,
    SealSection,
    metrics_address,
)
from gateway.config.serial import SerialSection, check_serial, name_serial
from gateway.config.snapshot import SnapshotSection, check_snapshot, name_snapshot
from gateway.config.types import Named, Vocabulary
from gateway.config.uplink import UplinkSection, check_uplink
from gateway.errors import ConfigError
from gateway.reading import GATEWAY_SENSOR

CONFIG_BYTES_MAX: Final = 4 * 1024 * 1024  # Ten thousand registers need a quarter of this.
SENSORS_MAX: Final = 12_000  # A hundred Modbus units of a hundred registers, and some.
_SECRETS: Final = frozenset({"password", "pin"})


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    gateway: GatewaySection
    key: KeySection = field(default_factory=KeySection)
    uplink: UplinkSection = field(default_factory=UplinkSection)
    seal: SealSection = field(default_factory=SealSection)
    outbox: OutboxSection = field(default_factory=OutboxSection)
    metrics: MetricsSection = field(default_factory=MetricsSection)
    serial: list[SerialSection] = field(default_factory=list[SerialSection])
    modbus: list[ModbusSection] = field(default_factory=list[ModbusSection])
    camera: list[CameraSection] = field(default_factory=list[CameraSection])
    snapshot: list[SnapshotSection] = field(default_factory=list[SnapshotSection])
    llrp: list[LlrpSection] = field(default_factory=list[LlrpSection])
    gpsd: list[GpsdSection] = field(default_factory=list[GpsdSection])


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of device: the file's key, and its section's own checks."""

    key: str
    name: Callable[[str, Any], Named]
    check: Callable[[str, Any, Vocabulary], None]


KINDS: Final = (
    Kind(key="serial", name=name_serial, check=check_serial),
    Kind(key="modbus", name=name_modbus, check=check_modbus),
    Kind(key="camera", name=name_camera, check=check_camera),
    Kind(key="snapshot", name=name_snapshot, check=check_snapshot),
    Kind(key="llrp", name=name_llrp, check=check_llrp),
    Kind(key="gpsd", name=name_gpsd, check=check_gpsd),
)


def sections_of(config: Config, kind: Kind) -> Sequence[tuple[str, Any]]:
    """Return the sections of one kind, each with its key, such as ``serial[0]``."""
    sections = cast("list[Any]", getattr(config, kind.key))
    return [(f"{kind.key}[{index}]", section) for index, section in enumerate(sections)]


def load_config(path: Path, vocabulary: Vocabulary) -> tuple[Config, bytes]:
    """Return the configuration in ``path``, and the SHA-256 of the file.

    Raises:
        ConfigError: The file is unreadable or says something that it may not.
    """
    try:
        with path.open("rb") as file:
            data = file.read(CONFIG_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(str(path), error.strerror, "a readable file") from error
    if len(data) > CONFIG_BYTES_MAX:
        raise ConfigError(str(path), f"{len(data)} bytes", f"at most {CONFIG_BYTES_MAX} bytes")
    return parse_config(data, vocabulary), sha256(data).digest()


def parse_config(data: bytes, vocabulary: Vocabulary) -> Config:
    """Return the configuration in the TOML text ``data``.

    Raises:
        ConfigError: It is no TOML, or says something that it may not.
    """
    try:
        raw: dict[str, Any] = tomllib.loads(data.decode("utf-8"))
    except ValueError as error:
        raise ConfigError("file", str(error), "TOML in UTF-8") from error
    return config_of(raw, vocabulary)


def config_of(raw: dict[str, Any], vocabulary: Vocabulary) -> Config:
    """Return the configuration in tables as TOML has them.

    Raises:
        ConfigError: They say something that they may not.
    """
    try:
        config = msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise _named(str(error), raw) from error
    _check_names(config)
    for kind in KINDS:
        for key, section in sections_of(config, kind):
            kind.check(key, section, vocabulary)
    check_key(config.key)
    check_uplink(config.uplink)
    metrics_address(config.metrics)
    return config


def _named(message: str, raw: Mapping[str, Any]) -> ConfigError:
    """Return msgspec's complaint with the value that it is about."""
    what, _, place = message.partition(" - at `$")
    steps = re.findall(r"\.(\w+)|\[(\d+)\]", place)
    value: Any = raw
    key = ""
    for name, index in steps:
        value = value[int(index)] if index else cast("Mapping[str, Any]", value).get(name)
        key += f"[{index}]" if index else f".{name}"
    missing = re.fullmatch(r"Object (?:contains unknown|missing required) field `(\w+)`", what)
    if missing is not None:
        name = missing.group(1)
        table = cast("Mapping[str, Any]", value)
        bound = "no key of this table" if name in table else "given"
        return ConfigError(f"{key}.{name}".lstrip("."), _shown(name, table.get(name)), bound)
    last = key.rpartition(".")[2]
    return ConfigError(key.lstrip("."), _shown(last, value), what.replace("Expected ", ""))


def _shown(name: str, value: object) -> object:
    return "***" if name in _SECRETS else value


def _check_names(config: Config) -> None:
    """Refuse one sensor name for two devices: their readings could not be told apart."""
    owners: dict[str, str] = {GATEWAY_SENSOR: "the gateway itself"}
    for key, sensor, owner in _names_of(config):
        if owners.setdefault(sensor, owner) != owner:
            raise ConfigError(key, sensor, f"of one device only; {owners[sensor]} has it")
    if len(owners) > SENSORS_MAX:
        raise ConfigError("sensors", len(owners), f"at most {SENSORS_MAX}")
    buses: set[str] = set()
    for index, bus in enumerate(config.modbus):
        if bus.name in buses:
            raise ConfigError(f"modbus[{index}].name", bus.name, "of one bus only")
        buses.add(bus.name)


def _names_of(config: Config) -> Named:
    for kind in KINDS:
        for key, section in sections_of(config, kind):
            yield from kind.name(key, section)
