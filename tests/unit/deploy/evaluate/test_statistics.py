"""Intervals against published values."""

import pytest

from deploy.evaluate.statistics import quantile, rate, share


def test_shares_have_wilsons_interval() -> None:
    """Ten of ten, and none of ten, as in Newcombe 1998's method 3."""
    all_of_ten, none_of_ten = share(10, 10), share(0, 10)
    assert all_of_ten is not None
    assert none_of_ten is not None
    assert all_of_ten.value == 1.0
    assert all_of_ten.high == pytest.approx(1.0)
    assert all_of_ten.low == pytest.approx(0.7225, abs=1e-4)
    assert none_of_ten.high == pytest.approx(0.2775, abs=1e-4)
    assert share(0, 0) is None


@pytest.mark.parametrize(
    ("count", "low", "high"), [(0, 0.0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.390)]
)
def test_rates_have_the_exact_poisson_interval(count: int, low: float, high: float) -> None:
    """The limits of Garwood 1936, per unit of exposure."""
    estimate = rate(count, 2.0)
    assert estimate is not None
    assert estimate.value == count / 2
    assert estimate.low == pytest.approx(low / 2, abs=1e-3)
    assert estimate.high == pytest.approx(high / 2, abs=1e-3)


def test_quantiles_repeat_and_lie_within_their_interval() -> None:
    """The same values always give the same interval around the quantile."""
    values = [float(value) for value in range(1, 102)]
    first, again = quantile(values, 0.5), quantile(values, 0.5)
    assert first is not None
    assert first == again
    assert first.value == 51.0
    assert first.low < 51.0 < first.high
    assert quantile([], 0.5) is None
