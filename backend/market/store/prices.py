"""Prices and what is measured on them, in the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

import numpy as np
from numpy.typing import NDArray
from psycopg.rows import TupleRow

from backend.db import Conn
from backend.ids import InstrumentId
from backend.market.types import (
    NewPrice,
    Quality,
    Quote,
    SourceHead,
    Volatility,
)

# A year of trading days has about 252: 500 of them fit into 750 days of the calendar.
HISTORY_CALENDAR_DAYS_MAX: Final = 750


def lock_prices(conn: Conn, instrument_id: InstrumentId) -> None:
    """Wait until nobody else adds prices of this instrument, until the transaction ends.

    A price is judged against the one before it: two at once would be judged against the same.
    """
    conn.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('price:' || %s, 0))", [instrument_id]
    )


# A loose index scan: one probe for each source, however many prices there are.
_HEADS: Final = """
WITH RECURSIVE source (instrument_id, name) AS (
  SELECT i.id, (SELECT min(p.source) FROM price p WHERE p.instrument_id = i.id)
  FROM instrument i WHERE i.id = ANY(%(ids)s)
  UNION ALL
  SELECT s.instrument_id, (SELECT min(p.source) FROM price p
                           WHERE p.instrument_id = s.instrument_id AND p.source > s.name)
  FROM source s WHERE s.name IS NOT NULL
)
SELECT s.instrument_id, s.name, accepted.at, accepted.value, held.at, held.value
FROM source s
LEFT JOIN LATERAL (
  SELECT p.at, p.value FROM price p
  WHERE p.instrument_id = s.instrument_id AND p.source = s.name AND p.quality = 'accepted'
  ORDER BY p.at DESC LIMIT 1
) accepted ON true
LEFT JOIN LATERAL (
  SELECT p.at, p.value FROM price p
  WHERE p.instrument_id = s.instrument_id AND p.source = s.name AND p.quality = 'held'
    AND p.at > coalesce(accepted.at, '-infinity')
  ORDER BY p.at DESC LIMIT 1
) held ON true
WHERE s.name IS NOT NULL
ORDER BY s.instrument_id, s.name
"""


def load_heads(
    conn: Conn, ids: Sequence[InstrumentId]
) -> Mapping[InstrumentId, Sequence[SourceHead]]:
    """Return each instrument's sources with their newest quotes; none for one never quoted."""
    heads: dict[InstrumentId, list[SourceHead]] = {}
    for instrument_id, source, at, value, held_at, held_value in conn.execute(
        _HEADS, {"ids": list(ids)}
    ):
        heads.setdefault(instrument_id, []).append(
            SourceHead(
                source=source,
                accepted=_quote(source, at, value, Quality.ACCEPTED),
                held=_quote(source, held_at, held_value, Quality.HELD),
            )
        )
    return heads


def _quote(
    source: str, at: datetime | None, value: Decimal | None, quality: Quality
) -> Quote | None:
    if at is None or value is None:
        return None
    return Quote(source=source, at=at, value=value, quality=quality)


def load_anchor(conn: Conn, instrument_id: InstrumentId, before: datetime) -> Quote | None:
    """Return the last accepted quote of any source before a time."""
    query = (
        "SELECT source, at, value, quality FROM price WHERE instrument_id = %s AND at < %s"
        " AND quality = 'accepted' ORDER BY at DESC LIMIT 1"
    )
    quotes = _quotes(conn.execute(query, [instrument_id, before]).fetchall())
    return quotes[0] if quotes else None


def load_quotes(
    conn: Conn, instrument_id: InstrumentId, start: datetime, end: datetime
) -> Sequence[Quote]:
    """Return every quote from ``start`` to ``end``, both included, in time order."""
    query = (
        "SELECT source, at, value, quality FROM price WHERE instrument_id = %s"
        " AND at BETWEEN %s AND %s ORDER BY at, source"
    )
    return _quotes(conn.execute(query, [instrument_id, start, end]).fetchall())


def list_prices(
    conn: Conn, instrument_id: InstrumentId, start: datetime, end: datetime, limit: int
) -> Sequence[Quote]:
    """Return the newest quotes from ``start`` up to ``end``, newest first."""
    query = (
        "SELECT source, at, value, quality FROM price WHERE instrument_id = %s"
        " AND at >= %s AND at < %s ORDER BY at DESC, source LIMIT %s"
    )
    return _quotes(conn.execute(query, [instrument_id, start, end, limit]).fetchall())


