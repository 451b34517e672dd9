"""Our Ed25519 against RFC 8032's vectors and another library's files."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from gateway.signing.ed25519 import (
    PrivateKey,
    generate,
    is_signed,
    private_pem,
    public_pem,
    read_pem,
)

SEEDS = st.binary(min_size=32, max_size=32)

# RFC 8032, 7.1, test 2: seed, public key, message, signature.
RFC_8032 = (
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "72",
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
)


def test_vector_of_the_standard() -> None:
    """Key, signature and verdict are those of RFC 8032."""
    seed, public, message, signature = (bytes.fromhex(part) for part in RFC_8032)
    key = PrivateKey(seed)

    assert key.public_key == public
    assert key.sign(message) == signature
    assert is_signed(public, signature, message)


@given(SEEDS, st.binary(max_size=200))
def test_signatures_and_files_are_those_of_another_library(seed: bytes, text: bytes) -> None:
    """Both sign alike, and each reads what the other wrote."""
    ours, theirs = PrivateKey(seed), Ed25519PrivateKey.from_private_bytes(seed)
    their_public = theirs.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )

    assert ours.sign(text) == theirs.sign(text)
    assert private_pem(ours) == theirs.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    assert public_pem(ours.public_key) == their_public
    read = read_pem(private_pem(ours))
    assert isinstance(read, PrivateKey)
    assert read.seed == seed
    assert read_pem(their_public) == ours.public_key


@given(st.binary(max_size=100), st.integers(0, 511))
def test_one_wrong_bit_is_no_signature(text: bytes, bit: int) -> None:
    """Whichever bit of a signature is turned, it does not hold."""
    key = PrivateKey(bytes(32))
    signature = bytearray(key.sign(text))
    signature[bit // 8] ^= 1 << bit % 8

    assert not is_signed(key.public_key, bytes(signature), text)
    assert not is_signed(key.public_key, bytes(signature[:-1]), text)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"no key\n",
        b"-----BEGIN PRIVATE KEY-----\nnot base64!\n-----END PRIVATE KEY-----\n",
        private_pem(generate())[:-30],
        X25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
        Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
        ),
    ],
    ids=["empty", "text", "no base64", "cut", "another curve", "encrypted"],
)
def test_what_is_no_key_is_refused(pem: bytes) -> None:
    """Nothing else is taken for a key."""
    with pytest.raises(ValueError, match=r"PEM|Ed25519"):
        read_pem(pem)
