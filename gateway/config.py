"""The gateway's TOML file: what it may say, and what is wrong with it by key, value and bound."""

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast

import msgspec
from msgspec import Meta, Struct, field

from gateway.errors import ConfigError
from gateway.reading import GATEWAY_SENSOR
from schemas.quantities import Quantity

CONFIG_BYTES_MAX: Final = 1024 * 1024  # A thousand sensors need a tenth of this.
SENSORS_MAX: Final = 1_000  # An envelope's table holds 1,024 rows.
URL_SCHEMES: Final = ("mqtt", "mqtts")
RFID_PREFIX: Final = "rfid-"  # Families that are asked for inventories, not only listened to.
CAMERA_FAMILIES: Final = frozenset({"frigate", "onvif-mqtt"})
_SECRETS: Final = frozenset({"password"})

# Names travel in topics and file names; the reserved one is the gateway's own.
GatewayId = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}$")]
SensorName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Seconds = Annotated[float, Meta(ge=0.01, le=86_400)]
Port = Annotated[str, Meta(min_length=1, max_length=1_024)]
Url = Annotated[str, Meta(pattern=r"^[a-z]+://[^\s/@]+$", max_length=512)]
Word = Annotated[int, Meta(ge=0, le=65_535)]


class GatewaySection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who this gateway is."""

    id: GatewayId
    state_dir: Annotated[str, Meta(min_length=1)]


class UplinkSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The broker, and the backend behind it; what is absent comes from the enrolment."""

    url: Url | None = None
    username: str | None = None
    password: str | None = None
    password_file: str | None = None
    backend_key: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")] | None = None
    window: Annotated[int, Meta(ge=1, le=1_024)] = 32
    receipt_timeout_s: Annotated[float, Meta(ge=0.1, le=3_600)] = 5.0
    keepalive_s: Annotated[int, Meta(ge=1, le=3_600)] = 15
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


class SealSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When an envelope is full; the format's own limits hold besides."""

    count: Annotated[int, Meta(ge=1, le=8_192)] = 256
    bytes: Annotated[int, Meta(ge=8_192, le=262_144)] = 65_536
    age_s: Annotated[float, Meta(ge=0.01, le=60)] = 0.2


class OutboxSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much disk the queue may take."""

    bytes_max: Annotated[int, Meta(ge=1_048_576, le=1 << 40)] = 1 << 30


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


class RegisterSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One value in a unit's registers."""

    sensor: SensorName
    quantity: Quantity
    address: Word
    type: str
    table: Literal["holding", "input", "coil", "discrete"] = "holding"
    order: str = "ABCD"
    bit: Annotated[int, Meta(ge=0, le=15)] = 0
    scale: float = 1.0
    offset: float = 0.0
    late_s: Seconds = 3.0
    heartbeat_s: Seconds = 5.0
    deadband: Annotated[float, Meta(ge=0)] = 0.0
    min: float | None = None
    max: float | None = None


class UnitSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One device on a bus."""

    unit: Annotated[int, Meta(ge=0, le=255)]
    register: list[RegisterSection]
    poll_s: Annotated[float, Meta(ge=0.01, le=3_600)] = 0.5


class ModbusSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One bus: ``url`` for TCP, ``port`` for RTU."""

    name: SensorName
    unit: list[UnitSection]
    url: Url | None = None
    port: Port | None = None
    baud: Annotated[int, Meta(ge=50, le=4_000_000)] = 9_600
    bytesize: Literal[7, 8] = 8
    parity: Literal["N", "E", "O"] = "N"
    stopbits: Literal[1, 2] = 1
    timeout_s: Annotated[float, Meta(ge=0.01, le=60)] = 0.5


class CameraSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One camera behind a local MQTT broker."""

    sensor: SensorName
    family: str
    url: Url
    camera: Annotated[str, Meta(min_length=1, max_length=128)]
    username: str | None = None
    password: str | None = None
    password_file: str | None = None
    late_s: Seconds = 30.0
    heartbeat_s: Seconds = 10.0


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    gateway: GatewaySection
    uplink: UplinkSection = field(default_factory=UplinkSection)
    seal: SealSection = field(default_factory=SealSection)
    outbox: OutboxSection = field(default_factory=OutboxSection)
    serial: list[SerialSection] = field(default_factory=list[SerialSection])
    modbus: list[ModbusSection] = field(default_factory=list[ModbusSection])
    camera: list[CameraSection] = field(default_factory=list[CameraSection])


class Vocabulary(Struct, frozen=True, kw_only=True):
    """The names that the decoders know; the configuration may use no others."""

    families: Collection[str]
    register_types: Collection[str]
    orders: Collection[str]


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
    try:
        config = msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise _named(str(error), raw) from error
    _check_names(config)
    for index, serial in enumerate(config.serial):
        _check_serial(f"serial[{index}]", serial, vocabulary)
    for index, camera in enumerate(config.camera):
        if camera.family not in CAMERA_FAMILIES & set(vocabulary.families):
            bound = f"one of {', '.join(sorted(CAMERA_FAMILIES))}"
            raise ConfigError(f"camera[{index}].family", camera.family, bound)
        _check_url(f"camera[{index}].url", camera.url, URL_SCHEMES)
    for index, bus in enumerate(config.modbus):
        _check_bus(f"modbus[{index}]", bus, vocabulary)
    _check_uplink(config.uplink)
    return config


def read_password(password: str | None, password_file: str | None) -> str | None:
    """Return the password, from its file where one is named.

    Raises:
        ConfigError: The file is unreadable.
    """
    if password_file is None:
        return password
    try:
        return Path(password_file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError("password_file", password_file, f"readable: {error.strerror}") from error


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
    for key, sensor, owner in _sensors_of(config):
        if owners.setdefault(sensor, owner) != owner:
            raise ConfigError(key, sensor, f"of one device only; {owners[sensor]} has it")
    if len(owners) > SENSORS_MAX:
        raise ConfigError("sensors", len(owners), f"at most {SENSORS_MAX}")
    buses: set[str] = set()
    for index, bus in enumerate(config.modbus):
        if bus.name in buses:
            raise ConfigError(f"modbus[{index}].name", bus.name, "of one bus only")
        buses.add(bus.name)


def _sensors_of(config: Config) -> Iterator[tuple[str, str, str]]:
    """Yield key, sensor name and device of every place that names a sensor."""
    for index, serial in enumerate(config.serial):
        yield f"serial[{index}].sensor", serial.sensor, f"serial[{index}]"
    for index, camera in enumerate(config.camera):
        yield f"camera[{index}].sensor", camera.sensor, f"camera[{index}]"
    for b, bus in enumerate(config.modbus):
        for u, unit in enumerate(bus.unit):
            where = f"modbus[{b}].unit[{u}]"
            for r, register in enumerate(unit.register):
                yield f"{where}.register[{r}].sensor", register.sensor, where


def _check_serial(key: str, serial: SerialSection, vocabulary: Vocabulary) -> None:
    serial_families = set(vocabulary.families) - CAMERA_FAMILIES
    if serial.family not in serial_families:
        bound = f"one of {', '.join(sorted(serial_families))}"
        raise ConfigError(f"{key}.family", serial.family, bound)
    _check_range(key, serial.min, serial.max)
    if serial.family.startswith(RFID_PREFIX) and serial.inventory_s > serial.late_s:
        bound = f"at most late_s ({serial.late_s:g}): each round is a sign of life"
        raise ConfigError(f"{key}.inventory_s", serial.inventory_s, bound)


def _check_bus(key: str, bus: ModbusSection, vocabulary: Vocabulary) -> None:
    if (bus.url is None) == (bus.port is None):
        raise ConfigError(key, {"url": bus.url, "port": bus.port}, "given either url or port")
    if bus.url is not None:
        _check_url(f"{key}.url", bus.url, ("tcp",))
    if not bus.unit:
        raise ConfigError(f"{key}.unit", [], "at least one unit")
    numbers: set[int] = set()
    for u, unit in enumerate(bus.unit):
        if unit.unit in numbers:
            raise ConfigError(f"{key}.unit[{u}].unit", unit.unit, "given once on a bus")
        numbers.add(unit.unit)
        if not unit.register:
            raise ConfigError(f"{key}.unit[{u}].register", [], "at least one register")
        channels: set[tuple[str, Quantity]] = set()
        for r, register in enumerate(unit.register):
            where = f"{key}.unit[{u}].register[{r}]"
            _check_register(where, register, vocabulary)
            if (register.sensor, register.quantity) in channels:
                bound = f"with one {register.quantity.value} only"
                raise ConfigError(f"{where}.sensor", register.sensor, bound)
            channels.add((register.sensor, register.quantity))
            if register.late_s < unit.poll_s:
                bound = f"at least poll_s ({unit.poll_s:g})"
                raise ConfigError(f"{where}.late_s", register.late_s, bound)


def _check_register(key: str, register: RegisterSection, vocabulary: Vocabulary) -> None:
    types = {"bit"} if register.table in {"coil", "discrete"} else set(vocabulary.register_types)
    if register.type not in types:
        raise ConfigError(f"{key}.type", register.type, f"one of {', '.join(sorted(types))}")
    if register.order not in vocabulary.orders:
        bound = f"one of {', '.join(vocabulary.orders)}"
        raise ConfigError(f"{key}.order", register.order, bound)
    if register.scale == 0:
        raise ConfigError(f"{key}.scale", register.scale, "other than 0")
    _check_range(key, register.min, register.max)


def _check_range(key: str, low: float | None, high: float | None) -> None:
    if low is not None and high is not None and low >= high:
        raise ConfigError(f"{key}.min", low, f"below max ({high:g})")


def _check_url(key: str, url: str, schemes: Collection[str]) -> None:
    scheme, _, address = url.partition("://")
    port = address.rpartition(":")[2] if ":" in address else ""
    if scheme not in schemes or (port and not (port.isdigit() and 0 < int(port) < 65_536)):
        raise ConfigError(key, url, f"{' or '.join(schemes)}://HOST:PORT")


def _check_uplink(uplink: UplinkSection) -> None:
    if uplink.url is not None:
        _check_url("uplink.url", uplink.url, URL_SCHEMES)
    if (uplink.cert_file is None) != (uplink.key_file is None):
        raise ConfigError("uplink.cert_file", uplink.cert_file, "given together with key_file")
    if uplink.password is not None and uplink.password_file is not None:
        raise ConfigError("uplink.password", "***", "given once: here or as password_file")
