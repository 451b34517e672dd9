"""Secrets on disk: for their owner only, whole or not at all, and there after a power cut."""

import os
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.errors import StateError
from gateway.signing.signer import Signer

KEY_FILE_BYTES_MAX: Final = 4_096  # PKCS #8 PEM of an Ed25519 key is 119 bytes.


def save_key(signer: Signer, path: Path) -> None:
    """Write the key of ``signer`` to ``path`` with mode 0600, whole or not at all.

    Raises:
        StateError: The file cannot be written.
    """
    save_private(path, signer.private_pem(), "key file")


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


def load_key(path: Path) -> Signer:
    """Return the key kept at ``path``.

    Raises:
        StateError: The file is unreadable, open to others, or holds no Ed25519 key.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise StateError(f"key file {path}: mode is {mode:04o}, must be 0600")
            pem = file.read(KEY_FILE_BYTES_MAX)
        key = load_pem_private_key(pem, password=None)
    except OSError as error:
        raise StateError(f"key file {path}: {error.strerror or error}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise StateError(f"key file {path}: no PKCS #8 PEM: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise StateError(f"key file {path}: holds {type(key).__name__}, must be an Ed25519 key")
    return Signer(key)


def sync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
