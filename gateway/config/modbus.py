"""A Modbus bus, its units and their registers."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from gateway.config.types import (
    Named,
    Port,
    Seconds,
    SensorName,
    Url,
    Vocabulary,
    Word,
    check_range,
    check_url,
)
from gateway.errors import ConfigError
from schemas.quantities import Quantity


class RegisterSection(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True, gc=False
):
    """One value in a unit's registers. There may be ten thousand: they share their defaults."""

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
    # In one request: 125 is the standard's limit, but some transmitters answer no more than 32.
    registers_max: Annotated[int, Meta(ge=1, le=125)] = 32


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


def name_modbus(key: str, section: ModbusSection) -> Named:
    """Yield where ``section`` names a sensor; a unit is a device."""
    for u, unit in enumerate(section.unit):
        where = f"{key}.unit[{u}]"
        for r, register in enumerate(unit.register):
            yield f"{where}.register[{r}].sensor", register.sensor, where


def check_modbus(key: str, bus: ModbusSection, vocabulary: Vocabulary) -> None:
    """Refuse a bus without units, units without registers, and what contradicts itself.

    Raises:
        ConfigError: With the key, its value and the bound.
    """
    if (bus.url is None) == (bus.port is None):
        raise ConfigError(key, {"url": bus.url, "port": bus.port}, "given either url or port")
    if bus.url is not None:
        check_url(f"{key}.url", bus.url, ("tcp",))
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
    check_range(key, register.min, register.max)
