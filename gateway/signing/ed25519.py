"""Ed25519 (RFC 8032) by libsodium: it costs a megabyte of memory, and OpenSSL would cost ten.

Keys are raw: 32 bytes of seed, 32 bytes of public key. In files they stand as RFC 8410 says.
"""

import binascii
from typing import Final

from nacl import bindings
from nacl.exceptions import BadSignatureError
from nacl.utils import random as random_bytes

SEED_BYTES: Final = 32
PUBLIC_BYTES: Final = 32
_PRIVATE_DER: Final = bytes.fromhex("302e020100300506032b657004220420")  # RFC 8410, section 7
_PUBLIC_DER: Final = bytes.fromhex("302a300506032b6570032100")  # RFC 8410, section 4
_PRIVATE_LABEL: Final = b"PRIVATE KEY"
_PUBLIC_LABEL: Final = b"PUBLIC KEY"


class PrivateKey:
    """One private key in memory."""

    def __init__(self, seed: bytes) -> None:
        self.seed = seed
        self.public_key, self._secret = bindings.crypto_sign_seed_keypair(seed)

    def sign(self, text: bytes) -> bytes:
        """Return the signature over ``text``, 64 bytes."""
        signed = bindings.crypto_sign(text, self._secret)
        return signed[: bindings.crypto_sign_BYTES]


def generate() -> PrivateKey:
    """Return a new key."""
    return PrivateKey(random_bytes(SEED_BYTES))


def is_signed(public_key: bytes, signature: bytes, text: bytes) -> bool:
    """Tell whether ``signature`` over ``text`` was made with the key of ``public_key``."""
    try:
        bindings.crypto_sign_open(signature + text, public_key)
    except (BadSignatureError, ValueError):
        return False
    return True


def private_pem(key: PrivateKey) -> bytes:
    """Return ``key`` as PKCS #8 PEM."""
    return _pem(_PRIVATE_LABEL, _PRIVATE_DER + key.seed)


def public_pem(public_key: bytes) -> bytes:
    """Return a public key as SubjectPublicKeyInfo PEM."""
    return _pem(_PUBLIC_LABEL, _PUBLIC_DER + public_key)


def read_pem(pem: bytes) -> PrivateKey | bytes:
    """Return the private key in ``pem``, or the raw public key.

    Raises:
        ValueError: Neither; what it is instead is in the message.
    """
    lines = pem.strip().splitlines()
    heads = {b"-----BEGIN " + label + b"-----": label for label in (_PRIVATE_LABEL, _PUBLIC_LABEL)}
    label = heads.get(lines[0].strip()) if lines else None
    if label is None or lines[-1].strip() != b"-----END " + label + b"-----":
        raise ValueError("no PKCS #8 PEM without a passphrase")
    try:
        der = binascii.a2b_base64(b"".join(lines[1:-1]), strict_mode=True)
    except binascii.Error as error:
        raise ValueError(f"no PKCS #8 PEM: {error}") from error
    head = _PRIVATE_DER if label == _PRIVATE_LABEL else _PUBLIC_DER
    body = der[len(head) :]
    if not der.startswith(head) or len(body) != SEED_BYTES:
        raise ValueError("must be an Ed25519 key")
    return PrivateKey(body) if label == _PRIVATE_LABEL else body


def _pem(label: bytes, der: bytes) -> bytes:
    body = binascii.b2a_base64(der)  # Both kinds are short enough for one line.
    return b"-----BEGIN " + label + b"-----\n" + body + b"-----END " + label + b"-----\n"
