"""What the command line's subjects share: settings, who acts, how a refusal looks.

Exit codes: 0 done, 1 refused, 2 the settings or arguments are wrong, 3 something needed is away.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

import typer

from backend.config import Settings, load_settings
from backend.errors import ConfigurationError, InvalidError, PledgewatchError, UnavailableError
from backend.ids import AccountId, PartyId
from backend.log import configure_log
from backend.parties.types import Actor, Role

EXIT_REFUSED: Final = 1
EXIT_CONFIGURATION: Final = 2
EXIT_UNAVAILABLE: Final = 3
_NOBODY: Final = UUID(int=0)


@contextmanager
def reported() -> Generator[None]:
    """End the program with a sentence and a code instead of a traceback."""
    try:
        yield
    except PledgewatchError as error:
        typer.echo(f"{error.code}: {error.message}", err=True)
        match error:
            case ConfigurationError() | InvalidError():
                code = EXIT_CONFIGURATION
            case UnavailableError():
                code = EXIT_UNAVAILABLE
            case _:
                code = EXIT_REFUSED
        raise typer.Exit(code) from None


def settings_here() -> Settings:
    """Return the settings of the environment; what is logged goes where it says."""
    configure_log()
    return load_settings()


def nobody(login: str) -> Actor:
    """Return the operator that is nobody: who has the database's password needs no account."""
    return Actor(
        account_id=AccountId(_NOBODY), party_id=PartyId(_NOBODY), role=Role.OPERATOR, login=login
    )
