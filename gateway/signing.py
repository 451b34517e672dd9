"""The gateway's Ed25519 key: made once, kept in a file of mode 0600, used to seal envelopes.

Also verifies the backend's receipts under the key that was pinned at enrolment.
"""

import os
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from gateway.errors import StateError, UntrustedError
from schemas import envelope as envelope_format
from schemas.cose import bytes_to_sign, decode_sign1, encode_protected, encode_sign1
from schemas.envelope import Envelope
from schemas.errors import MalformedError
from schemas.keys import key_id_of
from schemas.receipt import RECEIPT_BYTES_MAX, Receipt, decode_receipt

KEY_BYTES: Final = 32
KEY_FILE_BYTES_MAX: Final = 4_096  # PKCS #8 PEM of an Ed25519 key is 119 bytes.

# The y coordinates of the eight points of small order, and their non-canonical encodings (sign
# bit cleared). A signature under such a key can be forged for any message: OpenSSL accepts it.
# Source: "Taming the Many EdDSAs" (Chalkias, Garillot, Nikolaenko 2020), table 6.
_SMALL_ORDER_Y: Final = frozenset(
    bytes.fromhex(y)
    for y in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)


class Signer:
    """Holds the private key; gives out the public one and signed envelopes."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = key_id_of(self.public_key)
        self._protected = encode_protected(envelope_format.content_type(), self.key_id)

    def private_pem(self) -> bytes:
        """Return the private key as PKCS #8 PEM, for its file only."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def sign_envelope(self, envelope: Envelope) -> bytes:
        """Return ``envelope`` as the COSE_Sign1 message that travels."""
        payload = envelope_format.encode_payload(envelope)
        signature = self._key.sign(bytes_to_sign(self._protected, payload))
        return encode_sign1(self._protected, payload, signature)


class ReceiptVerifier:
    """Accepts receipts for one gateway under one pinned key."""

    def __init__(self, backend_key: bytes, gateway: str) -> None:
        check_public_key(backend_key)
        self._key = Ed25519PublicKey.from_public_bytes(backend_key)
        self._key_id = key_id_of(backend_key)
        self._gateway = gateway

    def verify(self, message: bytes) -> Receipt:
        """Return the receipt inside ``message``.

        Raises:
            UntrustedError: Malformed, under another key, forged, or for another gateway.
        """
        try:
            sign1 = decode_sign1(message, bytes_max=RECEIPT_BYTES_MAX)
            if sign1.key_id != self._key_id:
                raise UntrustedError(f"receipt: key id {sign1.key_id.hex()} is not the pinned one")
            self._key.verify(sign1.signature, sign1.signed_bytes)
            receipt = decode_receipt(sign1)
        except MalformedError as error:
            raise UntrustedError(f"receipt: {error}") from error
        except InvalidSignature:
            raise UntrustedError("receipt: the signature is forged") from None
        if receipt.gateway != self._gateway:
            raise UntrustedError(f"receipt: gateway {receipt.gateway!r} is not {self._gateway!r}")
        return receipt


def check_public_key(key: bytes) -> None:
    """Check a raw Ed25519 public key before it is pinned.

    Raises:
        UntrustedError: Not 32 bytes, or a point of small order, under which anybody can sign.
    """
    if len(key) != KEY_BYTES:
        raise UntrustedError(f"public key: {len(key)} bytes, must be {KEY_BYTES}")
    if key[:-1] + bytes([key[-1] & 0x7F]) in _SMALL_ORDER_Y:
        raise UntrustedError(f"public key: {key.hex()} is of small order, must not be")


def new_signer() -> Signer:
    """Return a signer with a new key, which is in no file yet."""
    return Signer(Ed25519PrivateKey.generate())


def save_key(signer: Signer, path: Path) -> None:
    """Write the key of ``signer`` to ``path`` with mode 0600, whole or not at all.

    Raises:
        StateError: The file cannot be written.
    """
    partial = path.with_suffix(".partial")
    try:
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(signer.private_pem())
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StateError(f"key file {path}: {error.strerror or error}") from error


def load_key(path: Path) -> Signer:
    """Return the key kept at ``path``.

    Raises:
        StateError: The file is unreadable, open to others, or holds no Ed25519 key.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise StateError(f"key file {path}: mode is {mode:04o}, must be 0600")
            pem = file.read(KEY_FILE_BYTES_MAX)
        key = load_pem_private_key(pem, password=None)
    except OSError as error:
        raise StateError(f"key file {path}: {error.strerror or error}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise StateError(f"key file {path}: no PKCS #8 PEM: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise StateError(f"key file {path}: holds {type(key).__name__}, must be an Ed25519 key")
    return Signer(key)


def sync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
