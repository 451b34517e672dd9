"""The console's own files, held in memory: a name either is one of them or is not.

Each address carries the digest of the content, so that a browser keeps a file for ever and still
never runs an old one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """A file to be served."""

    content: bytes
    media_type: str
    digest: str


def load_files(folder: Path = FOLDER) -> Mapping[str, StaticFile]:
    """Return the files that browsers may have, by their path in ``folder``."""
    files: dict[str, StaticFile] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in _TYPES:
            content = path.read_bytes()
            files[path.relative_to(folder).as_posix()] = StaticFile(
                content=content,
                media_type=_TYPES[path.suffix],
                digest=sha256(content).hexdigest()[:16],
            )
    return files
