"""How a public key is named, and which are none. No cryptography beyond a digest."""

from hashlib import sha256
from typing import Final

from schemas.cose import KEY_ID_BYTES
from schemas.errors import Malformation, MalformedError

PUBLIC_KEY_BYTES: Final = 32  # RFC 8032, 5.1.5
_P: Final = 2**255 - 19
_SIGN_BIT: Final = 2**255
# The y coordinates of the eight points whose order divides the cofactor, and the forms of them
# that are not reduced modulo p. Under such a key a signature fits any message, and OpenSSL
# accepts it. Source: libsodium, ed25519_ref10.c, ge25519_has_small_order.
_SMALL_ORDER_Y: Final = frozenset(
    {
        0,
        1,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        _P - 1,
        _P,
        _P + 1,
    }
)


def key_id_of(public_key: bytes) -> bytes:
    """Return the key id of a raw 32-byte Ed25519 public key: the first 16 bytes of its SHA-256."""
    return sha256(public_key).digest()[:KEY_ID_BYTES]


def check_public_key(public_key: bytes) -> None:
    """Refuse bytes that no honest Ed25519 key has; every key is to pass here when it is enrolled.

    Raises:
        MalformedError: Not 32 bytes, or a point of small order.
    """
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise MalformedError(
            Malformation.BAD_FIELD, "public key", f"{len(public_key)} bytes", "32 bytes"
        )
    if int.from_bytes(public_key, "little") % _SIGN_BIT in _SMALL_ORDER_Y:
        raise MalformedError(
            Malformation.BAD_FIELD, "public key", public_key, "no point of small order"
        )
