"""Prices and what is measured on them, in the database."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final

import numpy as np
from numpy.typing import NDArray
from psycopg.rows import TupleRow

from backend.db import Conn
from backend.ids import InstrumentId
from backend.market.rules.jumps import HISTORY_CALENDAR_DAYS_MAX
from backend.market.types import (
    Day,
    Decision,
    NewPrice,
    PriceEvent,
    Quality,
    Quote,
    SourceHead,
    Volatility,
)


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
SELECT s.instrument_id, s.name, accepted.at, accepted.value, held.at, held.value,
  pw_priority(s.instrument_id, s.name)
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
    for instrument_id, source, at, value, held_at, held_value, priority in conn.execute(
        _HEADS, {"ids": list(ids)}
    ):
        heads.setdefault(instrument_id, []).append(
            SourceHead(
                source=source,
                accepted=_quote(source, at, value, Quality.ACCEPTED),
                held=_quote(source, held_at, held_value, Quality.HELD),
                priority=priority,
            )
        )
    return heads


def _quote(
    source: str, at: datetime | None, value: Decimal | None, quality: Quality
) -> Quote | None:
    if at is None or value is None:
        return None
    return Quote(source=source, at=at, value=value, quality=quality)


_QUOTE: Final = (
    "SELECT p.source, p.at, p.value, p.quality, d.quality IS NOT NULL FROM price p"
    " LEFT JOIN price_decision d USING (instrument_id, source, at)"
)


def load_anchor(conn: Conn, instrument_id: InstrumentId, before: datetime) -> Quote | None:
    """Return the last accepted quote of any source before a time."""
    query = (
        f"{_QUOTE} WHERE p.instrument_id = %s AND p.at < %s AND p.quality = 'accepted'"
        " ORDER BY p.at DESC, p.source DESC LIMIT 1"
    )
    quotes = _quotes(conn.execute(query, [instrument_id, before]).fetchall())
    return quotes[0] if quotes else None


def find_first_held(
    conn: Conn, instrument_id: InstrumentId, start: datetime, end: datetime
) -> datetime | None:
    """Return the time of the first quote that waits, from ``start`` up to before ``end``."""
    query = (
        "SELECT min(at) FROM price WHERE instrument_id = %s AND quality = 'held'"
        " AND at >= %s AND at < %s"
    )
    row = conn.execute(query, [instrument_id, start, end]).fetchone()
    return None if row is None else row[0]


def load_quotes(
    conn: Conn, instrument_id: InstrumentId, start: datetime, limit: int
) -> Sequence[Quote]:
    """Return the quotes from ``start`` on, in the order of time and source."""
    query = f"{_QUOTE} WHERE p.instrument_id = %s AND p.at >= %s ORDER BY p.at, p.source LIMIT %s"
    return _quotes(conn.execute(query, [instrument_id, start, limit]).fetchall())


def list_prices(
    conn: Conn, instrument_id: InstrumentId, start: datetime, end: datetime, limit: int
) -> Sequence[Quote]:
    """Return the newest quotes from ``start`` up to ``end``, newest first."""
    query = (
        f"{_QUOTE} WHERE p.instrument_id = %s AND p.at >= %s AND p.at < %s"
        " ORDER BY p.at DESC, p.source LIMIT %s"
    )
    return _quotes(conn.execute(query, [instrument_id, start, end, limit]).fetchall())


def load_quote(conn: Conn, instrument_id: InstrumentId, source: str, at: datetime) -> Quote | None:
    """Return one quote."""
    query = f"{_QUOTE} WHERE p.instrument_id = %s AND p.source = %s AND p.at = %s"
    quotes = _quotes(conn.execute(query, [instrument_id, source, at]).fetchall())
    return quotes[0] if quotes else None


def _quotes(rows: Sequence[TupleRow]) -> list[Quote]:
    return [
        Quote(source=source, at=at, value=value, quality=Quality(quality), decided=decided)
        for source, at, value, quality, decided in rows
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


def save_qualities(conn: Conn, instrument_id: InstrumentId, quotes: Sequence[Quote]) -> None:
    """Say of quotes that are stored whether they count."""
    statement = (
        "UPDATE price SET quality = t.q"
        " FROM unnest(%s::text[], %s::timestamptz[], %s::text[]) AS t (s, a, q)"
        " WHERE instrument_id = %s AND source = t.s AND at = t.a"
    )
    qualities = [q.quality.value for q in quotes]
    values = [[q.source for q in quotes], [q.at for q in quotes], qualities, instrument_id]
    conn.execute(statement, values)


def load_days(conn: Conn, instrument_id: InstrumentId, start: date, end: date) -> Sequence[Day]:
    """Return each day's last accepted price from one day up to another one, in order."""
    query = (
        "SELECT day, at, value FROM daily_price WHERE instrument_id = %s AND day >= %s"
        " AND day < %s AND value IS NOT NULL ORDER BY day"
    )
    rows = conn.execute(query, [instrument_id, start, end])
    return [Day(day=day, at=at, value=value) for day, at, value in rows]


