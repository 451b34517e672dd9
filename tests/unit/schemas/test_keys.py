"""Public keys: their ids, and those that are none."""

from hashlib import sha256

import nacl.exceptions
import nacl.signing
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import MalformedError
from schemas.keys import check_public_key, key_id_of

# Source: libsodium, ed25519_ref10.c, ge25519_has_small_order; the last bit is the sign of x.
SMALL_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


@pytest.mark.parametrize("sign", [0x00, 0x80])
@pytest.mark.parametrize("key_hex", SMALL_ORDER)
def test_key_of_small_order_is_refused(key_hex: str, sign: int) -> None:
    """Each of the points, in each of its forms, with either sign; libsodium refuses them too."""
    key = bytearray.fromhex(key_hex)
    key[31] |= sign

    with pytest.raises(MalformedError, match="small order"):
        check_public_key(bytes(key))
    with pytest.raises(nacl.exceptions.BadSignatureError):
        nacl.signing.VerifyKey(bytes(key)).verify(b"", bytes(key) + bytes(32))


@given(st.binary(min_size=32, max_size=32))
def test_honest_key_is_accepted(seed: bytes) -> None:
    """No key made from a seed is refused."""
    check_public_key(Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw())


@pytest.mark.parametrize("length", [0, 31, 33])
def test_key_of_another_length_is_refused(length: int) -> None:
    """A raw key has 32 bytes."""
    with pytest.raises(MalformedError, match="32 bytes"):
        check_public_key(bytes(length))


def test_key_id_is_half_of_the_digest() -> None:
    """Sixteen bytes name a key."""
    assert key_id_of(bytes(32)) == sha256(bytes(32)).digest()[:16]
