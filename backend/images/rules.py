"""Chunks put together, what is believed of them, and when a gateway is asked again."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from backend.commands.rules import LIFE
from backend.commands.types import CommandOutcome
from backend.ids import GatewayId
from backend.images.types import Ask, ImageKey, OpenRequest, Refusal, Refuse, Step, Wait
from schemas.command import CommandType
from schemas.image import ImageChunk, chunks_in

OPEN_MAX: Final = 16  # At a time: 32 MiB of chunks in memory at most; more requests wait.
ATTEMPTS_MAX: Final = 5
CHUNKS_WITHIN: Final = timedelta(seconds=5)  # After the answer, which is sealed behind them.
DETAIL_CHARACTERS_MAX: Final = 500
GATEWAY_BYTES_MAX: Final = 1024 * 1024 * 1024  # Of a gateway's images: ten thousand of 100 kB.
_JPEG: Final = b"\xff\xd8\xff"  # ITU-T T.81: start of image, then a marker.


@dataclass(slots=True)
class _Assembly:
    image_bytes: int
    chunks: dict[int, bytes] = field(default_factory=dict[int, bytes])


class Assemblies:
    """The chunks of the images that are being fetched; of no others."""

    def __init__(self) -> None:
        self._open: dict[ImageKey, _Assembly | None] = {}

    def expect(self, keys: Collection[ImageKey]) -> None:
        """Take chunks of these images, and forget those of others."""
        assert len(keys) <= OPEN_MAX, "the caller asks for no more"
        self._open = {key: self._open.get(key) for key in keys}

    def put(self, gateway: GatewayId, chunk: ImageChunk) -> bool:
        """Take a chunk; return whether it was expected, and fits those before it."""
        key = gateway, chunk.sha256
        if key not in self._open:
            return False
        assembly = self._open[key]
        if assembly is None:
            assembly = self._open[key] = _Assembly(chunk.image_bytes)
        if assembly.image_bytes != chunk.image_bytes:
            return False
        assembly.chunks.setdefault(chunk.index, chunk.data)
        return True

    def missing(self, key: ImageKey) -> tuple[int, ...]:
        """Return the numbers of the chunks that have not come; none: all of them are missing."""
        assembly = self._open.get(key)
        if assembly is None:
            return ()
        return tuple(
            index
            for index in range(chunks_in(assembly.image_bytes))
            if index not in assembly.chunks
        )

    def whole(self, key: ImageKey) -> bytes | None:
        """Return all bytes of an image; None: not all are here."""
        assembly = self._open.get(key)
        if assembly is None or len(assembly.chunks) < chunks_in(assembly.image_bytes):
            return None
        return b"".join(assembly.chunks[index] for index in sorted(assembly.chunks))

    def forget(self, key: ImageKey) -> None:
        """Drop the chunks of an image, and take no more of them."""
        self._open.pop(key, None)


def verify_image(data: bytes, digest: bytes) -> Refuse | None:
    """Return why bytes are not the image that a reading names; None: they are."""
    found = sha256(data).digest()
    if found != digest:
        detail = f"{len(data)} bytes with SHA-256 {found.hex()}, must be {digest.hex()}"
        return Refuse(reason=Refusal.DIGEST_MISMATCH, detail=detail)
    if not data.startswith(_JPEG):
        return Refuse(reason=Refusal.NO_IMAGE, detail=f"{len(data)} bytes that are no JPEG")
    return None


def decide_step(request: OpenRequest, missing: tuple[int, ...], now: datetime) -> Step:
    """Return what is to be done about an image that is not whole.

    Args:
        request: how far it has come.
        missing: the chunks that have not come; none: all.
        now: the time.
    """
    if request.command_number is None or request.issued_at is None:
        return Ask()
    match request.outcome:
        case None:
            if now < request.issued_at + LIFE[CommandType.FETCH_IMAGE]:
                return Wait()
            return _refuse(Refusal.NO_ANSWER, "the gateway did not answer in time")
        case CommandOutcome.REFUSED:
            return _refuse(Refusal.NOT_KEPT, request.why or "")
        case CommandOutcome.DONE:
            if request.answered_at is None or now < request.answered_at + CHUNKS_WITHIN:
                return Wait()
            reason, detail = Refusal.CHUNKS_LOST, f"asked {request.attempts} times"
        case CommandOutcome.FAILED | CommandOutcome.INTERRUPTED:
            reason, detail = Refusal.NOT_SENT, request.why or ""
    return Ask(missing) if request.attempts < ATTEMPTS_MAX else _refuse(reason, detail)


def _refuse(reason: Refusal, detail: str) -> Refuse:
    return Refuse(reason=reason, detail=detail[:DETAIL_CHARACTERS_MAX])
