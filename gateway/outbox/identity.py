"""The state folder: who this gateway is, kept where it keeps its queue.

A new key and the note that its stream begins at number 1 are made together: a key without the note
has lost its outbox, and must not begin at 1 again.
"""

import fcntl
import os
from pathlib import Path
from typing import Final

from gateway.errors import StateError
from gateway.outbox.head import HEAD_FILE, Head, HeadFile
from gateway.signing import Signer, load_key, new_signer, save_key

KEY_FILE: Final = "key.pem"
OUTBOX_FILE: Final = "outbox.sqlite3"
LOCK_FILE: Final = "lock"


def open_identity(state_dir: Path) -> tuple[Signer, bool]:
    """Return the gateway's key, made when absent, and whether it is new.

    Raises:
        StateError: The folder cannot be written, or the key file is not as it must be.
    """
    path = state_dir / KEY_FILE
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            return load_key(path), False
        signer = new_signer()
        with HeadFile(state_dir / HEAD_FILE) as head_file:
            head_file.save(Head(key_id=signer.key_id))
    except OSError as error:
        raise StateError(f"state folder {state_dir}: {error.strerror or error}") from error
    save_key(signer, path)
    return signer, True


def lock_state(state_dir: Path) -> int:
    """Take the state folder for this process until it ends; two daemons would fork the stream.

    Raises:
        StateError: Another process holds it.
    """
    path = state_dir / LOCK_FILE
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StateError(f"state folder {state_dir}: another gateway is running on it") from None
    return descriptor
