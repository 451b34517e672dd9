"""The gateway's key, and its enrolment at the backend."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.common import ConfigOption, failed, load
from gateway.errors import GatewayError
from gateway.outbox.identity import open_identity
from gateway.uplink.enrolment import request_enrolment, save_enrolment


def keygen(config: ConfigOption) -> None:
    """Make this gateway's key, if it has none, and print its public half."""
    _public_key(config)


def pubkey(config: ConfigOption) -> None:
    """Print this gateway's public key, 64 hex digits."""
    _public_key(config)


def enrol(
    url: Annotated[str, typer.Argument(help="The backend's address.")],
    code: Annotated[str, typer.Argument(help="The one-time code from the console.")],
    config: ConfigOption,
    ca_file: Annotated[str | None, typer.Option(help="Who signs the backend's TLS key.")] = None,
) -> None:
    """Enrol this gateway: show the backend its key, and learn the backend's."""
    loaded, _ = load(config)
    state_dir = Path(loaded.gateway.state_dir)
    try:
        signer, _new = open_identity(state_dir)
        enrolment = request_enrolment(
            url, code, loaded.gateway.id, signer.public_key, ca_file=ca_file
        )
        save_enrolment(state_dir, enrolment)
    except GatewayError as error:
        raise failed(error) from None
    typer.echo(f"enrolled {loaded.gateway.id}; backend key {enrolment.backend_key}")


def _public_key(config: Path) -> None:
    loaded, _ = load(config)
    try:
        signer, new = open_identity(Path(loaded.gateway.state_dir))
    except GatewayError as error:
        raise failed(error) from None
    if new:
        typer.echo(f"new key in {loaded.gateway.state_dir}", err=True)
    typer.echo(signer.public_key.hex())
