"""What waits for the worker, and what waits for a gateway, as values."""

from dataclasses import dataclass

from backend.ids import GatewayId


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A row of the inbox; without data it asks for the gateway's receipt."""

    id: int
    gateway: GatewayId
    data: bytes | None
    received_unix_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedReceipt:
    """A receipt as it travels, and of which head it is."""

    gateway: GatewayId
    receipt: bytes
    issued_unix_us: int
    key_id: bytes
    number: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What waits for a gateway; the receipt is None while none of the committed head is signed."""

    receipt: bytes | None
    issued_unix_us: int
    command: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What of one gateway waits in the inbox."""

    messages: int
    bytes: int
