"""Money owed in tests: booked, since nothing else changes what a facility owes."""

from datetime import datetime
from uuid import uuid4

from backend.db import Conn
from backend.facility.rules.dues import outstanding
from backend.facility.rules.money import split_repayment
from backend.facility.service import books
from backend.facility.store import facilities
from backend.facility.types import Owed
from backend.ids import FacilityId
from backend.money import Minor


def owe(conn: Conn, facility_id: FacilityId, principal_minor: int, now: datetime) -> None:
    """Let so much principal be owed; ``conn`` is the worker's."""
    facility, _ = facilities.load_facilities(conn, [facility_id])[0]
    stamp = books.Stamp(id=uuid4(), at=now, actor="test")
    more = Minor(principal_minor - facility.principal_minor)
    if more > 0:
        books.pay_out(conn, facility, stamp, more, "drawn in a test")
    elif more < 0:
        books.repay(
            conn,
            facility,
            stamp,
            split_repayment(facility, Owed(in_advance=outstanding(facility)), Minor(-more)),
        )
