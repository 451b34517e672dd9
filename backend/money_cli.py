"""``python -m backend journal|settlement ...``: check the books, import statements."""

from pathlib import Path
from typing import Annotated

import typer

from backend.clock import SystemClock
from backend.db import Database
from backend.errors import RefusedError
from backend.journal import store as journal
from backend.settlement.inbox import work_off
from backend.settlement.rules.camt import STATEMENT_BYTES_MAX
from backend.settlement.service.statements import receive_statement
from backend.settlement.store import statements
from backend.settlement.types import FileState
from backend.terminal import reported, settings_here

journal_cli = typer.Typer(no_args_is_help=True, help="The journal: its books, rebuilt.")
settlement_cli = typer.Typer(no_args_is_help=True, help="The settlement centre.")


@journal_cli.callback()
def _journal() -> None:
    """Keep ``verify`` a command of its own."""


@settlement_cli.callback()
def _settlement() -> None:
    """Keep ``import`` a command of its own."""


@journal_cli.command()
def verify() -> None:
    """Rebuild every balance from the entries alone; say what the tables say otherwise."""
    with reported():
        with Database(settings_here().database_url) as db, db.working() as conn:
            differences, transfers = journal.find_differences(conn), journal.count_transfers(conn)
        for each in differences:
            typer.echo(f"{each.what} {each.key}: found {each.found}, entries say {each.expected}")
        if differences:
            raise RefusedError("journal_differs", f"{len(differences)} differences")
    typer.echo(f"{transfers} transfers; every balance is what its entries say")


@settlement_cli.command("import")
def import_statement(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="camt.053, camt.054.")],
) -> None:
    """Take a bank's message in and place its lines; again changes nothing."""
    with reported():
        with file.open("rb") as opened:
            content = opened.read(STATEMENT_BYTES_MAX + 1)
        now = SystemClock().now()
        with Database(settings_here().database_url) as db:
            with db.working() as conn:
                taken = receive_statement(conn, content, "settlement import", now)
            placed = work_off(db, now)
            with db.working() as conn:
                found = statements.load_file(conn, taken.id)
        assert found is not None
        if found.state is FileState.REFUSED:
            raise RefusedError("statement_refused", found.detail)
    typer.echo(
        f"{found.kind} {found.message_id}: {found.lines} lines, {found.duplicates} known already,"
        f" {found.not_booked} entries not booked; {placed} lines placed now"
    )
