"""Interest, commitment fees and penalties, booked each day; callers open the transaction."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from backend.db import Conn
from backend.facility.rules.interest import accrue, sum_accrued
from backend.facility.rules.waterfall import Part
from backend.facility.service import books
from backend.facility.service.standings import relock
from backend.facility.store import accruals as store
from backend.facility.store import facilities
from backend.facility.types import AccrualKind, NewEvent
from backend.ids import FacilityId
from backend.money import Minor

_PARTS: Final = {
    AccrualKind.INTEREST: Part.INTEREST,
    AccrualKind.COMMITMENT: Part.FEE,
    AccrualKind.PENALTY: Part.PENALTY,
}


def accrue_days(conn: Conn, facility_ids: Iterable[FacilityId], now: datetime, actor: str) -> None:
    """Book every day that is over and is not booked, and settle what follows.

    Holds the facilities until the transaction ends. What is booked is not booked again.
    """
    held = facilities.lock_facilities(conn, facility_ids)
    for facility_id in held:
        _accrue_one(conn, facility_id, now, actor)
    relock(conn, held, now, actor)


def _accrue_one(conn: Conn, facility_id: FacilityId, now: datetime, actor: str) -> None:
    yesterday = now.date() - timedelta(days=1)
    found = accrue(store.load_ledger(conn, facility_id), yesterday)
    if not found:
        return
    store.append_accruals(conn, facility_id, found, now)
    sums = sum_accrued(found)
    facility, _ = facilities.load_facilities(conn, [facility_id])[0]
    charges = [
        books.Charge(
            facility=facility,
            stamp=books.Stamp(
                id=books.derived_id(facility_id, f"{kind.value} {found[-1].day.isoformat()}"),
                at=now,
                actor=actor,
            ),
            part=_PARTS[kind],
            amount_minor=Minor(amount),
            what=f"{kind.value} through {found[-1].day.isoformat()}",
        )
        for kind, amount in sums.items()
        if amount
    ]
    if not charges:
        return
    books.charge(conn, charges)
    detail: dict[str, object] = {
        "from_day": found[0].day.isoformat(),
        "through_day": found[-1].day.isoformat(),
        **{f"{kind.value}_minor": amount for kind, amount in sums.items()},
    }
    event = NewEvent(facility_id=facility_id, at=now, actor=actor, what="accrued", detail=detail)
    facilities.append_events(conn, [event])
