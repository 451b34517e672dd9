"""Rates of facilities, and what accrued by them, in the database."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

from backend.db import Conn
from backend.facility.store.loans import CHARGES, DUES, due_of, parts_of
from backend.facility.types import (
    Accrual,
    AccrualKind,
    DayCount,
    Ledger,
    Movement,
    Rate,
)
from backend.ids import AccountId, FacilityId
from backend.money import Minor

ROWS_MAX: Final = 1_000

_MOVEMENTS: Final = """
SELECT ended_at, amount_minor, 0, 0, 0, 0 FROM drawdown
WHERE facility_id = %(id)s AND state = 'disbursed'
UNION ALL
SELECT paid_at, 0, penalty_minor, fees_minor, interest_minor, principal_minor FROM repayment
WHERE facility_id = %(id)s
UNION ALL
SELECT written_at, 0, penalty_minor, fees_minor, interest_minor, principal_minor
FROM facility_write_off WHERE facility_id = %(id)s
UNION ALL
SELECT at, 0, -penalty_minor, -fees_minor, -interest_minor, -principal_minor
FROM repayment_reversal WHERE facility_id = %(id)s
ORDER BY 1
"""
# Added up between interest dates: the sums before each date, and the last day, stay what they are.
_BOOKED: Final = """
SELECT a.kind, max(a.day), sum(a.amount_minor)::bigint,
  (array_agg(a.ahead_units ORDER BY a.day DESC))[1]
FROM facility_accrual a
CROSS JOIN LATERAL (SELECT min(d.due_on) AS due_on FROM facility_due d
  WHERE d.facility_id = a.facility_id AND d.component = 'interest' AND d.due_on > a.day) n
WHERE a.facility_id = %s GROUP BY a.kind, n.due_on ORDER BY 2, 1
"""
_ACCRUALS: Final = (
    "SELECT kind, day, base_minor, annual_bps, day_count, days, amount_minor, ahead_units"
    " FROM facility_accrual WHERE facility_id = %s"
)


def load_ledger(conn: Conn, facility_id: FacilityId) -> Ledger:
    """Return what the next accruals of a facility follow from; earlier ones added up."""
    terms = conn.execute(
        "SELECT limit_minor, grace_days FROM facility WHERE id = %s", [facility_id]
    ).fetchone()
    assert terms is not None
    movements = [
        Movement(at=row[0], drawn_minor=Minor(row[1]), settled=parts_of(row[2:]))
        for row in conn.execute(_MOVEMENTS, {"id": facility_id})
    ]
    booked = [
        Accrual(
            kind=AccrualKind(row[0]),
            day=row[1],
            base_minor=Minor(0),
            annual_bps=0,
            day_count=DayCount.ACT_360,
            days=0,
            amount_minor=Minor(row[2]),
            ahead_units=row[3],
        )
        for row in conn.execute(_BOOKED, [facility_id])
    ]
    charges = conn.execute(CHARGES, [[facility_id]])
    return Ledger(
        limit_minor=Minor(terms[0]),
        grace_days=terms[1],
        rates=tuple(load_rates(conn, facility_id)),
        movements=tuple(movements),
        dues=tuple(due_of(row[1:]) for row in conn.execute(DUES, [[facility_id]])),
        charges=tuple((row[1], row[2], Minor(row[3])) for row in charges),
        accruals=tuple(booked),
    )


def load_rates(conn: Conn, facility_id: FacilityId) -> Sequence[Rate]:
    """Return a facility's rates, oldest first."""
    query = (
        "SELECT from_day, day_count, annual_bps, commitment_bps, penalty_bps FROM facility_rate"
        " WHERE facility_id = %s ORDER BY from_day"
    )
    return [
        Rate(
            from_day=row[0],
            day_count=DayCount(row[1]),
            annual_bps=row[2],
            commitment_bps=row[3],
            penalty_bps=row[4],
        )
        for row in conn.execute(query, [facility_id])
    ]


def add_rate(
    conn: Conn, facility_id: FacilityId, rate: Rate, by: AccountId, now: datetime
) -> bool:
    """Store a rate; return false when there is one from that day on."""
    statement = (
        "INSERT INTO facility_rate (facility_id, from_day, day_count, annual_bps, commitment_bps,"
        " penalty_bps, set_at, set_by) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING"
    )
    values = [
        facility_id,
        rate.from_day,
        rate.day_count.value,
        rate.annual_bps,
        rate.commitment_bps,
        rate.penalty_bps,
        now,
        by,
    ]
    return conn.execute(statement, values).rowcount == 1


def load_accrued_through(conn: Conn, facility_id: FacilityId) -> date | None:
    """Return the last day that is booked."""
    row = conn.execute(
        "SELECT accrued_through FROM facility WHERE id = %s", [facility_id]
    ).fetchone()
    return None if row is None else row[0]


def facilities_to_accrue(conn: Conn, now: datetime) -> Sequence[FacilityId]:
    """Return the open facilities with a day that is over and not booked, in order."""
    query = (
        "SELECT f.id FROM facility f"
        " JOIN (SELECT facility_id, min(from_day) AS begin FROM facility_rate GROUP BY 1) r"
        " ON r.facility_id = f.id WHERE f.state = 'open' AND r.begin <= %(day)s"
        " AND (f.accrued_through IS NULL OR f.accrued_through < %(day)s) ORDER BY f.id"
    )
    yesterday = now.date() - timedelta(days=1)
    return [FacilityId(row[0]) for row in conn.execute(query, {"day": yesterday})]


def is_behind(conn: Conn, facility_id: FacilityId, now: datetime) -> bool:
    """Return whether a facility has a day that is over and not booked."""
    return facility_id in facilities_to_accrue(conn, now)


def append_accruals(
    conn: Conn, facility_id: FacilityId, accruals: Sequence[Accrual], now: datetime
) -> None:
    """Store accruals, and the last day that is booked."""
    statement = (
        "INSERT INTO facility_accrual (facility_id, kind, day, base_minor, annual_bps, day_count,"
        " days, amount_minor, ahead_units, booked_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
    )
    with conn.cursor() as cursor:
        cursor.executemany(
            statement,
            [
                (
                    facility_id,
                    each.kind.value,
                    each.day,
                    each.base_minor,
                    each.annual_bps,
                    each.day_count.value,
                    each.days,
                    each.amount_minor,
                    each.ahead_units,
                    now,
                )
                for each in accruals
            ],
        )
    conn.execute(
        "UPDATE facility SET accrued_through = %s WHERE id = %s", [accruals[-1].day, facility_id]
    )


def list_accruals(conn: Conn, facility_id: FacilityId) -> Sequence[Accrual]:
    """Return the newest accruals of a facility, newest first."""
    query = f"{_ACCRUALS} ORDER BY day DESC, kind LIMIT %s"
    return [
        Accrual(
            kind=AccrualKind(row[0]),
            day=row[1],
            base_minor=Minor(row[2]),
            annual_bps=row[3],
            day_count=DayCount(row[4]),
            days=row[5],
            amount_minor=Minor(row[6]),
            ahead_units=row[7],
        )
        for row in conn.execute(query, [facility_id, ROWS_MAX])
    ]
