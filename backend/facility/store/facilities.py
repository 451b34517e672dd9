"""Facilities, their locks and history in the database.

The row of the facility is the lock under which its money is decided: whoever changes what is owed,
promised or locked holds it until the commit. Several are always taken in the order of their ids.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg import errors
from psycopg.rows import TupleRow
from psycopg.types.json import Json

from backend.db import Conn
from backend.facility.errors import FacilityNameTakenError
from backend.facility.types import (
    Facility,
    FacilityEvent,
    Lines,
    LineStanding,
    LineState,
    NewEvent,
    Policy,
    StoredValuation,
)
from backend.ids import (
    FacilityId,
    InstrumentId,
    LotId,
    PartyId,
    ValuationId,
)
from backend.money import Minor

ROWS_MAX: Final = 1_000  # A list for people; a bank's desk has hundreds.
EVENTS_MAX: Final = 500

_FACILITIES: Final = """
SELECT f.id, f.name, f.lender_party, f.borrower_party, f.currency, f.limit_minor,
  f.principal_minor, f.interest_minor, f.fees_minor, f.reserve_minor, f.warning_line_bps,
  f.call_line_bps, f.liquidation_line_bps, f.recovery_margin_bps, f.recovery_valuations,
  f.line_state, f.recovered_valuations, f.cure_by, f.cure_hours, f.valuation_ttl_s,
  f.liquidation_horizon_days, f.state = 'open', f.recovering_to, f.penalty_minor,
  f.control_value_minor, f.registry_required, f.signatures_required, f.liquidation_observations,
  f.grace_days, v.id, v.at, v.expires_at, v.exposure_minor, v.content_sha256
