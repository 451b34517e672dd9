"""A session with a PKCS #11 token: the few calls that a signing key needs.

Keys are found by their public half, which the gateway keeps in a file; the private half has the
same label. Source: PKCS #11 3.0, 2.3.5 and 2.3.14 (Edwards keys, CKM_EDDSA).
"""

import contextlib
import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, TokenFlag
from pkcs11.exceptions import (
    PinExpired,
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
)

from gateway.errors import ConfigError, StateError, UnavailableError, UntrustedError
from gateway.signing.ed25519 import PUBLIC_BYTES, is_signed
from gateway.signing.pinned import check_public_key

SIGNATURE_BYTES: Final = 64
LABEL_RANDOM_BYTES: Final = 4
TOKENS_TOLD_MAX: Final = 8
_PIN_ERRORS: Final = (PinExpired, PinIncorrect, PinInvalid, PinLenRange, PinLocked)
# RFC 8410 3 (the object identifier), else PKCS #11 3.0 2.3.5 (the name): modules take one or both.
_CURVES: Final = (b"\x06\x03\x2b\x65\x70", b"\x13\x0cedwards25519")
# CKA_EC_POINT: DER OCTET STRING, or BIT STRING, around the key; or the key alone.
_POINT_HEADS: Final = (b"\x04\x20", b"\x03\x21\x00", b"")
_PRIVATE: Final = {
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.PRIVATE: True,
}


class PinRefusedError(StateError):
    """The token takes this PIN not, and must not be asked again: it counts, and locks."""


