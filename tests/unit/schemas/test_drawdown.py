"""Drawdown acts: one encoding of each, and nothing else is one."""

from uuid import UUID

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cose import Sign1, encode_protected
from schemas.drawdown import (
    AMOUNT_MINOR_MAX,
    Act,
    DrawdownAct,
    decode_drawdown,
    drawdown_content_type,
    encode_drawdown,
)
from schemas.envelope import NUMBER_MAX
from schemas.errors import MalformedError

acts = st.builds(
    DrawdownAct,
    act=st.sampled_from(Act),
    drawdown=st.uuids(),
    facility=st.uuids(),
    party=st.uuids(),
    amount_minor=st.integers(1, AMOUNT_MINOR_MAX),
    currency=st.text("ABCXYZ", min_size=3, max_size=3),
    issued_unix_us=st.integers(0, NUMBER_MAX),
)
FIELDS = [1, bytes(16), bytes(16), bytes(16), 1, "EUR", 1]


def wrap(payload: bytes) -> Sign1:
    """Return a message around a payload."""
    return Sign1(
        protected=encode_protected(drawdown_content_type(), bytes(16)),
        payload=payload,
        signature=bytes(64),
        content_type=drawdown_content_type(),
        key_id=bytes(16),
    )


@given(acts)
def test_an_act_is_read_as_it_was_written(act: DrawdownAct) -> None:
    """Every field, and the same bytes again."""
    assert decode_drawdown(wrap(encode_drawdown(act))) == act


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (0, 0),
        (0, 3),
        (1, bytes(15)),
        (4, 0),
        (4, AMOUNT_MINOR_MAX + 1),
        (5, "eur"),
        (5, "EURO"),
        (5, 978),
        (6, -1),
    ],
)
def test_a_field_out_of_its_bounds_is_refused(field: int, value: object) -> None:
    """With the field's name."""
    fields = [*FIELDS]
    fields[field] = value  # type: ignore[call-overload]

    with pytest.raises(MalformedError):
        decode_drawdown(wrap(cbor2.dumps(fields)))


def test_a_longer_encoding_of_the_same_is_refused() -> None:
    """What is signed is one text: 1 written in two bytes is another."""
    good = encode_drawdown(
        DrawdownAct(
            act=Act.REQUEST,
            drawdown=UUID(int=0),
            facility=UUID(int=0),
            party=UUID(int=0),
            amount_minor=1,
            currency="EUR",
            issued_unix_us=1,
        )
    )
    assert good == cbor2.dumps(FIELDS)
    with pytest.raises(MalformedError, match="shortest"):
        decode_drawdown(wrap(good[:1] + b"\x18\x01" + good[2:]))
