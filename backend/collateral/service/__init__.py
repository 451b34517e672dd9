"""What can be done with collateral; callers open the transaction."""

from backend.collateral.service.book import SensorBook
from backend.collateral.service.follow import distrust, due, fold, reconsider, sweep
from backend.collateral.service.latches import hold, unlatch

__all__ = ["SensorBook", "distrust", "due", "fold", "hold", "reconsider", "sweep", "unlatch"]
