"""The stream's head beside the outbox: number, hash and count of the last sealed envelope.

Written after each seal, before the envelope can be sent. When the outbox is lost, the head says
where the stream stood, so that no number is ever signed twice for different readings.

Two slots, written in turn in place, each with its own digest: a write that power loss tears
leaves the other slot, a full disk refuses nothing, and one fdatasync is enough.
"""

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from schemas.envelope import GENESIS_HASH, HASH_BYTES

HEAD_FILE: Final = "stream.head"
SLOT_BYTES: Final = 512  # One sector; the record needs about 250.
_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last envelope sealed under the key ``key_id``, and the last one receipted.

    ``number`` 0: nothing sealed yet. ``readings`` counts those of all sealed envelopes.
    """

    key_id: bytes
    number: int = 0
    sha256: bytes = GENESIS_HASH
    readings: int = 0
    receipted: int = 0


class _Slot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    turn: int
    key_id: str
    number: int
    sha256: str
    readings: int
    receipted: int


class HeadFile:
    """The open side file of one state folder; holds the newest head that it read or wrote."""

    def __init__(self, path: Path) -> None:
        """Open ``path``, made when absent.

        Raises:
            OSError: The file cannot be opened.
        """
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        slots = [self._read(0), self._read(1)]
        self._newest = max((s for s in slots if s is not None), key=lambda s: s.turn, default=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    @property
    def key_id(self) -> bytes | None:
        """The key that the newest head is of; None: never written."""
        return None if self._newest is None else bytes.fromhex(self._newest.key_id)

    def head(self, key_id: bytes) -> Head | None:
        """Return the head kept for the key ``key_id``; None: never written, or another key's."""
        newest = self._newest
        if newest is None or bytes.fromhex(newest.key_id) != key_id:
            return None
        return Head(
            key_id=key_id,
            number=newest.number,
            sha256=bytes.fromhex(newest.sha256),
            readings=newest.readings,
            receipted=newest.receipted,
        )

    def save(self, head: Head) -> None:
        """Write ``head``, whole or not at all; it then survives a power cut.

        Raises:
            OSError: The disk refuses.
        """
        slot = _Slot(
            version=_VERSION,
            turn=0 if self._newest is None else self._newest.turn + 1,
            key_id=head.key_id.hex(),
            number=head.number,
            sha256=head.sha256.hex(),
            readings=head.readings,
            receipted=head.receipted,
        )
        body = msgspec.json.encode(slot).ljust(SLOT_BYTES - HASH_BYTES)
        os.pwrite(self._descriptor, sha256(body).digest() + body, slot.turn % 2 * SLOT_BYTES)
        os.fdatasync(self._descriptor)
        self._newest = slot

    def _read(self, index: int) -> _Slot | None:
        data = os.pread(self._descriptor, SLOT_BYTES, index * SLOT_BYTES)
        digest, body = data[:HASH_BYTES], data[HASH_BYTES:]
        if len(data) != SLOT_BYTES or sha256(body).digest() != digest:
            return None
        try:
            slot = msgspec.json.decode(body, type=_Slot)
        except msgspec.MsgspecError:
            return None
        return slot if slot.version == _VERSION else None
