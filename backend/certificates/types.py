"""What is known of a certificate."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from backend.ids import GatewayId


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One that was issued; ``serial`` in hexadecimal, ``nonce`` None at an enrolment."""

    serial: str
    gateway_id: GatewayId
    sha256: bytes
    issued_at: datetime
    not_after: datetime
    nonce: bytes | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate as it is handed out, with the authority's own."""

    pem: str
    ca_pem: str
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A gateway's request: PKCS #10 as PEM, vouched for by the gateway's own key."""

    gateway_id: GatewayId
    csr_pem: str
    signature: bytes
    life: timedelta
    nonce: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A gateway whose key may vouch for a request."""

    public_key: bytes
    revoked: bool
