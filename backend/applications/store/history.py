"""A borrower's history on the platform, as the borrower itself may see it: with every lender."""

from typing import Final, LiteralString

from backend.applications.types.profile import Happened, History
from backend.db import Conn
from backend.ids import PartyId

ROWS_MAX: Final = 2_000  # Of one sort; the newest count.

_FACILITIES: Final = """
    SELECT 'facility', f.id::text, f.created_at, 'facility ' || f.name || ' opened'
    FROM facility f WHERE f.borrower_party = %(party)s ORDER BY f.created_at LIMIT %(limit)s
"""
_REPAID: Final = """
    SELECT 'facility', f.id::text, max(r.paid_at), 'facility ' || f.name || ' repaid in full, '
           || sum(r.amount_minor) || ' ' || f.currency || ' minor units'
    FROM facility f JOIN repayment r ON r.facility_id = f.id
    WHERE f.borrower_party = %(party)s AND f.principal_minor + f.interest_minor + f.fees_minor = 0
      AND EXISTS (SELECT 1 FROM drawdown d WHERE d.facility_id = f.id AND d.state = 'disbursed')
    GROUP BY f.id ORDER BY 3 DESC LIMIT %(limit)s
"""
# One a month of a facility: paying in a hundred parts is no better than paying in one.
_ON_TIME: Final = """
    SELECT * FROM (
      SELECT DISTINCT ON (r.facility_id, date_trunc('month', r.paid_at AT TIME ZONE 'UTC'))
             'repayment', r.id::text, r.paid_at, 'repaid ' || r.amount_minor || ' ' || f.currency
             || ' minor units of ' || f.name
      FROM repayment r JOIN facility f ON f.id = r.facility_id
      WHERE f.borrower_party = %(party)s AND NOT EXISTS (
        SELECT 1 FROM facility_lock k WHERE k.facility_id = r.facility_id AND k.reason = 'OVERDUE'
          AND k.opened_at <= r.paid_at AND (k.lifted_at IS NULL OR k.lifted_at > r.paid_at))
      ORDER BY r.facility_id, date_trunc('month', r.paid_at AT TIME ZONE 'UTC'), r.paid_at
    ) months ORDER BY 3 DESC LIMIT %(limit)s
"""
_OVERDUE: Final = """
    SELECT 'facility_lock', k.id::text, k.opened_at, f.name || ' overdue: ' || k.detail
    FROM facility_lock k JOIN facility f ON f.id = k.facility_id
    WHERE f.borrower_party = %(party)s AND k.reason = 'OVERDUE'
    ORDER BY k.opened_at DESC LIMIT %(limit)s
"""
_CALLS: Final = """
    SELECT 'facility_event', e.id::text, e.at, f.name || ' fell to ' || (e.detail ->> 'to')
    FROM facility_event e JOIN facility f ON f.id = e.facility_id
    WHERE f.borrower_party = %(party)s AND e.what = 'line_fallen'
      AND e.detail ->> 'to' IN ('call','liquidation')
    ORDER BY e.at DESC LIMIT %(limit)s
"""
_INCIDENTS: Final = """
    SELECT 'alert', a.id::text, a.opened_at, l.name || ': ' || a.summary
    FROM alert a JOIN lot l ON l.id = a.lot_id
    WHERE l.owner_party = %(party)s AND a.severity = 'critical' AND a.resolution = 'true_incident'
    ORDER BY a.opened_at DESC LIMIT %(limit)s
"""
_UNRESOLVED: Final = """
    SELECT 'alert', a.id::text, a.opened_at, l.name || ': ' || a.summary
    FROM alert a JOIN lot l ON l.id = a.lot_id
    WHERE l.owner_party = %(party)s AND a.severity = 'critical' AND a.state <> 'resolved'
    ORDER BY a.opened_at DESC LIMIT %(limit)s
"""


def load_history(conn: Conn, party_id: PartyId) -> History:
    """Return what the platform has recorded of a borrower; the borrower itself acts."""
    return History(
        facilities=_happened(conn, _FACILITIES, party_id),
        repaid=_happened(conn, _REPAID, party_id),
        on_time=_happened(conn, _ON_TIME, party_id),
        overdue=_happened(conn, _OVERDUE, party_id),
        calls=_happened(conn, _CALLS, party_id),
        incidents=_happened(conn, _INCIDENTS, party_id),
        unresolved=_happened(conn, _UNRESOLVED, party_id),
    )


def _happened(conn: Conn, query: LiteralString, party_id: PartyId) -> tuple[Happened, ...]:
    rows = conn.execute(query, {"party": party_id, "limit": ROWS_MAX}).fetchall()
    found = [Happened(record=row[0], id=row[1], at=row[2], text=row[3]) for row in rows]
    return tuple(sorted(found, key=lambda event: (event.at, event.id)))