def load_quote(conn: Conn, instrument_id: InstrumentId, source: str, at: datetime) -> Quote | None:
    """Return one quote."""
    query = (
        "SELECT source, at, value, quality FROM price"
        " WHERE instrument_id = %s AND source = %s AND at = %s"
    )
    quotes = _quotes(conn.execute(query, [instrument_id, source, at]).fetchall())
    return quotes[0] if quotes else None


def _quotes(rows: Sequence[TupleRow]) -> list[Quote]:
    return [
        Quote(source=source, at=at, value=value, quality=Quality(quality))
        for source, at, value, quality in rows
    ]


def load_same(
    conn: Conn, instrument_id: InstrumentId, prices: Sequence[NewPrice]
) -> Mapping[datetime, Decimal]:
    """Return what is stored already at the times and from the source of ``prices``."""
    query = "SELECT at, value FROM price WHERE instrument_id = %s AND source = %s AND at = ANY(%s)"
    times = [price.at for price in prices]
    return dict(conn.execute(query, [instrument_id, prices[0].source, times]).fetchall())


def append_quotes(
    conn: Conn, instrument_id: InstrumentId, quotes: Sequence[Quote], received_at: datetime
) -> None:
    """Store quotes that are not stored yet."""
    statement = (
        "INSERT INTO price (instrument_id, source, at, value, quality, received_at)"
        " SELECT %s, s, a, v, q, %s"
        " FROM unnest(%s::text[], %s::timestamptz[], %s::numeric[], %s::text[]) AS t (s, a, v, q)"
    )
    conn.execute(
        statement,
        [
            instrument_id,
            received_at,
            [quote.source for quote in quotes],
            [quote.at for quote in quotes],
            [quote.value for quote in quotes],
            [quote.quality.value for quote in quotes],
        ],
    )


def save_accepted(conn: Conn, instrument_id: InstrumentId, quotes: Sequence[Quote]) -> None:
    """Let held quotes count from now on."""
    statement = (
        "UPDATE price SET quality = 'accepted'"
        " FROM unnest(%s::text[], %s::timestamptz[]) AS t (s, a)"
        " WHERE instrument_id = %s AND source = t.s AND at = t.a"
    )
    conn.execute(statement, [[q.source for q in quotes], [q.at for q in quotes], instrument_id])


def save_daily_prices(conn: Conn, instrument_id: InstrumentId, quotes: Sequence[Quote]) -> None:
    """Keep each day's last accepted price; ``quotes`` are accepted ones, in any order."""
    statement = (
        "INSERT INTO daily_price AS d (instrument_id, day, at, value)"
        " SELECT DISTINCT ON (day) %s, (a AT TIME ZONE 'UTC')::date AS day, a, v"
        " FROM unnest(%s::timestamptz[], %s::numeric[]) AS t (a, v) ORDER BY day, a DESC, v"
        " ON CONFLICT (instrument_id, day) DO UPDATE SET at = excluded.at, value = excluded.value"
        " WHERE excluded.at >= d.at"
    )
    conn.execute(statement, [instrument_id, [q.at for q in quotes], [q.value for q in quotes]])


def load_daily_prices(
    conn: Conn, instrument_id: InstrumentId
) -> tuple[NDArray[np.float64], datetime | None]:
    """Return the daily prices of the last two years in time order, and the newest one's time."""
    query = (
        "SELECT at, value::float8 FROM daily_price WHERE instrument_id = %s AND day >"
        " (SELECT max(day) FROM daily_price WHERE instrument_id = %s) - %s::int ORDER BY day"
    )
    values = [instrument_id, instrument_id, HISTORY_CALENDAR_DAYS_MAX]
    rows = conn.execute(query, values).fetchall()
    prices = np.array([value for _, value in rows], dtype=np.float64)
    return prices, rows[-1][0] if rows else None


def save_volatility(
    conn: Conn, instrument_id: InstrumentId, volatility: Volatility, at: datetime
) -> None:
    """Keep what was measured, in place of what was measured before."""
    statement = (
        "INSERT INTO volatility (instrument_id, sigma_daily, days, at) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (instrument_id) DO UPDATE SET sigma_daily = excluded.sigma_daily,"
        " days = excluded.days, at = excluded.at"
    )
    conn.execute(statement, [instrument_id, volatility.sigma_daily, volatility.days, at])
