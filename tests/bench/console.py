"""How long the console's pages take while fifty people look at a bank's whole book.

The real api process on a database that syncs, with the book of ``portfolio.py``. Each viewer has
a session and opens one page after another at its own pace. Then each holds an event stream
and stays on one page while a lot changes: from the commit until the viewer has the page again.
"""

import asyncio
import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Final

import httpx
import psycopg

from backend.clock import SystemClock
from backend.db import Database
from backend.deps import SESSION_COOKIE
from backend.migrate import migrate
from backend.parties import service
from backend.parties.types import Account, Role
from deploy.database import DatabaseServer
from deploy.ports import LOOPBACK, free_port, http_answers
from deploy.postgres import EmbeddedPostgres
from deploy.processes import Daemon, Program, Supervisor
from deploy.stack import ROOT, child_env
from tests.bench.portfolio import Book, build_book
from tests.bench.results import RUNS_MIN, Measured, Result, quantile, summarise

VIEWERS: Final = {Role.LENDER: 25, Role.LOGISTICS: 15, Role.BORROWER: 10}
PACE_S: Final = 5.0  # Between two pages of a viewer who works: reading takes longer.
PAGES: Final = 4  # Of each viewer and run: 200 pages.
CHANGES: Final = 5  # Of each run, seen by fifty.
CHANGE_EVERY_S: Final = 2.0
ANSWER_S_MAX: Final = 60.0
KEPT_S: Final = 4.0  # The server closes idle connections after five.
PAGE: Final = Measured(
    name="console",
    unit="ms, 95th percentile",
    yardstick="the same viewers asking /health, one statement, at the same pace",
    goal="< 300 ms",
)
CHANGE: Final = Measured(
    name="console_change",
    unit="ms, 95th percentile",
    yardstick="until the event that tells of it is there",
    goal="< 1,000 ms",
)
HTML: Final = {"accept": "text/html"}
PathOf = Callable[["Viewer", int], str]
LIVE: Final = "/lots"  # The page that everybody stays on.


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Somebody who looks: a connection with its session, and the pages of the role."""

    http: httpx.AsyncClient
    pages: Sequence[str]


def measure() -> list[Result]:
    """Run pages and changes in turn, each beside its yardstick."""
    with _served() as (base_url, db, cookies, book):
        pages, health, shown, told = asyncio.run(_runs(base_url, db, cookies, book))
        return [summarise(PAGE, pages, health), summarise(CHANGE, shown, told)]
    return []  # Asked to stop.


async def _runs(
    base_url: str, db: Database, cookies: Sequence[tuple[Role, str]], book: Book
) -> tuple[list[float], list[float], list[float], list[float]]:
    """Return what each run's pages, health checks, changed pages and events took, in ms."""
    pages: list[float] = []
    health: list[float] = []
    shown: list[float] = []
    told: list[float] = []
    async with contextlib.AsyncExitStack() as stack:
        viewers: list[Viewer] = []
        for role, cookie in cookies:
            http = httpx.AsyncClient(
                base_url=base_url,
                headers=HTML | {"cookie": f"{SESSION_COOKIE}={cookie}"},
                timeout=ANSWER_S_MAX,
                limits=httpx.Limits(keepalive_expiry=KEPT_S),
                trust_env=False,
            )
            await stack.enter_async_context(http)
            viewers.append(Viewer(http=http, pages=_pages(role, book)))
        for run in range(RUNS_MIN):
            health.append(await _walk(viewers, run, lambda _viewer, _step: "/health"))
            pages.append(await _walk(viewers, run, lambda viewer, step: viewer.pages[step]))
            seen, heard = await _change(viewers, db)
            shown.append(seen)
            told.append(heard)
    return pages, health, shown, told


def _pages(role: Role, book: Book) -> Sequence[str]:
    """Return the pages that a role opens, its home first."""
    facility, lot = f"/facilities/{book.facility_id}", f"/lots/{book.lot_id}"
    match role:
        case Role.LENDER:
            return ("/facilities", facility, "/lots", "/floor")
        case Role.BORROWER:
            return ("/facilities", facility, "/lots", "/pledges")
        case _:
            return ("/alerts", "/floor", "/lots", lot)


