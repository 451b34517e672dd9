"""Facilities, their money, locks and pledges, as pages show them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row, dict_row

from backend.db import Conn
from backend.facility.types import Facility, Lines, LineStanding, LineState, Policy
from backend.ids import FacilityId, PartyId
from backend.money import Minor
from backend.web.types import (
    EVERYTHING,
    ROWS_MAX,
    DrawdownRow,
    EventRow,
    FacilityCard,
    HistoryPoint,
    LockRow,
    LotLineRow,
    Named,
    PledgeRow,
    RepaymentRow,
    ValuationRow,
    Window,
)

HISTORY_ROWS_MAX: Final = 50

_CARDS: Final = """
SELECT f.id, f.name, f.lender_party, f.borrower_party, f.currency, f.limit_minor,
  f.principal_minor, f.interest_minor, f.fees_minor, f.reserve_minor, f.warning_line_bps,
  f.call_line_bps, f.liquidation_line_bps, f.recovery_margin_bps, f.recovery_valuations,
  f.recovered_valuations, f.recovering_to, f.line_state, f.cure_by, f.cure_hours,
  f.valuation_ttl_s, f.liquidation_horizon_days, f.state, f.penalty_minor,
  f.control_value_minor, f.registry_required, f.signatures_required, f.liquidation_observations,
  f.grace_days, lp.name AS lender, bp.name AS borrower,
  v.id AS valuation_id, v.at AS valuation_at, v.expires_at, v.value_minor, v.base_minor,
  v.coverage_bps, v.complete, v.model,
  coalesce(d.pending_minor, 0)::bigint AS pending_minor, coalesce(l.lots, 0)::int AS lots,
  coalesce(l.alerts, 0)::int AS alerts
FROM facility f
JOIN party lp ON lp.id = f.lender_party
JOIN party bp ON bp.id = f.borrower_party
LEFT JOIN valuation v ON v.id = f.valuation_id
LEFT JOIN (SELECT facility_id, sum(amount_minor) AS pending_minor FROM drawdown
           WHERE state = 'pending' GROUP BY facility_id) d ON d.facility_id = f.id
LEFT JOIN (SELECT p.facility_id, count(DISTINCT pl.lot_id) AS lots, count(a.id) AS alerts
           FROM pledge p JOIN pledge_lot pl ON pl.pledge_id = p.id AND pl.active
           LEFT JOIN alert a ON a.lot_id = pl.lot_id AND a.state <> 'resolved'
           WHERE p.state = 'active' GROUP BY p.facility_id) l ON l.facility_id = f.id
WHERE (%(id)s::uuid IS NULL OR f.id = %(id)s)
  AND position(lower(%(search)s) IN lower(f.name || ' ' || lp.name || ' ' || bp.name)) > 0
ORDER BY EXISTS (SELECT 1 FROM facility_lock k WHERE k.facility_id = f.id
                 AND k.lifted_at IS NULL) DESC, f.name, f.id
LIMIT %(rows)s OFFSET %(offset)s
"""
_LOCKS: Final = """
SELECT facility_id, reason, detail, opened_at, opened_by, lifted_at, lifted_by
FROM facility_lock WHERE facility_id = ANY(%s) AND lifted_at IS NULL ORDER BY opened_at, reason
"""
_PLEDGES: Final = """
SELECT p.id, p.state, lp.name AS lender, pp.name AS pledgor, p.facility_id, f.name AS facility,
  p.created_at, p.activated_at, p.ended_at, p.registry, p.registry_number, p.registered_on,
  coalesce(jsonb_agg(jsonb_build_object('id', pl.lot_id, 'name', coalesce(l.name, 'a lot'))
    ORDER BY l.name) FILTER (WHERE pl.lot_id IS NOT NULL), '[]') AS lots
FROM (SELECT * FROM pledge WHERE %(facility)s::uuid IS NULL OR facility_id = %(facility)s
      ORDER BY state = 'proposed' DESC, created_at DESC, id
      LIMIT %(rows)s OFFSET %(offset)s) p
JOIN party lp ON lp.id = p.lender_party
JOIN party pp ON pp.id = p.pledgor_party
LEFT JOIN facility f ON f.id = p.facility_id
LEFT JOIN pledge_lot pl ON pl.pledge_id = p.id
LEFT JOIN lot l ON l.id = pl.lot_id
GROUP BY p.id, p.state, p.facility_id, p.created_at, p.activated_at, p.ended_at, p.registry,
  p.registry_number, p.registered_on, lp.name, pp.name, f.name
