"""What can be done with collateral; callers open the transaction."""

from backend.collateral.service.book import SensorBook
from backend.collateral.service.follow import fold, reconsider, sweep
from backend.collateral.service.latches import hold, unlatch

__all__ = ["SensorBook", "fold", "hold", "reconsider", "sweep", "unlatch"]