FROM facility f LEFT JOIN valuation v ON v.id = f.valuation_id
WHERE f.id = ANY(%s) ORDER BY f.id
"""


def add_facility(conn: Conn, facility: Facility) -> None:
    """Store a facility under which nothing is owed yet.

    Raises:
        FacilityNameTakenError: The lender has one of that name.
    """
    lines = facility.lines
    statement = (
        "INSERT INTO facility (id, name, lender_party, borrower_party, currency, limit_minor,"
        " reserve_minor, warning_line_bps, call_line_bps, liquidation_line_bps,"
        " recovery_margin_bps, recovery_valuations, cure_hours, valuation_ttl_s,"
        " liquidation_horizon_days, control_value_minor, registry_required, signatures_required,"
        " liquidation_observations, grace_days)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
    )
    values = [
        facility.id,
        facility.name,
        facility.lender_party,
        facility.borrower_party,
        facility.currency,
        facility.limit_minor,
        facility.reserve_minor,
        lines.warning_bps,
        lines.call_bps,
        lines.liquidation_bps,
        lines.recovery_margin_bps,
        lines.recovery_valuations,
        facility.cure_hours,
        facility.valuation_ttl_s,
        facility.liquidation_horizon_days,
        facility.policy.control_value_minor,
        facility.policy.registry_required,
        facility.policy.signatures_required,
        facility.policy.liquidation_observations,
        facility.policy.grace_days,
    ]
    try:
        conn.execute(statement, values)
    except errors.UniqueViolation as error:
        raise FacilityNameTakenError(facility.name) from error


def lock_facilities(conn: Conn, facility_ids: Iterable[FacilityId]) -> Sequence[FacilityId]:
    """Hold these facilities until the transaction ends; return those that exist, in order.

    A statement of its own: whoever waited here must read everything else afterwards, anew.
    """
    query = "SELECT id FROM facility WHERE id = ANY(%s) ORDER BY id FOR UPDATE"
    return [FacilityId(row[0]) for row in conn.execute(query, [list(facility_ids)])]


def load_facilities(
    conn: Conn, facility_ids: Sequence[FacilityId]
) -> Sequence[tuple[Facility, StoredValuation | None]]:
    """Return facilities with what must be known of their newest valuation, by id."""
    rows = conn.execute(_FACILITIES, [list(facility_ids)])
    return [(_facility(row), _stored_valuation(row[29:])) for row in rows]


def _facility(row: TupleRow) -> Facility:
    return Facility(
        id=FacilityId(row[0]),
        name=row[1],
        lender_party=PartyId(row[2]),
        borrower_party=PartyId(row[3]),
        currency=row[4],
        limit_minor=Minor(row[5]),
        principal_minor=Minor(row[6]),
        interest_minor=Minor(row[7]),
        fees_minor=Minor(row[8]),
        reserve_minor=Minor(row[9]),
        lines=Lines(
            warning_bps=row[10],
            call_bps=row[11],
            liquidation_bps=row[12],
            recovery_margin_bps=row[13],
            recovery_valuations=row[14],
        ),
        standing=LineStanding(
            state=LineState(row[15]),
            recovered_valuations=row[16],
            recovering_to=None if row[22] is None else LineState(row[22]),
        ),
        cure_by=row[17],
        cure_hours=row[18],
        valuation_ttl_s=row[19],
        liquidation_horizon_days=row[20],
        open=row[21],
        penalty_minor=Minor(row[23]),
        policy=Policy(
            control_value_minor=Minor(row[24]),
            registry_required=row[25],
            signatures_required=row[26],
            liquidation_observations=row[27],
            grace_days=row[28],
        ),
    )


def _stored_valuation(row: TupleRow) -> StoredValuation | None:
    if row[0] is None:
        return None
    return StoredValuation(
        id=ValuationId(row[0]),
        at=row[1],
        expires_at=row[2],
        exposure_minor=Minor(row[3]),
        content_sha256=bytes(row[4]),
    )


def list_facility_ids(conn: Conn) -> Sequence[FacilityId]:
    """Return the facilities that the actor may see, by name."""
    query = "SELECT id FROM facility ORDER BY name, id LIMIT %s"
    return [FacilityId(row[0]) for row in conn.execute(query, [ROWS_MAX])]


def facilities_of_lots(conn: Conn, lot_ids: Iterable[LotId]) -> Sequence[FacilityId]:
    """Return the facilities that lots are pledged to, or were until all of it left, in order."""
    query = (
        "SELECT DISTINCT p.facility_id FROM pledge_lot pl JOIN pledge p ON p.id = pl.pledge_id"
        " WHERE p.state = 'active' AND pl.lot_id = ANY(%s) ORDER BY 1"
    )
    return [FacilityId(row[0]) for row in conn.execute(query, [list(lot_ids)])]


def facilities_of_instruments(
    conn: Conn, instrument_ids: Iterable[InstrumentId]
) -> Sequence[FacilityId]:
    """Return the facilities with pledged lots that are valued at these instruments, in order.

    A rate of exchange values whatever is quoted in another currency than its facility's.
    """
    query = (
        "SELECT DISTINCT p.facility_id FROM lot l"
        " JOIN pledge_lot pl ON pl.lot_id = l.id AND pl.active"
        " JOIN pledge p ON p.id = pl.pledge_id AND p.state = 'active'"
        " WHERE l.instrument_id = ANY(%(ids)s) UNION"
        " SELECT p.facility_id FROM lot l JOIN instrument i ON i.id = l.instrument_id"
        " JOIN pledge_lot pl ON pl.lot_id = l.id AND pl.active"
        " JOIN pledge p ON p.id = pl.pledge_id AND p.state = 'active'"
        " JOIN facility f ON f.id = p.facility_id"
        " WHERE f.currency <> i.currency AND EXISTS (SELECT 1 FROM instrument x"
        " WHERE x.id = ANY(%(ids)s) AND x.fx_base IS NOT NULL) ORDER BY 1"
    )
    return [FacilityId(row[0]) for row in conn.execute(query, {"ids": list(instrument_ids)})]


def facilities_due(conn: Conn, now: datetime) -> Sequence[FacilityId]:
    """Return the open facilities whose valuation is missing, half over or expired, in order.

    Half over, so that a valid one is always at hand. It expires early when a price goes stale.
    """
    query = (
        "SELECT f.id FROM facility f LEFT JOIN valuation v ON v.id = f.valuation_id"
        " WHERE f.state = 'open' AND (v.id IS NULL OR v.expires_at <= %(now)s"
        " OR v.at <= %(now)s - f.valuation_ttl_s * interval '0.5 second') ORDER BY f.id"
    )
    return [FacilityId(row[0]) for row in conn.execute(query, {"now": now})]


def facilities_locked(conn: Conn) -> Sequence[FacilityId]:
    """Return the facilities with any open lock, in order."""
    query = "SELECT DISTINCT facility_id FROM facility_lock WHERE lifted_at IS NULL ORDER BY 1"
    return [FacilityId(row[0]) for row in conn.execute(query)]


def facilities_behind(conn: Conn) -> Sequence[FacilityId]:
    """Return the facilities with a lot that has changed after the newest valuation, in order."""
    query = (
        "SELECT DISTINCT f.id FROM facility f"
        " JOIN valuation v ON v.id = f.valuation_id"
        " JOIN pledge p ON p.facility_id = f.id AND p.state = 'active'"
        " JOIN pledge_lot pl ON pl.pledge_id = p.id AND pl.active"
        " JOIN lot_state s ON s.lot_id = pl.lot_id"
        " WHERE f.state = 'open' AND s.changed_at > v.at ORDER BY f.id"
    )
    return [FacilityId(row[0]) for row in conn.execute(query)]


def facilities_acted_on(conn: Conn, after_event_id: int) -> tuple[Sequence[FacilityId], int]:
    """Return the facilities with newer events than one, in order, and the newest event's id."""
    query = "SELECT facility_id, max(id) FROM facility_event WHERE id > %s GROUP BY 1 ORDER BY 1"
    rows = conn.execute(query, [after_event_id]).fetchall()
    ids = [FacilityId(row[0]) for row in rows]
    return ids, max([after_event_id, *(int(row[1]) for row in rows)])


