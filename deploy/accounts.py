"""The unprivileged account of a server that refuses root, and folders within its reach."""

import json
import os
import pwd
import shutil
import stat
from hashlib import sha256
from pathlib import Path

from deploy.errors import ChildDiedError, StateError
from deploy.processes import Account, Program, output_of

UNPRIVILEGED_USERS = ("postgres", "nobody")  # The first that exists.
SHARED_STATE_ROOT = Path("/var/tmp")  # noqa: S108 - survives a reboot; folders in it are checked
_MARK = "belongs-to.json"


def choose_account() -> Account | None:
    """Return the account that servers run as: our own (None), or an unprivileged one for root.

    Raises:
        StateError: we are root and the machine has no unprivileged user.
    """
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(uid=entry.pw_uid, gid=entry.pw_gid)
    message = f"PostgreSQL does not run as root and none of {UNPRIVILEGED_USERS} exists"
    raise StateError(message)


def may_enter(folder: Path, account: Account | None) -> bool:
    """Tell whether ``account`` reaches ``folder`` through all its parents."""
    enter = Program(
        name="enter", argv=("/bin/sh", "-c", 'cd "$1"', "sh", str(folder)), account=account
    )
    try:
        output_of(enter)
    except ChildDiedError:
        return False
    return True


def may_run(program: Path, account: Account | None) -> bool:
    """Tell whether ``account`` reaches and runs ``program``, which must know ``--version``."""
    try:
        output_of(Program(name=program.name, argv=(str(program), "--version"), account=account))
    except (ChildDiedError, OSError):
        return False
    return True


def server_home(state_dir: Path, state_id: str, account: Account | None) -> Path:
    """Return the folder for files of ``account``'s server: ``state_dir``, or a stand-in for it.

    The stand-in's name follows from the path of ``state_dir``, and ``state_id`` is written into
    it: one whose ``state_dir`` was deleted or made anew since then is emptied.

    Raises:
        StateError: the stand-in exists and is not ours.
    """
    if account is None:
        return state_dir
    state_dir.chmod(0o711)  # Enter, not list; what is private in it has its own mode.
    if may_enter(state_dir, account):
        return state_dir
    home = stand_in_for(state_dir)
    home.mkdir(mode=0o711, exist_ok=True)
    if not is_own_folder(home):
        message = f"{home} is not a folder of ours: remove it"
        raise StateError(message)
    home.chmod(0o711)
    mark = home / _MARK
    expected = json.dumps({"state_dir": str(state_dir.resolve()), "state_id": state_id})
    if not mark.exists() or mark.read_text(encoding="utf-8") != expected:
        empty(home)
        mark.write_text(expected, encoding="utf-8")
    return home


def is_own_folder(path: Path) -> bool:
    """Tell whether ``path`` is a real folder, no link, that our user owns."""
    try:
        info = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(info.st_mode) and info.st_uid == os.geteuid()


def stand_in_for(state_dir: Path) -> Path:
    """Return where a server's files lie when its account cannot reach ``state_dir``."""
    digest = sha256(str(state_dir.resolve()).encode()).hexdigest()[:16]
    return SHARED_STATE_ROOT / f"pledgewatch-{digest}"


def empty(folder: Path) -> None:
    """Remove everything in ``folder``, following no link."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def give_to(account: Account | None, path: Path) -> None:
    """Make ``account`` the owner of ``path``, when we are root and it is another."""
    if account is not None:
        os.chown(path, account.uid, account.gid)


def write_private(path: Path, text: str, account: Account | None = None) -> None:
    """Write a file that only ``account`` (or we) can read, whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    give_to(account, partial)
    partial.rename(path)
