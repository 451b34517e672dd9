"""What an envelope's numbers may be, beyond the vectors."""

from math import inf, nan

import pytest

from schemas.cose import SIGNATURE_BYTES, Sign1
from schemas.envelope import (
    READINGS_MAX,
    Envelope,
    content_type,
    decode_envelope,
    encode_payload,
)
from schemas.errors import MalformedError
from tests.conformance.envelope_contents import content
from tests.conformance.vectors import envelope_from

GOOD, UNSTABLE, IMPLAUSIBLE, BAD = range(4)
GREATEST = 1.7976931348623157e308


def _decode(values: list[float], qualities: list[int]) -> Envelope:
    zeros = [0] * len(values)
    scalars = {"sensor": zeros, "offset_us": zeros, "value": values, "quality": qualities}
    payload = encode_payload(envelope_from(content(scalars=scalars)))
    return decode_envelope(
        Sign1(
            protected=b"",
            payload=payload,
            signature=bytes(SIGNATURE_BYTES),
            content_type=content_type(),
            key_id=bytes(16),
        )
    )


@pytest.mark.parametrize("quality", [GOOD, UNSTABLE, IMPLAUSIBLE])
@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_number_that_is_none_is_refused(value: float, quality: int) -> None:
    """NaN and infinity stand for a measurement that there was: refused, wherever they stand."""
    with pytest.raises(MalformedError, match=r"bad_column: scalars\.value"):
        _decode([1.0, value, 2.0], [GOOD, quality, GOOD])


def test_opposite_infinities_do_not_hide_each_other() -> None:
    """The check's quick sum is NaN here, and both are found."""
    with pytest.raises(MalformedError, match=r"bad_column: scalars\.value"):
        _decode([inf, -inf], [BAD, GOOD])


def test_bad_reading_needs_no_number() -> None:
    """A reading of bad quality says that there was no measurement: any value will do."""
    assert len(_decode([nan, inf, 1.0], [BAD, BAD, GOOD]).scalars) == 3


def test_finite_values_whose_sum_overflows_are_finite() -> None:
    """The check's quick sum is infinite here, and every value is accepted."""
    assert _decode([GREATEST, GREATEST], [GOOD, GOOD]).scalars.value.tolist() == [GREATEST] * 2


def test_envelope_holds_as_many_readings_as_its_limit() -> None:
    """8,192 readings are read; 8,193 are among the refused vectors."""
    assert _decode([0.0] * READINGS_MAX, [GOOD] * READINGS_MAX).readings == READINGS_MAX
