"""Where the stream stands: a window, receipts, when to send again. Pure.

Go-back-N: up to ``window`` envelopes are on their way without a receipt. After silence, or when
the backend repeats its last receipt, sending starts again right behind it.
"""

from dataclasses import dataclass
from typing import Final

SILENCE_FACTOR_MAX: Final = 8.0  # A backend that is down is asked ever more rarely, to this bound.
GO_BACK_SHARE: Final = 0.2  # Of the time-out: a burst of repeated receipts is one hint, not many.


@dataclass(slots=True, kw_only=True)
class SendWindow:
    """What was sent and receipted; the caller brings the time."""

    window: int
    receipt_timeout_s: float
    receipted: int = 0
    sent: int = 0
    _since_s: float = 0.0
    _factor: float = 1.0
    _went_back_s: float = float("-inf")
    _echoes: int = 0  # Receipts that may yet come for what was on its way when it was sent again.

    @property
    def room(self) -> int:
        """How many more envelopes may be sent now."""
        return max(self.receipted + self.window - self.sent, 0)

    def begin(self, receipted: int, now_s: float) -> None:
        """Start a session: whatever was on its way is sent again."""
        self.receipted = receipted
        self._factor = 1.0
        self._go_back(now_s)

    def note_sent(self, number: int, now_s: float) -> None:
        """Note that the envelope ``number`` was handed to the broker."""
        if self.sent == self.receipted:
            self._since_s = now_s
        self.sent = max(self.sent, number)

    def note_receipt(self, number: int, now_s: float) -> None:
        """Note a receipt for ``number``, at least the last; repeated, it asks to send again.

        Unless it may be the answer to an envelope that was sent twice: each repetition would be
        answered by another, and the window sent for ever.
        """
        if number > self.receipted:
            self.receipted = number
            self.sent = max(self.sent, number)
            self._since_s = now_s
            self._factor = 1.0
        elif self._echoes and now_s - self._went_back_s < self.receipt_timeout_s:
            self._echoes -= 1
        elif self.sent > self.receipted and self._may_go_back(now_s):
            self._go_back(now_s)
            self._echoes -= 1  # One of those was answered by this.

    def wait_s(self, now_s: float) -> float | None:
        """Return after how long silence means a loss; None: nothing is on its way."""
        if self.sent == self.receipted:
            return None
        return max(self._since_s + self.receipt_timeout_s * self._factor - now_s, 0.0)

    def check_silence(self, now_s: float) -> bool:
        """Go back when the backend was silent for too long; tell whether that happened."""
        wait_s = self.wait_s(now_s)
        if wait_s is None or wait_s > 0:
            return False
        self._factor = min(self._factor * 2, SILENCE_FACTOR_MAX)
        self._go_back(now_s)
        return True

    def _may_go_back(self, now_s: float) -> bool:
        return now_s - self._went_back_s >= self.receipt_timeout_s * GO_BACK_SHARE

    def _go_back(self, now_s: float) -> None:
        self._echoes = min(max(self.sent - self.receipted, 0), self.window)
        self.sent = self.receipted
        self._since_s = self._went_back_s = now_s
