"""The least that the backend's clock can show now, from times under its signature. Pure.

A Pi without a battery boots weeks in the past, and whoever holds the network can keep it there.
What the backend signed is not from its future: the newest signed time seen, and what has passed
since on the clock that only grows, is a floor that nobody but the backend can raise.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class SignedTime:
    """The floor under the backend's clock; 0 while nothing signed was seen."""

    _unix_us: int = 0
    _seen_s: float = 0.0

    def note(self, issued_unix_us: int, now_s: float) -> None:
        """Note a time that stands under the backend's signature."""
        if issued_unix_us > self.floor_unix_us(now_s):
            self._unix_us = issued_unix_us
            self._seen_s = now_s

    def floor_unix_us(self, now_s: float) -> int:
        """Return what the backend's clock shows at least, microseconds since 1970."""
        if self._unix_us == 0:
            return 0
        return self._unix_us + int(max(now_s - self._seen_s, 0.0) * 1_000_000)
