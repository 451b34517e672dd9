"""``python -m backend gateway ...``: gateways from the server's own terminal.

Whoever has the database's password may; what is asked here is asked by the platform itself.
"""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from backend.clock import SystemClock
from backend.commands import service as commands
from backend.commands import store as command_store
from backend.commands.rules import state_of
from backend.db import Conn, Database
from backend.errors import InvalidError
from backend.ids import GatewayId
from backend.plant import service as plant
from backend.plant import store as plant_store
from backend.terminal import nobody, reported, settings_here
from schemas.command import TOML_BYTES_MAX, Configure, Order, Rotate

gateway_cli = typer.Typer(no_args_is_help=True, help="Gateways: enrol, ask, challenge, revoke.")
GatewayArgument = Annotated[str, typer.Argument(help="The gateway's id.")]


@contextmanager
def _acting() -> Generator[tuple[Conn, datetime]]:
    with reported():
        settings, now = settings_here(), SystemClock().now()
        with Database(settings.database_url) as db, db.acting(nobody("terminal")) as conn:
            yield conn, now


@gateway_cli.command("list")
def list_gateways() -> None:
    """List the gateways: stream, last arrival, key."""
    with _acting() as (conn, now):
        for gateway in plant_store.list_gateways(conn):
            arrival = gateway.last_arrival_at
            age = "never" if arrival is None else f"{(now - arrival).total_seconds():.0f} s ago"
            key = "-" if gateway.key_id is None else gateway.key_id.hex()
            state = gateway.stream_state or "not enrolled"
            typer.echo(f"{gateway.id:<32} {state:<12} heard {age:<14} key {key}")


@gateway_cli.command()
def code(
    gateway: GatewayArgument,
    hours: Annotated[int, typer.Option(min=1, max=plant.CODE_HOURS_MAX)] = 24,
    replace: Annotated[bool, typer.Option(help="Also for a gateway that works.")] = False,
) -> None:
    """Print a code that enrols a gateway once."""
    with _acting() as (conn, now):
        asked = plant.CodeRequest(
            gateway_id=GatewayId(gateway), life=timedelta(hours=hours), replace=replace
        )
        made, text = plant.add_code(conn, None, asked, now)
    typer.echo(text)
    typer.echo(f"good until {made.expires_at:%Y-%m-%d %H:%M} UTC", err=True)


@gateway_cli.command()
def challenge(gateway: GatewayArgument) -> None:
    """Challenge a gateway: it must answer with a nonce, and read every sensor anew."""
    with _acting() as (conn, now):
        number = commands.challenge(conn, GatewayId(gateway), None, now)
    typer.echo(f"command {number}: sent until it is answered")


@gateway_cli.command()
def configure(
    gateway: GatewayArgument,
    file: Annotated[Path | None, typer.Argument(exists=True, dir_okay=False)] = None,
    remove: Annotated[bool, typer.Option(help="Back to the machine's own file.")] = False,
) -> None:
    """Ask a gateway to read the devices of FILE: TOML without [gateway] and [uplink]."""
    if (file is None) is not remove:
        raise typer.BadParameter("give FILE, or --remove")
    with reported():
        order = Configure(None if file is None else _text(file))
    _ask(gateway, order)


@gateway_cli.command()
def rotate(gateway: GatewayArgument) -> None:
    """Ask a gateway to make a new key."""
    _ask(gateway, Rotate())


@gateway_cli.command()
def revoke(gateway: GatewayArgument) -> None:
    """Refuse all that a gateway sends, until it is enrolled anew with another key."""
    with _acting() as (conn, now):
        plant.revoke(conn, GatewayId(gateway), now)
    typer.echo(f"{gateway} is revoked; to begin anew: gateway code {gateway}")


@gateway_cli.command("commands")
def list_commands(gateway: GatewayArgument) -> None:
    """List what a gateway was asked, newest first, and what it answered."""
    with _acting() as (conn, now):
        for row in command_store.list_records(conn, GatewayId(gateway)):
            state = state_of(row.outcome, row.expires_at, now)
            who = row.asked_by or "platform"
            typer.echo(
                f"{row.number:>6} {row.issued_at:%Y-%m-%d %H:%M:%S} {row.type.value:<10}"
                f" {state.value:<12} {who:<16} {row.why or ''}"
            )


def _ask(gateway: str, order: Order) -> None:
    with _acting() as (conn, now):
        number = commands.ask(
            conn, commands.Asked(gateway_id=GatewayId(gateway), order=order), now
        )
    typer.echo(f"command {number}: sent until it is answered")


def _text(file: Path) -> str:
    with file.open("rb") as opened:
        data = opened.read(TOML_BYTES_MAX + 1)
    if len(data) > TOML_BYTES_MAX:
        raise InvalidError(str(file), "a longer file", f"at most {TOML_BYTES_MAX} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidError(str(file), str(error), "UTF-8") from error
