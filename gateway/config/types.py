"""What sections share: bounded types, the decoders' names, checks of ranges and addresses."""

from collections.abc import Collection, Iterator
from typing import Annotated, Final

from msgspec import Meta, Struct

from gateway.errors import ConfigError

# Names travel in topics and file names; the reserved one is the gateway's own.
GatewayId = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}$")]
SensorName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Seconds = Annotated[float, Meta(ge=0.01, le=86_400)]
Port = Annotated[str, Meta(min_length=1, max_length=1_024)]
Url = Annotated[str, Meta(pattern=r"^[a-z]+://[^\s/@]+$", max_length=512)]
Word = Annotated[int, Meta(ge=0, le=65_535)]

MQTT_SCHEMES: Final = ("mqtt", "mqtts")
UPLINK_SCHEMES: Final = (*MQTT_SCHEMES, "https", "http")

Named = Iterator[tuple[str, str, str]]
"""Key, sensor name and device of every place in a section that names a sensor."""


class Vocabulary(Struct, frozen=True, kw_only=True):
    """The names that the decoders know; the configuration may use no others."""

    families: Collection[str]
    register_types: Collection[str]
    orders: Collection[str]


def check_range(key: str, low: float | None, high: float | None) -> None:
    """Refuse bounds between which nothing lies.

    Raises:
        ConfigError: ``low`` is not below ``high``.
    """
    if low is not None and high is not None and low >= high:
        raise ConfigError(f"{key}.min", low, f"below max ({high:g})")


def check_url(key: str, url: str, schemes: Collection[str]) -> None:
    """Refuse an address that cannot be dialled.

    Raises:
        ConfigError: Another scheme than ``schemes``, or no port number after the colon.
    """
    scheme, _, address = url.partition("://")
    port = address.rpartition(":")[2] if ":" in address else ""
    if scheme not in schemes or (port and not (port.isdigit() and 0 < int(port) < 65_536)):
        raise ConfigError(key, url, f"{' or '.join(schemes)}://HOST:PORT")
