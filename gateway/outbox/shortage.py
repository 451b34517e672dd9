"""While readings wait for room on the disk: since when, and what is told of it."""

from typing import Final

import structlog

from gateway.outbox.losses import Losses

TOLD_EVERY_S: Final = 10.0  # At the edge of the room it begins and ends many times a second.

_log = structlog.get_logger()


class Shortage:
    """Whether readings wait for room on the disk; for one thread."""

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._since_s: float | None = None
        self._told_s = -TOLD_EVERY_S

    def __bool__(self) -> bool:
        return self._since_s is not None

    def begin(self, now_s: float) -> None:
        """Note that readings wait; the log says so once in a while."""
        if self._since_s is not None:
            return
        self._since_s = now_s
        if now_s - self._told_s >= TOLD_EVERY_S:
            self._told_s = now_s
            _log.error("outbox_disk_full", remedy="make room on the disk of the state folder")

    def end(self, now_s: float) -> None:
        """Note that the disk has room again; a record will tell how long it had none."""
        if self._since_s is not None:
            self._losses.note_wait(now_s - self._since_s)
            self._since_s = None
