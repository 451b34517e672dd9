"""The stream of changes, from a commit to the page."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest

from backend.db import Database
from backend.parties.types import Role
from tests.builders import NOW
from tests.integration.backend.web.sessions import console_client, give_password
from tests.plant import Plant, build_plant, insert


@pytest.fixture
def plant(db: Database) -> Plant:
    """A plant whose lender can log in."""
    with db.working() as conn:
        made = build_plant(conn)
    give_password(db, made.actors[Role.LENDER])
    return made


@pytest.fixture
def stream(plant: Plant, api_url: str) -> Iterator[Iterator[str]]:
    """The lines of the lender's stream, once it listens."""
    with (
        console_client(api_url, plant.actors[Role.LENDER].login) as client,
        client.stream("GET", "/events", headers={"Accept": "text/event-stream"}) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert "event: reset" in _until(lines, "data: all")
        yield lines


def _until(lines: Iterator[str], wanted: str) -> list[str]:
    """Return the lines up to one; the client's time limit ends a wait in vain."""
    got: list[str] = []
    for line in lines:
        got.append(line)
        if line == wanted:
            return got
    raise AssertionError(got)


def test_a_commit_is_told_by_the_name_of_its_table_only(
    stream: Iterator[str], db: Database, plant: Plant
) -> None:
    """A committed lock is a change of facility_lock; what is rolled back is not told."""
    with db.connect() as conn:
        _roll_back_a_price(conn, plant)
    with db.working() as conn:
        insert(
            conn,
            "facility_lock",
            facility_id=plant.facility_id,
            reason="MANUAL",
            detail="secret",
            opened_at=NOW,
            opened_by="test",
        )

    got = _until(stream, "data: facility_lock")

    assert "event: change" in got
    assert "data: price" not in got
    assert not any("secret" in line or str(plant.facility_id) in line for line in got)


def test_a_page_looks_again_after_the_database_was_lost(
    stream: Iterator[str], db: Database, plant: Plant, db_url: str
) -> None:
    """When the listening connection is cut, it is made anew and every page looks at everything."""
    with psycopg.connect(db_url, autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'pw-events' AND datname = current_database()"
        )

    assert "event: reset" in _until(stream, "data: all")
    with db.working() as conn:
        _add_price(conn, plant)
    assert "event: change" in _until(stream, "data: price")


def test_a_stream_needs_a_login(api_url: str, plant: Plant) -> None:
    """A stranger gets no stream."""
    assert httpx.get(f"{api_url}/events").status_code == 401


def _add_price(conn: psycopg.Connection, plant: Plant) -> None:
    insert(
        conn,
        "price",
        instrument_id=plant.instruments["copper"],
        source="other",
        at=NOW,
        value=1,
        quality="accepted",
        received_at=NOW,
    )


def _roll_back_a_price(conn: psycopg.Connection, plant: Plant) -> None:
    with conn.transaction(force_rollback=True):
        _add_price(conn, plant)
