"""Which requests get a certificate, for how long, and which nonce is good. Pure."""

import hmac
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from backend.errors import InvalidError
from schemas.certificate import CSR_CHARACTERS_MAX, NONCE_BYTES

NONCE_LIFE: Final = timedelta(minutes=5)  # From asking for it to using it; one round trip.
ISSUED_MAX: Final = 24  # To one gateway in ISSUED_WITHIN; one is due in two months.
ISSUED_WITHIN: Final = timedelta(days=1)
# A broker's clock may be behind ours; of a short life a small part.
CLOCK_MARGIN_MAX: Final = timedelta(hours=1)
CLOCK_MARGIN_PART: Final = 24
_TIME_BYTES: Final = 8
_TAG_BYTES: Final = 16
NONCE_RANDOM_BYTES: Final = NONCE_BYTES - _TIME_BYTES - _TAG_BYTES
_PURPOSE: Final = b"pledgewatch certificate nonce v1\0"


def check_request(csr_pem: str, gateway_id: str) -> ec.EllipticCurvePublicKey:
    """Return the key of a request; what else it asks for is not granted.

    Raises:
        InvalidError: No request, another's name, a key that is not P-256, or not its signature.
    """
    if len(csr_pem) > CSR_CHARACTERS_MAX:
        raise InvalidError("csr", f"{len(csr_pem)} characters", f"at most {CSR_CHARACTERS_MAX}")
    try:
        request = x509.load_pem_x509_csr(csr_pem.encode())
        names = [str(part.value) for part in request.subject]
        kinds = [part.oid for part in request.subject]
        key = request.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidError("csr", str(error), "a PKCS #10 request as PEM") from error
    if kinds != [NameOID.COMMON_NAME] or names != [gateway_id]:
        raise InvalidError("csr.subject", names, f"the common name {gateway_id}, and nothing else")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InvalidError("csr.key", type(key).__name__, "an elliptic-curve key on P-256")
    try:
        good = request.is_signature_valid
    except (InvalidSignature, UnsupportedAlgorithm) as error:
        raise InvalidError("csr.signature", str(error), "its own key's") from error
    if not good:
        raise InvalidError("csr.signature", "forged", "its own key's")
    return key


def validity(now: datetime, life: timedelta, ends: datetime) -> tuple[datetime, datetime]:
    """Return from when until when a certificate holds; never beyond its authority's end.

    Raises:
        InvalidError: The authority has ended.
    """
    if now >= ends:
        raise InvalidError("authority", f"ended {ends:%Y-%m-%d}", "one that holds: ca init")
    margin = min(CLOCK_MARGIN_MAX, life / CLOCK_MARGIN_PART)
    return now - margin, min(now + life, ends)


def make_nonce(secret: str, gateway_id: str, now: datetime, randomness: bytes) -> bytes:
    """Return a nonce that we know again without keeping it: time, randomness, a tag of both."""
    assert len(randomness) == NONCE_RANDOM_BYTES, "the caller brings it"
    told = int(now.timestamp()).to_bytes(_TIME_BYTES, "big") + randomness
    return told + _tag(secret, gateway_id, told)


def is_fresh(secret: str, gateway_id: str, nonce: bytes, now: datetime) -> bool:
    """Return whether a nonce is ours, for this gateway, and not over."""
    if len(nonce) != NONCE_BYTES:
        return False
    told, tag = nonce[:-_TAG_BYTES], nonce[-_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(secret, gateway_id, told)):
        return False
    made = datetime.fromtimestamp(int.from_bytes(told[:_TIME_BYTES], "big"), UTC)
    return abs(now - made) <= NONCE_LIFE  # Another of our machines may be a little ahead.


def _tag(secret: str, gateway_id: str, told: bytes) -> bytes:
    text = _PURPOSE + told + gateway_id.encode()
    return hmac.new(secret.encode(), text, sha256).digest()[:_TAG_BYTES]
