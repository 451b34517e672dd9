"""How full the outbox is: against its own bound, and against what the disk has left.

Both are met before the disk reports an error: first by thinning, and always with room to record a
receipt. A disk that is met as an error refuses that as well, and nothing would ever get free
again. At the bound readings are refused; for the disk they wait (see ``admission``).
"""

import os
import sqlite3
from pathlib import Path
from typing import Final

from gateway.outbox.admission import Space
from gateway.outbox.database import PAGE_BYTES

WAL_BYTES_MAX: Final = 4 * 1024 * 1024  # Checkpointed when it has grown to half of this.


class Room:
    """The room that one outbox file has."""

    def __init__(self, db: sqlite3.Connection, path: Path, bytes_max: int) -> None:
        """Bound the file of ``db`` at ``path``, its write-ahead log among it."""
        self._db = db
        self._path = path
        self._wal = path.with_name(f"{path.name}-wal")
        self._wal_bytes_max = min(WAL_BYTES_MAX, bytes_max // 4)
        self._bound = (bytes_max - self._wal_bytes_max) // PAGE_BYTES
        db.execute(f"PRAGMA max_page_count = {self._bound:d}")
        db.execute(f"PRAGMA wal_autocheckpoint = {self._wal_bytes_max // PAGE_BYTES // 2:d}")
        db.execute(f"PRAGMA journal_size_limit = {self._wal_bytes_max:d}")

    def spaces(self) -> tuple[Space, Space]:
        """Return what the bound leaves, and what the disk does.

        Pages freed inside the file count as left.
        """
        total = self._total
        free = int(self._db.execute("PRAGMA freelist_count").fetchone()[0])
        disk = self._disk_pages(total)
        return (
            Space(pages_max=self._bound, pages_left=self._bound - total + free),
            Space(pages_max=total + disk, pages_left=disk + free),
        )

    def space(self) -> Space:
        """Return the tighter of both."""
        own, disk = self.spaces()
        return disk if disk.pages_left < own.pages_left else own

    @property
    def _total(self) -> int:
        return int(self._db.execute("PRAGMA page_count").fetchone()[0])

    def _disk_pages(self, total: int) -> int:
        """Return how many pages the disk has beyond what is already spoken for; may be below 0."""
        disk = os.statvfs(self._path.parent)
        log = _size(self._wal)
        spoken_for = max(self._wal_bytes_max - log, 0) + max(
            total * PAGE_BYTES - _size(self._path), 0
        )
        return (disk.f_bavail * disk.f_frsize - spoken_for) // PAGE_BYTES


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