ORDER BY p.state = 'proposed' DESC, p.created_at DESC, p.id
"""


def list_cards(
    conn: Conn, facility_id: UUID | None = None, window: Window = EVERYTHING
) -> Sequence[FacilityCard]:
    """Return the facilities that the actor may see, or that one; locked ones first."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_CARDS, {"id": facility_id, **asdict(window)}).fetchall()
    locks: dict[UUID, list[LockRow]] = {}
    with conn.cursor(row_factory=class_row(LockRow)) as cursor:
        for lock in cursor.execute(_LOCKS, [[row["id"] for row in rows]]):
            locks.setdefault(lock.facility_id, []).append(lock)
    return [_card(row, locks.get(row["id"], [])) for row in rows]


def count_facilities(conn: Conn) -> tuple[int, int]:
    """Return how many facilities the actor may see, and how many of them are locked."""
    row = conn.execute(
        "SELECT count(*), count(*) FILTER (WHERE EXISTS (SELECT 1 FROM facility_lock k"
        " WHERE k.facility_id = f.id AND k.lifted_at IS NULL)) FROM facility f"
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def list_lines(conn: Conn, valuation_id: UUID) -> Sequence[LotLineRow]:
    """Return a valuation's lines, one for each lot, by name."""
    query = (
        "SELECT v.lot_id, coalesce(l.name, v.lot_id::text) AS name,"
        " coalesce(l.instrument_id, '') AS instrument_id, i.unit,"
        " coalesce(l.pledged_mass_g, 0) AS pledged_mass_g, v.accepted_mass_g, v.price,"
        " v.price_at, v.price_source, v.haircut_bps, v.value_minor, v.lendable_minor, v.reasons"
        " FROM lot_valuation v LEFT JOIN lot l ON l.id = v.lot_id"
        " LEFT JOIN instrument i ON i.id = l.instrument_id"
        " WHERE v.valuation_id = %s ORDER BY l.name, v.lot_id"
    )
    with conn.cursor(row_factory=class_row(LotLineRow)) as cursor:
        return cursor.execute(query, [valuation_id]).fetchall()


def list_lifted_locks(conn: Conn, facility_id: UUID) -> Sequence[LockRow]:
    """Return a facility's former locks, the last lifted first."""
    query = (
        "SELECT facility_id, reason, detail, opened_at, opened_by, lifted_at, lifted_by"
        " FROM facility_lock WHERE facility_id = %s AND lifted_at IS NOT NULL"
        " ORDER BY lifted_at DESC, id DESC LIMIT %s"
    )
    with conn.cursor(row_factory=class_row(LockRow)) as cursor:
        return cursor.execute(query, [facility_id, HISTORY_ROWS_MAX]).fetchall()


def list_drawdowns(conn: Conn, facility_id: UUID) -> Sequence[DrawdownRow]:
    """Return a facility's drawdowns, newest first, those that wait before all others."""
    query = (
        "SELECT d.id, d.amount_minor, d.state, a.login AS requested_by, d.requested_at,"
        " d.decided_by, d.decided_at, d.expires_at, d.ended_at, d.reasons"
        " FROM drawdown d LEFT JOIN account a ON a.id = d.requested_by"
        " WHERE d.facility_id = %s"
        " ORDER BY d.state IN ('requested','pending') DESC, d.requested_at DESC LIMIT %s"
    )
    with conn.cursor(row_factory=class_row(DrawdownRow)) as cursor:
        return cursor.execute(query, [facility_id, HISTORY_ROWS_MAX]).fetchall()


def list_repayments(conn: Conn, facility_id: UUID) -> Sequence[RepaymentRow]:
    """Return a facility's repayments, newest first."""
    query = (
        "SELECT r.id, r.amount_minor, r.fees_minor, r.interest_minor, r.principal_minor,"
        " r.surplus_minor, a.login AS paid_by, r.paid_at"
        " FROM repayment r LEFT JOIN account a ON a.id = r.paid_by"
        " WHERE r.facility_id = %s ORDER BY r.paid_at DESC LIMIT %s"
    )
    with conn.cursor(row_factory=class_row(RepaymentRow)) as cursor:
        return cursor.execute(query, [facility_id, HISTORY_ROWS_MAX]).fetchall()


def list_events(conn: Conn, facility_id: UUID) -> Sequence[EventRow]:
    """Return who did what to a facility, newest first."""
    query = (
        "SELECT at, actor, what, detail FROM facility_event WHERE facility_id = %s"
        " ORDER BY id DESC LIMIT %s"
    )
    with conn.cursor(row_factory=class_row(EventRow)) as cursor:
        return cursor.execute(query, [facility_id, HISTORY_ROWS_MAX]).fetchall()


def list_history(
    conn: Conn, facility_id: UUID, begin: datetime, end: datetime, points: int
) -> Sequence[HistoryPoint]:
    """Return the last valuation of each of ``points`` equal spans of time."""
    query = (
        "SELECT DISTINCT ON (slot) at, value_minor, base_minor, exposure_minor FROM ("
        " SELECT at, value_minor, base_minor, exposure_minor,"
        " floor(extract(epoch FROM at) / %(step)s) AS slot FROM valuation"
        " WHERE facility_id = %(id)s AND at >= %(begin)s AND at < %(end)s) v"
        " ORDER BY slot, at DESC"
    )
    step = max((end - begin).total_seconds() / points, 1.0)
    values = {"id": facility_id, "begin": begin, "end": end, "step": step}
    with conn.cursor(row_factory=class_row(HistoryPoint)) as cursor:
        return cursor.execute(query, values).fetchall()


def list_pledges(
    conn: Conn, facility_id: UUID | None = None, window: Window = EVERYTHING
) -> Sequence[PledgeRow]:
    """Return the pledges that the actor may see, proposals first."""
    values = {"facility": facility_id, "rows": window.rows, "offset": window.offset}
    with conn.cursor(row_factory=class_row(PledgeRow)) as cursor:
        return cursor.execute(_PLEDGES, values).fetchall()


def list_lenders(conn: Conn) -> Sequence[Named]:
    """Return the parties that lend to somebody, as far as the actor knows them.

    Accounts of others are nobody's business: a lender is known by a facility, or by its name.
    """
    query = (
        "SELECT p.id::text AS id, p.name FROM party p ORDER BY"
        " p.id IN (SELECT f.lender_party FROM facility f) DESC, p.name LIMIT %s"
    )
    with conn.cursor(row_factory=class_row(Named)) as cursor:
        return cursor.execute(query, [ROWS_MAX]).fetchall()


def list_open_facilities(conn: Conn) -> Sequence[Mapping[str, str]]:
    """Return open facilities by name, with their borrowers, to take a pledge in."""
    query = (
        "SELECT f.id::text AS id, f.name, b.name AS borrower FROM facility f"
        " JOIN party b ON b.id = f.borrower_party WHERE f.state = 'open' ORDER BY f.name LIMIT %s"
    )
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, [ROWS_MAX]).fetchall()


