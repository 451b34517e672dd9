"""The backend's Ed25519 key, and the check of gateways' signatures.

Verifying is PyNaCl's: libsodium is the faster of the two at it, and refuses what OpenSSL lets
pass. Keys are checked once, when they are enrolled (schemas.keys).
"""

import os
import secrets
from pathlib import Path
from typing import Final, Self

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from backend.errors import ConfigurationError, InvalidError
from schemas import command as command_format
from schemas.command import Command
from schemas.cose import bytes_to_sign, encode_protected, encode_sign1
from schemas.errors import MalformedError
from schemas.keys import check_public_key, key_id_of
from schemas.receipt import Receipt, content_type, encode_payload

KEY_FILE: Final = "backend.key"
SEED_BYTES: Final = 32  # RFC 8032, 5.1.5
SECRET_BYTES: Final = 32
SEAL_TYPE: Final = "application/vnd.pledgewatch.seal+json;v=1"
_PRIVATE: Final = 0o600
_OTHERS: Final = 0o077


class BackendKey:
    """The key that receipts and commands are signed with; gateways pin its public half."""

    def __init__(self, seed: bytes) -> None:
        self._key = SigningKey(seed)
        self.public_key = bytes(self._key.verify_key)
        self.key_id = key_id_of(self.public_key)

    @classmethod
    def load(cls, state_dir: Path) -> Self:
        """Return the key in ``state_dir``, made there when there is none.

        Raises:
            ConfigurationError: The file is no key, or others may read it.
        """
        path = state_dir / KEY_FILE
        seed = load_secret(path)
        if len(seed) != SEED_BYTES:
            raise ConfigurationError(f"{path} holds {len(seed)} bytes, must hold {SEED_BYTES}")
        return cls(seed)

    def sign_receipt(self, receipt: Receipt) -> bytes:
        """Return ``receipt`` as the signed message that travels."""
        return self._sign(content_type(), encode_payload(receipt))

    def sign_command(self, command: Command) -> bytes:
        """Return ``command`` as the signed message that travels."""
        return self._sign(command_format.content_type(), command_format.encode_payload(command))

    def sign_seal(self, payload: bytes) -> bytes:
        """Return what is said of a document as the message that stands at its end."""
        return self._sign(SEAL_TYPE, payload)

    def _sign(self, kind: str, payload: bytes) -> bytes:
        protected = encode_protected(kind, self.key_id)
        signature = self._key.sign(bytes_to_sign(protected, payload)).signature
        return encode_sign1(protected, payload, signature)


def verify(public_key: VerifyKey, signature: bytes, signed_bytes: bytes) -> bool:
    """Return whether ``signature`` over ``signed_bytes`` is of ``public_key``."""
    try:
        public_key.verify(signed_bytes, signature)
    except (BadSignatureError, ValueError, TypeError):
        return False
    return True


def verify_key(public_key: bytes) -> VerifyKey:
    """Return raw key bytes in the form that ``verify`` takes; build it once for each gateway.

    Raises:
        InvalidError: Not 32 bytes, or a point of small order, under which any signature fits.
    """
    try:
        check_public_key(public_key)
    except MalformedError as error:
        raise InvalidError("public_key", public_key.hex(), error.bound) from error
    return VerifyKey(public_key)


def load_secret(path: Path) -> bytes:
    """Return the secret in ``path`` (hex), made at random when there is none.

    Several processes may start at once: the file appears whole, and the first one's stays.

    Raises:
        ConfigurationError: The file is not hex, or others may read it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _make_secret(path)
    if path.stat().st_mode & _OTHERS:
        raise ConfigurationError(f"{path} may be read by others: chmod 600 it")
    try:
        return bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError as error:
        raise ConfigurationError(f"{path} is not hexadecimal") from error


def _make_secret(path: Path) -> None:
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{secrets.token_hex(SECRET_BYTES)}\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(partial)
    except FileExistsError:
        pass  # Another process was first; its key is the one.
    finally:
        partial.unlink()
