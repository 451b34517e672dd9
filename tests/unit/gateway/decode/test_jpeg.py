"""The size in a JPEG's frame header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.decode.jpeg import frame_size

APP0 = b"\xff\xe0\x00\x04ab"
SOF0 = b"\xff\xc0\x00\x0b\x08" + (480).to_bytes(2) + (640).to_bytes(2) + b"\x01\x01\x11\x00"


def test_size_of_the_frame() -> None:
    """Other segments and fill bytes before it are passed over."""
    assert frame_size(b"\xff\xd8" + APP0 + b"\xff\xff" + SOF0) == (640, 480)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"\x89PNG\r\n",
        b"\xff\xd8",
        b"\xff\xd8" + APP0,
        b"\xff\xd8" + SOF0[:7],
        b"\xff\xd8\xff\xda\x00\x02",
        b"\xff\xd8" + APP0 * 300 + SOF0,
        b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x00\x02\x80\x01\x01\x11\x00",
    ],
)
def test_what_has_no_frame_has_no_size(data: bytes) -> None:
    """Another format, a cut file, a scan without a frame, a flood of segments, a height of 0."""
    assert frame_size(data) is None


@given(st.binary(max_size=400))
def test_noise_has_a_size_or_none(data: bytes) -> None:
    """Whatever follows the start, nothing is raised."""
    size = frame_size(b"\xff\xd8" + data)

    assert size is None or min(size) > 0
