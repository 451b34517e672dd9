"""Margin calls in the database."""

from collections.abc import Mapping, Sequence
from typing import Final

from psycopg.rows import TupleRow

from backend.db import Conn
from backend.facility.types import CallState, Cure, MarginCall
from backend.ids import FacilityId, MarginCallId, ValuationId
from backend.money import Minor

ROWS_MAX: Final = 500

_COLUMNS: Final = (
    "SELECT facility_id, id, opened_at, deadline_at, valuation_id, coverage_bps, value_minor,"
    " exposure_minor, cash_minor, collateral_minor, lendable_minor, state, observations,"
    " liquidatable_at, defaulted_at, ended_at, ended_valuation_id FROM margin_call"
)


def load_calls(conn: Conn, facility_ids: Sequence[FacilityId]) -> Mapping[FacilityId, MarginCall]:
    """Return the margin call of each facility that has one which has not ended."""
    query = f"{_COLUMNS} WHERE facility_id = ANY(%s) AND ended_at IS NULL"
    rows = conn.execute(query, [list(facility_ids)])
    return {FacilityId(row[0]): _call(row) for row in rows}


def list_calls(conn: Conn, facility_id: FacilityId) -> Sequence[MarginCall]:
    """Return a facility's margin calls, newest first."""
    query = f"{_COLUMNS} WHERE facility_id = %s ORDER BY id DESC LIMIT %s"
    return [_call(row) for row in conn.execute(query, [facility_id, ROWS_MAX])]


def add_calls(
    conn: Conn, opened: Mapping[FacilityId, MarginCall]
) -> Mapping[FacilityId, MarginCallId]:
    """Store new margin calls, one a facility, and return their ids."""
    if not opened:
        return {}
    rows = [
        (
            key,
            call.opened_at,
            call.deadline_at,
            call.valuation_id,
            call.coverage_bps,
            call.value_minor,
            call.exposure_minor,
            call.cure.cash_minor,
            call.cure.collateral_minor,
            call.cure.lendable_minor,
            call.state.value,
            call.observations,
        )
        for key, call in opened.items()
    ]
    statement = (
        "INSERT INTO margin_call (facility_id, opened_at, deadline_at, valuation_id,"
        " coverage_bps, value_minor, exposure_minor, cash_minor, collateral_minor,"
        " lendable_minor, state, observations)"
        " SELECT * FROM unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[], %s::uuid[],"
        " %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],"
        " %s::text[], %s::int[]) RETURNING facility_id, id"
    )
    columns = [list(column) for column in zip(*rows, strict=True)]
    return {FacilityId(row[0]): MarginCallId(row[1]) for row in conn.execute(statement, columns)}


def save_calls(conn: Conn, changed: Sequence[MarginCall]) -> None:
    """Store where margin calls are now."""
    if not changed:
        return
    statement = (
        "UPDATE margin_call SET deadline_at = %s, state = %s, observations = %s,"
        " liquidatable_at = %s, defaulted_at = %s, ended_at = %s, ended_valuation_id = %s"
        " WHERE id = %s"
    )
    with conn.cursor() as cursor:
        cursor.executemany(
            statement,
            [
                (
                    call.deadline_at,
                    call.state.value,
                    call.observations,
                    call.liquidatable_at,
                    call.defaulted_at,
                    call.ended_at,
                    call.ended_valuation_id,
                    call.id,
                )
                for call in changed
            ],
        )


def _call(row: TupleRow) -> MarginCall:
    return MarginCall(
        id=MarginCallId(row[1]),
        opened_at=row[2],
        deadline_at=row[3],
        valuation_id=ValuationId(row[4]),
        coverage_bps=row[5],
        value_minor=Minor(row[6]),
        exposure_minor=Minor(row[7]),
        cure=Cure(
            cash_minor=Minor(row[8]),
            collateral_minor=Minor(row[9]),
            lendable_minor=Minor(row[10]),
        ),
        state=CallState(row[11]),
        observations=row[12],
        liquidatable_at=row[13],
        defaulted_at=row[14],
        ended_at=row[15],
        ended_valuation_id=None if row[16] is None else ValuationId(row[16]),
    )
