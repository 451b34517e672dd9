"""How often a gateway may come, and how much may wait."""

from backend.uplink.rules import (
    INBOX_BYTES_MAX,
    INBOX_MESSAGES_MAX,
    Allowance,
    has_room,
)
from backend.uplink.types import Backlog


def test_allowance_is_its_burst_and_then_its_rate() -> None:
    """A burst at once, then so many a second, and never more than the burst after a pause."""
    allowance = Allowance(per_s=2.0, burst=3.0, at_s=0.0)
    assert [allowance.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [allowance.take(0.5), allowance.take(0.5)] == [True, False]
    assert [allowance.take(1_000.0) for _ in range(4)] == [True, True, True, False]


def test_room_ends_with_either_bound() -> None:
    """So many messages, so many bytes: whichever comes first."""
    assert has_room(Backlog(messages=0, bytes=0), INBOX_MESSAGES_MAX, INBOX_BYTES_MAX)
    assert not has_room(Backlog(messages=1, bytes=0), INBOX_MESSAGES_MAX, 0)
    assert not has_room(Backlog(messages=0, bytes=1), 1, INBOX_BYTES_MAX)
