"""A count held against what is registered. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from backend.errors import InvalidError
from backend.ids import ItemId
from backend.stock_takes.types import Line, Result, TagRead

BACK_MAX: Final = timedelta(days=7)  # What was counted longer ago says nothing of today.
SKEW_MAX: Final = timedelta(minutes=5)  # Of a handheld reader's clock.

Registered = Mapping[bytes, tuple[ItemId, str]]


def check_time(at: datetime, now: datetime) -> None:
    """Check when a stock-take was taken.

    Raises:
        InvalidError: Too long ago, or not yet.
    """
    if not now - BACK_MAX <= at <= now + SKEW_MAX:
        bound = f"from {(now - BACK_MAX).isoformat()} to {(now + SKEW_MAX).isoformat()}"
        raise InvalidError("at", at.isoformat(), bound)


def reconcile(tags: tuple[TagRead, ...], registered: Registered) -> tuple[Line, ...]:
    """Return each registered item as found or not, and each other tag as foreign."""
    read = {tag.epc: tag.at for tag in tags}
    lines = [
        Line(
            epc=epc,
            item_id=item_id,
            name=name,
            result=Result.FOUND if epc in read else Result.NOT_FOUND,
            read_at=read.get(epc),
        )
        for epc, (item_id, name) in sorted(registered.items())
    ]
    lines += [
        Line(epc=epc, item_id=None, name=None, result=Result.FOREIGN, read_at=at)
        for epc, at in read.items()
        if epc not in registered
    ]
    return tuple(lines)
