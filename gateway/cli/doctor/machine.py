"""State folder, disk, key and clock of this machine."""

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.cli.doctor.finding import Finding, ok, problem, warning
from gateway.cli.words import bytes_text
from gateway.clock import SystemClock
from gateway.config.file import Config
from gateway.errors import GatewayError
from gateway.outbox.head import HEAD_FILE
from gateway.outbox.identity import KEY_FILE, OUTBOX_FILE
from gateway.signing import FileHolder, load_key, open_token
from schemas.envelope import ClockState

FREE_BYTES_MIN: Final = 64 * 1024 * 1024  # Below this a day of a busy site finds no room.
FREE_INODES_MIN: Final = 100
SYNC_S_MAX: Final = 0.5  # A worn SD card takes longer.
SYNCS: Final = 5
# Source: JEDEC eMMC 5.1, 7.4.50: 1 to 10 are tenths of the life used, 11 is beyond it.
LIFE_TENTHS_WORN: Final = 9
_EARLIEST_UNIX_US: Final = 1_577_836_800_000_000  # 2020: no gateway was made before.
_BACK_S: Final = 60  # The newest file is not younger than now, but for a small correction.
_LOST_AT_POWER_OFF: Final = frozenset({"tmpfs", "ramfs", "overlay"})
_NO_RIGHTS: Final = frozenset({"vfat", "exfat", "msdos"})
_MOUNTS: Final = Path("/proc/self/mountinfo")
_BLOCKS: Final = Path("/sys/block")


def check_state(config: Config) -> Iterator[Finding]:
    """Yield what there is to say of the state folder and its disk."""
    folder = Path(config.gateway.state_dir)
    if not folder.is_dir():
        make = f"install -d -m 0700 -o pledgewatch {folder}; `keygen` makes it too"
        yield problem("state folder", f"{folder} does not exist", make)
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        who = "run this as root or as the gateway's user"
        yield problem("state folder", f"{folder} may not be used by this user", who)
        return
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        what = f"{folder} has mode {mode:04o}: others may look into it"
        yield warning("state folder", what, f"chmod 0700 {folder}")
    else:
        yield ok("state folder", f"{folder}, for its owner only")
    yield _space(config, folder)
    yield from _inodes(folder)
    yield _mount(folder)
    yield _sync(folder)
    yield from _wear()


def check_key(config: Config) -> Iterator[Finding]:
    """Yield whether the key is there and nobody else's."""
    path = Path(config.gateway.state_dir) / KEY_FILE
    try:
        if not path.exists():
            yield problem("key", f"{path} does not exist", "`keygen`, then `enrol`")
            return
        token = open_token(config.key, path.parent, SystemClock())
        signer = load_key(path, token)
        if token is not None and isinstance(signer.holder, FileHolder):
            remedy = "`rotate` makes the next key inside the token"
            yield warning("key", f"{path} holds the private key, not the token", remedy)
            return
        if token is not None:
            token.check(signer.public_key)
            yield ok("key", f"inside token {config.key.token!r}, {signer.key_id.hex()}")
            return
    except PermissionError:
        who = "run this as root or as the gateway's user"
        yield problem("key", f"{path} may not be read by this user", who)
    except GatewayError as error:
        remedy = f"chmod 600 {path}; enrol anew if somebody may have copied it"
        if config.key.module is not None:
            remedy = "plug the token in; look at [key] in the configuration; `enrol --new-key`"
        yield problem("key", str(error), remedy)
    else:
        yield ok("key", f"{path}, mode 0600")


def check_clock(config: Config, clock: SystemClock) -> Iterator[Finding]:
    """Yield whether the wall clock can be right, and whether anything keeps it so."""
    now = clock.unix_us()
    shown = datetime.fromtimestamp(now / 1_000_000, UTC).isoformat(timespec="seconds")
    newest = _newest_us(Path(config.gateway.state_dir))
    if now < _EARLIEST_UNIX_US:
        yield problem("clock", f"it is {shown}", "set it, or wait for NTP; fit a clock module")
    elif newest is not None and now < newest - _BACK_S * 1_000_000:
        back_s = (newest - now) / 1_000_000
        what = (
            f"it is {shown}, {back_s:.0f} s before the last write: the machine began in the past"
        )
        yield problem("clock", what, "wait for NTP; fit a clock module with a battery")
    elif clock.state() is ClockState.FREE_RUNNING:
        remedy = "timedatectl set-ntp true, or chrony; with a GNSS receiver, gpsd and chrony"
        yield warning("clock", f"it is {shown}; nothing keeps it right", remedy)
    else:
        yield ok("clock", f"it is {shown}, kept by {clock.state().name}")


