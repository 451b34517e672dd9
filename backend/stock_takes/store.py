"""Stock-takes in the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg.rows import dict_row

from backend.db import Conn
from backend.ids import AccountId, ItemId, LotId, StockTakeId
from backend.stock_takes.types import Counted, Line, Result, Source, StockTake

ROWS_MAX: Final = 200
LINES_MAX: Final = 20_000

_STOCK_TAKES: Final[LiteralString] = """
    SELECT s.id, s.lot_id, s.at, s.recorded_at, a.login AS recorded_by, s.counted_by, s.source,
           s.mass_g, s.file_sha256, s.file_bytes, s.note,
           (SELECT count(*) FROM stock_take_item i
            WHERE i.stock_take_id = s.id AND i.result = 'found')::int AS found,
           (SELECT count(*) FROM stock_take_item i
            WHERE i.stock_take_id = s.id AND i.result = 'not_found')::int AS not_found,
           (SELECT count(*) FROM stock_take_item i
            WHERE i.stock_take_id = s.id AND i.result = 'foreign')::int AS foreign
    FROM stock_take s LEFT JOIN account a ON a.id = s.recorded_by
"""
_OF_LOT: Final = _STOCK_TAKES + " WHERE s.lot_id = %s ORDER BY s.at DESC, s.id LIMIT %s"
_ONE: Final = _STOCK_TAKES + " WHERE s.id = %s"
_REGISTERED: Final = """
    SELECT epc, id, name FROM item WHERE lot_id = %s AND retired_at IS NULL
"""
_LINES: Final = """
    SELECT t.epc, t.item_id, i.name, t.result, t.read_at
    FROM stock_take_item t LEFT JOIN item i ON i.id = t.item_id
    WHERE t.stock_take_id = %s ORDER BY t.result <> 'not_found', t.result, i.name, t.epc LIMIT %s
"""
_ADD: Final = """
    INSERT INTO stock_take (id, lot_id, at, recorded_at, recorded_by, counted_by, source, mass_g,
                            file_sha256, file_bytes, note)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_ADD_LINE: Final = """
    INSERT INTO stock_take_item (stock_take_id, epc, item_id, result, read_at)
    VALUES (%s, %s, %s, %s, %s)
"""


def load_registered(conn: Conn, lot_id: LotId) -> dict[bytes, tuple[ItemId, str]]:
    """Return the items of a lot by their tags."""
    rows = conn.execute(_REGISTERED, (lot_id,)).fetchall()
    return {bytes(row[0]): (ItemId(row[1]), row[2]) for row in rows}


def add(conn: Conn, counted: Counted, lines: Sequence[Line], by: AccountId, now: datetime) -> None:
    """Store a stock-take with what came of it."""
    conn.execute(
        _ADD,
        (
            counted.id,
            counted.lot_id,
            counted.at,
            now,
            by,
            counted.counted_by,
            counted.source.value,
            counted.mass_g,
            counted.file_sha256,
            counted.file_bytes,
            counted.note,
        ),
    )
    with conn.cursor() as cursor:
        cursor.executemany(
            _ADD_LINE,
            [
                (counted.id, line.epc, line.item_id, line.result.value, line.read_at)
                for line in lines
            ],
        )


def fetch_of_lot(conn: Conn, lot_id: LotId) -> Sequence[StockTake]:
    """Return the stock-takes of a lot that the actor may see, newest first."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_OF_LOT, (lot_id, ROWS_MAX)).fetchall()
    return [_stock_take(row) for row in rows]


def load(conn: Conn, stock_take_id: StockTakeId) -> StockTake | None:
    """Return a stock-take, if the actor may see it."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_ONE, (stock_take_id,)).fetchone()
    return None if row is None else _stock_take(row)


def fetch_lines(conn: Conn, stock_take_id: StockTakeId) -> Sequence[Line]:
    """Return the tags of a stock-take, those not found first."""
    rows = conn.execute(_LINES, (stock_take_id, LINES_MAX)).fetchall()
    return [
        Line(
            epc=bytes(row[0]),
            item_id=None if row[1] is None else ItemId(row[1]),
            name=row[2],
            result=Result(row[3]),
            read_at=row[4],
        )
        for row in rows
    ]


def _stock_take(row: Mapping[str, Any]) -> StockTake:
    digest = row["file_sha256"]
    values: dict[str, Any] = {
        **row,
        "source": Source(row["source"]),
        "file_sha256": None if digest is None else bytes(digest),
    }
    return StockTake(**values)
