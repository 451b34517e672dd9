"""The key file, signatures on envelopes, and which receipts are believed."""

from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from gateway.envelope import Link, build_envelope
from gateway.errors import StateError, UntrustedError
from gateway.signing import (
    ReceiptVerifier,
    check_public_key,
    load_key,
    new_signer,
    save_key,
)
from schemas.cose import decode_sign1
from schemas.envelope import ENVELOPE_BYTES_MAX, GENESIS_HASH
from tests.integration.gateway.support import Notary
from tests.unit.gateway.builders import GATEWAY, make_receipt, make_scalar, make_segment

NOTARY = Notary()


def test_key_survives_its_file(tmp_path: Path) -> None:
    """A key that was saved is the same when loaded, and only its owner may read the file."""
    path = tmp_path / "key.pem"
    signer = new_signer()
    save_key(signer, path)

    assert load_key(path).public_key == signer.public_key
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_key_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    """A key that others could have read is not used; the message says the mode."""
    path = tmp_path / "key.pem"
    save_key(new_signer(), path)
    path.chmod(mode)

    with pytest.raises(StateError, match=rf"mode is {mode:04o}, must be 0600"):
        load_key(path)


def test_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    """An elliptic-curve key of another family is named, not used."""
    path = tmp_path / "key.pem"
    key = generate_private_key(SECP256R1())
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    with pytest.raises(StateError, match="must be an Ed25519 key"):
        load_key(path)


@pytest.mark.parametrize("content", [b"", b"garbage", b"-----BEGIN PRIVATE KEY-----\n"])
def test_torn_key_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that holds no key is an error for the operator, not a crash."""
    path = tmp_path / "key.pem"
    path.touch(mode=0o600)
    path.write_bytes(content)

    with pytest.raises(StateError, match="no PKCS #8 PEM"):
        load_key(path)


def test_signature_covers_the_bytes_that_travel() -> None:
    """The signature verifies under the gateway's key, and no longer when a bit of it changes."""
    signer = new_signer()
    link = Link(number=1, previous_sha256=GENESIS_HASH, readings_before=0)
    envelope = build_envelope(GATEWAY, link, make_segment(), [make_scalar()])
    sign1 = decode_sign1(signer.sign_envelope(envelope), bytes_max=ENVELOPE_BYTES_MAX)
    key = Ed25519PublicKey.from_public_bytes(signer.public_key)

    key.verify(sign1.signature, sign1.signed_bytes)
    assert sign1.key_id == signer.key_id
    with pytest.raises(InvalidSignature):
        key.verify(sign1.signature, sign1.signed_bytes + b"\0")


def test_receipt_under_the_pinned_key_is_believed() -> None:
    """The backend's own receipt comes out as it went in."""
    receipt = make_receipt(7, bytes(32))

    assert ReceiptVerifier(NOTARY.public_key, GATEWAY).verify(NOTARY.sign(receipt)) == receipt


def test_receipt_of_another_backend_is_refused() -> None:
    """Somebody else's well-formed receipt is worth nothing."""
    with pytest.raises(UntrustedError, match="not the pinned one"):
        ReceiptVerifier(NOTARY.public_key, GATEWAY).verify(
            Notary().sign(make_receipt(1, bytes(32)))
        )


def test_receipt_for_another_gateway_is_refused() -> None:
    """A receipt is for the gateway that it names."""
    message = NOTARY.sign(make_receipt(1, bytes(32), gateway="gw-other"))

    with pytest.raises(UntrustedError, match="gw-other"):
        ReceiptVerifier(NOTARY.public_key, GATEWAY).verify(message)


@given(st.data())
def test_no_change_to_a_receipt_goes_unnoticed(data: st.DataObject) -> None:
    """Whatever byte of a receipt is changed, it is refused and nothing else is raised."""
    message = bytearray(NOTARY.sign(make_receipt(3, bytes(32))))
    index = data.draw(st.integers(0, len(message) - 1))
    message[index] ^= data.draw(st.integers(1, 255))

    with pytest.raises(UntrustedError):
        ReceiptVerifier(NOTARY.public_key, GATEWAY).verify(bytes(message))


@given(st.binary(max_size=2_000))
def test_noise_is_no_receipt(noise: bytes) -> None:
    """Any bytes from the broker are refused with one kind of error."""
    with pytest.raises(UntrustedError):
        ReceiptVerifier(NOTARY.public_key, GATEWAY).verify(noise)


@pytest.mark.parametrize(
    "key",
    [
        bytes(32),
        bytes([1, *bytes(31)]),
        bytes([1, *bytes(30), 0x80]),
        bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
        bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ],
)
def test_key_of_small_order_is_not_pinned(key: bytes) -> None:
    """Under such a key a signature can be forged for any message."""
    with pytest.raises(UntrustedError, match="small order"):
        check_public_key(key)


def test_key_of_wrong_length_is_not_pinned() -> None:
    """A key has 32 bytes."""
    with pytest.raises(UntrustedError, match="must be 32"):
        check_public_key(bytes(31))
