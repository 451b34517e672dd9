"""How much of a value may be lost before goods are sold: the models, each with its version. Pure.

A model's name is stored with every valuation: a changed number is a new version.
"""

import math
from typing import Final

from backend.market.types import Instrument, Volatility
from backend.money import BPS
from backend.valuation.types import HaircutModel, LendingPolicy

# 99 % quantile of Student's t with 4 degrees of freedom, scaled to unit variance by
# sqrt((4 - 2) / 4). Source: domain.md 2: with the normal quantile (2.326) nine of ten backtests
# failed, with this one none.
T4_QUANTILE_99: Final = 3.746947
LOSS_QUANTILE: Final = T4_QUANTILE_99 * math.sqrt((4 - 2) / 4)
NORMAL_QUANTILE_99: Final = 2.326348

HISTORY_DAYS_MIN: Final = 60  # Fewer daily prices say too little of a commodity's storms.


def effective_horizon_days(policy: LendingPolicy) -> int:
    """Return trading days from the last revaluation until the goods are sold.

    Goods that are valued every n days may have fallen for n - 1 days already when it is seen.
    Source: Basel Committee, Basel II (2006), paragraph 168: sqrt((N_R + T_M - 1) / T_M).
    """
    return policy.liquidation_horizon_days + policy.revaluation_days - 1


def loss_share(quantile: float, sigma_daily: float, horizon_days: float) -> float:
    """Return the loss of so many standard deviations over a horizon, as a share of the value."""
    return 1.0 - math.exp(-quantile * sigma_daily * math.sqrt(horizon_days))


def haircut_bps(
    instrument: Instrument, volatility: Volatility | None, policy: LendingPolicy
) -> tuple[int, str | None]:
    """Return the haircut in basis points, rounded up, and why if it is a default.

    Args:
        instrument: With the least haircut of its class, and the one for a short history.
        volatility: As measured; None when nothing was.
        policy: With the model, the horizon and the lender's own least haircut.
    """
    assert policy.model is HaircutModel.T4_99, policy.model
    floor = max(instrument.haircut_floor_bps, policy.haircut_floor_bps)
    if volatility is None or volatility.days < HISTORY_DAYS_MIN:
        days = 0 if volatility is None else volatility.days
        default = max(floor, instrument.short_history_haircut_bps)
        return default, (
            f"{days} daily prices of {instrument.id} are known, fewer than {HISTORY_DAYS_MIN}:"
            f" default haircut of {default} bps"
        )
    loss = loss_share(LOSS_QUANTILE, volatility.sigma_daily, effective_horizon_days(policy))
    return min(BPS, max(floor, math.ceil(loss * BPS))), None
