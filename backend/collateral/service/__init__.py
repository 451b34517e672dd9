"""What can be done with collateral; callers open the transaction."""

from backend.collateral.service.follow import fold, reconsider, sweep
from backend.collateral.service.latches import hold, unlatch

__all__ = ["fold", "hold", "reconsider", "sweep", "unlatch"]
