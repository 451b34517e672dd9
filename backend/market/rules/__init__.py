"""Decisions on prices, one module a question."""

from backend.market.rules.goods import decide_goods_price, find_rate
from backend.market.rules.jumps import Past, agree, grade_quotes, move_bps
from backend.market.rules.price_file import read_price_csv
from backend.market.rules.prices import PRICE_ABS_MAX, PRICE_DECIMALS_MAX, decide_price
from backend.market.rules.volatility import log_returns, measure_volatility

__all__ = [
    "PRICE_ABS_MAX",
    "PRICE_DECIMALS_MAX",
    "Past",
    "agree",
    "decide_goods_price",
    "decide_price",
    "find_rate",
    "grade_quotes",
    "log_returns",
    "measure_volatility",
    "move_bps",
    "read_price_csv",
]
