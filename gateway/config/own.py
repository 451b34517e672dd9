"""The gateway itself: who it is, when it seals, how much disk its queue may take."""

from typing import Annotated

from msgspec import Meta, Struct

from gateway.config.types import GatewayId


class GatewaySection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who this gateway is."""

    id: GatewayId
    state_dir: Annotated[str, Meta(min_length=1)]


class SealSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When an envelope is full; the format's own limits hold besides."""

    count: Annotated[int, Meta(ge=1, le=8_192)] = 256
    bytes: Annotated[int, Meta(ge=8_192, le=262_144)] = 65_536
    age_s: Annotated[float, Meta(ge=0.01, le=60)] = 0.2


class OutboxSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much disk the queue may take."""

    bytes_max: Annotated[int, Meta(ge=1_048_576, le=1 << 40)] = 1 << 30
