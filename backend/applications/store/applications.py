"""Applications, their steps and documents, as the actor may see and change them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from backend.applications.types.machine import Seat
from backend.applications.types.record import Application, Document, DocumentKind, DoneStep
from backend.db import Conn
from backend.ids import ApplicationId, LotId, PartyId

ROWS_MAX: Final = 500
STEPS_MAX: Final = 1_000  # Of one application; what may be done again has its other door then.
DUE_MAX: Final = 100  # Of one turn of the timekeeper; the rest is found by the next.

_APPLICATIONS: Final[LiteralString] = """
    SELECT a.id, a.kind, a.applicant_party, a.state, a.currency, a.amount_minor, a.asked, a.lots,
           a.opened_at, a.changed_at, a.deadline_at, a.pledge_id, a.facility_id, a.drawdown_id,
           (SELECT jsonb_object_agg(s.seat, s.party_id) FROM application_seat s
            WHERE s.application_id = a.id) AS seats
    FROM application a
"""
_LIST: Final[LiteralString] = _APPLICATIONS + " ORDER BY a.ended, a.changed_at DESC, a.id LIMIT %s"
_STEPS: Final[LiteralString] = """
    SELECT id, application_id, number, step, was, became, seat, party_id, account_id, actor, at,
           note, body, body_sha256, message, key_id FROM application_step
"""
_ADD_STEP: Final = """
    INSERT INTO application_step (id, application_id, number, step, was, became, seat, party_id,
      account_id, actor, at, note, body, body_sha256, message, key_id)
    VALUES (%(id)s, %(application_id)s, %(number)s, %(step)s, %(was)s, %(became)s, %(seat)s,
      %(party_id)s, %(account_id)s, %(actor)s, %(at)s, %(note)s, %(body)s, %(body_sha256)s,
      %(message)s, %(key_id)s)
    ON CONFLICT (id) DO NOTHING
"""
_SAVE: Final = """
    UPDATE application SET state = %(state)s, ended = %(ended)s, lots = %(lots)s,
      changed_at = %(changed_at)s, deadline_at = %(deadline_at)s, pledge_id = %(pledge_id)s,
      facility_id = %(facility_id)s, drawdown_id = %(drawdown_id)s
    WHERE id = %(id)s
"""


def add_application(conn: Conn, application: Application) -> bool:
    """Store an application with its seats; return whether its id was free."""
    done = conn.execute(
        "INSERT INTO application (id, kind, applicant_party, state, currency, amount_minor,"
        " asked, opened_at, changed_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (id) DO NOTHING",
        (
            application.id,
            application.kind,
            application.applicant_party,
            application.state,
            application.currency,
            application.amount_minor,
            Jsonb(application.asked),
            application.opened_at,
            application.changed_at,
        ),
    )
    if done.rowcount != 1:
        return False
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO application_seat (application_id, seat, party_id) VALUES (%s, %s, %s)",
            [(application.id, seat.value, party) for seat, party in application.seats.items()],
        )
    return True


def load_application(
    conn: Conn, application_id: ApplicationId, *, lock: bool = False
) -> Application | None:
    """Return an application that the actor may see; locked until the transaction ends."""
    if lock:
        conn.execute("SELECT 1 FROM application WHERE id = %s FOR UPDATE", (application_id,))
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_APPLICATIONS + " WHERE a.id = %s", (application_id,)).fetchone()
    return None if row is None else _application(row)


def count_open(conn: Conn, applicant: PartyId) -> int:
    """Return how many applications of a party are on their way."""
    row = conn.execute(
        "SELECT count(*) FROM application WHERE applicant_party = %s AND NOT ended", (applicant,)
    ).fetchone()
    assert row is not None
    return int(row[0])


def list_applications(conn: Conn) -> Sequence[Application]:
    """Return applications that concern the actor: those on their way first, then the newest."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return [_application(row) for row in cursor.execute(_LIST, (ROWS_MAX,)).fetchall()]


def fetch_due(conn: Conn, now: datetime) -> Sequence[ApplicationId]:
    """Return applications whose deadline is over, by id."""
    rows = conn.execute(
        "SELECT id FROM application WHERE NOT ended AND deadline_at <= %s ORDER BY id LIMIT %s",
        (now, DUE_MAX),
    )
    return [ApplicationId(row[0]) for row in rows]


def save_application(conn: Conn, application: Application, *, ended: bool) -> None:
    """Store where an application stands now."""
    conn.execute(
        _SAVE,
        {
            "id": application.id,
            "state": application.state,
            "ended": ended,
            "lots": list(application.lots),
            "changed_at": application.changed_at,
            "deadline_at": application.deadline_at,
            "pledge_id": application.pledge_id,
            "facility_id": application.facility_id,
            "drawdown_id": application.drawdown_id,
        },
    )


def add_step(conn: Conn, step: DoneStep) -> bool:
    """Store a step; return whether its id was free."""
    values = {name: getattr(step, name) for name in DoneStep.__slots__}
    values |= {"seat": step.seat.value, "body": Jsonb(step.body)}
    return conn.execute(_ADD_STEP, values).rowcount == 1


def load_step(conn: Conn, step_id: UUID) -> DoneStep | None:
    """Return a step that was done, if the actor may see it."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_STEPS + " WHERE id = %s", (step_id,)).fetchone()
    return None if row is None else _step(row)


def list_steps(conn: Conn, application_id: ApplicationId) -> Sequence[DoneStep]:
    """Return the steps of an application, oldest first."""
    query = _STEPS + " WHERE application_id = %s ORDER BY number LIMIT %s"
    with conn.cursor(row_factory=dict_row) as cursor:
        return [_step(row) for row in cursor.execute(query, (application_id, STEPS_MAX))]


def next_number(conn: Conn, application_id: ApplicationId) -> int:
    """Return the number of an application's next step; the application is locked."""
    row = conn.execute(
        "SELECT coalesce(max(number), 0) + 1 FROM application_step WHERE application_id = %s",
        (application_id,),
    ).fetchone()
    assert row is not None
    return int(row[0])


def add_document(conn: Conn, document: Document) -> None:
    """Store a document."""
    conn.execute(
        "INSERT INTO application_document (id, application_id, kind, made_at, content, sha256)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (
            document.id,
            document.application_id,
            document.kind.value,
            document.made_at,
            document.content,
            document.sha256,
        ),
    )


def load_document(
    conn: Conn, application_id: ApplicationId, kind: DocumentKind
) -> Document | None:
    """Return the newest document of a kind."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "SELECT id, application_id, kind, made_at, content, sha256 FROM application_document"
            " WHERE application_id = %s AND kind = %s ORDER BY made_at DESC, id LIMIT 1",
            (application_id, kind.value),
        ).fetchone()
    if row is None:
        return None
    return Document(
        id=row["id"],
        application_id=ApplicationId(row["application_id"]),
        kind=kind,
        made_at=row["made_at"],
        content=bytes(row["content"]),
        sha256=bytes(row["sha256"]),
    )


def _application(row: Mapping[str, Any]) -> Application:
    seats: dict[str, str] = row["seats"] or {}
    values: dict[str, Any] = {
        **row,
        "lots": tuple(LotId(lot) for lot in row["lots"]),
        "seats": {Seat(seat): PartyId(UUID(party)) for seat, party in seats.items()},
    }
    return Application(**values)


def _step(row: Mapping[str, Any]) -> DoneStep:
    values: dict[str, Any] = {**row, "seat": Seat(row["seat"])}
    for name in ("body_sha256", "message", "key_id"):
        values[name] = None if row[name] is None else bytes(row[name])
    return DoneStep(**values)
