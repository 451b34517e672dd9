"""What a risk officer runs: ``python -m backend backtest`` and ``python -m backend stress``."""

from backend.risk_cli.backtest import backtest
from backend.risk_cli.stress import stress

__all__ = ["backtest", "stress"]
