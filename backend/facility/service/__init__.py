"""What is done with facilities: loaded, decided by the rules, stored."""

from backend.facility.service.accruals import accrue_days
from backend.facility.service.standings import relock

__all__ = ["accrue_days", "relock"]
