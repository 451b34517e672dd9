"""Works off what came in: messages, then lines, each in a transaction of its own.

One that fails does not stop the others: a message is refused, a line waits for a person.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import structlog

from backend.db import Conn, Database
from backend.errors import RefusedError
from backend.settlement.service import matching
from backend.settlement.service.statements import ACTOR, unpack
from backend.settlement.store import lines, statements
from backend.settlement.types import FileState

log = structlog.get_logger()
T = TypeVar("T")


def work_off(db: Database, now: datetime, conn: Conn | None = None) -> int:
    """Look into every message and place every line that waits; return how many lines.

    Args:
        db: The database; its transactions are the worker's.
        now: When.
        conn: A connection of the caller's own, whose lease lives on it.

    Raises:
        UnavailableError: The database is away or busy.
    """

    def run(step: Callable[[Conn], T]) -> T:
        def transaction() -> T:
            with db.working(conn) as working:
                return step(working)

        return db.retrying(transaction)

    while waiting := run(statements.files_waiting):
        for file_id in waiting:
            _unpack(run, file_id, now)
    placed = 0
    while found := run(lines.lines_waiting):
        for line_id in found:
            _match(run, line_id, now)
        placed += len(found)
    return placed


def _unpack(run: Callable[[Callable[[Conn], None]], None], file_id: UUID, now: datetime) -> None:
    try:
        run(lambda conn: unpack(conn, file_id, now))
    except RefusedError as error:
        detail = error.message
        log.warning("statement_refused", file_id=str(file_id), code=error.code)
        run(lambda conn: statements.save_file(conn, file_id, FileState.REFUSED, detail))


def _match(run: Callable[[Callable[[Conn], None]], None], line_id: UUID, now: datetime) -> None:
    try:
        run(lambda conn: matching.match_line(conn, line_id, now, ACTOR))
    except RefusedError as error:
        detail = error.message
        log.warning("line_not_placed", line_id=str(line_id), code=error.code)
        run(lambda conn: matching.leave_to_person(conn, line_id, detail, now, ACTOR))
