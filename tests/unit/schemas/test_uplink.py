"""The body in which envelopes are posted."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import MalformedError
from schemas.uplink import (
    POST_BYTES_MAX,
    POST_MESSAGES_MAX,
    decode_post,
    encode_post,
    fitting,
)

MESSAGES = st.lists(st.binary(min_size=1, max_size=300), max_size=POST_MESSAGES_MAX)


@given(MESSAGES)
def test_messages_come_out_as_they_went_in(messages: list[bytes]) -> None:
    """In their order, byte for byte."""
    assert decode_post(encode_post(messages)) == messages


@given(st.binary(max_size=200))
def test_noise_is_refused_and_nothing_else_happens(body: bytes) -> None:
    """Whatever the bytes: messages, or a named refusal."""
    try:
        messages = decode_post(body)
    except MalformedError:
        return
    assert all(messages)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        cbor2.dumps(b"x"),
        cbor2.dumps([b""]),
        cbor2.dumps([1]),
        cbor2.dumps([[b"x"]]),
        cbor2.dumps([b"x"] * (POST_MESSAGES_MAX + 1)),
        bytes(POST_BYTES_MAX + 1),
        encode_post([b"x"]) + b"x",
    ],
)
def test_other_bodies_are_refused(body: bytes) -> None:
    """No array, empty or nested items, too many, too long, bytes behind the array."""
    with pytest.raises(MalformedError):
        decode_post(body)


@given(st.lists(st.integers(1, POST_BYTES_MAX // 3), max_size=40))
def test_what_fits_is_within_the_bounds_and_one_more_is_not(sizes: list[int]) -> None:
    """The greatest number of first messages that make a body of the allowed size."""
    count = fitting(sizes)
    assert count <= POST_MESSAGES_MAX
    assert len(encode_post([bytes(size) for size in sizes[:count]])) <= POST_BYTES_MAX
    assert bool(count) == bool(sizes)
