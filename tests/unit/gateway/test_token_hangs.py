"""A token's module that hangs: callers get on, and it is not called twice at a time."""

import threading
from pathlib import Path
from typing import cast

import pytest

from gateway.clock import SystemClock
from gateway.errors import UnavailableError
from gateway.signing.cryptoki import TokenSession
from gateway.signing.token import RETRY_S_MAX, Token, TokenPlace

KEY = bytes(32)
HANG_S_MAX = 30.0


class SteppedClock(SystemClock):
    """A clock whose monotonic time is moved by the test."""

    now_s = 0.0

    def monotonic_s(self) -> float:
        """Return the time that the test has set."""
        return self.now_s


class Module:
    """Answers when the test lets it."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self.calls = 0

    def sign(self, _public_key: bytes, text: bytes) -> bytes:
        """Return something, once it may."""
        self.calls += 1
        assert self.answers.wait(HANG_S_MAX)
        return text

    def close(self) -> None:
        """Have nothing to close."""


class HangingToken(Token):
    """A token over such a module."""

    def __init__(self, place: TokenPlace, clock: SystemClock, module: Module) -> None:
        super().__init__(place, clock, call_s_max=0.05)
        self._module = module

    def _open(self) -> TokenSession:
        return cast("TokenSession", self._module)


def test_call_that_hangs_is_given_up_and_no_other_is_made_until_it_returns(
    tmp_path: Path,
) -> None:
    """Time alone does not make it ready; the return of the call does."""
    place = TokenPlace(
        module="/lib.so",
        token="t",
        label="pw",
        pin_file=tmp_path / "pin",
        refused_file=tmp_path / "refused",
    )
    module, clock = Module(), SteppedClock()
    token = HangingToken(place, clock, module)
    assert token.sign(KEY, b"one") == b"one"
    module.answers.clear()
    with pytest.raises(UnavailableError, match=r"no answer within 0\.05 s"):
        token.sign(KEY, b"two")
    clock.now_s += 10 * RETRY_S_MAX
    assert not token.ready
    with pytest.raises(UnavailableError, match="no answer"):
        token.sign(KEY, b"three")
    assert module.calls == 2
    module.answers.set()
    _wait_until_ready(token)
    assert token.sign(KEY, b"four") == b"four"
    assert not token.fault
    token.close()


def _wait_until_ready(token: Token) -> None:
    deadline = threading.Event()
    timer = threading.Timer(HANG_S_MAX, deadline.set)
    timer.start()
    while not token.ready:
        assert not deadline.wait(0.001)
    timer.cancel()
