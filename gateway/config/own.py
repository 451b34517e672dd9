"""The gateway itself: who it is, when it seals, its queue's disk, where it shows metrics."""

from ipaddress import ip_address
from typing import Annotated

from msgspec import Meta, Struct

from gateway.config.types import GatewayId
from gateway.errors import ConfigError


class GatewaySection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who this gateway is."""

    id: GatewayId
    state_dir: Annotated[str, Meta(min_length=1)]


class SealSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When an envelope is full; the format's own limits hold besides."""

    count: Annotated[int, Meta(ge=1, le=8_192)] = 1_024
    bytes: Annotated[int, Meta(ge=8_192, le=262_144)] = 65_536
    age_s: Annotated[float, Meta(ge=0.01, le=60)] = 0.2


class OutboxSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much disk the queue may take."""

    bytes_max: Annotated[int, Meta(ge=1_048_576, le=1 << 40)] = 1 << 30


class MetricsSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where metrics are served; nowhere unless ``listen`` names an address."""

    listen: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


def metrics_address(metrics: MetricsSection) -> tuple[str, int] | None:
    """Return host and port of ``metrics``; None: they are off.

    Raises:
        ConfigError: It is no address of the loopback: metrics tell strangers about the site.
    """
    if metrics.listen is None:
        return None
    host, _, port = metrics.listen.rpartition(":")
    bound = "a loopback address with a port, such as 127.0.0.1:9464"
    try:
        loopback = ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        loopback = False
    if not loopback or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ConfigError("metrics.listen", metrics.listen, bound)
    return host.removeprefix("[").removesuffix("]"), int(port)
