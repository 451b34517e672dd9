"""The backend's command line: ``python -m backend api|worker|timekeeper|notifier|migrate|...``.

Exit codes: 0 done, 1 refused, 2 the settings or arguments are wrong, 3 something needed is away.
"""

import os
from pathlib import Path
from typing import Annotated, Final

import typer
import uvicorn

from backend.ca_cli import ca_cli
from backend.certificate_cli import certificate_cli
from backend.clock import SystemClock
from backend.contract_cli import contract_cli
from backend.db import Database
from backend.drawdown_cli import drawdown_cli
from backend.errors import InvalidError
from backend.gateway_cli import gateway_cli
from backend.ids import InstrumentId
from backend.market import service as market
from backend.middleware import CSV_BYTES_MAX
from backend.migrate import migrate as migrate_database
from backend.money_cli import journal_cli, settlement_cli
from backend.parties import service
from backend.release_cli import release_cli
from backend.risk_cli import backtest, stress
from backend.terminal import nobody, reported, settings_here

PASSWORD_VARIABLE: Final = "PLEDGEWATCH_PASSWORD"  # noqa: S105 - the name of one, not one
GRACE_S_MAX: Final = 5  # Open event streams do not end by themselves.

cli = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
prices = typer.Typer(no_args_is_help=True, help="Market prices.")
cli.add_typer(prices, name="prices")
cli.add_typer(gateway_cli, name="gateway")
cli.add_typer(ca_cli, name="ca")
cli.add_typer(certificate_cli, name="certificate")
cli.add_typer(release_cli, name="release")
cli.add_typer(drawdown_cli, name="drawdown")
cli.command()(backtest)
cli.command()(stress)
cli.add_typer(contract_cli, name="contract")
cli.add_typer(journal_cli, name="journal")
cli.add_typer(settlement_cli, name="settlement")


@cli.command()
def api(
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that serve.")] = 1,
) -> None:
    """Serve the HTTP API and the console."""
    with reported():
        settings = settings_here()
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

    with reported():
        run(settings_here())


@cli.command()
def timekeeper() -> None:
    """Do what time alone brings: silence, stale prices, deadlines, expiries."""
    from backend.timekeeper import run

    with reported():
        run(settings_here())


@cli.command()
def notifier() -> None:
    """Tell parties what has happened, by webhook and e-mail."""
    from backend.notifier import run

    with reported():
        run(settings_here())


@cli.command()
def migrate() -> None:
    """Bring the database's schema up to this software's; again changes nothing."""
    with reported():
        migrate_database(settings_here().database_url)
    typer.echo("the database is up to date")


@cli.command()
def create_operator(
    login: Annotated[str, typer.Argument(help="The login of the account.")],
    party: Annotated[str, typer.Option(help="The party that it acts for.")] = "Platform operator",
) -> None:
    """Create an operator's account, or give it a new password.

    The password is PLEDGEWATCH_PASSWORD, or is asked for.
    """
    with reported():
        settings = settings_here()
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
    with reported():
        settings, now = settings_here(), SystemClock().now()
        content = _read_bounded(file)
        # Past the owner's policies: who has the database's password answers for the file.
        with Database(settings.database_url) as db, db.working() as conn:
            known = market.load_instrument(conn, InstrumentId(instrument))
            market.check_terms(known, currency, unit)
            recorded = market.import_price_csv(conn, known, source, content, now, "cli")
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


def _create_operator(db: Database, login: str, party: str, password: str) -> None:
    """Add the party and its account as an operator that is nobody yet."""
    with db.acting(nobody(login)) as conn:
        service.add_or_reset_operator(conn, party, login, password)


def _ask_password() -> str:
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


if __name__ == "__main__":
    cli(prog_name="python -m backend")