def _card(row: dict[str, Any], locks: Sequence[LockRow]) -> FacilityCard:
    valuation = None
    if row["valuation_id"] is not None:
        valuation = ValuationRow(
            id=row["valuation_id"],
            at=row["valuation_at"],
            expires_at=row["expires_at"],
            value_minor=row["value_minor"],
            base_minor=row["base_minor"],
            coverage_bps=row["coverage_bps"],
            complete=row["complete"],
            model=row["model"],
        )
    return FacilityCard(
        facility=_facility(row),
        lender=row["lender"],
        borrower=row["borrower"],
        pending_minor=row["pending_minor"],
        lots=row["lots"],
        alerts=row["alerts"],
        valuation=valuation,
        locks=locks,
    )


def _facility(row: dict[str, Any]) -> Facility:
    return Facility(
        id=FacilityId(row["id"]),
        name=row["name"],
        lender_party=PartyId(row["lender_party"]),
        borrower_party=PartyId(row["borrower_party"]),
        currency=row["currency"],
        limit_minor=Minor(row["limit_minor"]),
        principal_minor=Minor(row["principal_minor"]),
        interest_minor=Minor(row["interest_minor"]),
        fees_minor=Minor(row["fees_minor"]),
        reserve_minor=Minor(row["reserve_minor"]),
        lines=Lines(
            warning_bps=row["warning_line_bps"],
            call_bps=row["call_line_bps"],
            liquidation_bps=row["liquidation_line_bps"],
            recovery_margin_bps=row["recovery_margin_bps"],
            recovery_valuations=row["recovery_valuations"],
        ),
        standing=LineStanding(
            state=LineState(row["line_state"]),
            recovered_valuations=row["recovered_valuations"],
            recovering_to=row["recovering_to"] and LineState(row["recovering_to"]),
        ),
        cure_by=row["cure_by"],
        cure_hours=row["cure_hours"],
        valuation_ttl_s=row["valuation_ttl_s"],
        liquidation_horizon_days=row["liquidation_horizon_days"],
        open=row["state"] == "open",
        penalty_minor=Minor(row["penalty_minor"]),
        policy=Policy(
            control_value_minor=Minor(row["control_value_minor"]),
            registry_required=row["registry_required"],
            signatures_required=row["signatures_required"],
            liquidation_observations=row["liquidation_observations"],
            grace_days=row["grace_days"],
        ),
    )
