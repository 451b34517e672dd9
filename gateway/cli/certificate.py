"""Renew the certificate that this gateway comes to the broker with."""

from datetime import UTC, datetime
from pathlib import Path

import typer

from gateway.cli.common import ConfigOption, failed, load
from gateway.clock import SystemClock
from gateway.config.file import Config
from gateway.control.client import NoDaemonError, ask_renew
from gateway.errors import GatewayError
from gateway.outbox.identity import lock_state, open_identity
from gateway.signing import open_token
from gateway.supervisor.renewal import renew_kept


def renew(config: ConfigOption) -> None:
    """Get a new certificate for the broker now; the daemon does so by itself in time."""
    loaded, _ = load(config)
    try:
        try:
            ends_unix_s = ask_renew(Path(loaded.gateway.state_dir)).ends_unix_s
        except NoDaemonError:
            ends_unix_s = _renew_alone(loaded)
    except GatewayError as error:
        raise failed(error) from None
    typer.echo(f"good until {datetime.fromtimestamp(ends_unix_s, UTC):%Y-%m-%d %H:%M} UTC")


def _renew_alone(config: Config) -> int:
    state_dir = Path(config.gateway.state_dir)
    lock_state(state_dir)
    token = open_token(config.key, state_dir, SystemClock())
    signer, _ = open_identity(state_dir, token)
    return int(renew_kept(state_dir, config.gateway.id, signer).ends.timestamp())
