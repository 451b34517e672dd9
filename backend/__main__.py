"""The backend's command line: ``python -m backend api|worker|timekeeper|migrate|...``.

Exit codes: 0 done, 1 refused, 2 the settings or arguments are wrong, 3 something needed is away.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

import typer
import uvicorn

from backend.clock import SystemClock
from backend.config import Settings, load_settings
from backend.db import Database
from backend.errors import ConfigurationError, InvalidError, PledgewatchError, UnavailableError
from backend.ids import AccountId, InstrumentId, PartyId
from backend.log import configure_log
from backend.market import service as market
from backend.middleware import CSV_BYTES_MAX
from backend.migrate import migrate as migrate_database
from backend.parties import service
from backend.parties.types import Actor, Role

PASSWORD_VARIABLE: Final = "PLEDGEWATCH_PASSWORD"  # noqa: S105 - the name of one, not one
EXIT_REFUSED: Final = 1
EXIT_CONFIGURATION: Final = 2
EXIT_UNAVAILABLE: Final = 3
_NOBODY: Final = UUID(int=0)
GRACE_S_MAX: Final = 5  # Open event streams do not end by themselves.

cli = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
prices = typer.Typer(no_args_is_help=True, help="Market prices.")
cli.add_typer(prices, name="prices")


@contextmanager
def _reported() -> Generator[None]:
    """End the program with a sentence and a code instead of a traceback."""
    try:
        yield
    except PledgewatchError as error:
        typer.echo(f"{error.code}: {error.message}", err=True)
        match error:
            case ConfigurationError() | InvalidError():
                code = EXIT_CONFIGURATION
            case UnavailableError():
                code = EXIT_UNAVAILABLE
            case _:
                code = EXIT_REFUSED
        raise typer.Exit(code) from None


@cli.command()
def api(
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that serve.")] = 1,
) -> None:
    """Serve the HTTP API and the console."""
    with _reported():
        settings = _settings()
    uvicorn.run(
        "backend.app:app_from_environment",
        factory=True,
        host=settings.http_host,
        port=settings.http_port,
        workers=workers,
        access_log=False,
        timeout_graceful_shutdown=GRACE_S_MAX,
    )


@cli.command()
def worker() -> None:
    """Take envelopes off the broker, one transaction a batch."""
    from backend.worker import run

    with _reported():
        run(_settings())


@cli.command()
def timekeeper() -> None:
    """Do what time alone brings: silence, stale prices, deadlines, expiries."""
    from backend.timekeeper import run

    with _reported():
        run(_settings())


@cli.command()
def migrate() -> None:
    """Bring the database's schema up to this software's; again changes nothing."""
    with _reported():
        migrate_database(_settings().database_url)
    typer.echo("the database is up to date")


@cli.command()
def create_operator(
    login: Annotated[str, typer.Argument(help="The login of the account.")],
    party: Annotated[str, typer.Option(help="The party that it acts for.")] = "Platform operator",
) -> None:
    """Create an operator's account, or give it a new password.

    The password is PLEDGEWATCH_PASSWORD, or is asked for.
    """
    with _reported():
        settings = _settings()
        password = os.environ.get(PASSWORD_VARIABLE) or _ask_password()
        with Database(settings.database_url) as db:
            _create_operator(db, login, party, password)
    typer.echo(f"operator {login} may log in")


@prices.command("import")
def import_prices(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Date,Price lines.")],
    instrument: Annotated[str, typer.Option(help="The instrument's id.")],
    source: Annotated[str, typer.Option(help="Who quoted the prices.")],
    currency: Annotated[str, typer.Option(help="ISO 4217; must be the instrument's.")],
    unit: Annotated[str, typer.Option(help="UNECE Rec 20; must be the instrument's.")],
) -> None:
    """Store a file of daily prices, the whole of it or nothing; again changes nothing."""
    with _reported():
        settings, now = _settings(), SystemClock().now()
        content = _read_bounded(file)
        with Database(settings.database_url) as db, db.acting(_nobody("prices import")) as conn:
            known = market.load_instrument(conn, InstrumentId(instrument))
            market.check_terms(known, currency, unit)
            recorded = market.import_price_csv(conn, known, source, content, now)
    typer.echo(
        f"{recorded.accepted} accepted, {recorded.held} held, {recorded.duplicates} known already,"
        f" {len(recorded.skipped_lines)} lines without a price"
    )


def _read_bounded(file: Path) -> bytes:
    """Return a file's bytes, of as many as the HTTP API takes."""
    with file.open("rb") as opened:
        content = opened.read(CSV_BYTES_MAX + 1)
    if len(content) > CSV_BYTES_MAX:
        raise InvalidError(str(file), "a longer file", f"at most {CSV_BYTES_MAX} bytes")
    return content


def _nobody(login: str) -> Actor:
    """Return the operator that is nobody: who has the database's password needs no account."""
    return Actor(
        account_id=AccountId(_NOBODY), party_id=PartyId(_NOBODY), role=Role.OPERATOR, login=login
    )


def _create_operator(db: Database, login: str, party: str, password: str) -> None:
    """Add the party and its account as an operator that is nobody yet."""
    with db.acting(_nobody(login)) as conn:
        service.add_or_reset_operator(conn, party, login, password)


def _ask_password() -> str:
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


def _settings() -> Settings:
    configure_log()
    return load_settings()


if __name__ == "__main__":
    cli(prog_name="python -m backend")
