"""Secrets on disk: for their owner only, whole or not at all, and there after a power cut."""

import os
from pathlib import Path

from gateway.errors import StateError


def save_private(path: Path, data: bytes, what: str) -> None:
    """Write ``data`` to ``path`` with mode 0600, whole or not at all.

    Raises:
        StateError: The file cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StateError(f"{what} {path}: {error.strerror or error}") from error


def sync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
