"""Bring the database's schema up to this software's."""

from pathlib import Path
from typing import Final

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg.rows import TupleRow
from sqlalchemy.exc import OperationalError

from backend.errors import ConfigurationError, UnavailableError

_FOLDER: Final = Path(__file__).with_name("migrations")


def migrate(url: str) -> None:
    """Run every revision that the database does not have yet, in one transaction.

    Raises:
        UnavailableError: The server does not answer.
        ConfigurationError: The database's user lacks a right that the schema needs.
    """
    config = _config()
    config.attributes["url"] = url
    try:
        command.upgrade(config, "head")
    except OperationalError as error:
        raise UnavailableError("database_unavailable", str(error.orig).strip()) from error
    except psycopg.OperationalError as error:
        raise UnavailableError("database_unavailable", str(error).strip()) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise ConfigurationError(f"PLEDGEWATCH_DATABASE_URL: {error}") from error


def is_current(conn: psycopg.Connection[TupleRow]) -> bool:
    """Return whether the database has the newest revision."""
    row = conn.execute("SELECT to_regclass('public.alembic_version')::text").fetchone()
    if row is None or row[0] is None:
        return False
    version = conn.execute("SELECT version_num FROM alembic_version").fetchone()
    return version is not None and version[0] == _head()


def _head() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("path_separator", "os")
    return config
