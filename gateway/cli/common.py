"""What the commands share: exit codes, reading the configuration, how a refusal looks.

Exit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 the configuration is wrong.
"""

from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.config.file import Config
from gateway.config.remote import REMOTE_FILE, InForce, load_in_force
from gateway.drivers.plan.vocabulary import vocabulary
from gateway.errors import ConfigError

EXIT_FAILED: Final = 1
EXIT_CONFIG: Final = 3

CONFIG_VARIABLE: Final = "PLEDGEWATCH_GATEWAY_CONFIG"

ConfigOption = Annotated[
    Path,
    typer.Option("--config", envvar=CONFIG_VARIABLE, help="The gateway's TOML file."),
]


def load(path: Path) -> tuple[Config, bytes]:
    """Return the configuration of ``path`` that is in force, and its SHA-256.

    Raises:
        Exit: The file is wrong; what is wrong was printed.
    """
    found = load_found(path)
    return found.config, found.sha256


def load_found(path: Path) -> InForce:
    """Return the configuration of ``path``, with what the backend set in place of its devices.

    Raises:
        Exit: The file is wrong; what is wrong was printed.
    """
    try:
        found = load_in_force(path, vocabulary())
        if found.refused:
            typer.echo(f"note: {REMOTE_FILE} is not in force: {found.refused}", err=True)
        return found
    except ConfigError as error:
        typer.echo(f"{path}: {error}", err=True)
        raise typer.Exit(EXIT_CONFIG) from None


def failed(error: Exception) -> typer.Exit:
    """Print ``error``; return what to raise, with the exit code of its kind."""
    typer.echo(f"error: {error}", err=True)
    return typer.Exit(EXIT_CONFIG if isinstance(error, ConfigError) else EXIT_FAILED)