def _newest_us(folder: Path) -> int | None:
    times: list[int] = []
    for name in (OUTBOX_FILE, HEAD_FILE):
        try:
            times.append((folder / name).stat().st_mtime_ns // 1_000)
        except OSError:
            continue
    return max(times, default=None)


def _space(config: Config, folder: Path) -> Finding:
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    path = folder / OUTBOX_FILE
    room = config.outbox.bytes_max - (path.stat().st_size if path.exists() else 0)
    shown = f"{bytes_text(free)} free"
    if free < FREE_BYTES_MIN:
        return problem("disk space", shown, "free the disk: journalctl --vacuum-size=50M")
    if free < room:
        what = f"{shown}, but the queue may grow by {bytes_text(room)}"
        return warning("disk space", what, "free the disk, or lower outbox.bytes_max")
    return ok("disk space", f"{shown}; the queue may grow by {bytes_text(room)}")


def _inodes(folder: Path) -> Iterator[Finding]:
    disk = os.statvfs(folder)
    if disk.f_files and disk.f_favail < FREE_INODES_MIN:
        yield problem("disk inodes", f"{disk.f_favail} left", "remove files nobody needs")


def _mount(folder: Path) -> Finding:
    kind, options = mount_of(folder, _MOUNTS.read_text(encoding="utf-8", errors="replace"))
    if kind in _LOST_AT_POWER_OFF:
        what = f"{folder} lies on {kind}: key and queue are lost when the power goes"
        return problem("file system", what, "put gateway.state_dir on a real disk")
    if kind in _NO_RIGHTS:
        what = f"{folder} lies on {kind}, which keeps no rights and no journal"
        return problem("file system", what, "use ext4")
    risky = options & {"nobarrier", "barrier=0", "data=writeback"}
    if risky:
        what = f"{kind} with {', '.join(sorted(risky))}: a power cut may tear the queue"
        return warning("file system", what, "mount it without these options")
    return ok("file system", kind)


def mount_of(folder: Path, mounts: str) -> tuple[str, set[str]]:
    """Return kind and options of the file system that ``folder`` lies on.

    Source: proc(5), /proc/pid/mountinfo: mount point fifth, options sixth; after a lone hyphen
    kind, source and the file system's own options.
    """
    best, kind, options = "", "", set[str]()
    target = str(folder.resolve())
    for line in mounts.splitlines():
        head, _, tail = line.partition(" - ")
        left, right = head.split(), tail.split()
        if len(left) < 6 or len(right) < 3:
            continue
        point = left[4].replace("\\040", " ")
        within = target == point or target.startswith(point.rstrip("/") + "/")
        if within and len(point) >= len(best):
            best, kind = point, right[0]
            options = {*left[5].split(","), *right[2].split(",")}
    return kind, options


def _sync(folder: Path) -> Finding:
    """Write as the queue does, and see how long the disk takes for it."""
    clock = SystemClock()
    path = folder / ".doctor"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            worst_s = 0.0
            for _ in range(SYNCS):
                began_s = clock.monotonic_s()
                os.write(descriptor, bytes(4_096))
                os.fdatasync(descriptor)
                worst_s = max(worst_s, clock.monotonic_s() - began_s)
                if worst_s > SYNC_S_MAX:
                    break
        finally:
            os.close(descriptor)
            path.unlink()
    except OSError as error:
        return problem("disk writes", error.strerror or str(error), "check the disk: dmesg, fsck")
    if worst_s > SYNC_S_MAX:
        what = f"a small write took {worst_s:.1f} s"
        return warning("disk writes", what, "replace a worn card; move other writers away")
    return ok("disk writes", f"safe within {worst_s * 1_000:.0f} ms")


def _wear(blocks: Path = _BLOCKS) -> Iterator[Finding]:
    for path in sorted(blocks.glob("mmcblk*/device/life_time")):
        try:
            tenths = max(int(part, 16) for part in path.read_text(encoding="ascii").split())
        except (OSError, ValueError):
            continue
        name = path.parts[-3]
        if tenths >= LIFE_TENTHS_WORN:
            what = f"{name} has used {min(tenths, 10) * 10} % of its life or more"
            yield warning("disk wear", what, "replace it soon; the queue survives a copy")
        elif tenths:
            yield ok("disk wear", f"{name} has used at most {tenths * 10} % of its life")
