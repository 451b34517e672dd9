"""What haircuts a model would have set, and what selling the goods would have fetched. Pure.

A window begins on a day with its haircut, from prices up to that day, and ends a horizon of
trading days later. It is exceeded when the price has lost more than the haircut by then. Windows
that overlap share their days, so that one crash is counted for each of them and no test of
independence means anything: those that count do not overlap. There are as many such series as days
in the horizon; the one that counts ends with the newest price, chosen before anything is known of
it, and the others are told beside it.

Days are those that have a price: a cell without one is no day. A price of zero or below has no
logarithm. In the volatility a fall to one counts as a loss of nine tenths (``log_returns``); as
the end of a window it is a loss of all or more, and always exceeds; as the beginning of one
nothing is lent, so there is no window.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.errors import InvalidError
from backend.market.rules import log_returns, measure_volatility
from backend.market.rules.volatility import EWMA_DECAY, VOLATILITY_DAYS_MAX
from backend.market.types import PriceTable
from backend.valuation.rules.coverage_tests import (
    Light,
    Likelihood,
    Transitions,
    christoffersen,
    conditional_coverage,
    kupiec,
    traffic_light,
    transitions,
)
from backend.valuation.rules.haircuts import (
    HISTORY_DAYS_MIN,
    LOSS_QUANTILE,
    NORMAL_QUANTILE_99,
    loss_share,
)
from backend.valuation.types import HaircutModel

PROMISED_RATE: Final = 0.01  # Every model promises that one window of a hundred is exceeded.
HORIZON_DAYS_MAX: Final = 500
WINDOWS_MIN: Final = 30  # Under it a green light says nothing at all.
# Prices looked back on: the days that a model remembers, with room for those without logarithm.
_LOOK_BACK: Final = VOLATILITY_DAYS_MAX + 100

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One sale: begun at a price with a haircut, ended at another; shares of the first price."""

    begin: date
    end: date
    begin_price: float
    end_price: float
    haircut: float
    loss: float

    @property
    def exceeded(self) -> bool:
        """Whether the sale fetched less than was lent."""
        return self.loss > self.haircut


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What became of a model on one series of prices.

    ``phases`` has the exceedances of each series of windows that do not overlap; the first is the
    one that ``windows`` are of.
    """

    model: HaircutModel
    horizon_days: int
    windows: tuple[Window, ...]
    worthless_starts: int
    phases: tuple[int, ...]
    phase_windows: tuple[int, ...]
    coverage: Likelihood
    counts: Transitions
    independence: Likelihood
    both: Likelihood
    light: Light

    @property
    def exceedances(self) -> int:
        """How many windows were exceeded."""
        return sum(window.exceeded for window in self.windows)

    @property
    def average_haircut(self) -> float:
        """What was held back on average, as a share of the value."""
        return sum(window.haircut for window in self.windows) / len(self.windows)

    @property
    def losses_given_liquidation(self) -> Sequence[float]:
        """What was lost in each exceeded window, as a share of what had been lent."""
        return [
            (window.loss - window.haircut) / (1 - window.haircut)
            for window in self.windows
            if window.exceeded and window.haircut < 1
        ]

    @property
    def green_phases(self) -> int:
        """How many of the series of windows are green."""
        pairs = zip(self.phases, self.phase_windows, strict=True)
        return sum(traffic_light(x, n, PROMISED_RATE) is Light.GREEN for x, n in pairs)


def run_backtest(
    table: PriceTable,
    model: HaircutModel,
    horizon_days: int,
    *,
    floor: float = 0.0,
    told: Callable[[int, int], None] = lambda _done, _all: None,
) -> Backtest:
    """Return what would have become of loans at a model's haircuts.

    Args:
        table: Daily prices in time order.
        model: Which model sets the haircuts.
        horizon_days: Trading days from the last valuation until the goods are sold.
        floor: The least haircut, as a share.
        told: Called with how many of how many series are done.

    Raises:
        InvalidError: The horizon is out of bounds, or too few prices are there.
    """
    if not 1 <= horizon_days <= HORIZON_DAYS_MAX:
        raise InvalidError("horizon", horizon_days, f"from 1 to {HORIZON_DAYS_MAX} trading days")
    needed = HISTORY_DAYS_MIN + WINDOWS_MIN * horizon_days
    if len(table.rows) < needed:
        raise InvalidError(
            "prices",
            f"{len(table.rows)} days",
            f"at least {needed}: {HISTORY_DAYS_MIN} to begin with and {WINDOWS_MIN} windows of"
            f" {horizon_days} days",
        )
    prices = np.array([float(row.value) for row in table.rows], dtype=np.float64)
    series: list[Sequence[Window]] = []
    for phase in range(horizon_days):
        found = _windows(prices, model, horizon_days, floor, phase)
        series.append(tuple(_dated(table, each) for each in found))
        told(phase + 1, horizon_days)
    windows = series[0]
    if not windows:
        raise InvalidError("prices", "none above zero", "above zero where a window begins")
    outcomes = [window.exceeded for window in windows]
    exceedances, counts = sum(outcomes), transitions(outcomes)
    coverage = kupiec(exceedances, len(outcomes), PROMISED_RATE)
    independence = christoffersen(counts)
    possible = (len(table.rows) - HISTORY_DAYS_MIN) // horizon_days
    return Backtest(
        model=model,
        horizon_days=horizon_days,
        windows=tuple(windows),
        worthless_starts=possible - len(windows),
        phases=tuple(sum(window.exceeded for window in each) for each in series),
        phase_windows=tuple(len(each) for each in series),
        coverage=coverage,
        counts=counts,
        independence=independence,
        both=conditional_coverage(coverage, independence),
        light=traffic_light(exceedances, len(outcomes), PROMISED_RATE),
    )


def _dated(table: PriceTable, found: tuple[int, int, float]) -> Window:
    """Return a window from where it begins and ends, and its haircut."""
    begin, end = table.rows[found[0]], table.rows[found[1]]
    return Window(
        begin=begin.day,
        end=end.day,
        begin_price=float(begin.value),
        end_price=float(end.value),
        haircut=found[2],
        loss=1.0 - float(end.value) / float(begin.value),
    )


def _windows(
    prices: Floats, model: HaircutModel, horizon_days: int, floor: float, phase: int
) -> Iterator[tuple[int, int, float]]:
    """Yield begin, end and haircut of one series of windows, none of which overlap.

    The last ends ``phase`` days before the newest price.
    """
    last = len(prices) - 1 - phase
    first = HISTORY_DAYS_MIN - 1 + (last - HISTORY_DAYS_MIN + 1) % horizon_days
    for begin in range(first, last - horizon_days + 1, horizon_days):
        if prices[begin] <= 0:
            continue
        known = prices[max(0, begin + 1 - _LOOK_BACK) : begin + 1]
        haircut = min(1.0, max(floor, model_haircut(model, known, horizon_days)))
        yield begin, begin + horizon_days, haircut


def model_haircut(model: HaircutModel, prices: Floats, horizon_days: int) -> float:
    """Return a model's haircut as a share, from the prices up to its day, in time order."""
    match model:
        case HaircutModel.T4_99:
            sigma = measure_volatility(prices).sigma_daily
            return loss_share(LOSS_QUANTILE, sigma, horizon_days)
        case HaircutModel.NORMAL_EWMA:
            return loss_share(NORMAL_QUANTILE_99, _ewma(log_returns(prices)), horizon_days)
        case HaircutModel.HISTORICAL:
            returns = log_returns(prices)[-VOLATILITY_DAYS_MAX:]
            worst = -float(np.quantile(returns, PROMISED_RATE, method="lower"))
            return 1.0 - math.exp(-max(0.0, worst) * math.sqrt(horizon_days))


def _ewma(returns: Floats) -> float:
    """Return the daily volatility that forgets: weights fall by 0.94 a day."""
    recent = returns[-VOLATILITY_DAYS_MAX:]
    weights = EWMA_DECAY ** np.arange(len(recent) - 1, -1, -1, dtype=np.float64)
    return float(np.sqrt(np.sum(weights * recent**2) / np.sum(weights)))
