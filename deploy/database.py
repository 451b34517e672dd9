"""A database server for the demo and the tests, wherever it comes from."""

import contextlib
import os
import tempfile
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from deploy.ports import polls
from deploy.postgres import EmbeddedPostgres

DROP_S_MAX = 10.0  # The server's own workers leave a database within a moment.
DATABASE_URL_VARIABLE = "PLEDGEWATCH_DATABASE_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseServer:
    """A running server: ``url`` is the programs' database, whose role may create databases."""

    url: str = field(repr=False)

    def create_database(self, name: str, template: str | None = None) -> str:
        """Create a database owned by the role of ``url`` and return its URL.

        Args:
            name: must not exist.
            template: copy this database, to which nobody may be connected.
        """
        # As files: a template's blocks would all go through the write-ahead log.
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
            sql.Identifier(name), sql.Identifier(template or "template0")
        )
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)
        return url_of_database(self.url, name)

    def close_database(self, name: str) -> None:
        """Let nobody connect to a database any more, so that it can be copied.

        Extensions with background workers, such as TimescaleDB, would otherwise stay connected.
        """
        statement = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(
            sql.Identifier(name)
        )
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)
            with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                    [name],
                )

    def drop_database(self, name: str) -> None:
        """Drop a database, ending the connections to it; no error if it does not exist."""
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        for _ in polls(DROP_S_MAX, every_s=0.2):
            with (
                contextlib.suppress(psycopg.errors.InsufficientPrivilege),  # A vacuum is at work.
                psycopg.connect(self.url, autocommit=True) as connection,
            ):
                connection.execute(statement)
                return
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)


@contextlib.contextmanager
def database_server() -> Generator[DatabaseServer]:
    """Yield the server named by ``PLEDGEWATCH_DATABASE_URL``, else an embedded one for tests.

    The embedded one does not sync to disk and is removed at the end.
    """
    if url := os.environ.get(DATABASE_URL_VARIABLE):
        yield DatabaseServer(url=url)
        return
    with tempfile.TemporaryDirectory(prefix="pledgewatch-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres", durable=False)
        try:
            with postgres:
                yield DatabaseServer(url=postgres.url)
        finally:
            postgres.remove()


def url_of_database(url: str, name: str) -> str:
    """Return ``url`` with its database replaced by ``name``."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
