"""Who may come through the door, and how often. Pure."""

from dataclasses import dataclass, field
from typing import Final

from backend.uplink.types import Backlog

POSTS_PER_S_MAX: Final = 10.0  # Of one gateway at one process: 160 envelopes each second.
POSTS_BURST_MAX: Final = 30.0
AT_ONCE_MAX: Final = 4  # One post and one poll; and those whose connections were cut meanwhile.
EVIDENCE_PER_S_MAX: Final = 60 / 3_600  # As many an hour as the worker keeps of one gateway.
EVIDENCE_BURST_MAX: Final = 10.0
INBOX_MESSAGES_MAX: Final = 256  # Of one gateway: eight windows of the default size.
INBOX_BYTES_MAX: Final = 8 * 1024 * 1024
RETRY_AFTER_S: Final = 1  # The worker empties what waits in far less, unless it is away.


@dataclass(slots=True, kw_only=True)
class Allowance:
    """So many a second, and a burst of some after a pause."""

    per_s: float
    burst: float
    left: float = field(init=False)
    at_s: float

    def __post_init__(self) -> None:
        self.left = self.burst

    def take(self, now_s: float) -> bool:
        """Take one; tell whether there was one."""
        self.left = min(self.burst, self.left + (now_s - self.at_s) * self.per_s)
        self.at_s = now_s
        if self.left < 1:
            return False
        self.left -= 1
        return True


@dataclass(slots=True, kw_only=True)
class Guest:
    """What one gateway does at this process."""

    posts: Allowance
    evidence: Allowance
    at_once: int = 0


def new_guest(now_s: float) -> Guest:
    """Return a gateway that comes for the first time."""
    return Guest(
        posts=Allowance(per_s=POSTS_PER_S_MAX, burst=POSTS_BURST_MAX, at_s=now_s),
        evidence=Allowance(per_s=EVIDENCE_PER_S_MAX, burst=EVIDENCE_BURST_MAX, at_s=now_s),
    )


def has_room(backlog: Backlog, messages: int, size_bytes: int) -> bool:
    """Tell whether so much more may wait."""
    return (
        backlog.messages + messages <= INBOX_MESSAGES_MAX
        and backlog.bytes + size_bytes <= INBOX_BYTES_MAX
    )
