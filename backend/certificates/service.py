"""Issuing, renewing and revoking gateways' certificates."""

import secrets
from datetime import datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from backend.certificates import store
from backend.certificates.authority import Authority
from backend.certificates.errors import (
    BadRenewalError,
    StaleNonceError,
    TooManyCertificatesError,
)
from backend.certificates.rules import (
    ISSUED_MAX,
    ISSUED_WITHIN,
    NONCE_RANDOM_BYTES,
    check_request,
    is_fresh,
    make_nonce,
)
from backend.certificates.types import Asked, Certificate, Holder, Issued
from backend.db import Conn
from backend.ids import GatewayId
from backend.keys import verify, verify_key
from schemas.certificate import request_text


def new_nonce(secret: str, gateway_id: GatewayId, now: datetime) -> bytes:
    """Return a nonce for one renewal."""
    return make_nonce(secret, gateway_id, now, secrets.token_bytes(NONCE_RANDOM_BYTES))


def issue(conn: Conn, authority: Authority, asked: Asked, now: datetime) -> Issued:
    """Return a certificate for a gateway that was enrolled in this transaction.

    Raises:
        BadRenewalError: The gateway's key does not vouch for the request, or it is revoked.
        InvalidError: The request is not fit for a certificate.
        TooManyCertificatesError: It had more than anybody needs.
    """
    holder = store.lock_holder(conn, asked.gateway_id)
    if holder is None or holder.revoked or not _vouches(holder, asked):
        raise BadRenewalError
    key = check_request(asked.csr_pem, asked.gateway_id)
    if store.count_issued(conn, asked.gateway_id, now - ISSUED_WITHIN) >= ISSUED_MAX:
        hours = ISSUED_WITHIN.total_seconds() / 3_600
        raise TooManyCertificatesError(asked.gateway_id, ISSUED_MAX, hours)
    made = authority.issue_client(asked.gateway_id, key, now, asked.life)
    store.add_certificate(
        conn,
        Certificate(
            serial=f"{made.serial_number:x}",
            gateway_id=asked.gateway_id,
            sha256=made.fingerprint(hashes.SHA256()),
            issued_at=now,
            not_after=made.not_valid_after_utc,
            nonce=asked.nonce or None,
            revoked_at=None,
        ),
    )
    pem = made.public_bytes(Encoding.PEM).decode("ascii")
    return Issued(pem=pem, ca_pem=authority.pem, not_after=made.not_valid_after_utc)


def renew(conn: Conn, authority: Authority, asked: Asked, secret: str, now: datetime) -> Issued:
    """Return the next certificate of a gateway; a nonce brings one, once.

    Raises:
        StaleNonceError: The nonce is not ours, or is over or used.
        BadRenewalError: The gateway's key does not vouch for the request, or it is revoked.
        InvalidError: The request is not fit for a certificate.
        TooManyCertificatesError: It had more than anybody needs.
    """
    if not is_fresh(secret, asked.gateway_id, asked.nonce, now):
        raise StaleNonceError
    return issue(conn, authority, asked, now)


def revoke_all(conn: Conn, gateway_id: GatewayId, now: datetime) -> None:
    """Revoke what a gateway has; the broker refuses it from the next list on (``ca crl``)."""
    store.save_revoked(conn, gateway_id, now)


def _vouches(holder: Holder, asked: Asked) -> bool:
    text = request_text(asked.gateway_id, asked.nonce, asked.csr_pem)
    return verify(verify_key(holder.public_key), asked.signature, text)
