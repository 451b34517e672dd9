"""What row-level security costs: what is looked at, not what was ever stored."""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Final, LiteralString

import psycopg
import pytest

from backend.db import Conn, Database
from backend.parties.types import Role
from tests.bench.portfolio import FACILITIES, LOTS, VALUATIONS, Book, build_book
from tests.builders import NOW

ROWS_MAX: Final = LOTS + 100  # A set of visible lots is made; nothing larger may be.


@pytest.fixture
def book(db: Database) -> Book:
    """A bank's book with a history, as the planner knows it."""
    with db.working() as conn:
        book = build_book(conn, NOW)
    with psycopg.connect(db.url, autocommit=True) as conn:
        conn.execute("ANALYZE")
    return book


def test_a_valuation_is_read_without_all_others(db: Database, book: Book) -> None:
    """The lines of one valuation cost the same however many valuations there were."""
    assert FACILITIES * VALUATIONS > 5 * ROWS_MAX
    query: LiteralString = (
        "SELECT count(*) FROM lot_valuation WHERE valuation_id ="
        " (SELECT valuation_id FROM facility WHERE id = %s)"
    )
    with db.acting(book.actors[Role.LENDER]) as conn:
        assert _rows_max(conn, query, book.facility_id) < ROWS_MAX


def test_evidence_is_read_without_all_alerts(db: Database, book: Book) -> None:
    """The evidence of one alert costs the same however many alerts were resolved."""
    with db.working() as conn:
        conn.execute(
            "INSERT INTO alert (kind, severity, state, cause, lot_id, summary, opened_at,"
            " resolved_at, resolution) SELECT 'shortfall', 'critical', 'resolved', 'old', %s,"
            " 'Short', %s, %s, 'true_incident' FROM generate_series(1, %s)",
            [book.lot_id, NOW, NOW, 5 * ROWS_MAX],
        )
        conn.execute(
            "INSERT INTO alert_evidence (alert_id, at, recorded_at, text)"
            " SELECT id, %s, %s, 'a reading' FROM alert",
            [NOW, NOW],
        )
    with psycopg.connect(db.url, autocommit=True) as conn:
        conn.execute("ANALYZE")
    query: LiteralString = (
        "SELECT count(*) FROM alert_evidence WHERE alert_id ="
        " (SELECT id FROM alert WHERE lot_id = %s AND state <> 'resolved')"
    )
    with db.acting(book.actors[Role.LENDER]) as conn:
        assert _rows_max(conn, query, book.lot_id) < ROWS_MAX


def _rows_max(conn: Conn, query: LiteralString, key: object) -> float:
    """Return the greatest number of rows that any step of the query's plan looked at."""
    row = conn.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + query, [key]).fetchone()
    assert row is not None
    return max(_looked_at(row[0][0]["Plan"]))


def _looked_at(plan: Mapping[str, Any]) -> Generator[float]:
    removed = plan.get("Rows Removed by Filter", 0)
    yield (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    children: Sequence[Mapping[str, Any]] = plan.get("Plans", ())
    for child in children:
        yield from _looked_at(child)
