"""Pledged lots and their valuations in the database."""

from collections.abc import Mapping, Sequence
from typing import Final

from psycopg.rows import TupleRow

from backend.collateral.types import Condition, Custody, LotState, QuantityState, Surveillance
from backend.db import Conn
from backend.ids import FacilityId, InstrumentId, LotId, ValuationId
from backend.money import Minor
from backend.valuation.types import LotFacts, LotValue, Valuation

# A lot that the actor may not see is still a row, without a name: it must lock, not vanish.
_BASKETS: Final = """
SELECT p.facility_id, pl.lot_id, l.name, l.instrument_id, l.pledged_mass_g,
  s.custody, s.quantity, s.short_mass_g, s.measured_mass_g, s.condition, s.condition_since,
  s.surveillance, s.tampered, s.evaluated,
  (SELECT coalesce(sum(o.mass_g), 0)::bigint FROM release_order o
   WHERE o.lot_id = pl.lot_id AND o.settled_at IS NULL AND o.into_lot IS NULL) AS releasing_mass_g
FROM pledge p
JOIN pledge_lot pl ON pl.pledge_id = p.id AND pl.active
LEFT JOIN lot l ON l.id = pl.lot_id
LEFT JOIN lot_state s ON s.lot_id = pl.lot_id
WHERE p.state = 'active' AND p.facility_id = ANY(%s)
ORDER BY pl.lot_id
"""


def load_baskets(
    conn: Conn, facility_ids: Sequence[FacilityId]
) -> Mapping[FacilityId, Sequence[LotFacts]]:
    """Return the lots of each facility's active pledges; no key for a facility without any."""
    baskets: dict[FacilityId, list[LotFacts]] = {}
    for row in conn.execute(_BASKETS, [list(facility_ids)]):
        baskets.setdefault(row[0], []).append(_facts(row))
    return baskets


def _facts(row: TupleRow) -> LotFacts:
    lot_id = LotId(row[1])
    return LotFacts(
        lot_id=lot_id,
        name=str(lot_id) if row[2] is None else row[2],
        instrument_id=InstrumentId(row[3] or ""),
        pledged_mass_g=row[4] or 0,
        releasing_mass_g=row[14],
        state=LotState(lot_id=lot_id) if row[2] is None or row[5] is None else _state(lot_id, row),
    )


def _state(lot_id: LotId, row: TupleRow) -> LotState:
    return LotState(
        lot_id=lot_id,
        custody=Custody(row[5]),
        quantity=QuantityState(row[6]),
        short_mass_g=row[7],
        measured_mass_g=row[8],
        condition=Condition(row[9]),
        condition_since=row[10],
        surveillance=Surveillance(row[11]),
        tampered=row[12],
        evaluated=row[13],
    )


def append_valuations(conn: Conn, valuations: Mapping[ValuationId, Valuation]) -> None:
    """Store valuations with their lots' lines; they are never changed again."""
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO valuation (id, facility_id, at, expires_at, value_minor, base_minor,"
            " exposure_minor, coverage_bps, complete, model, content_sha256)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    key,
                    each.facility_id,
                    each.at,
                    each.expires_at,
                    each.value_minor,
                    each.base_minor,
                    each.exposure_minor,
                    each.coverage_bps,
                    each.complete,
                    each.model,
                    each.content_sha256,
                )
                for key, each in valuations.items()
            ],
        )
        cursor.executemany(
            "INSERT INTO lot_valuation (valuation_id, lot_id, accepted_mass_g, price, price_at,"
            " price_source, haircut_bps, value_minor, lendable_minor, complete, reasons)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    key,
                    lot.lot_id,
                    lot.accepted_mass_g,
                    lot.price,
                    lot.price_at,
                    lot.price_source,
                    lot.haircut_bps,
                    lot.value_minor,
                    lot.lendable_minor,
                    lot.complete,
                    list(lot.reasons),
                )
                for key, each in valuations.items()
                for lot in each.lots
            ],
        )


def load_valuation(conn: Conn, valuation_id: ValuationId) -> Valuation | None:
    """Return a stored valuation with its lots' lines."""
    query = (
        "SELECT facility_id, at, expires_at, value_minor, base_minor, exposure_minor,"
        " coverage_bps, complete, model, content_sha256 FROM valuation WHERE id = %s"
    )
    row = conn.execute(query, [valuation_id]).fetchone()
    if row is None:
        return None
    return Valuation(
        facility_id=FacilityId(row[0]),
        at=row[1],
        expires_at=row[2],
        value_minor=Minor(row[3]),
        base_minor=Minor(row[4]),
        exposure_minor=Minor(row[5]),
        coverage_bps=row[6],
        complete=row[7],
        model=row[8],
        content_sha256=bytes(row[9]),
        lots=tuple(_load_lines(conn, valuation_id)),
    )


def _load_lines(conn: Conn, valuation_id: ValuationId) -> Sequence[LotValue]:
    query = (
        "SELECT v.lot_id, coalesce(l.name, v.lot_id::text), coalesce(l.instrument_id, ''),"
        " v.accepted_mass_g, v.price, v.price_at, v.price_source, v.haircut_bps, v.value_minor,"
        " v.lendable_minor, v.complete, v.reasons"
        " FROM lot_valuation v LEFT JOIN lot l ON l.id = v.lot_id"
        " WHERE v.valuation_id = %s ORDER BY v.lot_id"
    )
    return [
        LotValue(
            lot_id=LotId(row[0]),
            name=row[1],
            instrument_id=InstrumentId(row[2]),
            accepted_mass_g=row[3],
            price=row[4],
            price_at=row[5],
            price_source=row[6],
            haircut_bps=row[7],
            value_minor=Minor(row[8]),
            lendable_minor=Minor(row[9]),
            complete=row[10],
            reasons=tuple(row[11]),
        )
        for row in conn.execute(query, [valuation_id])
    ]