def newest_event_id(conn: Conn) -> int:
    """Return the id of the newest event of any facility; 0: there is none."""
    row = conn.execute("SELECT coalesce(max(id), 0) FROM facility_event").fetchone()
    return 0 if row is None else int(row[0])


def facilities_open(conn: Conn) -> Sequence[FacilityId]:
    """Return all open facilities, in order."""
    query = "SELECT id FROM facility WHERE state = 'open' ORDER BY id"
    return [FacilityId(row[0]) for row in conn.execute(query)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Valued:
    """A facility's newest valuation and where it stands since."""

    facility_id: FacilityId
    valuation_id: ValuationId
    standing: LineStanding
    cure_by: datetime | None


def save_valued(conn: Conn, rows: Sequence[Valued]) -> None:
    """Point facilities to their newest valuations and say where they stand."""
    if not rows:
        return
    statement = (
        "UPDATE facility SET valuation_id = t.v, line_state = t.s, recovered_valuations = t.n,"
        " recovering_to = t.r, cure_by = t.c FROM unnest(%s::uuid[], %s::uuid[], %s::text[],"
        " %s::int[], %s::text[], %s::timestamptz[]) AS t (f, v, s, n, r, c) WHERE id = t.f"
    )
    recovering = [each.standing.recovering_to for each in rows]
    values = [
        [each.facility_id for each in rows],
        [each.valuation_id for each in rows],
        [each.standing.state.value for each in rows],
        [each.standing.recovered_valuations for each in rows],
        [None if each is None else each.value for each in recovering],
        [each.cure_by for each in rows],
    ]
    conn.execute(statement, values)


def save_closed(conn: Conn, facility_id: FacilityId, now: datetime) -> None:
    """Close a facility for ever; the database refuses while anything is owed."""
    statement = "UPDATE facility SET state = 'closed', closed_at = %s WHERE id = %s"
    conn.execute(statement, [now, facility_id])


def append_events(conn: Conn, events: Sequence[NewEvent]) -> None:
    """Store what happened, in order."""
    if not events:
        return
    statement = (
        "INSERT INTO facility_event (facility_id, at, actor, what, detail)"
        " SELECT * FROM jsonb_to_recordset(%s::jsonb)"
        " AS t (facility_id uuid, at timestamptz, actor text, what text, detail jsonb)"
    )
    rows = [
        {
            "facility_id": str(each.facility_id),
            "at": each.at.isoformat(),
            "actor": each.actor,
            "what": each.what,
            "detail": dict(each.detail),
        }
        for each in events
    ]
    conn.execute(statement, [Json(rows)])


def list_events(conn: Conn, facility_id: FacilityId, before_id: int) -> Sequence[FacilityEvent]:
    """Return a facility's history before an event, newest first."""
    query = (
        "SELECT id, facility_id, at, actor, what, detail FROM facility_event"
        " WHERE facility_id = %s AND id < %s ORDER BY id DESC LIMIT %s"
    )
    return [
        FacilityEvent(
            id=row[0],
            facility_id=FacilityId(row[1]),
            at=row[2],
            actor=row[3],
            what=row[4],
            detail=row[5],
        )
        for row in conn.execute(query, [facility_id, before_id, EVENTS_MAX])
    ]
