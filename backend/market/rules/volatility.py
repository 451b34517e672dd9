"""How much prices move. Pure."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.market.types import Volatility

EWMA_DECAY: Final = 0.94  # Source: RiskMetrics Technical Document, 4th edition, 1996, 5.3.2.
VOLATILITY_DAYS_MAX: Final = 500  # Returns that are looked back on (domain.md 2).
RETURN_TO_NOTHING: Final = -float(np.log(10.0))  # A fall to zero or below counts as one of 90 %.


def log_returns(prices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log returns of prices in time order; shape (n - 1,) or less.

    Zero and negative prices have no logarithm. A fall to one counts as a loss of nine tenths, so
    that it raises the haircut; the way back up tells nothing of losses and is left out.
    """
    positive = prices > 0
    logarithms = np.log(np.where(positive, prices, 1.0))
    returns = np.where(positive[1:], np.diff(logarithms), RETURN_TO_NOTHING)
    return returns[positive[:-1]]


def measure_volatility(prices: NDArray[np.float64]) -> Volatility:
    """Return the daily volatility of daily prices in time order: the greater of two measures.

    The one forgets (weights falling by 0.94 a day), the other does not (500 days, all alike): the
    first sees a storm, the second remembers it. Measured on five commodities, the first alone
    fails the Basel traffic-light test (domain.md 2).
    """
    returns = log_returns(prices)[-VOLATILITY_DAYS_MAX:]
    if len(returns) < 2:
        return Volatility(sigma_daily=0.0, days=len(prices))
    weights = EWMA_DECAY ** np.arange(len(returns) - 1, -1, -1, dtype=np.float64)
    ewma = np.sqrt(np.sum(weights * returns**2) / np.sum(weights))
    deviation = np.std(returns, ddof=1)
    return Volatility(sigma_daily=float(max(ewma, deviation)), days=len(prices))
