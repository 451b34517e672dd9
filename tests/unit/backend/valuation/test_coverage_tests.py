"""The tests of exceedances: published figures, and that a right model is seldom refused."""

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.valuation.rules.coverage_tests import (
    Light,
    Transitions,
    binomial_at_most,
    christoffersen,
    conditional_coverage,
    kupiec,
    traffic_light,
    transitions,
)


@pytest.mark.parametrize(
    ("windows", "fewest", "most"),
    [(255, 1, 6), (510, 2, 10), (1_000, 5, 16)],
)
def test_kupiec_accepts_what_its_author_accepts(windows: int, fewest: int, most: int) -> None:
    """Kupiec (1995), table 3, at 1 %: N < 7 of 255, 1 < N < 11 of 510, 4 < N < 17 of 1000.

    None of 255 is refused by a hair, with a ratio of 5.13; the table only gives the upper bound.
    """
    accepted = [x for x in range(40) if kupiec(x, windows, 0.01).p_value > 0.05]

    assert max(accepted) == most
    assert min(accepted) == fewest


def test_christoffersen_is_as_published() -> None:
    """MathWorks, varbacktest.cci, first example: 1,043 days, 57 failures."""
    found = christoffersen(Transitions(n00=932, n01=53, n10=53, n11=4))

    assert found.ratio == pytest.approx(0.25866, abs=5e-6)
    assert found.p_value == pytest.approx(0.61104, abs=5e-6)


def test_basels_zones_are_those_of_the_committee() -> None:
    """250 days at 1 %: green to four, yellow from five to nine, red from ten."""
    zones = [traffic_light(x, 250, 0.01) for x in range(12)]

    assert zones == [Light.GREEN] * 5 + [Light.YELLOW] * 5 + [Light.RED] * 2
    assert binomial_at_most(4, 250, 0.01) == pytest.approx(0.8922, abs=5e-5)
    assert binomial_at_most(9, 250, 0.01) == pytest.approx(0.9997, abs=5e-5)


def test_both_together_have_two_degrees_of_freedom() -> None:
    """The five per cent bound of chi-squared with two degrees is 5.991."""
    one = kupiec(3, 250, 0.01)
    sum_of = conditional_coverage(one, one)

    assert sum_of.ratio == 2 * one.ratio
    assert sum_of.p_value == pytest.approx(math.exp(-one.ratio))


def test_nothing_exceeded_or_everything_is_no_crash() -> None:
    """The ends of the range have a likelihood, too."""
    assert kupiec(0, 250, 0.01).ratio == pytest.approx(-500 * math.log(0.99))
    assert kupiec(250, 250, 0.01).p_value < 1e-12
    assert christoffersen(transitions([False] * 9)).p_value == 1
    assert christoffersen(transitions([True] * 9)).p_value == 1
    assert christoffersen(transitions([])).p_value == 1


@given(st.lists(st.booleans(), max_size=60))
def test_every_transition_is_counted_once(outcomes: list[bool]) -> None:
    """As many transitions as pairs of neighbours, whatever the order."""
    counts = transitions(outcomes)
    found = christoffersen(counts)

    assert counts.n00 + counts.n01 + counts.n10 + counts.n11 == len(list(pairwise(outcomes)))
    assert found.ratio >= 0
    assert 0 <= found.p_value <= 1


def test_a_right_model_is_refused_as_seldom_as_promised() -> None:
    """Monte Carlo: at 5 %, of 400 series of 1,000 windows each about twenty are refused."""
    dice = random.Random(20_260_302)
    refused = {"frequency": 0, "clusters": 0, "light": 0}
    for _ in range(400):
        outcomes = [dice.random() < 0.05 for _ in range(1_000)]
        refused["frequency"] += kupiec(sum(outcomes), 1_000, 0.05).p_value < 0.05
        refused["clusters"] += christoffersen(transitions(outcomes)).p_value < 0.05
        refused["light"] += traffic_light(sum(outcomes), 1_000, 0.05) is not Light.GREEN

    assert all(5 <= count <= 45 for count in refused.values()), refused


def test_clusters_are_seen_where_the_frequency_is_right() -> None:
    """Ten exceedances of a thousand in one run are as many as promised, and not independent."""
    outcomes = [400 <= at < 410 for at in range(1_000)]

    assert kupiec(sum(outcomes), 1_000, 0.01).p_value == pytest.approx(1)
    assert christoffersen(transitions(outcomes)).p_value < 1e-6
