"""How far a price may move without a question, and who answers it."""

from dataclasses import replace

import pytest

from backend.market.rules import Past, grade_quotes
from backend.market.types import Quality, Quote
from tests.unit.backend.market.test_rules import COPPER, judged, new, quote


def calm(days: int = 100) -> list[Quote]:
    """Return prices of a hundred days that move by one per cent each."""
    return [
        quote("9090" if number % 2 else "9000", 86_400 * (days - number)) for number in range(days)
    ]


@pytest.mark.parametrize(
    ("value", "sigmas", "quality"),
    [
        ("9800", 10, "accepted"),  # 9 %: under the floor
        ("10500", 10, "held"),  # 17 %: over ten standard deviations of one per cent
        ("10500", 20, "accepted"),
        ("7600", 10, "held"),
        ("14000", 100, "held"),  # 56 %: over what ever passes
    ],
)
def test_a_move_waits_beyond_so_many_of_its_own_standard_deviations(
    value: str, sigmas: int, quality: str
) -> None:
    """The guard is the instrument's own, between a floor and a greatest move."""
    instrument = replace(COPPER, jump_sigmas=sigmas, max_price_age_s=86_400)

    graded = judged([*calm(), new(value)], instrument=instrument)

    assert [q.quality.value for q in graded[:-1]] == ["accepted"] * 100
    assert graded[-1].quality.value == quality


def test_the_guard_says_which_numbers_it_went_by() -> None:
    """Whoever decides reads the move, the bound and the prices."""
    waiting = new("4000")
    graded, _ = grade_quotes([waiting], COPPER, Past(anchor=quote("9000", 60)), waiting.at)

    assert graded[0].why is not None
    assert "from 9000 of 2026-03-02 11:59:00 UTC (feed) to 4000: 5556 bps" in graded[0].why
    assert "over 5000 bps" in graded[0].why


def test_what_a_person_rejected_neither_counts_nor_confirms() -> None:
    """A second source that says the same as a rejected price waits like the first."""
    rejected = replace(new("4000", 30, "a"), quality=Quality.REJECTED, decided=True)

    graded = judged([rejected, new("4000", 20, "b")], quote("9000", 60))

    assert [q.quality for q in graded] == [Quality.REJECTED, Quality.HELD]
