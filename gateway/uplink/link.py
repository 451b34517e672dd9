"""How the uplink stands, as it goes by it and as whoever looks at the gateway sees it."""

from dataclasses import dataclass
from enum import StrEnum


class LinkState(StrEnum):
    """Whether envelopes can leave."""

    CONNECTING = "connecting"
    OPEN = "open"
    WAITING = "waiting"  # For the next attempt to connect.
    STOPPED = "stopped"  # Connected, but the backend holds another stream: nothing is sent.


@dataclass(slots=True, kw_only=True)
class Link:
    """The present state and how it came; times are of the clock that only grows."""

    state: LinkState
    since_s: float
    error: str = ""  # Why the last session ended.
    stopped: str = ""  # Why nothing may be sent; empty: it may.
    retry_s: float | None = None  # When the next attempt begins.
    receipt_number: int | None = None  # Of the last receipt that was the backend's.
    receipt_s: float | None = None
    forged: int = 0  # Receipts that were none of the backend's.
    commands_oversized: int = 0  # Dropped unread: no command is so long.

    def change(self, state: LinkState, now_s: float, *, retry_s: float | None = None) -> None:
        """Note the state from ``now_s`` on."""
        if state is not self.state:
            self.state = state
            self.since_s = now_s
        self.retry_s = retry_s

    def note_receipt(self, number: int, now_s: float) -> None:
        """Note that a receipt for ``number`` came and was the backend's."""
        self.receipt_number = number
        self.receipt_s = now_s
