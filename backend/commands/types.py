"""Commands as the backend keeps them, their answers, and what gateways attest."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from backend.ids import AccountId, GatewayId
from schemas.command import CommandType, Order
from schemas.quantities import EventType

GATEWAY_SENSOR: Final = "gateway"  # The name under which a gateway speaks of itself.


class CommandOutcome(StrEnum):
    """How a gateway says that it ended."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # It was stopped or lost its power in the middle.


class CommandState(StrEnum):
    """How a command stands: as its gateway said, or as the time says."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    EXPIRED = "expired"  # Not answered before its end; a late answer still counts.


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCommand:
    """A command to be numbered and kept; asked by nobody when the platform itself asks."""

    gateway_id: GatewayId
    order: Order
    issued_at: datetime
    expires_at: datetime
    asked_by: AccountId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingCommand:
    """A command that has neither been answered nor expired."""

    gateway_id: GatewayId
    number: int
    order: Order
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRecord:
    """A command as it is shown; ``asked_by`` is a login, None: the platform."""

    gateway_id: GatewayId
    number: int
    type: CommandType
    issued_at: datetime
    expires_at: datetime
    asked_by: str | None
    outcome: CommandOutcome | None
    why: str | None
    answered_at: datetime | None
    envelope_number: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An event in which a gateway speaks of itself, under its signature."""

    gateway_id: GatewayId
    envelope_number: int
    type: EventType
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A gateway's word on how a command ended; ``nonce`` of a challenge, else None."""

    gateway_id: GatewayId
    envelope_number: int
    number: int
    outcome: CommandOutcome
    why: str
    nonce: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """What a gateway says that it runs."""

    gateway_id: GatewayId
    cause: str
    software: str
    software_sha256: bytes | None
    config_sha256: bytes | None
    boot_id: bytes | None
    envelope_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayTrust:
    """What speaks for a gateway beyond its signatures."""

    gateway_id: GatewayId
    challenged_at: datetime | None
    answered_at: datetime | None
    unanswered_since: datetime | None
    attested_at: datetime | None
    software: str | None
    software_sha256: bytes | None
    config_sha256: bytes | None
    boot_id: bytes | None
    revoked_at: datetime | None