async def _walk(viewers: Sequence[Viewer], run: int, path_of: PathOf) -> float:
    """Let every viewer open its pages; return what the 95th percentile of them took, in ms."""
    took_ms: list[float] = []

    async def look(viewer: Viewer, rng: Random) -> None:
        await asyncio.sleep(rng.uniform(0, PACE_S))  # They do not begin on one word.
        for step in range(PAGES):
            began_s = time.perf_counter()
            (await viewer.http.get(path_of(viewer, step))).raise_for_status()
            took_s = time.perf_counter() - began_s
            took_ms.append(took_s * 1_000)
            await asyncio.sleep(max(0.0, PACE_S - took_s))

    async with asyncio.TaskGroup() as tasks:
        for number, viewer in enumerate(viewers):
            tasks.create_task(look(viewer, Random(f"{run} {number}")))
    return quantile(took_ms, 0.95)


async def _change(viewers: Sequence[Viewer], db: Database) -> tuple[float, float]:
    """Change a lot again and again while everybody looks at one page; return both 95 % in ms."""
    shown_ms: list[float] = []
    told_ms: list[float] = []
    committed_s = 0.0

    async def watch(viewer: Viewer, ready: asyncio.Event) -> None:
        async with viewer.http.stream("GET", "/events") as stream:
            events = _events(stream)
            assert await anext(events) == "reset"
            ready.set()
            for _ in range(CHANGES):
                while await anext(events) != "change":
                    pass
                told_ms.append((time.perf_counter() - committed_s) * 1_000)
                page = await viewer.http.get(LIVE, headers={"hx-request": "true"})
                page.raise_for_status()
                shown_ms.append((time.perf_counter() - committed_s) * 1_000)

    ready = [asyncio.Event() for _ in viewers]
    async with asyncio.TaskGroup() as tasks:
        for viewer, each in zip(viewers, ready, strict=True):
            tasks.create_task(watch(viewer, each))
        for each in ready:
            await each.wait()
        for _ in range(CHANGES):
            await asyncio.sleep(CHANGE_EVERY_S)
            await asyncio.to_thread(_change_lot, db)
            committed_s = time.perf_counter()
    return quantile(shown_ms, 0.95), quantile(told_ms, 0.95)


async def _events(stream: httpx.Response) -> AsyncGenerator[str]:
    """Yield the kinds of events as they come."""
    async for line in stream.aiter_lines():
        if line.startswith("event: "):
            yield line.removeprefix("event: ")


def _change_lot(db: Database) -> None:
    """Commit a new state of one lot, as the worker does."""
    with db.working() as conn:
        conn.execute(
            "UPDATE lot_state SET changed_at = clock_timestamp()"
            " WHERE lot_id = (SELECT id FROM lot ORDER BY name LIMIT 1)"
        )


@contextlib.contextmanager
def _served() -> Generator[tuple[str, Database, list[tuple[Role, str]], Book]]:
    """Yield the api's address, its database, a session for each viewer, and the book."""
    folder = Path(tempfile.mkdtemp(prefix="pledgewatch-bench-"))
    postgres = EmbeddedPostgres(folder / "postgres")
    try:
        with Supervisor() as supervisor:
            supervisor.add(postgres)
            url = DatabaseServer(url=postgres.url).create_database("console")
            migrate(url)
            with Database(url) as db:
                with db.working() as conn:
                    book = build_book(conn, SystemClock().now())
                with psycopg.connect(url, autocommit=True) as conn:
                    conn.execute("ANALYZE")  # As autovacuum does within a minute.
                cookies = [
                    (role, _open_session(db, book, role))
                    for role, count in VIEWERS.items()
                    for _ in range(count)
                ]
                port = free_port()
                supervisor.add(_api(folder, url, port))
                yield f"http://{LOOPBACK}:{port}", db, cookies, book
    finally:
        postgres.remove()
        shutil.rmtree(folder)


def _open_session(db: Database, book: Book, role: Role) -> str:
    now = SystemClock().now()
    actor = book.actors[role]
    account = Account(
        id=actor.account_id,
        party_id=actor.party_id,
        login=actor.login,
        role=role,
        active=True,
        created_at=now,
    )
    with db.auth() as conn:
        return service.open_session(conn, account, now, timedelta(hours=1)).token


def _api(folder: Path, url: str, port: int) -> Daemon:
    env = child_env(
        PLEDGEWATCH_DATABASE_URL=url,
        PLEDGEWATCH_STATE_DIR=str(folder / "backend"),
        PLEDGEWATCH_HTTP_HOST=LOOPBACK,
        PLEDGEWATCH_HTTP_PORT=str(port),
    )
    program = Program(name="api", argv=(sys.executable, "-m", "backend", "api"), env=env, cwd=ROOT)
    return Daemon(
        program=program, log_dir=folder / "log", ready=lambda: http_answers(port, "/health")
    )
