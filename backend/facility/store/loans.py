"""What a loan is charged and when it is to be paid, in the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from psycopg.rows import TupleRow

from backend.db import Conn
from backend.facility.rules.interest import sum_settled
from backend.facility.types import (
    Component,
    Due,
    Movement,
    Parts,
    Schedule,
)
from backend.ids import AccountId, FacilityId
from backend.money import Minor

ROWS_MAX: Final = 1_000

DUES: Final = (
    "SELECT facility_id, due_on, component, amount_minor, set_at FROM facility_due"
    " WHERE facility_id = ANY(%s) ORDER BY due_on, component"
)
CHARGES: Final = (
    "SELECT facility_id, (charged_at AT TIME ZONE 'UTC')::date, due_on, amount_minor"
    " FROM facility_charge WHERE facility_id = ANY(%s) ORDER BY due_on, id"
)
# What had accrued at the last interest dates that are past, with and without the days of grace.
_ACCRUED: Final = """
SELECT t.facility_id, t.due_on,
  coalesce(sum(a.amount_minor) FILTER (WHERE a.kind = 'interest'), 0)::bigint,
  coalesce(sum(a.amount_minor) FILTER (WHERE a.kind = 'commitment'), 0)::bigint
FROM (SELECT DISTINCT d.facility_id, d.due_on FROM (
        SELECT i.facility_id,
          max(i.due_on) FILTER (WHERE i.due_on < %(today)s::date - f.grace_days) AS past,
          max(i.due_on) FILTER (WHERE i.due_on <= %(today)s) AS due
        FROM facility_due i JOIN facility f ON f.id = i.facility_id
        WHERE i.component = 'interest' AND i.facility_id = ANY(%(ids)s) GROUP BY i.facility_id) m
      CROSS JOIN LATERAL (VALUES (m.facility_id, m.past), (m.facility_id, m.due))
        AS d (facility_id, due_on)
      WHERE d.due_on IS NOT NULL) t
LEFT JOIN facility_accrual a ON a.facility_id = t.facility_id AND a.day < t.due_on
GROUP BY t.facility_id, t.due_on
"""
_PAYMENTS: Final = """
SELECT facility_id, paid_at, penalty_minor, fees_minor, interest_minor, principal_minor
FROM repayment WHERE facility_id = ANY(%(ids)s)
UNION ALL
SELECT facility_id, written_at, penalty_minor, fees_minor, interest_minor, principal_minor
FROM facility_write_off WHERE facility_id = ANY(%(ids)s)
UNION ALL
SELECT facility_id, at, -penalty_minor, -fees_minor, -interest_minor, -principal_minor
FROM repayment_reversal WHERE facility_id = ANY(%(ids)s)
ORDER BY 2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A fee by its name; the id is the caller's."""

    id: UUID
    facility_id: FacilityId
    kind: str
    name: str
    amount_minor: Minor
    due_on: date
    body_sha256: bytes
    charged_at: datetime
    charged_by: AccountId


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOff:
    """What a lender gives up; the id is the caller's."""

    id: UUID
    facility_id: FacilityId
    parts: Parts
    reason: str
    body_sha256: bytes
    written_at: datetime
    written_by: AccountId


def load_schedules(
    conn: Conn, facility_ids: Sequence[FacilityId], now: datetime
) -> Mapping[FacilityId, Schedule]:
    """Return what the dues of facilities are decided on; none for one without any."""
    dues: dict[FacilityId, list[Due]] = {}
    for row in conn.execute(DUES, [list(facility_ids)]):
        dues.setdefault(FacilityId(row[0]), []).append(due_of(row[1:]))
    charges: dict[FacilityId, list[tuple[date, Minor]]] = {}
    for row in conn.execute(CHARGES, [list(facility_ids)]):
        charges.setdefault(FacilityId(row[0]), []).append((row[2], Minor(row[3])))
    ids = sorted(dues.keys() | charges.keys())
    if not ids:
        return {}
    accrued: dict[FacilityId, dict[date, tuple[Minor, Minor]]] = {}
    for row in conn.execute(_ACCRUED, {"ids": ids, "today": now.date()}):
        accrued.setdefault(FacilityId(row[0]), {})[row[1]] = Minor(row[2]), Minor(row[3])
    payments: dict[FacilityId, list[Movement]] = {}
    for row in conn.execute(_PAYMENTS, {"ids": ids}):
        paid = Movement(at=row[1], settled=parts_of(row[2:]))
        payments.setdefault(FacilityId(row[0]), []).append(paid)
    return {
        key: Schedule(
            dues=tuple(dues.get(key, ())),
            accrued=accrued.get(key, {}),
            charges=tuple(charges.get(key, ())),
            settled=sum_settled(payments.get(key, ())),
            payments=tuple(
                (paid.at, paid.settled.principal_minor) for paid in payments.get(key, ())
            ),
        )
        for key in ids
    }


