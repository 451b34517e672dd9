"""Event bodies hold plain values only."""

import json

import cbor2
import pytest
from hypothesis import given

from schemas.bodies import EVENT_BODY_BYTES_MAX, body_field, encode_body
from schemas.errors import MalformedError
from tests.unit.schemas.strategies import BODIES


@given(BODIES)
def test_body_comes_back_and_fits_into_json(body: dict[str, object]) -> None:
    """Bytes aside, what a body holds is JSON without NaN and without NUL."""
    data = body_field(encode_body(body), "body")

    decoded = cbor2.loads(data)

    assert decoded == body
    text = json.dumps(decoded, allow_nan=False, default=bytes.hex)
    assert "\\u0000" not in text.replace("\\\\", "")


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(float("nan"), id="nan"),
        pytest.param(float("inf"), id="infinity"),
        pytest.param("a\0b", id="nul"),
        pytest.param(2**63, id="more than 64 bits"),
        pytest.param(-(2**200), id="bignum"),
        pytest.param({1: "x"}, id="number as a key"),
        pytest.param(cbor2.undefined, id="undefined"),
        pytest.param(cbor2.CBORTag(999, 1), id="tag"),
        pytest.param(object(), id="no CBOR"),
        pytest.param("\ud800", id="lone surrogate"),
        pytest.param(bytes(EVENT_BODY_BYTES_MAX), id="too long"),
    ],
)
def test_gateway_cannot_seal_what_no_reader_takes(value: object) -> None:
    """The encoder refuses what the decoder would: a sealed envelope can never be mended."""
    with pytest.raises(MalformedError):
        encode_body({"value": value})


def test_nesting_is_bounded() -> None:
    """Sixteen levels are read, and a body that is deeper is refused before it is sealed."""
    body: object = 0
    for _ in range(40):
        body = {"in": body}

    with pytest.raises(MalformedError):
        encode_body({"in": body})
