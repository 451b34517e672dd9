"""What is believed of the backend: receipts and commands under the one pinned key."""

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.errors import UntrustedError
from schemas.command import COMMAND_BYTES_MAX, Command, decode_command
from schemas.cose import Sign1, decode_sign1
from schemas.errors import MalformedError
from schemas.keys import key_id_of
from schemas.receipt import RECEIPT_BYTES_MAX, Receipt, decode_receipt

KEY_BYTES: Final = 32

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


class PinnedKey:
    """The backend's public key, as it was pinned."""

    def __init__(self, backend_key: bytes) -> None:
        check_public_key(backend_key)
        self._key = Ed25519PublicKey.from_public_bytes(backend_key)
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
        try:
            self._key.verify(sign1.signature, sign1.signed_bytes)
        except InvalidSignature:
            raise UntrustedError(f"{what}: the signature is forged") from None
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
    if len(key) != KEY_BYTES:
        raise UntrustedError(f"public key: {len(key)} bytes, must be {KEY_BYTES}")
    if key[:-1] + bytes([key[-1] & 0x7F]) in _SMALL_ORDER_Y:
        raise UntrustedError(f"public key: {key.hex()} is of small order, must not be")


def _check_gateway(what: str, gateway: str, own: str) -> None:
    if gateway != own:
        raise UntrustedError(f"{what}: gateway {gateway!r} is not {own!r}")
