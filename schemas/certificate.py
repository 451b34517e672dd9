"""A certificate request's voucher: what a gateway's own key signs, so that nobody else asks.

The request itself is PKCS #10 (RFC 2986) under the TLS key; the gateway's Ed25519 key vouches for
it. At an enrolment the one-time code stands in for the nonce, which is then empty.
"""

from hashlib import sha256
from typing import Final

import cbor2

PURPOSE: Final = "pledgewatch certificate request v1"  # No other signed text begins like this.
CSR_CHARACTERS_MAX: Final = 4_096  # PEM of a P-256 request with a name is about 500.
NONCE_BYTES: Final = 32


def request_text(gateway: str, nonce: bytes, csr_pem: str) -> bytes:
    """Return what the gateway's key signs: CBOR of purpose, gateway, nonce, SHA-256 of the PEM."""
    return cbor2.dumps([PURPOSE, gateway, nonce, sha256(csr_pem.encode()).digest()])
