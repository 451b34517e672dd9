"""The state folder: who this gateway is, kept where it keeps its queue.

A new key and the note that its stream begins at number 1 are made together: a key without the note
has lost its outbox, and must not begin at 1 again.
"""

import contextlib
import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Final

import structlog

from gateway.errors import GatewayError, StateError
from gateway.outbox.head import HEAD_FILE, Head, HeadFile
from gateway.signing import FileHolder, Signer, Token, load_key, make_key, save_key, sync_folder

KEY_FILE: Final = "key.pem"  # Of a key inside a token: its public half.
NEXT_KEY_FILE: Final = "key.next.pem"  # Made, and not yet in the place of the other.
ENROLLING_KEY_FILE: Final = "key.enrolling.pem"  # Shown to the backend, and perhaps enrolled.
RETIRED_KEY_FILE: Final = "key.retired.pem"  # Replaced; a token may hold it still.
OUTBOX_FILE: Final = "outbox.sqlite3"
LOCK_FILE: Final = "lock"
_SQLITE_ENDS: Final = ("", "-wal", "-shm")

_log = structlog.get_logger()


def open_identity(state_dir: Path, token: Token | None = None) -> tuple[Signer, bool]:
    """Return the gateway's key, made when absent, and whether it is new.

    A new key is made inside ``token`` where there is one. A key that is there stays where it is;
    whether its token is there shows when it is to sign.

    Raises:
        StateError: The folder cannot be written, or the key file is not as it must be.
        GatewayError: The token makes no key now.
    """
    path = state_dir / KEY_FILE
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            signer = load_key(path, token)
            if (key_id := _key_of_stream(state_dir)) is not None:
                # If the power went between the two.
                turn_key(state_dir, signer, key_id, token=token)
            destroy_retired(state_dir, token)
            return signer, False
        signer = make_key(token)
        with HeadFile(state_dir / HEAD_FILE) as head_file:
            head_file.save(Head(key_id=signer.key_id))
    except OSError as error:
        raise StateError(f"state folder {state_dir}: {error.strerror or error}") from error
    save_key(signer, path)
    return signer, True


def next_signer(state_dir: Path, token: Token | None = None) -> Signer:
    """Return the key that is to follow, made when absent; the present one stays in force.

    Raises:
        StateError: The folder cannot be written, or the key file is not as it must be.
        GatewayError: The token makes no key now.
    """
    return _kept_or_made(state_dir / NEXT_KEY_FILE, token)


def turn_key(
    state_dir: Path, signer: Signer, key_id: bytes, *, token: Token | None = None
) -> None:
    """Put the next key, if it is ``key_id``, in the place of the present one and into ``signer``.

    The old key is gone with that: all that it sealed is committed, and it must seal no more. A
    token need not be there for it: ``destroy_retired`` destroys the old key when it is.

    Raises:
        StateError: The folder cannot be written.
    """
    path = state_dir / NEXT_KEY_FILE
    if not path.exists():
        return
    following = load_key(path, token)
    if following.key_id != key_id:
        return
    try:
        if not isinstance(signer.holder, FileHolder):
            save_key(signer, state_dir / RETIRED_KEY_FILE)
        path.replace(state_dir / KEY_FILE)
        sync_folder(state_dir)
    except OSError as error:
        raise StateError(f"key file {path}: {error.strerror or error}") from error
    signer.become(following)
    destroy_retired(state_dir, token)


def destroy_retired(state_dir: Path, token: Token | None) -> None:
    """Destroy the key that a token still holds although another took its place.

    Not now, if the token is out: the key's file stays, and it is tried again at the next start.
    """
    path = state_dir / RETIRED_KEY_FILE
    if token is None or not path.exists():
        return
    try:
        retired = load_key(path, token).public_key
        present = load_key(state_dir / KEY_FILE, token).public_key
        if retired != present:  # The power may have gone before the other took its place.
            token.check(present)  # A token that is out can look empty.
            token.destroy(retired)
        path.unlink()
        sync_folder(state_dir)
    except (GatewayError, OSError) as error:
        _log.warning("retired_key_not_destroyed", error=str(error))


def enrolling_signer(state_dir: Path, token: Token | None = None) -> Signer:
    """Return a key that is to be enrolled in the place of the present one, made when absent.

    Raises:
        StateError: The folder cannot be written, or the key file is not as it must be.
        GatewayError: The token makes no key now.
    """
    return _kept_or_made(state_dir / ENROLLING_KEY_FILE, token)


def _kept_or_made(path: Path, token: Token | None) -> Signer:
    if path.exists():
        return load_key(path, token)
    signer = make_key(token)
    save_key(signer, path)
    return signer


def replace_identity(state_dir: Path, now_unix_us: int, token: Token | None = None) -> Path:
    """Begin anew under the key that was enrolled; set the old key and its outbox aside.

    Nothing is deleted, in a token neither: what the old outbox holds is evidence. Done again after
    a power cut it goes on where it was. Returns the folder with the old files.

    Raises:
        StateError: The folder cannot be written.
    """
    signer = load_key(state_dir / ENROLLING_KEY_FILE, token)
    aside = state_dir / f"replaced-{now_unix_us}"
    try:
        aside.mkdir(mode=0o700)
        for name in (*(f"{OUTBOX_FILE}{end}" for end in _SQLITE_ENDS), HEAD_FILE, NEXT_KEY_FILE):
            if (state_dir / name).exists():
                (state_dir / name).rename(aside / name)
        with HeadFile(state_dir / HEAD_FILE) as head_file:
            head_file.save(Head(key_id=signer.key_id))
        if (state_dir / KEY_FILE).exists():
            (aside / KEY_FILE).hardlink_to(state_dir / KEY_FILE)
        sync_folder(aside)
        (state_dir / ENROLLING_KEY_FILE).replace(state_dir / KEY_FILE)
        sync_folder(state_dir)
    except OSError as error:
        raise StateError(f"state folder {state_dir}: {error.strerror or error}") from error
    return aside


def _key_of_stream(state_dir: Path) -> bytes | None:
    """Return the id of the key that the outbox, else the side file, says is in force."""
    path = state_dir / OUTBOX_FILE
    if path.exists():
        with contextlib.suppress(sqlite3.Error):
            db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)
            try:
                row = db.execute("SELECT key_id FROM stream").fetchone()
            finally:
                db.close()
            if row is not None:
                return bytes(row[0])
    with HeadFile(state_dir / HEAD_FILE) as head_file:
        return head_file.key_id


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
