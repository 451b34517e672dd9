"""The folder of one camera's images: content-addressed, whole or not at all, bounded by bytes.

When it is full the oldest heartbeat goes first, then the oldest answer to a challenge, and the
images of tampering last. Used by one thread at a time; readers may look in at any moment.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from pathlib import Path
from typing import Final

from gateway.errors import StateError
from gateway.signing import sync_folder
from schemas.image import IMAGE_BYTES_MAX

IMAGES_FOLDER: Final = "images"
IMAGES_MAX: Final = 100_000  # Of one camera: more names than a folder should hold.
VIEW_FILE: Final = "view"
VIEW_BYTES_MAX: Final = 65_536
_SUFFIX: Final = ".jpg"
_PARTIAL: Final = ".partial"


class Rank(IntEnum):
    """Why an image is kept; the lowest goes first."""

    HEARTBEAT = 0
    CHALLENGE = 1
    TAMPER = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """An image in the folder; ``order`` grows with each that is kept."""

    rank: Rank
    order: int
    size: int


class ImageStore:
    """The images of one camera."""

    def __init__(self, state_dir: Path, sensor: str, bytes_max: int) -> None:
        """Touch nothing yet."""
        self._folder = state_dir / IMAGES_FOLDER / sensor
        self._bytes_max = bytes_max
        self._kept: dict[str, _Kept] = {}
        self._order = 0
        self._bytes = 0

    @property
    def kept_bytes(self) -> int:
        """How much is kept."""
        return self._bytes

    def open(self) -> None:
        """Look at what is there, and take away what a power cut left unfinished.

        Raises:
            StateError: The folder cannot be used.
        """
        try:
            found: list[tuple[int, str, Rank, int]] = []
            for rank in Rank:
                folder = self._of(rank)
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                for path in folder.iterdir():
                    if path.suffix == _PARTIAL:
                        path.unlink()
                    elif path.suffix == _SUFFIX:
                        stat = path.stat()
                        found.append((stat.st_mtime_ns, path.stem, rank, stat.st_size))
        except OSError as error:
            raise StateError(f"images {self._folder}: {error.strerror or error}") from error
        self._kept.clear()
        self._bytes = 0
        for _, name, rank, size in sorted(found):
            self._note(name, rank, size)

    def put(self, image: bytes, rank: Rank) -> None:
        """Keep an image; one that is kept already is kept under the higher rank.

        Raises:
            StateError: The disk refuses; nothing half-written stays.
        """
        name = sha256(image).hexdigest()
        known = self._kept.get(name)
        try:
            if known is not None:
                if rank > known.rank:
                    self._path(name, known.rank).rename(self._path(name, rank))
                    self._forget(name)
                    self._note(name, rank, len(image))
                return
            self._make_room(len(image))
            _write(self._path(name, rank), image)
        except OSError as error:
            raise StateError(f"images {self._folder}: {error.strerror or error}") from error
        self._note(name, rank, len(image))

    def load_view(self) -> bytes:
        """Return what was saved of the camera's view; empty: nothing that can be read."""
        try:
            with (self._folder / VIEW_FILE).open("rb") as file:
                return file.read(VIEW_BYTES_MAX)
        except OSError:
            return b""

    def save_view(self, view: bytes) -> None:
        """Save what is to be known of the view after a restart.

        Raises:
            StateError: The disk refuses.
        """
        try:
            _write(self._folder / VIEW_FILE, view)
        except OSError as error:
            raise StateError(f"images {self._folder}: {error.strerror or error}") from error

    def _make_room(self, size: int) -> None:
        by_worth = sorted(self._kept, key=lambda n: (self._kept[n].rank, self._kept[n].order))
        for name in by_worth:
            if self._bytes + size <= self._bytes_max and len(self._kept) < IMAGES_MAX:
                return
            self._path(name, self._kept[name].rank).unlink(missing_ok=True)
            self._forget(name)

    def _note(self, name: str, rank: Rank, size: int) -> None:
        self._order += 1
        self._kept[name] = _Kept(rank=rank, order=self._order, size=size)
        self._bytes += size

    def _forget(self, name: str) -> None:
        self._bytes -= self._kept.pop(name).size

    def _of(self, rank: Rank) -> Path:
        return self._folder / rank.name.lower()

    def _path(self, name: str, rank: Rank) -> Path:
        return self._of(rank) / f"{name}{_SUFFIX}"


def find_image(state_dir: Path, digest: bytes) -> bytes:
    """Return the image of that SHA-256, of whichever camera.

    Raises:
        StateError: It is not kept, or what is kept under its name is another.
    """
    name = f"{digest.hex()}{_SUFFIX}"
    for path in _places(state_dir / IMAGES_FOLDER, name):
        try:
            with path.open("rb") as file:
                image = file.read(IMAGE_BYTES_MAX + 1)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StateError(f"image {path}: {error.strerror or error}") from error
        if sha256(image).digest() != digest:
            raise StateError(f"image {path}: its bytes have changed on the disk")
        return image
    raise StateError(f"image {digest.hex()} is not kept here, or no longer")


def _places(root: Path, name: str) -> Iterator[Path]:
    try:
        cameras = sorted(root.iterdir())
    except OSError:
        return
    for camera in cameras:
        for rank in Rank:
            yield camera / rank.name.lower() / name


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, so that it survives a power cut."""
    partial = path.with_name(f"{path.name}{_PARTIAL}")
    try:
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        sync_folder(path.parent)
    except OSError:
        partial.unlink(missing_ok=True)  # On a full disk it would keep the rest from its room.
        raise
