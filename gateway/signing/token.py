"""A PKCS #11 token as the gateway uses it: it may be out, hang, or refuse; then signing waits.

Calls are made by one thread of its own, because a module may hang and need not be safe in two. The
PIN is tried once: what the token refused is never shown to it again, also not after a restart.
"""

import os
import secrets
import stat
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from gateway.clock import SystemClock
from gateway.config.key import KeySection
from gateway.errors import ConfigError, GatewayError, StateError, UnavailableError
from gateway.signing.ed25519 import public_pem
from gateway.signing.secret import save_private

if TYPE_CHECKING:
    from gateway.signing.cryptoki import TokenSession

CALL_S_MAX: Final = 10.0  # A smart card takes up to a second; the watchdog waits for 60 s.
RETRY_S_MIN: Final = 1.0
RETRY_S_MAX: Final = 30.0
PIN_BYTES_MAX: Final = 256
PIN_REFUSED_FILE: Final = "key.pin-refused"
_SALT_BYTES: Final = 16

T = TypeVar("T")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPlace:
    """Where a token is found, what its keys are called, and where its PIN is."""

    module: str
    token: str
    label: str
    pin_file: Path
    refused_file: Path


class Token:
    """A token that is looked for when it is needed, and again when it has gone."""

    def __init__(
        self, place: TokenPlace, clock: SystemClock, *, call_s_max: float = CALL_S_MAX
    ) -> None:
        self._place = place
        self._call_s_max = call_s_max
        self._clock = clock
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="token")
        self._session: TokenSession | None = None  # Of the thread.
        self._hung: Future[Any] | None = None
        self._retry_s = float("-inf")
        self._delay_s = RETRY_S_MIN
        self.fault = ""

    @property
    def ready(self) -> bool:
        """Whether it is worth asking now: neither hung nor just failed."""
        hung = self._hung is not None and not self._hung.done()
        return not hung and self._clock.monotonic_s() >= self._retry_s

    def sign(self, public_key: bytes, text: bytes) -> bytes:
        """Return the signature over ``text`` under the key of ``public_key``.

        Raises:
            GatewayError: Not now; see ``cryptoki``.
        """
        return self._ask(lambda session: session.sign(public_key, text))

    def generate(self) -> bytes:
        """Make a key inside the token; return its public half.

        Raises:
            GatewayError: Not now; see ``cryptoki``.
        """
        return self._ask(lambda session: session.generate(self._place.label))

    def destroy(self, public_key: bytes) -> None:
        """Destroy a key, if the token has it.

        Raises:
            GatewayError: Not now; see ``cryptoki``.
        """
        self._ask(lambda session: session.destroy(public_key))

    def check(self, public_key: bytes) -> None:
        """Check that the token holds the private half of ``public_key``.

        Raises:
            GatewayError: It does not, or cannot be asked.
        """
        self._ask(lambda session: session.check(public_key))

    def close(self) -> None:
        """Log out; a call that hangs is left behind."""
        self._thread.submit(self._end)
        self._thread.shutdown(wait=self.ready)

    def _ask(self, call: "Callable[[TokenSession], T]") -> T:
        with self._lock:
            if not self.ready:
                raise UnavailableError(self.fault)
            future = self._thread.submit(self._call, call)
            try:
                result = future.result(self._call_s_max)
            except TimeoutError:
                self._hung = future
                error = UnavailableError(f"token: no answer within {self._call_s_max:g} s")
                self._note(str(error))
                raise error from None
            except GatewayError as error:
                self._note(str(error))
                raise
            self._note("")
            return result

    def _note(self, fault: str) -> None:
        if fault and fault != self.fault:
            _log.error("key_unavailable", fault=fault)
        elif self.fault and not fault:
            _log.info("key_available")
        self.fault = fault
        if fault:
            self._retry_s = self._clock.monotonic_s() + self._delay_s
            self._delay_s = min(2 * self._delay_s, RETRY_S_MAX)
        else:
            self._delay_s = RETRY_S_MIN

    def _call(self, call: "Callable[[TokenSession], T]") -> T:
        if self._session is None:
            self._session = self._open()
        try:
            return call(self._session)
        except GatewayError:
            self._end()
            raise

    def _open(self) -> "TokenSession":
        place = self._place
        try:
            from gateway.signing.cryptoki import PinRefusedError, TokenSession
        except ModuleNotFoundError:
            bound = "of an installation with the extra gateway-pkcs11"
            raise ConfigError("key.module", place.module, bound) from None
        try:
            session = TokenSession(place.module, place.token, self._read_pin)
        except PinRefusedError:
            self._remember_refusal()
            raise
        place.refused_file.unlink(missing_ok=True)
        return session

    def _end(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            session.close()

    def _read_pin(self) -> str:
        path = self._place.pin_file
        try:
            with path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                data = file.read(PIN_BYTES_MAX + 1)
        except OSError as error:
            raise ConfigError("key.pin_file", str(path), f"readable: {error.strerror}") from error
        if mode & 0o027:
            bound = f"closed to others: mode is {mode:04o}, must be 0600 or 0640"
            raise ConfigError("key.pin_file", str(path), bound)
        pin = data.strip()
        if not pin or len(data) > PIN_BYTES_MAX or not pin.isascii():
            bound = f"1 to {PIN_BYTES_MAX} bytes of ASCII; it has {len(data)}"
            raise ConfigError("key.pin_file", str(path), bound)
        if self._was_refused(pin):
            raise StateError(
                f"key.pin_file {path}: the token refused this PIN, it is not tried again; must"
                f" hold the right one; or, if the token's was changed, remove"
                f" {self._place.refused_file}"
            )
        return pin.decode("ascii")

    def _was_refused(self, pin: bytes) -> bool:
        try:
            kept = self._place.refused_file.read_bytes()
        except OSError:
            return False
        return kept == self._mark(kept[:_SALT_BYTES], pin)

    def _remember_refusal(self) -> None:
        """Keep a mark of the wrong PIN: with systemd's restarts it would lock the token."""
        pin = self._place.pin_file.read_bytes().strip()
        mark = self._mark(secrets.token_bytes(_SALT_BYTES), pin)
        save_private(self._place.refused_file, mark, "mark of a refused PIN")

    def _mark(self, salt: bytes, pin: bytes) -> bytes:
        return salt + sha256(salt + self._place.token.encode() + b"\0" + pin).digest()


class TokenHolder:
    """One key inside a token."""

    def __init__(self, token: Token, public_key: bytes) -> None:
        self._token = token
        self.public_key = public_key

    @property
    def ready(self) -> bool:
        """Whether the token is worth asking now."""
        return self._token.ready

    @property
    def fault(self) -> str:
        """What was wrong with the token the last time."""
        return self._token.fault

    def sign(self, text: bytes) -> bytes:
        """Return the token's signature over ``text``.

        Raises:
            UnavailableError: The token is out, refuses, or is not as configured: signing waits.
        """
        try:
            return self._token.sign(self.public_key, text)
        except UnavailableError:
            raise
        except GatewayError as error:
            raise UnavailableError(str(error)) from error

    def file_pem(self) -> bytes:
        """Return the public key as PEM: the private one is in no file."""
        return public_pem(self.public_key)


def open_token(section: KeySection, state_dir: Path, clock: SystemClock) -> Token | None:
    """Return the token of a configuration, which is not asked yet; None: keys are in files."""
    if section.module is None or section.token is None or section.pin_file is None:
        return None
    place = TokenPlace(
        module=section.module,
        token=section.token,
        label=section.label,
        pin_file=Path(section.pin_file),
        refused_file=state_dir / PIN_REFUSED_FILE,
    )
    return Token(place, clock)
