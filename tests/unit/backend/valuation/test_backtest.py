"""Backtests: which windows there are, what counts as exceeded, and what the models would do."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from backend.errors import InvalidError
from backend.market.rules import measure_volatility, read_price_csv
from backend.market.types import PriceRow, PriceTable, Volatility
from backend.money import BPS
from backend.valuation.rules.backtest import model_haircut, run_backtest
from backend.valuation.rules.coverage_tests import Light
from backend.valuation.rules.haircuts import haircut_bps
from backend.valuation.types import HaircutModel
from tests.unit.backend.facility.facts import make_instrument, make_policy

FIRST = date(2015, 1, 1)
PRICES = Path(__file__).parents[5] / "shared" / "data" / "prices"


def table(values: Sequence[float | str]) -> PriceTable:
    """Return a table with a price each day."""
    rows = [
        PriceRow(line=at + 2, day=FIRST + timedelta(days=at), value=Decimal(str(value)))
        for at, value in enumerate(values)
    ]
    return PriceTable(rows=tuple(rows), skipped_lines=())


def wandering(days: int, sigma: float, seed: int = 1, freedom: float | None = None) -> list[float]:
    """Return prices that wander at random, with fat tails if so wished."""
    dice = np.random.default_rng(seed)
    moves = (
        dice.standard_normal(days)
        if freedom is None
        else dice.standard_t(freedom, days) * np.sqrt((freedom - 2) / freedom)
    )
    return [round(float(each), 6) for each in 100 * np.exp(np.cumsum(sigma * moves))]


def test_windows_do_not_overlap_and_end_with_the_newest_price() -> None:
    """Each begins where the one before ended; none reaches beyond what is known."""
    prices = table(wandering(500, 0.02))
    windows = run_backtest(prices, HaircutModel.T4_99, 10).windows

    assert windows[-1].end == prices.rows[-1].day
    assert all(before.end == after.begin for before, after in pairwise(windows))
    assert windows[0].begin >= prices.rows[59].day


def test_a_haircut_knows_nothing_of_the_days_after_it() -> None:
    """Other prices after a window's beginning change its loss, never its haircut."""
    prices = wandering(400, 0.02)
    other = [*prices[:300], *(price / 7 for price in prices[300:])]
    one = run_backtest(table(prices), HaircutModel.T4_99, 5).windows
    two = run_backtest(table([f"{price:.6f}" for price in other]), HaircutModel.T4_99, 5).windows

    for before, after in zip(one, two, strict=True):
        if before.begin < FIRST + timedelta(days=300):
            assert before.haircut == pytest.approx(after.haircut)


def test_the_model_tested_is_the_model_lent_on() -> None:
    """In a backtest and in a valuation the same prices make the same haircut."""
    prices = np.array(wandering(600, 0.015))
    tested = model_haircut(HaircutModel.T4_99, prices, 20)
    measured = measure_volatility(prices)
    lent, _ = haircut_bps(
        make_instrument(haircut_floor_bps=0),
        Volatility(sigma_daily=measured.sigma_daily, days=measured.days),
        make_policy(),
    )

    assert 0 <= lent - tested * BPS < 1


def test_a_right_model_is_green_and_a_thin_one_is_not() -> None:
    """On prices with fat tails the default is green; a normal EWMA haircut is exceeded more."""
    prices = table(wandering(6_000, 0.02, seed=3, freedom=3))
    default = run_backtest(prices, HaircutModel.T4_99, 1)
    thin = run_backtest(prices, HaircutModel.NORMAL_EWMA, 1)

    assert default.light is Light.GREEN
    assert thin.light is not Light.GREEN
    assert thin.exceedances > default.exceedances
    assert default.average_haircut > thin.average_haircut


def test_a_negative_price_is_a_loss_of_more_than_all_and_no_window_begins_there() -> None:
    """WTI on 2020-04-20: no NaN, an exceeded window into it, none out of it."""
    prices = wandering(431, 0.02)
    prices[330] = -36.98
    result = run_backtest(table(prices), HaircutModel.T4_99, 10)
    ends = {window.end: window for window in result.windows}
    crash = ends[FIRST + timedelta(days=330)]

    assert crash.exceeded
    assert crash.loss > 1
    assert result.worthless_starts == 1
    assert all(np.isfinite([each.haircut, each.loss]).all() for each in result.windows)
    later = [each for each in result.windows if each.begin > crash.end]
    assert min(each.haircut for each in later[:5]) > crash.haircut
    assert result.losses_given_liquidation[0] > 1


def test_too_few_prices_or_too_long_a_horizon_are_refused_with_the_bound() -> None:
    """What proves nothing is no green light."""
    with pytest.raises(InvalidError, match="at least 660"):
        run_backtest(table(wandering(659, 0.02)), HaircutModel.T4_99, 20)
    with pytest.raises(InvalidError, match="from 1 to 500"):
        run_backtest(table(wandering(659, 0.02)), HaircutModel.T4_99, 0)


@pytest.mark.skipif(not PRICES.is_dir(), reason="there are no price files beside the repository")
@pytest.mark.parametrize("horizon", [10, 20])
@pytest.mark.parametrize("name", ["brent", "henry-hub-natural-gas", "wti"])
def test_the_default_is_green_on_real_prices(name: str, horizon: int) -> None:
    """Forty years of crude and gas, the negative day and empty cells included."""
    content = (PRICES / f"{name}-daily.csv").read_bytes()
    result = run_backtest(
        read_price_csv(content, today=date(2100, 1, 1)), HaircutModel.T4_99, horizon
    )

    assert result.light is Light.GREEN
    assert result.green_phases * 10 >= len(result.phases) * 9