def save_days(conn: Conn, instrument_id: InstrumentId, start: date, days: Sequence[Day]) -> None:
    """Keep each day's last accepted price from ``start`` on; other days then have none."""
    conn.execute(
        "UPDATE daily_price SET value = NULL WHERE instrument_id = %s AND day >= %s"
        " AND value IS NOT NULL AND day <> ALL(%s::date[])",
        [instrument_id, start, [each.day for each in days]],
    )
    statement = (
        "INSERT INTO daily_price AS d (instrument_id, day, at, value)"
        " SELECT %s, t.d, t.a, t.v FROM unnest(%s::date[], %s::timestamptz[], %s::numeric[])"
        " AS t (d, a, v) ON CONFLICT (instrument_id, day) DO UPDATE SET at = excluded.at,"
        " value = excluded.value WHERE (d.at, d.value) IS DISTINCT FROM (excluded.at,"
        " excluded.value)"
    )
    columns = ([d.day for d in days], [d.at for d in days], [d.value for d in days])
    conn.execute(statement, [instrument_id, *columns])


def load_daily_prices(
    conn: Conn, instrument_id: InstrumentId
) -> tuple[NDArray[np.float64], datetime | None]:
    """Return the daily prices of the last two years in time order, and the newest one's time."""
    query = (
        "SELECT at, value::float8 FROM daily_price WHERE instrument_id = %s"
        " AND value IS NOT NULL AND day > (SELECT max(day) FROM daily_price"
        " WHERE instrument_id = %s AND value IS NOT NULL) - %s::int ORDER BY day"
    )
    values = [instrument_id, instrument_id, HISTORY_CALENDAR_DAYS_MAX]
    rows = conn.execute(query, values).fetchall()
    prices = np.array([value for _, value in rows], dtype=np.float64)
    return prices, rows[-1][0] if rows else None


def append_decision(
    conn: Conn, instrument_id: InstrumentId, quote: Quote, decision: Decision
) -> None:
    """Store what a person decided about a quote."""
    conn.execute(
        "INSERT INTO price_decision (instrument_id, source, at, quality, reason, decided_by,"
        " decided_at) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        [
            instrument_id,
            quote.source,
            quote.at,
            quote.quality,
            decision.reason,
            decision.account_id,
            decision.at,
        ],
    )


def append_price_events(
    conn: Conn, instrument_id: InstrumentId, events: Sequence[PriceEvent]
) -> None:
    """Store what happened to quotes."""
    if not events:
        return
    statement = (
        "INSERT INTO price_event (instrument_id, source, at, happened_at, actor, what, reason)"
        " SELECT %s, s, a, h, c, w, r FROM unnest(%s::text[], %s::timestamptz[],"
        " %s::timestamptz[], %s::text[], %s::text[], %s::text[]) AS t (s, a, h, c, w, r)"
    )
    columns = (
        [each.source for each in events],
        [each.at for each in events],
        [each.happened_at for each in events],
        [each.actor for each in events],
        [each.what for each in events],
        [each.reason for each in events],
    )
    conn.execute(statement, [instrument_id, *columns])


def list_price_events(conn: Conn, instrument_id: InstrumentId, limit: int) -> Sequence[PriceEvent]:
    """Return what happened last to an instrument's quotes, newest first."""
    query = (
        "SELECT e.source, e.at, p.value, e.happened_at, e.actor, e.what, e.reason"
        " FROM price_event e JOIN price p USING (instrument_id, source, at)"
        " WHERE e.instrument_id = %s ORDER BY e.id DESC LIMIT %s"
    )
    return [_event(row) for row in conn.execute(query, [instrument_id, limit])]


def list_held(conn: Conn, limit: int) -> Sequence[tuple[InstrumentId, PriceEvent]]:
    """Return the quotes of all instruments that wait, newest first, with why they do."""
    query = (
        "SELECT p.source, p.at, p.value, coalesce(e.happened_at, p.received_at),"
        " coalesce(e.actor, p.source), 'held', coalesce(e.reason, 'it jumps'), p.instrument_id"
        " FROM price p LEFT JOIN LATERAL (SELECT * FROM price_event x WHERE x.instrument_id ="
        " p.instrument_id AND x.source = p.source AND x.at = p.at AND x.what = 'held'"
        " ORDER BY x.id DESC LIMIT 1) e ON true"
        " WHERE p.quality = 'held' ORDER BY p.at DESC, p.instrument_id, p.source LIMIT %s"
    )
    return [(InstrumentId(row[7]), _event(row)) for row in conn.execute(query, [limit])]


def _event(row: TupleRow) -> PriceEvent:
    return PriceEvent(
        source=row[0],
        at=row[1],
        value=row[2],
        happened_at=row[3],
        actor=row[4],
        what=row[5],
        reason=row[6],
    )


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
