"""How a public key is named. No cryptography beyond a digest."""

from hashlib import sha256

from schemas.cose import KEY_ID_BYTES


def key_id_of(public_key: bytes) -> bytes:
    """Return the key id of a raw 32-byte Ed25519 public key: the first 16 bytes of its SHA-256."""
    return sha256(public_key).digest()[:KEY_ID_BYTES]