class TokenSession:
    """One login at one token; ended by the first failure, so that the next begins afresh."""

    def __init__(self, module: str, token: str, read_pin: Callable[[], str]) -> None:
        """Log in; ``read_pin`` is called when the token was found.

        Raises:
            ConfigError: There is no such module or token.
            PinRefusedError: The PIN is wrong.
            StateError: It may not be tried.
            UnavailableError: Module or token do not work now.
        """
        if not Path(module).is_file():
            raise ConfigError("key.module", module, "a file: the token's PKCS #11 module")
        with _talking(f"key.module {module}"):
            self._library: Any = pkcs11.lib(module)
        self._keys: dict[bytes, Any] = {}
        try:
            with _talking(f"token {token!r}"):
                found = self._find_token(token)
                _check_tries(found.flags, token)
                self._session: Any = self._log_in(found, token, read_pin())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the session and the module's state: the token is looked for anew after it."""
        self._keys.clear()
        with contextlib.suppress(PKCS11Error):
            self._library.finalize()

    def sign(self, public_key: bytes, text: bytes) -> bytes:
        """Return the signature over ``text`` under the key of ``public_key``.

        Raises:
            StateError: The token has no such key.
            UnavailableError: The token does not answer as it should.
        """
        key = self._keys.get(public_key)
        with _talking("sign"):
            if key is not None:
                return _checked(bytes(key.sign(text, mechanism=Mechanism.EDDSA)))
            key = self._find_private(public_key)
            signature = _checked(bytes(key.sign(text, mechanism=Mechanism.EDDSA)))
        # Once a session: the backend must not be the first to find another variant of EdDSA.
        if not is_signed(public_key, signature, text):
            raise UnavailableError("token: its signature is not Ed25519 of this key")
        self._keys[public_key] = key
        return signature

    def generate(self, label: str) -> bytes:
        """Make a key inside the token, its label beginning with ``label``; return the public one.

        Raises:
            StateError: The token would give the private key out.
            UnavailableError: The token makes no such key.
        """
        mark = secrets.token_bytes(LABEL_RANDOM_BYTES)
        with _talking("make an Ed25519 key"):
            public, private = self._generate(f"{label}-{mark.hex()}", mark)
            guarded = private[Attribute.SENSITIVE] and not private[Attribute.EXTRACTABLE]
            point = decode_point(bytes(public[Attribute.EC_POINT]))
            if not guarded or point is None:
                private.destroy()
                public.destroy()
        if not guarded:
            raise StateError("token: it would give the private key out; it must keep it")
        if point is None:
            raise StateError("token: CKA_EC_POINT is no Ed25519 public key")
        return point

    def destroy(self, public_key: bytes) -> None:
        """Destroy both halves of a key, if the token has it.

        Raises:
            UnavailableError: The token does not answer as it should.
        """
        with _talking("destroy a key"):
            for public in self._public_of(public_key):
                label = public[Attribute.LABEL]
                for key in list(
                    self._session.get_objects(
                        {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.LABEL: label}
                    )
                ):
                    key.destroy()
                public.destroy()  # Last: it is what the private half is found by.
        self._keys.pop(public_key, None)

    def check(self, public_key: bytes) -> None:
        """Check that the token holds the private half of ``public_key``.

        Raises:
            StateError: It does not.
            UnavailableError: The token does not answer as it should.
        """
        with _talking("look for the key"):
            self._find_private(public_key)

    def _find_token(self, label: str) -> Any:  # noqa: ANN401 - the library types only its stubs
        tokens = list(self._library.get_tokens())
        found = [token for token in tokens if token.label == label]
        if len(found) == 1:
            return found[0]
        there = ", ".join(repr(t.label) for t in tokens[:TOKENS_TOLD_MAX]) or "none"
        what = "of one token only" if found else "of a token that is plugged in"
        raise ConfigError("key.token", label, f"{what}; there are: {there}")

    def _log_in(self, found: Any, token: str, pin: str) -> Any:  # noqa: ANN401 - as above
        try:
            return found.open(rw=True, user_pin=pin)
        except _PIN_ERRORS as error:
            raise PinRefusedError(
                f"token {token!r}: {_why(error)}: key.pin_file must hold its user PIN"
            ) from error

    def _generate(self, label: str, mark: bytes) -> tuple[Any, Any]:
        refused: PKCS11Error | None = None
        for curve in _CURVES:
            try:
                return self._session.create_domain_parameters(
                    KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: curve}, local=True
                ).generate_keypair(
                    mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
                    store=True,
                    label=label,
                    id=mark,
                    private_template=_PRIVATE,
                )
            except PKCS11Error as error:
                refused = error
        assert refused is not None, "there is a curve to try"
        raise refused

    def _find_private(self, public_key: bytes) -> Any:  # noqa: ANN401 - as above
        for public in self._public_of(public_key):
            private = list(
                self._session.get_objects(
                    {
                        Attribute.CLASS: ObjectClass.PRIVATE_KEY,
                        Attribute.LABEL: public[Attribute.LABEL],
                    }
                )
            )
            if len(private) == 1:
                return private[0]
        raise StateError(
            f"token: holds no key {public_key.hex()}; must be the token that it was made in"
        )

    def _public_of(self, public_key: bytes) -> list[Any]:
        objects = self._session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY})
        return [
            key
            for key in list(objects)
            if key.key_type == KeyType.EC_EDWARDS
            and decode_point(bytes(key[Attribute.EC_POINT])) == public_key
        ]


def decode_point(point: bytes) -> bytes | None:
    """Return the public key inside CKA_EC_POINT, in DER or not; None: there is none."""
    for head in _POINT_HEADS:
        if len(point) == len(head) + PUBLIC_BYTES and point.startswith(head):
            key = point[len(head) :]
            try:
                check_public_key(key)
            except UntrustedError:
                return None
            return key
    return None


def _check_tries(flags: TokenFlag, token: str) -> None:
    if flags & TokenFlag.USER_PIN_LOCKED:
        raise StateError(f"token {token!r}: its user PIN is locked; must be reset by its SO")
    if flags & TokenFlag.USER_PIN_FINAL_TRY:
        raise StateError(
            f"token {token!r}: one try of the user PIN is left, must be more: log in by hand"
        )


def _checked(signature: bytes) -> bytes:
    if len(signature) != SIGNATURE_BYTES:
        raise UnavailableError(
            f"token: a signature of {len(signature)} bytes, must be {SIGNATURE_BYTES}"
        )
    return signature


@contextmanager
def _talking(what: str) -> Generator[None]:
    try:
        yield
    except PKCS11Error as error:
        raise UnavailableError(f"{what}: {_why(error)}") from error


def _why(error: PKCS11Error) -> str:
    name = type(error).__name__
    return f"{name}: {error}" if str(error) else name
