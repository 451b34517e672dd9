"""Polygons, enrolment codes, broker passwords."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import InvalidError
from backend.plant.broker_credentials import broker_password
from backend.plant.rules import (
    CODE_ALPHABET,
    CODE_CHARACTERS,
    REACH_M_MAX,
    check_polygon,
    digest_code,
    format_code,
)

CODES = st.text(CODE_ALPHABET, min_size=CODE_CHARACTERS, max_size=CODE_CHARACTERS)
COORDINATES = st.floats(allow_nan=True, allow_infinity=True, width=64)
SECRET = "sixteen or more characters"


@given(CODES, st.booleans())
def test_a_code_is_the_same_however_it_is_typed(code: str, lower: bool) -> None:
    """Groups, small letters, and the letters that are taken for digits."""
    typed = format_code(code).replace("0", "O").replace("1", "I")
    assert digest_code(typed.lower() if lower else typed) == digest_code(code)


@given(CODES, CODES)
def test_codes_differ(one: str, other: str) -> None:
    """No two codes are one."""
    assert (digest_code(one) == digest_code(other)) == (one == other)


@given(st.lists(st.tuples(COORDINATES, COORDINATES), max_size=6))
def test_corners_are_a_polygon_or_refused(corners: list[tuple[float, float]]) -> None:
    """Whatever the numbers: a refusal, or corners within reach."""
    with contextlib.suppress(InvalidError):
        checked = check_polygon(corners)
        assert all(abs(part) <= REACH_M_MAX for corner in checked for part in corner)


@pytest.mark.parametrize(
    "corners",
    [
        [(0, 0), (10, 0), (10, 10), (0, 10)],
        [(0, 0), (0, 10), (10, 10), (10, 0)],
        [(0, 0), (10, 0), (10, 10), (5, 5), (0, 10)],
    ],
)
def test_either_direction_and_dents_are_fine(corners: list[tuple[float, float]]) -> None:
    """Clockwise or not, convex or not."""
    assert check_polygon(corners) == tuple(corners)


def test_a_password_is_of_one_gateway_and_one_secret() -> None:
    """The same for both, another for either; safe in a URL and in a password file."""
    password = broker_password(SECRET, "gw-a")

    assert password == broker_password(SECRET, "gw-a")
    assert (
        len({password, broker_password(SECRET, "gw-b"), broker_password(SECRET * 2, "gw-a")}) == 3
    )
    assert password.replace("-", "").replace("_", "").isalnum()
