"""The backend's key, and the check of others'."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from backend.errors import ConfigurationError, InvalidError
from backend.keys import KEY_FILE, BackendKey, load_secret, verify, verify_key
from schemas.cose import decode_sign1
from schemas.receipt import RECEIPT_BYTES_MAX, Receipt, StreamState, decode_receipt


def test_the_key_is_made_once_and_kept(tmp_path: Path) -> None:
    """A second start has the same key, in a file that only its owner reads."""
    first, second = BackendKey.load(tmp_path / "new"), BackendKey.load(tmp_path / "new")

    assert first.public_key == second.public_key
    assert (tmp_path / "new" / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "new").iterdir()] == [KEY_FILE]


def test_processes_that_start_together_have_one_key(tmp_path: Path) -> None:
    """Whoever is first makes the file, whole; the others read it."""
    with ThreadPoolExecutor(16) as threads:
        secrets = set(threads.map(load_secret, [tmp_path / "s"] * 64))
    assert len(secrets) == 1
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("text", ["", "zz", "00" * 31, "00" * 33])
def test_a_damaged_key_file_is_refused(tmp_path: Path, text: str) -> None:
    """No other key is made in its place: gateways pin the one that was."""
    path = tmp_path / KEY_FILE
    path.write_text(text, encoding="ascii")
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=KEY_FILE):
        BackendKey.load(tmp_path)


def test_a_key_file_that_others_read_is_refused(tmp_path: Path) -> None:
    """A key that somebody may have copied signs nothing more."""
    BackendKey.load(tmp_path)
    os.chmod(tmp_path / KEY_FILE, 0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        BackendKey.load(tmp_path)


def test_a_receipt_is_signed_as_gateways_verify_it(tmp_path: Path) -> None:
    """Another Ed25519 implementation accepts the signature over the bytes that travel."""
    key = BackendKey.load(tmp_path)
    receipt = Receipt(
        gateway="gw-a",
        number=7,
        sha256=bytes(range(32)),
        readings=70,
        state=StreamState.OPEN,
        issued_unix_us=1,
    )
    message = decode_sign1(key.sign_receipt(receipt), bytes_max=RECEIPT_BYTES_MAX)

    Ed25519PublicKey.from_public_bytes(key.public_key).verify(
        message.signature, message.signed_bytes
    )
    assert message.key_id == key.key_id
    assert decode_receipt(message) == receipt


def test_a_signature_is_of_one_key_and_one_message() -> None:
    """Another key, other bytes, and a damaged signature are refused."""
    private, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    key = verify_key(private.public_key().public_bytes_raw())
    signature = private.sign(b"text")
    damaged = bytes([signature[0] ^ 1]) + signature[1:]

    assert verify(key, signature, b"text")
    assert not verify(key, signature, b"test")
    assert not verify(key, damaged, b"text")
    assert not verify(key, other.sign(b"text"), b"text")
    assert not verify(key, signature[:-1], b"text")
    assert not verify(key, b"", b"text")


@pytest.mark.parametrize("public_key", [bytes(32), b"\1" + bytes(31), b"\xff" * 31, b""])
def test_a_key_of_small_order_or_length_is_refused(public_key: bytes) -> None:
    """Such a key is refused when it is enrolled, before anything is verified with it."""
    with pytest.raises(InvalidError, match="public_key"):
        verify_key(public_key)
