"""Image chunk v1: a piece of an image that a gateway keeps, sent because the backend asked.

Unsigned: an image is believed only when the SHA-256 of all its bytes stands in a signed reading.
Whoever forges, drops or repeats chunks can therefore cause a refusal, and nothing else.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

import cbor2

from schemas.cose import decode_cbor
from schemas.envelope import HASH_BYTES
from schemas.errors import Malformation, MalformedError
from schemas.fields import bytes_field, list_field, uint_field

VERSION: Final = 1
CHUNK_BYTES_MAX: Final = 32_768  # A slow uplink's envelopes wait for one of these at most.
CHUNKS_MAX: Final = 64
IMAGE_BYTES_MAX: Final = CHUNK_BYTES_MAX * CHUNKS_MAX  # 2 MiB: a 4K snapshot in good quality.
MESSAGE_BYTES_MAX: Final = CHUNK_BYTES_MAX + 64  # The frame needs at most 51.
_FIELDS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageChunk:
    """Chunk ``index`` of the image of that digest and length."""

    sha256: bytes
    image_bytes: int
    index: int
    data: bytes


def chunks_in(image_bytes: int) -> int:
    """Return how many chunks an image of that length has."""
    return -(-image_bytes // CHUNK_BYTES_MAX)


def chunk_bytes(image_bytes: int, index: int) -> int:
    """Return the length of one chunk: all are full but the last."""
    return min(CHUNK_BYTES_MAX, image_bytes - index * CHUNK_BYTES_MAX)


def split_image(sha256: bytes, image: bytes, wanted: Collection[int] = ()) -> Iterator[ImageChunk]:
    """Yield the ``wanted`` chunks of an image, in order; none wanted by number: all."""
    for index in range(chunks_in(len(image))):
        if wanted and index not in wanted:
            continue
        begin = index * CHUNK_BYTES_MAX
        yield ImageChunk(
            sha256=sha256,
            image_bytes=len(image),
            index=index,
            data=image[begin : begin + CHUNK_BYTES_MAX],
        )


def encode_chunk(chunk: ImageChunk) -> bytes:
    """Return the CBOR bytes of ``chunk``, the same for the same value."""
    return cbor2.dumps([VERSION, chunk.sha256, chunk.image_bytes, chunk.index, chunk.data])


def decode_chunk(message: bytes) -> ImageChunk:
    """Return the chunk in a message.

    Raises:
        MalformedError: Too long, another version, or any field out of its bounds.
    """
    if len(message) > MESSAGE_BYTES_MAX:
        raise MalformedError(
            Malformation.OVERSIZED, "message", len(message), f"at most {MESSAGE_BYTES_MAX} bytes"
        )
    fields = list_field(decode_cbor(message, "message"), "message", _FIELDS)
    if fields[0] != VERSION or isinstance(fields[0], bool):
        raise MalformedError(Malformation.UNSUPPORTED_VERSION, "version", fields[0], f"{VERSION}")
    image_bytes = uint_field(fields[2], "image_bytes", at_least=1, at_most=IMAGE_BYTES_MAX)
    index = uint_field(fields[3], "index", at_most=chunks_in(image_bytes) - 1)
    return ImageChunk(
        sha256=bytes_field(fields[1], "sha256", HASH_BYTES),
        image_bytes=image_bytes,
        index=index,
        data=bytes_field(fields[4], "data", chunk_bytes(image_bytes, index)),
    )
