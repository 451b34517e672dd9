"""Turn this gateway to a new key: through the running daemon, or while none runs."""

from functools import partial
from pathlib import Path

import typer

from gateway.cli.common import ConfigOption, failed, load
from gateway.clock import SystemClock
from gateway.config.file import Config
from gateway.control.client import NoDaemonError, ask_rotate
from gateway.envelope import SealLimits
from gateway.errors import GatewayError
from gateway.outbox.head import HEAD_FILE, HeadFile
from gateway.outbox.identity import (
    OUTBOX_FILE,
    lock_state,
    next_signer,
    open_identity,
    turn_key,
)
from gateway.outbox.recovery import open_store
from gateway.outbox.store import StoreParts
from gateway.signing import open_token
from gateway.supervisor.rotate import check_begun, naming_event


def rotate(config: ConfigOption) -> None:
    """Make a new key; it is in force once the backend has receipted all under the old one."""
    loaded, _ = load(config)
    try:
        try:
            key = ask_rotate(Path(loaded.gateway.state_dir)).public_key
        except NoDaemonError:
            key = _rotate_alone(loaded)
            typer.echo("no daemon runs: the turn is made when it does", err=True)
    except GatewayError as error:
        raise failed(error) from None
    typer.echo(key)


def _rotate_alone(config: Config) -> str:
    """Seal the last reading under the present key, with no daemon to do it."""
    state_dir = Path(config.gateway.state_dir)
    lock_state(state_dir)
    clock = SystemClock()
    token = open_token(config.key, state_dir, clock)
    signer, _ = open_identity(state_dir, token)
    parts = StoreParts(
        path=state_dir / OUTBOX_FILE,
        head_file=HeadFile(state_dir / HEAD_FILE),
        gateway=config.gateway.id,
        signer=signer,
        limits=SealLimits(readings_max=config.seal.count, bytes_max=config.seal.bytes),
        bytes_max=config.outbox.bytes_max,
        window=config.uplink.window,
        turn=partial(turn_key, state_dir, signer, token=token),
    )
    store, _ = open_store(parts, now_unix_us=clock.unix_us())
    try:
        following = next_signer(state_dir, token)
        named = naming_event(config.gateway.id, signer, following, clock)
        check_begun(store.begin_rotation(clock.segment(), named, following.key_id))
    finally:
        store.close()
    return following.public_key.hex()
