"""Run the daemon; check its configuration."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.common import ConfigOption, failed, load, load_found
from gateway.config.file import KINDS, Config, sections_of
from gateway.config.remote import REMOTE_FILE
from gateway.errors import GatewayError
from gateway.log import LogLevel, configure_logging
from gateway.supervisor.gateway import run_gateway
from gateway.supervisor.memory import bound_heaps, give_back, pack, unpack
from gateway.uplink.target import resolve_uplink


def run(
    config: ConfigOption,
    log_level: Annotated[
        LogLevel, typer.Option(help="Nothing below this is logged.", case_sensitive=False)
    ] = LogLevel.INFO,
) -> None:
    """Read the sensors and send what they say, until told to stop."""
    configure_logging(log_level)
    bound_heaps()
    loaded, digest = _load_compact(config)
    try:
        asyncio.run(run_gateway(config, loaded, digest))
    except GatewayError as error:
        raise failed(error) from None
    except BaseExceptionGroup as group:
        expected, other = group.split(GatewayError)
        if expected is None or other is not None:
            raise
        raise failed(_first(expected)) from None


def _load_compact(path: Path) -> tuple[Config, bytes]:
    """Return the configuration and its SHA-256; nothing else of it stays in memory."""
    loaded, digest = load(path)
    packed = pack(loaded)
    del loaded
    give_back()
    return unpack(packed, Config), digest


def check(config: ConfigOption) -> None:
    """Say what is wrong with a configuration: the key, its value, and what it must be."""
    found = load_found(config)
    loaded = found.config
    sensors = {
        sensor
        for kind in KINDS
        for key, section in sections_of(loaded, kind)
        for _, sensor, _ in kind.name(key, section)
    }
    typer.echo(f"{config}: good; gateway {loaded.gateway.id}, {len(sensors)} sensors")
    if found.remote:
        typer.echo(f"note: the devices are those of {REMOTE_FILE}, set by the backend", err=True)
    try:
        resolve_uplink(loaded)
    except GatewayError as error:
        typer.echo(f"note: not ready to run: {error}", err=True)


def _first(group: BaseExceptionGroup[GatewayError]) -> GatewayError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
