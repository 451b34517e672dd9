"""What is in the state folder, printed beside a running daemon."""

import json
import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import typer

from gateway.cli.common import ConfigOption, failed, load
from gateway.errors import GatewayError, StateError
from gateway.outbox.database import read_stats
from gateway.outbox.identity import OUTBOX_FILE

READ_TIMEOUT_S: Final = 10.0


def outbox(config: ConfigOption) -> None:
    """Print the outbox's counts as JSON; works beside a running gateway."""
    loaded, _ = load(config)
    path = Path(loaded.gateway.state_dir) / OUTBOX_FILE
    try:
        typer.echo(json.dumps(_stats(path)))
    except GatewayError as error:
        raise failed(error) from None


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
