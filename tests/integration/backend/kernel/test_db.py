"""Transactions at the edge: who acts, what is undone, what is tried again."""

from pathlib import Path
from threading import Barrier, Thread

import pytest
from psycopg import errors
from psycopg.pq import Trace

from backend.db import ATTEMPTS_MAX, Database
from backend.errors import ForbiddenError, InvalidError, RefusedError, UnavailableError
from backend.parties.types import Role
from tests.builders import make_actor
from tests.plant import insert


def test_a_transaction_acts_for_one_party_and_is_forgotten(db: Database) -> None:
    """Role and party hold inside, and the next user of the connection is nobody."""
    actor = make_actor(Role.LENDER)
    query = "SELECT current_user::text, pw_role(), pw_party()"
    with Database(db.url, connections_max=1) as one:
        with one.acting(actor) as conn:
            inside = conn.execute(query).fetchone()
        with one.working() as conn:
            after = conn.execute(query).fetchone()
        with one.auth() as conn:
            stranger = conn.execute(query).fetchone()

    assert inside == ("pledgewatch_api", "lender", actor.party_id)
    assert after == ("pledgewatch_worker", None, None)
    assert stranger == ("pledgewatch_api", "auth", None)


def test_acting_costs_one_round_trip(db: Database, tmp_path: Path) -> None:
    """BEGIN, the role and the actor travel as one query; COMMIT is the other."""
    with Database(db.url, connections_max=1) as one:
        with one.working() as conn:
            pgconn = conn.pgconn
            trace = (tmp_path / "trace").open("w+b")
            pgconn.trace(trace.fileno())
            pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        trace.seek(0)
        trace.truncate()
        with one.acting(make_actor()):
            pass
        pgconn.untrace()
    trace.seek(0)
    queries = [line for line in trace.read().splitlines() if line.startswith(b"F\t")]
    trace.close()
    sent = [line.split(b"\t")[2] for line in queries]
    assert sent.count(b"Query") == len(sent)
    assert sum(b"BEGIN; SET LOCAL ROLE" in line for line in queries) == 1


def test_an_exception_undoes_everything(db: Database) -> None:
    """What leaves the block by an exception leaves nothing in the database."""

    def fail() -> None:
        with db.acting(make_actor()) as conn:
            conn.execute("INSERT INTO party (name) VALUES ('half')")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with db.working() as conn:
        assert conn.execute("SELECT * FROM party").fetchall() == []


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("INSERT INTO lot_event (lot_id) VALUES (gen_random_uuid())", ForbiddenError),
        ("INSERT INTO party (name) VALUES ('a'), ('a')", RefusedError),
        ("INSERT INTO party (name) VALUES ('')", InvalidError),
        ("INSERT INTO account (party_id, login, role) VALUES (gen_random_uuid(), 'x', 'lender')",
         RefusedError),
        ("SELECT 99999999999::int", InvalidError),
        ("SET LOCAL statement_timeout = 1; SELECT pg_sleep(5)", UnavailableError),
    ],
)  # fmt: skip
def test_what_the_database_refuses_is_the_callers_error(
    db: Database, statement: str, error: type[Exception]
) -> None:
    """A policy, a constraint, a number: a refusal with a status, never a crash."""
    with pytest.raises(error), db.acting(make_actor()) as conn:
        conn.execute(statement.encode())


def test_the_worker_is_told_of_its_own_bugs(db: Database) -> None:
    """The worker has no caller to blame: the database's error comes through."""
    with pytest.raises(errors.UniqueViolation), db.working() as conn:
        conn.execute("INSERT INTO party (name) VALUES ('a'), ('a')")


def test_a_worker_works_on_a_connection_of_its_own(db: Database) -> None:
    """Transaction after transaction, with a lease that outlives each."""
    with db.connect() as conn:
        conn.execute("SELECT pg_advisory_lock(1)")
        for name in ("a", "b"):
            with db.working(conn) as same:
                assert same is conn
                insert(same, "party", name=name)
        row = conn.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
    assert row == (1,)


def test_a_deadlocks_loser_tries_again(db: Database) -> None:
    """Two transactions that lock each other out both succeed in the end."""
    with db.working() as conn:
        ids = [insert(conn, "party", name=name) for name in ("a", "b")]
        accounts = [
            insert(conn, "account", party_id=party, login=f"x{n}", role="lender")
            for n, party in enumerate(ids)
        ]
    meeting, attempts = Barrier(2), list[int]()

    def lock_both(order: list[object]) -> None:
        tries = 0

        def transaction() -> None:
            nonlocal tries
            tries += 1
            with db.working() as conn:
                for number, account in enumerate(order):
                    conn.execute(
                        "UPDATE account SET failed_logins = failed_logins + 1 WHERE id = %s",
                        [account],
                    )
                    if number == 0 and tries == 1:
                        meeting.wait()

        db.retrying(transaction)
        attempts.append(tries)

    threads = [
        Thread(target=lock_both, args=[order]) for order in (accounts, list(reversed(accounts)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.working() as conn:
        counts = conn.execute("SELECT failed_logins FROM account").fetchall()

    assert sorted(attempts) == [1, 2]
    assert counts == [(2,), (2,)]


def test_retrying_ends(db: Database) -> None:
    """A transaction that loses each time is given up with an error that says: try later."""
    tries = 0

    def loser() -> None:
        nonlocal tries
        tries += 1
        raise errors.SerializationFailure

    with pytest.raises(UnavailableError):
        db.retrying(loser)
    assert tries == ATTEMPTS_MAX