def add_charge(conn: Conn, charge: Charge) -> bool:
    """Store a fee; return false when its id is taken."""
    statement = (
        "INSERT INTO facility_charge (id, facility_id, kind, name, amount_minor, due_on,"
        " body_sha256, charged_at, charged_by) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (id) DO NOTHING"
    )
    values = [
        charge.id,
        charge.facility_id,
        charge.kind,
        charge.name,
        charge.amount_minor,
        charge.due_on,
        charge.body_sha256,
        charge.charged_at,
        charge.charged_by,
    ]
    return conn.execute(statement, values).rowcount == 1


def list_charges(
    conn: Conn, facility_id: FacilityId, charge_id: UUID | None = None
) -> Sequence[Charge]:
    """Return the newest fees of a facility, or that one."""
    query = (
        "SELECT id, facility_id, kind, name, amount_minor, due_on, body_sha256, charged_at,"
        " charged_by FROM facility_charge WHERE facility_id = %(facility)s"
        " AND (%(id)s::uuid IS NULL OR id = %(id)s) ORDER BY charged_at DESC, id LIMIT %(rows)s"
    )
    values = {"facility": facility_id, "id": charge_id, "rows": ROWS_MAX}
    return [
        Charge(
            id=row[0],
            facility_id=FacilityId(row[1]),
            kind=row[2],
            name=row[3],
            amount_minor=Minor(row[4]),
            due_on=row[5],
            body_sha256=bytes(row[6]),
            charged_at=row[7],
            charged_by=AccountId(row[8]),
        )
        for row in conn.execute(query, values)
    ]


def add_due(conn: Conn, facility_id: FacilityId, due: Due, by: AccountId) -> bool:
    """Store what falls due; return false when that component falls due that day already."""
    statement = (
        "INSERT INTO facility_due (facility_id, due_on, component, amount_minor, set_at, set_by)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
    )
    values = [facility_id, due.due_on, due.component.value, due.amount_minor, due.set_at, by]
    return conn.execute(statement, values).rowcount == 1


def list_dues(conn: Conn, facility_id: FacilityId) -> Sequence[Due]:
    """Return what falls due, by day."""
    return [due_of(row[1:]) for row in conn.execute(DUES, [[facility_id]])]


def add_write_off(conn: Conn, write_off: WriteOff) -> bool:
    """Store what is given up; return false when its id is taken."""
    statement = (
        "INSERT INTO facility_write_off (id, facility_id, penalty_minor, fees_minor,"
        " interest_minor, principal_minor, reason, body_sha256, written_at, written_by)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO NOTHING"
    )
    parts = write_off.parts
    values = [
        write_off.id,
        write_off.facility_id,
        parts.penalty_minor,
        parts.fees_minor,
        parts.interest_minor,
        parts.principal_minor,
        write_off.reason,
        write_off.body_sha256,
        write_off.written_at,
        write_off.written_by,
    ]
    return conn.execute(statement, values).rowcount == 1


def list_write_offs(
    conn: Conn, facility_id: FacilityId, write_off_id: UUID | None = None
) -> Sequence[WriteOff]:
    """Return what was written off under a facility, newest first, or that one."""
    query = (
        "SELECT id, facility_id, penalty_minor, fees_minor, interest_minor, principal_minor,"
        " reason, body_sha256, written_at, written_by FROM facility_write_off"
        " WHERE facility_id = %(facility)s AND (%(id)s::uuid IS NULL OR id = %(id)s)"
        " ORDER BY written_at DESC, id LIMIT %(rows)s"
    )
    values = {"facility": facility_id, "id": write_off_id, "rows": ROWS_MAX}
    return [
        WriteOff(
            id=row[0],
            facility_id=FacilityId(row[1]),
            parts=parts_of(row[2:]),
            reason=row[6],
            body_sha256=bytes(row[7]),
            written_at=row[8],
            written_by=AccountId(row[9]),
        )
        for row in conn.execute(query, values)
    ]


def due_of(row: TupleRow) -> Due:
    """Return what falls due, of a row without its facility."""
    amount = None if row[2] is None else Minor(row[2])
    return Due(due_on=row[0], component=Component(row[1]), amount_minor=amount, set_at=row[3])


def parts_of(row: TupleRow) -> Parts:
    """Return an amount by parts, of a row that begins with them."""
    return Parts(
        penalty_minor=Minor(row[0]),
        fees_minor=Minor(row[1]),
        interest_minor=Minor(row[2]),
        principal_minor=Minor(row[3]),
    )
