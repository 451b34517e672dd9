"""The value of lots, and how much of it may be lent against: rules without I/O."""

from backend.valuation.rules.base import derive_base
from backend.valuation.rules.lots import value_lots
from backend.valuation.rules.policy import default_policy
from backend.valuation.rules.valuation import coverage_bps, sum_valuation

__all__ = ["coverage_bps", "default_policy", "derive_base", "sum_valuation", "value_lots"]
