"""Randomness that goes on: the same however it is asked for, and as frequent as it is said."""

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.noise.draws import (
    Arrivals,
    Gaps,
    OrnsteinUhlenbeck,
    Spells,
    Words,
    recursion,
    seeded,
)

CUTS = st.lists(st.integers(0, 400), min_size=1, max_size=12)


@given(CUTS, st.integers(0, 1_000))
def test_words_and_gaps_do_not_depend_on_the_cuts(cuts: list[int], seed: int) -> None:
    """What is drawn in pieces is what is drawn at once."""
    words, whole = Words(seeded(seed, "w")), Words(seeded(seed, "w")).take(sum(cuts))
    assert np.concatenate([words.take(n) for n in cuts]).tolist() == whole.tolist()

    gaps, start, found = Gaps(0.05, seeded(seed, "g")), 0, list[int]()
    for count in cuts:
        found += [start + place for place in gaps.take(count).tolist()]
        start += count
    assert found == Gaps(0.05, seeded(seed, "g")).take(start).tolist()


@given(CUTS, st.integers(0, 1_000))
def test_wandering_does_not_depend_on_the_cuts(cuts: list[int], seed: int) -> None:
    """A process with a memory goes on where it was."""
    parts = OrnsteinUhlenbeck(2.0, 30.0, seeded(seed, "ou"))
    whole = OrnsteinUhlenbeck(2.0, 30.0, seeded(seed, "ou")).take(sum(cuts), 1.0)

    assert np.concatenate([parts.take(n, 1.0) for n in cuts]) == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.99, 1.0])
def test_recursion_is_what_a_loop_computes(keep: float) -> None:
    """The recursion in columns agrees with one value after the other."""
    shocks = np.random.default_rng(1).standard_normal(5_000)
    value, slow = 3.0, list[float]()
    for shock in shocks.tolist():
        value = keep * value + shock
        slow.append(value)

    assert recursion(3.0, keep, shocks) == pytest.approx(slow, rel=1e-9, abs=1e-9)


def test_gaps_and_arrivals_come_as_often_as_they_should() -> None:
    """Rare things happen at their rate."""
    assert len(Gaps(0.01, seeded(2, "g")).take(1_000_000)) == pytest.approx(10_000, rel=0.05)
    assert len(Arrivals(0.01, seeded(2, "a")).until(1e6)) == pytest.approx(10_000, rel=0.05)
    assert Arrivals(0.0, seeded(2, "a")).until(1e9) == []
    assert len(Gaps(0.0, seeded(2, "g")).take(1_000)) == 0


def test_spells_last_and_stay_away_as_long_as_they_should() -> None:
    """A state that is on a quarter of the time is so, in spells of its own length."""
    spells = Spells(900.0, 300.0, seeded(3, "s"))
    found = spells.between(0.0, 2e6)
    lengths = [end_s - start_s for start_s, end_s in found]

    assert statistics.mean(lengths) == pytest.approx(300.0, rel=0.1)
    assert sum(lengths) / 2e6 == pytest.approx(0.25, rel=0.1)
    times_s = np.arange(0.0, 2e6, 10.0)
    assert Spells(900.0, 300.0, seeded(3, "s")).mask(times_s).mean() == pytest.approx(
        sum(lengths) / 2e6, rel=0.01
    )
    assert not Spells(0.0, 300.0, seeded(3, "s")).mask(times_s).any()
    fixed = Spells(900.0, 300.0, seeded(3, "s"), fixed=True).between(0.0, 1e5)
    assert {round(end_s - start_s, 6) for start_s, end_s in fixed} == {300.0}
