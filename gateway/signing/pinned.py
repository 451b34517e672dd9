"""What is believed of the backend: receipts and commands under the one pinned key."""

from gateway.errors import UntrustedError
from gateway.signing.ed25519 import is_signed
from schemas import keys
from schemas.command import COMMAND_BYTES_MAX, Command, decode_command
from schemas.cose import Sign1, decode_sign1
from schemas.errors import MalformedError
from schemas.keys import key_id_of
from schemas.receipt import RECEIPT_BYTES_MAX, Receipt, decode_receipt


class PinnedKey:
    """The backend's public key, as it was pinned."""

    def __init__(self, backend_key: bytes) -> None:
        check_public_key(backend_key)
        self._public_key = backend_key
        self._key_id = key_id_of(backend_key)

    def open(self, message: bytes, what: str, *, bytes_max: int) -> Sign1:
        """Return ``message`` taken apart, when it is signed under this key.

        Raises:
            UntrustedError: Malformed, under another key, or forged.
        """
        try:
            sign1 = decode_sign1(message, bytes_max=bytes_max)
        except MalformedError as error:
            raise UntrustedError(f"{what}: {error}") from error
        if sign1.key_id != self._key_id:
            raise UntrustedError(f"{what}: key id {sign1.key_id.hex()} is not the pinned one")
        if not is_signed(self._public_key, sign1.signature, sign1.signed_bytes):
            raise UntrustedError(f"{what}: the signature is forged")
        return sign1


class ReceiptVerifier:
    """Accepts receipts for one gateway under one pinned key."""

    def __init__(self, backend_key: bytes, gateway: str) -> None:
        self._key = PinnedKey(backend_key)
        self._gateway = gateway

    def verify(self, message: bytes) -> Receipt:
        """Return the receipt inside ``message``.

        Raises:
            UntrustedError: Malformed, under another key, forged, or for another gateway.
        """
        sign1 = self._key.open(message, "receipt", bytes_max=RECEIPT_BYTES_MAX)
        try:
            receipt = decode_receipt(sign1)
        except MalformedError as error:
            raise UntrustedError(f"receipt: {error}") from error
        _check_gateway("receipt", receipt.gateway, self._gateway)
        return receipt


class CommandVerifier:
    """Accepts commands to one gateway under one pinned key."""

    def __init__(self, backend_key: bytes, gateway: str) -> None:
        self._key = PinnedKey(backend_key)
        self._gateway = gateway

    def verify(self, message: bytes) -> Command:
        """Return the command inside ``message``; says nothing about its number or end.

        Raises:
            UntrustedError: Malformed, under another key, forged, or for another gateway.
        """
        sign1 = self._key.open(message, "command", bytes_max=COMMAND_BYTES_MAX)
        try:
            command = decode_command(sign1)
        except MalformedError as error:
            raise UntrustedError(f"command: {error}") from error
        _check_gateway("command", command.gateway, self._gateway)
        return command


def check_public_key(key: bytes) -> None:
    """Check a raw Ed25519 public key before it is pinned.

    Raises:
        UntrustedError: Not 32 bytes, or a point of small order, under which anybody can sign.
    """
    try:
        keys.check_public_key(key)
    except MalformedError as error:
        raise UntrustedError(str(error)) from error


def _check_gateway(what: str, gateway: str, own: str) -> None:
    if gateway != own:
        raise UntrustedError(f"{what}: gateway {gateway!r} is not {own!r}")
