"""Image chunks: the bytes that travel, both ways, and what is refused."""

from hashlib import sha256

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import MalformedError
from schemas.image import (
    CHUNK_BYTES_MAX,
    IMAGE_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    ImageChunk,
    chunks_in,
    decode_chunk,
    encode_chunk,
    split_image,
)
from schemas.topics import image_gateway, image_topic

DIGEST = bytes(range(32))
GOLDEN = bytes.fromhex("85015820" + DIGEST.hex() + "030043ffd8ff")


def test_chunk_travels_in_these_bytes() -> None:
    """A golden chunk, encoded and decoded."""
    chunk = ImageChunk(sha256=DIGEST, image_bytes=3, index=0, data=b"\xff\xd8\xff")

    assert encode_chunk(chunk) == GOLDEN
    assert decode_chunk(GOLDEN) == chunk


@given(st.integers(1, 3 * CHUNK_BYTES_MAX))
def test_split_image_is_whole_again(length: int) -> None:
    """The chunks of an image, each through its bytes, are the image."""
    image = (b"pledge" * (length // 6 + 1))[:length]

    chunks = [decode_chunk(encode_chunk(c)) for c in split_image(sha256(image).digest(), image)]

    assert len(chunks) == chunks_in(length)
    assert b"".join(chunk.data for chunk in chunks) == image


def test_wanted_chunks_only_are_sent() -> None:
    """Chunks that were lost are asked for by number."""
    image = bytes(3 * CHUNK_BYTES_MAX)

    assert [c.index for c in split_image(DIGEST, image, (0, 2))] == [0, 2]


def test_largest_chunk_fits_the_message() -> None:
    """The frame of the last chunk of the longest image stays within the bound."""
    chunk = ImageChunk(
        sha256=DIGEST, image_bytes=IMAGE_BYTES_MAX, index=63, data=bytes(CHUNK_BYTES_MAX)
    )

    assert len(encode_chunk(chunk)) <= MESSAGE_BYTES_MAX


@pytest.mark.parametrize(
    "fields",
    [
        [2, DIGEST, 3, 0, b"abc"],
        [True, DIGEST, 3, 0, b"abc"],
        [1, DIGEST[1:], 3, 0, b"abc"],
        [1, DIGEST, 0, 0, b""],
        [1, DIGEST, IMAGE_BYTES_MAX + 1, 0, b"abc"],
        [1, DIGEST, 3, 1, b"abc"],
        [1, DIGEST, 3, 0, b"ab"],
        [1, DIGEST, 3, 0, b"abcd"],
        [1, DIGEST, 3, 0, b"abc", 0],
        [1, DIGEST, 3, -1, b"abc"],
    ],
)
def test_chunk_out_of_bounds_is_refused(fields: list[object]) -> None:
    """Another version, a wrong length, an index beyond the image."""
    with pytest.raises(MalformedError):
        decode_chunk(cbor2.dumps(fields))


@given(st.binary(max_size=200))
def test_noise_is_refused_and_nothing_else(noise: bytes) -> None:
    """Whatever comes is a chunk or is refused by name."""
    try:
        decode_chunk(noise)
    except MalformedError:
        return


def test_topic_names_its_gateway() -> None:
    """Only a topic of images has a gateway."""
    assert image_gateway(image_topic("gw-north")) == "gw-north"
    assert image_gateway("pw/1/up/3/gw-north") is None
