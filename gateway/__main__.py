"""The gateway's command line: ``python -m gateway COMMAND``.

Exit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 the configuration is wrong.
"""

import asyncio
import json
import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.config.file import Config, load_config
from gateway.config.types import Vocabulary
from gateway.decode import cli as decode_cli
from gateway.decode.families import FAMILIES
from gateway.decode.modbus import RegisterType, WordOrder
from gateway.errors import ConfigError, GatewayError, StateError
from gateway.log import configure_logging
from gateway.outbox.database import read_stats
from gateway.outbox.identity import OUTBOX_FILE, open_identity
from gateway.supervisor import resolve_uplink, run_gateway
from gateway.uplink.enrolment import request_enrolment, save_enrolment

EXIT_FAILED: Final = 1
EXIT_CONFIG: Final = 3
READ_TIMEOUT_S: Final = 10.0

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
probe_app = typer.Typer(no_args_is_help=True, help="Show what a device's bytes could mean.")
app.add_typer(probe_app, name="probe")

ConfigOption = Annotated[Path, typer.Option("--config", help="The gateway's TOML file.")]


def vocabulary() -> Vocabulary:
    """Return the names that a configuration may use."""
    return Vocabulary(
        families=tuple(FAMILIES),
        register_types=tuple(t.value for t in RegisterType if t is not RegisterType.STRING),
        orders=tuple(order.value for order in WordOrder),
    )


@app.command()
def run(config: ConfigOption) -> None:
    """Read the sensors and send what they say, until told to stop."""
    configure_logging()
    loaded, digest = _load(config)
    try:
        asyncio.run(run_gateway(loaded, digest))
    except GatewayError as error:
        raise _failed(error) from None
    except BaseExceptionGroup as group:
        expected, other = group.split(GatewayError)
        if expected is None or other is not None:
            raise
        raise _failed(_first(expected)) from None


@app.command()
def check(config: ConfigOption) -> None:
    """Say what is wrong with a configuration: the key, its value, and what it must be."""
    loaded, _ = _load(config)
    sensors = len(loaded.serial) + len(loaded.camera)
    sensors += len({r.sensor for bus in loaded.modbus for u in bus.unit for r in u.register})
    typer.echo(f"{config}: good; gateway {loaded.gateway.id}, {sensors} sensors")
    try:
        resolve_uplink(loaded)
    except GatewayError as error:
        typer.echo(f"note: not ready to run: {error}", err=True)


@app.command()
def decode(
    file: Annotated[Path | None, typer.Argument(help="A capture of a device's bytes.")] = None,
    family: Annotated[str, typer.Option(help="The device family; see --list.")] = "",
    list_families: Annotated[bool, typer.Option("--list", help="List the families.")] = False,
) -> None:
    """Turn a capture into JSON lines, as the gateway would read the device."""
    if list_families:
        for known in decode_cli.list_families():
            typer.echo(f"{known.name:<14} {known.summary} [{known.source}]")
        return
    if file is None or not family:
        raise typer.BadParameter("give --family FAMILY and FILE, or --list")
    try:
        for line in decode_cli.decode_file(family, file):
            typer.echo(json.dumps(line))
    except ValueError as error:
        raise _failed(error) from None


@probe_app.command("modbus")
def probe_modbus(
    hex_text: Annotated[str, typer.Option("--hex", help="Register bytes, as they came.")],
) -> None:
    """Show what registers mean in every type and word order."""
    try:
        rows = list(decode_cli.probe_rows(hex_text))
    except ValueError as error:
        raise _failed(error) from None
    typer.echo(f"{'register':>8}  {'type':<8} {'order':<5} value")
    for row in rows:
        value = row.get("value", row.get("fault"))
        typer.echo(f"{row['register']:>8}  {row['type']:<8} {row['order']:<5} {value}")


@app.command()
def keygen(config: ConfigOption) -> None:
    """Make this gateway's key, if it has none, and print its public half."""
    _public_key(config)


@app.command()
def pubkey(config: ConfigOption) -> None:
    """Print this gateway's public key, 64 hex digits."""
    _public_key(config)


@app.command()
def enrol(
    url: Annotated[str, typer.Argument(help="The backend's address.")],
    code: Annotated[str, typer.Argument(help="The one-time code from the console.")],
    config: ConfigOption,
    ca_file: Annotated[str | None, typer.Option(help="Who signs the backend's TLS key.")] = None,
) -> None:
    """Enrol this gateway: show the backend its key, and learn the backend's."""
    loaded, _ = _load(config)
    state_dir = Path(loaded.gateway.state_dir)
    try:
        signer, _new = open_identity(state_dir)
        enrolment = request_enrolment(
            url, code, loaded.gateway.id, signer.public_key, ca_file=ca_file
        )
        save_enrolment(state_dir, enrolment)
    except GatewayError as error:
        raise _failed(error) from None
    typer.echo(f"enrolled {loaded.gateway.id}; backend key {enrolment.backend_key}")


@app.command()
def outbox(config: ConfigOption) -> None:
    """Print the outbox's counts as JSON; works beside a running gateway."""
    loaded, _ = _load(config)
    path = Path(loaded.gateway.state_dir) / OUTBOX_FILE
    try:
        typer.echo(json.dumps(_stats(path)))
    except GatewayError as error:
        raise _failed(error) from None


def _stats(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise StateError(f"outbox {path}: there is none; this gateway never ran")
    try:
        # Read-write, because the last reader of a WAL file may have to fold it in.
        db = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=rw",
            uri=True,
            timeout=READ_TIMEOUT_S,
            isolation_level=None,
        )
        try:
            return asdict(read_stats(db))
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StateError(f"outbox {path}: {error}") from error


def _public_key(config: Path) -> None:
    loaded, _ = _load(config)
    try:
        signer, new = open_identity(Path(loaded.gateway.state_dir))
    except GatewayError as error:
        raise _failed(error) from None
    if new:
        typer.echo(f"new key in {loaded.gateway.state_dir}", err=True)
    typer.echo(signer.public_key.hex())


def _load(path: Path) -> tuple[Config, bytes]:
    try:
        return load_config(path, vocabulary())
    except ConfigError as error:
        typer.echo(f"{path}: {error}", err=True)
        raise typer.Exit(EXIT_CONFIG) from None


def _failed(error: Exception) -> typer.Exit:
    typer.echo(f"error: {error}", err=True)
    return typer.Exit(EXIT_CONFIG if isinstance(error, ConfigError) else EXIT_FAILED)


def _first(group: BaseExceptionGroup[GatewayError]) -> GatewayError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


if __name__ == "__main__":
    app()
