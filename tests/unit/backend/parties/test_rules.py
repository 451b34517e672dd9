"""When an account rests, and what is kept of a secret."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from backend.parties.rules import (
    FAILED_LOGINS_FREE,
    LOCKOUT_S_MAX,
    decide_lockout,
    digest_secret,
)
from tests.builders import NOW

FAILURES = st.integers(0, 10**6)


@given(FAILURES)
def test_more_failures_never_shorten_the_rest(failures: int) -> None:
    """The pause grows up to its limit, and begins after the free tries."""
    pause = (decide_lockout(failures, NOW) or NOW) - NOW
    longer = (decide_lockout(failures + 1, NOW) or NOW) - NOW

    assert timedelta() <= pause <= longer <= timedelta(seconds=LOCKOUT_S_MAX)
    assert (pause == timedelta()) == (failures <= FAILED_LOGINS_FREE)


@given(st.text(), st.text())
def test_a_digest_tells_secrets_apart(one: str, other: str) -> None:
    """Whatever a stranger sends, lone surrogates too, has a digest of its own."""
    assert (digest_secret(one) == digest_secret(other)) == (one == other)
