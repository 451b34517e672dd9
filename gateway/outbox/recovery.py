"""Open the outbox of a state folder; set a file aside that cannot be used, and say where we stand.

A torn file must not stop the daemon. It is renamed, never deleted, and a new one is begun:

* every envelope was receipted (the side file says so): the stream goes on at once;
* otherwise envelopes are lost that the backend may or may not hold: sealing waits for its signed
  receipt, and the stream goes on after what that names. Readings are journalled meanwhile;
* no side file and no outbox, though the key is not new: the same, only a receipt can tell.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from gateway.errors import StateError
from gateway.outbox.evidence import BYTES_FACTOR_MAX, SQLITE_ENDS, bound_aside, new_aside
from gateway.outbox.head import Head
from gateway.outbox.store import OutboxStore, StoreParts

CHECK_BYTES_MAX: Final = 64 * 1024 * 1024  # quick_check reads all: 2 s of an SD card at start.

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """A file that was set aside, and why; older ones ``deleted`` that were one too many."""

    file: Path
    why: str
    deleted: Sequence[str] = ()


def open_store(parts: StoreParts, *, now_unix_us: int) -> tuple[OutboxStore, Quarantine | None]:
    """Return the store of ``parts``, and the file set aside if the one there was unusable.

    Raises:
        StateError: A newer version wrote the file, it is another gateway's, or the folder cannot
            be written.
    """
    quarantine = None
    try:
        store = _open_checked(parts)
        if parts.turn is not None and store.key_id() not in {None, parts.signer.key_id}:
            parts.turn(store.key_id() or b"")  # The stream has turned; its key file follows.
            store.close()
            store = _open_checked(parts)
        if store.key_id() not in {None, parts.signer.key_id}:
            store.close()
            quarantine = set_aside(parts, "key_changed", now_unix_us)
            store = OutboxStore(parts)
    except (sqlite3.DatabaseError, ValueError) as error:
        if not is_torn(error):
            raise StateError(f"outbox {parts.path}: {error}") from error
        quarantine = set_aside(parts, str(error), now_unix_us)
        store = OutboxStore(parts)
    if (kept := store.gateway()) not in {None, parts.gateway}:
        store.close()
        raise StateError(
            f"outbox {parts.path}: its stream is of gateway {kept!r}, gateway.id is"
            f" {parts.gateway!r}: one key signs for one gateway. Set gateway.id back to {kept!r},"
            f" or enrol {parts.gateway!r} with a new key (enrol --new-key)"
        )
    if store.key_id() is None:
        _begin(store, parts, quarantine)
    store.sync_head_file()
    return store, quarantine


def is_torn(error: Exception) -> bool:
    """Tell whether ``error`` means a file that will not get better by trying again."""
    if isinstance(error, sqlite3.ProgrammingError):
        return False  # Of a connection wrongly used: it says nothing of the file.
    if isinstance(error, sqlite3.OperationalError):
        # Full, locked, read-only or unreadable now; SQLITE_CORRUPT and NOTADB are DatabaseErrors,
        # but a file without our tables is an OperationalError.
        return "no such table" in str(error) or "no such column" in str(error)
    return isinstance(error, sqlite3.DatabaseError | ValueError)


def _open_checked(parts: StoreParts) -> OutboxStore:
    store = OutboxStore(parts)
    try:
        if parts.path.stat().st_size <= CHECK_BYTES_MAX:
            store.check()
    except BaseException:
        store.close()
        raise
    return store


def _begin(store: OutboxStore, parts: StoreParts, quarantine: Quarantine | None) -> None:
    """Start the stream of an empty file where the side file says that it stood."""
    head = parts.head_file.head(parts.signer.key_id)
    known = head is not None and head.receipted == head.number
    if not known:
        _log.error(
            "stream_head_unknown",
            gateway=parts.gateway,
            sealed=None if head is None else head.number,
            receipted=None if head is None else head.receipted,
            quarantined=None if quarantine is None else str(quarantine.file),
            remedy="waits for the backend's receipt; if none comes, enrol this gateway again",
        )
    store.begin_stream(head or Head(key_id=parts.signer.key_id), known=known)


def set_aside(parts: StoreParts, why: str, now_unix_us: int) -> Quarantine:
    """Rename the outbox file and what belongs to it; of those set aside before, keep a few.

    Raises:
        OSError: The folder cannot be written.
    """
    path = parts.path
    aside = new_aside(path, now_unix_us)
    for end in SQLITE_ENDS:
        file = path.with_name(path.name + end)
        if file.exists():
            file.rename(aside.with_name(aside.name + end))
    deleted = bound_aside(path, parts.bytes_max * BYTES_FACTOR_MAX)
    _log.error("outbox_quarantined", file=str(aside), why=why, deleted=deleted)
    return Quarantine(file=aside, why=why, deleted=deleted)
