"""Pledges of facilities in the database: as locks are derived from them, and as they change."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from backend.db import Conn
from backend.facility.types import PledgeFacts
from backend.ids import FacilityId, LotId, PledgeId

_FACTS: Final = """
SELECT p.facility_id, p.id, p.registry, p.registry_number, p.registered_on,
  coalesce(array_agg(d.lot_id) FILTER (WHERE d.lot_id IS NOT NULL), '{}')
FROM pledge p LEFT JOIN pw_double_pledged(%(ids)s) d ON d.pledge_id = p.id
WHERE p.state = 'active' AND p.facility_id = ANY(%(ids)s)
GROUP BY p.facility_id, p.id, p.registry, p.registry_number, p.registered_on ORDER BY p.id
"""


def load_pledges(
    conn: Conn, facility_ids: Sequence[FacilityId]
) -> Mapping[FacilityId, Sequence[PledgeFacts]]:
    """Return the active pledges of facilities."""
    found: dict[FacilityId, list[PledgeFacts]] = {}
    for row in conn.execute(_FACTS, {"ids": list(facility_ids)}):
        facts = PledgeFacts(
            id=PledgeId(row[1]),
            registry=row[2],
            registry_number=row[3],
            registered_on=row[4],
            doubled=tuple(LotId(lot_id) for lot_id in row[5]),
        )
        found.setdefault(FacilityId(row[0]), []).append(facts)
    return found


def save_registration(
    conn: Conn, pledge_id: PledgeId, registry: str, number: str, registered_on: date
) -> bool:
    """Store where a pledge is registered; return whether it was the actor's to say."""
    statement = (
        "UPDATE pledge SET registry = %s, registry_number = %s, registered_on = %s WHERE id = %s"
    )
    return conn.execute(statement, [registry, number, registered_on, pledge_id]).rowcount == 1


def count_active(conn: Conn, facility_id: FacilityId) -> int:
    """Return how many pledges back a facility."""
    query = "SELECT count(*) FROM pledge WHERE facility_id = %s AND state = 'active'"
    row = conn.execute(query, [facility_id]).fetchone()
    return 0 if row is None else int(row[0])
