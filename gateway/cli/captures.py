"""What a capture of a device's bytes means."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.common import failed
from gateway.decode import cli as decode_cli


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
        raise failed(error) from None
