"""What is done with facilities: loaded, decided by the rules, stored."""

from backend.facility.service.standings import relock

__all__ = ["relock"]
