"""Lots as an application needs them: registered, measured, valued, free or not."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, LiteralString

from psycopg.rows import dict_row

from backend.applications.types.movable import LotSeen
from backend.collateral.types import Condition, Custody, LotState, QuantityState, Surveillance
from backend.db import Conn
from backend.ids import ApplicationId, InstrumentId, LotId, PartyId, PledgeId
from backend.valuation.types import LotFacts

ROWS_MAX: Final = 500
# A lot was measured when the staler of its ways to be counted was heard: its tags, its scale.
_LOTS: Final[LiteralString] = """
    SELECT l.id, l.name, l.instrument_id, l.pledged_mass_g, l.commodity_id, c.name AS commodity,
           si.name || ' / ' || z.name AS place, l.owner_party, si.logistics_party AS keeper_party,
           s.custody, s.quantity, s.short_mass_g, s.measured_mass_g, s.condition,
           s.condition_since, s.surveillance, s.tampered, s.evaluated,
           (SELECT min(heard.at) FROM (
              SELECT max(t.fresh_at) AS at FROM sensor_binding b
              LEFT JOIN sensor_state t ON t.gateway_id = b.gateway_id AND t.sensor = b.sensor
              WHERE b.zone_id = l.zone_id AND (b.lot_id = l.id OR b.lot_id IS NULL)
                AND b.purpose IN ('presence','load') GROUP BY b.purpose) heard) AS measured_at,
           (SELECT count(*) FROM alert a WHERE a.lot_id = l.id AND a.severity = 'critical'
              AND a.state <> 'resolved') AS critical_alerts,
           pw_pledged(l.id) AS pledged,
           (SELECT a.id FROM application a WHERE l.id = ANY(a.lots) AND NOT a.ended
              AND a.id <> %(application)s ORDER BY a.opened_at LIMIT 1) AS elsewhere
    FROM lot l JOIN commodity c ON c.id = l.commodity_id JOIN zone z ON z.id = l.zone_id
    JOIN site si ON si.id = l.site_id LEFT JOIN lot_state s ON s.lot_id = l.id
"""
_BY_ID: Final[LiteralString] = _LOTS + " WHERE l.id = ANY(%(lots)s) ORDER BY l.id"
_OF_OWNER: Final[LiteralString] = _LOTS + (
    " WHERE l.owner_party = %(owner)s AND NOT pw_pledged(l.id) AND l.pledged_mass_g > 0"
    " ORDER BY l.name, l.id LIMIT %(limit)s"
)


def fetch_lots(
    conn: Conn, application_id: ApplicationId, lots: Sequence[LotId]
) -> Sequence[LotSeen]:
    """Return lots as the actor sees them now, by id; none for those that it may not see."""
    wanted = {"application": application_id, "lots": list(lots)}
    with conn.cursor(row_factory=dict_row) as cursor:
        return [_seen(row) for row in cursor.execute(_BY_ID, wanted).fetchall()]


def fetch_free_lots(
    conn: Conn, application_id: ApplicationId, owner: PartyId
) -> Sequence[LotSeen]:
    """Return an owner's lots that are not pledged, as the actor sees them, by name."""
    wanted = {"application": application_id, "owner": owner, "limit": ROWS_MAX}
    with conn.cursor(row_factory=dict_row) as cursor:
        return [_seen(row) for row in cursor.execute(_OF_OWNER, wanted).fetchall()]


def load_pledge_state(conn: Conn, pledge_id: PledgeId) -> str | None:
    """Return the state of a pledge, held until the transaction ends if the actor may change it."""
    conn.execute("SELECT 1 FROM pledge WHERE id = %s FOR UPDATE", (pledge_id,))
    row = conn.execute("SELECT state FROM pledge WHERE id = %s", (pledge_id,)).fetchone()
    return None if row is None else str(row[0])


def _seen(row: Mapping[str, Any]) -> LotSeen:
    lot_id = LotId(row["id"])
    elsewhere = row["elsewhere"]
    return LotSeen(
        facts=LotFacts(
            lot_id=lot_id,
            name=row["name"],
            instrument_id=InstrumentId(row["instrument_id"]),
            pledged_mass_g=row["pledged_mass_g"],
            state=LotState(lot_id=lot_id) if row["custody"] is None else _state(lot_id, row),
        ),
        commodity_id=row["commodity_id"],
        commodity=row["commodity"],
        place=row["place"],
        owner_party=PartyId(row["owner_party"]),
        keeper_party=PartyId(row["keeper_party"]),
        measured_at=row["measured_at"],
        critical_alerts=row["critical_alerts"],
        pledged=row["pledged"],
        elsewhere=None if elsewhere is None else ApplicationId(elsewhere),
    )


def _state(lot_id: LotId, row: Mapping[str, Any]) -> LotState:
    return LotState(
        lot_id=lot_id,
        custody=Custody(row["custody"]),
        quantity=QuantityState(row["quantity"]),
        short_mass_g=row["short_mass_g"],
        measured_mass_g=row["measured_mass_g"],
        condition=Condition(row["condition"]),
        condition_since=row["condition_since"],
        surveillance=Surveillance(row["surveillance"]),
        tampered=row["tampered"],
        evaluated=row["evaluated"],
    )
