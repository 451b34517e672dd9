"""The files that were set aside: a bounded number of them, the oldest and the newest kept.

A bad card may tear one file after another; what was set aside must not fill the disk. The first
ones show how it began, the newest what was lost last. The caller tells what was deleted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SQLITE_ENDS: Final = ("", "-wal", "-shm")
KEPT_MAX: Final = 4
BYTES_FACTOR_MAX: Final = 2  # Of the outbox's bound: the oldest and the newest always fit.
_MARK: Final = ".quarantine-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """A file that was set aside, at ``number`` microseconds of the wall clock."""

    file: Path
    number: int

    @property
    def bytes(self) -> int:
        """The size of the file and what belongs to it."""
        return sum(part.stat().st_size for part in self.parts)

    @property
    def parts(self) -> Sequence[Path]:
        """The file and what belongs to it, as far as it is there."""
        parts = [self.file.with_name(self.file.name + end) for end in SQLITE_ENDS]
        return [part for part in parts if part.exists()]


def new_aside(path: Path, now_unix_us: int) -> Path:
    """Return a name for what is to be set aside; newer than all that was, whatever the clock."""
    last = max((aside.number for aside in list_aside(path)), default=0)
    return path.with_name(f"{path.name}{_MARK}{max(now_unix_us, last + 1)}")


def list_aside(path: Path) -> Sequence[Aside]:
    """Return what was set aside of ``path``, the oldest first."""
    found = {
        int(digits): path.with_name(f"{path.name}{_MARK}{digits}")
        for file in path.parent.glob(f"{path.name}{_MARK}*")
        if (digits := file.name.removeprefix(path.name + _MARK).split("-")[0]).isdecimal()
    }
    return [Aside(file=file, number=number) for number, file in sorted(found.items())]


def bound_aside(path: Path, bytes_max: int) -> Sequence[str]:
    """Delete from the middle of what was set aside until the bounds hold; return the names."""
    kept = list(list_aside(path))
    sizes = {aside.number: aside.bytes for aside in kept}
    deleted: list[str] = []
    while len(kept) > 2 and (len(kept) > KEPT_MAX or sum(sizes.values()) > bytes_max):
        aside = kept.pop(len(kept) // 2)
        del sizes[aside.number]
        try:
            for part in aside.parts:
                part.unlink()
        except OSError:
            break  # A card that refuses even that must not keep the outbox from opening.
        deleted.append(aside.file.name)
    return deleted
