"""Which code this is: its version, and one digest over all of its files."""

from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

_PACKAGES: Final = ("gateway", "schemas")
_ROOT: Final = Path(__file__).parents[2]


def software_version() -> str:
    """Return the version of this software as it was installed."""
    try:
        return version("pledgewatch")
    except PackageNotFoundError:
        return "unpackaged"


@cache
def software_sha256() -> bytes:
    """Return the SHA-256 over the files of the gateway, as they are at the first call."""
    return digest_packages(_ROOT, _PACKAGES)


def digest_packages(root: Path, packages: tuple[str, ...]) -> bytes:
    """Return the SHA-256 over all files of ``packages`` but the interpreter's caches.

    Of each file, in the order of their paths: the path from ``root`` in UTF-8 and the contents,
    each led by its length in bytes as 8 bytes, most significant first.
    """
    digest = sha256()
    paths = [
        path
        for package in packages
        for path in (root / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    for path in sorted(paths, key=lambda p: p.relative_to(root).as_posix()):
        for part in (path.relative_to(root).as_posix().encode(), path.read_bytes()):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.digest()
