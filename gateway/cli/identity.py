"""The gateway's key, and its enrolment at the backend."""

from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from gateway.cli.common import ConfigOption, failed, load
from gateway.clock import SystemClock
from gateway.errors import GatewayError, UntrustedError
from gateway.outbox.identity import (
    enrolling_signer,
    lock_state,
    open_identity,
    replace_identity,
)
from gateway.signing import open_token
from gateway.uplink.enrolment import request_enrolment


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
    backend_key: Annotated[
        str | None, typer.Option(help="The backend's key, 64 hex digits; no other is pinned.")
    ] = None,
    new_key: Annotated[
        bool, typer.Option(help="Begin anew with a new key, after a fork or a revocation.")
    ] = False,
) -> None:
    """Enrol this gateway: show the backend its key, and learn the backend's."""
    # Here, because only this command needs it: X.509.
    from gateway.uplink.certificate import TlsRequest, keep_enrolment

    loaded, _ = load(config)
    state_dir = Path(loaded.gateway.state_dir)
    clock = SystemClock()
    token = open_token(loaded.key, state_dir, clock)
    try:
        if new_key:
            lock_state(state_dir)  # A daemon would go on with the old one.
            signer = enrolling_signer(state_dir, token)
        else:
            signer, _ = open_identity(state_dir, token)
        wanted = TlsRequest.make(loaded.gateway.id)
        enrolment = request_enrolment(
            url,
            code,
            loaded.gateway.id,
            signer.public_key,
            ca_file=ca_file,
            certificate=wanted.body(signer),
        )
        if backend_key is not None and enrolment.backend_key != backend_key.lower():
            raise UntrustedError(f"backend key is {enrolment.backend_key}, must be {backend_key}")
        keep_enrolment(state_dir, replace(enrolment, backend_url=url), wanted, ca_file)
        if new_key:
            aside = replace_identity(state_dir, clock.unix_us(), token)
            typer.echo(f"the old key and outbox are in {aside}", err=True)
    except GatewayError as error:
        raise failed(error) from None
    typer.echo(f"enrolled {loaded.gateway.id}; backend key {enrolment.backend_key}")
    if enrolment.certificate is not None:
        typer.echo("the broker's certificate is in the state folder and renews itself", err=True)


def _public_key(config: Path) -> None:
    loaded, _ = load(config)
    try:
        state_dir = Path(loaded.gateway.state_dir)
        token = open_token(loaded.key, state_dir, SystemClock())
        signer, new = open_identity(state_dir, token)
    except GatewayError as error:
        raise failed(error) from None
    if new:
        typer.echo(f"new key in {loaded.gateway.state_dir}", err=True)
    typer.echo(signer.public_key.hex())
