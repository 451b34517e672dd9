"""``python -m backend ca ...``: the authority that signs gateways' and the broker's certificates.

Its key is in the state folder (``PLEDGEWATCH_STATE_DIR``) and never leaves it.
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from backend.certificates import store
from backend.certificates.authority import (
    CERTIFICATE_FILE,
    Authority,
    private_pem,
    write_file,
)
from backend.certificates.errors import NoAuthorityError
from backend.certificates.types import Certificate
from backend.clock import SystemClock
from backend.config import Settings
from backend.db import Database
from backend.errors import ConfigurationError
from backend.terminal import nobody, reported, settings_here

CRL_DAYS_MAX: Final = 397  # A broker with a list that is over lets nobody in.
CRL_DAYS: Final = 30
SERVER_KEY_FILE: Final = "server.key"
SERVER_CERTIFICATE_FILE: Final = "server.crt"

ca_cli = typer.Typer(no_args_is_help=True, help="The authority behind the broker's certificates.")


@ca_cli.command()
def init() -> None:
    """Make the authority, once; gateways that enrol from then on get certificates."""
    with reported():
        made = Authority.make(settings_here().state_dir, SystemClock().now())
    _tell(made)


@ca_cli.command()
def show() -> None:
    """Show the authority, and the certificates of gateways that have not ended."""
    with reported():
        settings, now = settings_here(), SystemClock().now()
        _tell(_authority(settings))
        for each in _live(settings, now):
            state = "revoked" if each.revoked_at else "good"
            ends = f"{each.not_after:%Y-%m-%d %H:%M}"
            typer.echo(f"{each.gateway_id:<32} {state:<8} until {ends} serial {each.serial}")


@ca_cli.command()
def crl(
    output: Annotated[Path | None, typer.Option(help="The file; else it is printed.")] = None,
    days: Annotated[
        int, typer.Option(min=1, max=CRL_DAYS_MAX, help="How long it holds; write it oftener.")
    ] = CRL_DAYS,
    empty: Annotated[
        bool, typer.Option(help="A first list for the broker, before there is a database.")
    ] = False,
) -> None:
    """Write the list of revoked certificates for the broker; then let it reload (SIGHUP)."""
    with reported():
        settings, now = settings_here(), SystemClock().now()
        authority = _authority(settings)
        live = [] if empty else _live(settings, now)
        revoked = [each for each in live if each.revoked_at is not None]
        pem = authority.revocations(revoked, now, timedelta(days=days))
        if output is not None:
            _write(output, pem, private=False)
    if output is None:
        typer.echo(pem.decode("ascii"), nl=False)
    typer.echo(f"{len(revoked)} revoked; good for {days} days", err=True)


@ca_cli.command()
def server(
    names: Annotated[list[str], typer.Argument(help="Host names and IP addresses.")],
    directory: Annotated[Path, typer.Option(help="Where the files go.")] = Path(),
) -> None:
    """Write a new key and certificate for the broker: server.key, server.crt, ca.crt."""
    with reported():
        authority = _authority(settings_here())
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            made = authority.issue_server(names, key.public_key(), SystemClock().now())
        except ValueError as error:
            raise ConfigurationError(f"{' '.join(names)}: {error}") from error
        directory.mkdir(parents=True, exist_ok=True)
        _write(directory / CERTIFICATE_FILE, authority.pem.encode(), private=False)
        _write(directory / SERVER_KEY_FILE, private_pem(key), private=True)
        pem = made.public_bytes(Encoding.PEM)
        _write(directory / SERVER_CERTIFICATE_FILE, pem, private=False)
    typer.echo(f"{', '.join(names)}: good until {made.not_valid_after_utc:%Y-%m-%d}")


def _authority(settings: Settings) -> Authority:
    authority = Authority.load(settings.state_dir)
    if authority is None:
        raise NoAuthorityError
    return authority


def _live(settings: Settings, now: datetime) -> list[Certificate]:
    with Database(settings.database_url) as db, db.acting(nobody("ca")) as conn:
        return list(store.list_live(conn, now))


def _write(path: Path, data: bytes, *, private: bool) -> None:
    try:
        write_file(path, data, private=private)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error


def _tell(authority: Authority) -> None:
    fingerprint = authority.certificate.fingerprint(hashes.SHA256()).hex()
    typer.echo(f"{authority.certificate.subject.rfc4514_string()} until {authority.ends:%Y-%m-%d}")
    typer.echo(f"sha256 {fingerprint}")
