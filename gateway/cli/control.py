"""Look at the running daemon, and let it read its configuration again."""

import time
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from gateway.cli.common import ConfigOption, failed, load
from gateway.control.client import NoDaemonError, ask_reload, ask_status
from gateway.control.status import Reloaded, Status
from gateway.errors import GatewayError, UnavailableError

EVERY_S_MIN: Final = 0.2
_NO_DAEMON: Final = "start it: systemctl start pledgewatch-gateway, or `run`"


def reload(config: ConfigOption) -> None:
    """Let the daemon read its configuration again; only what changed is restarted."""
    loaded, _ = load(config)
    try:
        done = ask_reload(Path(loaded.gateway.state_dir))
    except NoDaemonError as error:
        raise failed(UnavailableError(f"{error}; {_NO_DAEMON}")) from None
    except GatewayError as error:
        raise failed(error) from None
    typer.echo(_told(done))


def watch(
    config: ConfigOption,
    once: Annotated[bool, typer.Option("--once", help="Print one frame and end.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the daemon's answer as one JSON object.")
    ] = False,
    every_s: Annotated[
        float, typer.Option("--every", min=EVERY_S_MIN, help="Seconds between two frames.")
    ] = 1.0,
) -> None:
    """Show every sensor, the outbox and the uplink of the running daemon; Ctrl-C ends."""
    loaded, _ = load(config)
    state_dir = Path(loaded.gateway.state_dir)
    try:
        status = ask_status(state_dir)
    except NoDaemonError as error:
        raise failed(UnavailableError(f"{error}; {_NO_DAEMON}")) from None
    except GatewayError as error:
        raise failed(error) from None
    if as_json:
        typer.echo(msgspec.json.encode(status).decode())
    elif once:
        _print(status)
    else:
        _follow(state_dir, status, every_s)


def _print(status: Status) -> None:
    from rich.console import Console

    from gateway.cli.view import Screen, frame

    console = Console(highlight=False)
    # Printed once, nothing has to be left out.
    screen = Screen(width=console.size.width, height=2 * len(status.sensors) + 20)
    console.print(frame(status, screen, cpu_share=_share(None, status)))


def _follow(state_dir: Path, status: Status, every_s: float) -> None:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    from gateway.cli.view import Screen, frame

    console = Console(highlight=False)
    before: Status | None = None
    trouble = ""
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                screen = Screen(width=console.size.width, height=console.size.height)
                shown = frame(status, screen, cpu_share=_share(before, status))
                last = Text(trouble or "Ctrl-C ends", style="bold red" if trouble else "dim")
                live.update(Group(shown, last), refresh=True)
                time.sleep(every_s)
                try:
                    before, status = status, ask_status(state_dir)
                    trouble = ""
                except GatewayError as error:
                    trouble = f"{error}: this is how it was last"
    except KeyboardInterrupt:
        return


def _share(before: Status | None, now: Status) -> float:
    """Return the share of a core that the daemon used since ``before``, or since its start."""
    cpu_s, span_s = now.process.cpu_s, now.process.uptime_s
    if before is not None and before.process.pid == now.process.pid:
        cpu_s -= before.process.cpu_s
        span_s -= before.process.uptime_s
    return cpu_s / span_s if span_s > 0 else 0.0


def _told(done: Reloaded) -> str:
    parts = [
        f"{what} {', '.join(names)}"
        for what, names in (
            ("started", done.started),
            ("restarted", done.restarted),
            ("stopped", done.stopped),
        )
        if names
    ]
    if done.reconnected:
        parts.append("uplink opened anew")
    if done.restart_needed:
        parts.append(f"restart the daemon for {', '.join(done.restart_needed)}")
    return "; ".join(parts) or "nothing to change"
