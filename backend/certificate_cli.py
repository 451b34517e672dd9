"""``python -m backend certificate verify FILE``: whether a document is what the backend sealed.

Nothing here asks the server: a reader verifies on a machine of its own, with a key that it was
given. Only the folder of this installation's own key may stand in for that.
"""

from pathlib import Path
from typing import Annotated

import typer

from backend.config import load_settings
from backend.errors import ConfigurationError, InvalidError
from backend.exports.rules.seal import DOCUMENT_BYTES_MAX
from backend.exports.service import verify_certificate
from backend.keys import KEY_FILE, BackendKey
from backend.terminal import reported

certificate_cli = typer.Typer(no_args_is_help=True, help="Borrowing base certificates.")


@certificate_cli.callback()
def certificates() -> None:
    """Borrowing base certificates."""


@certificate_cli.command()
def verify(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="PDF, CSV or JSON.")],
    key: Annotated[
        str | None, typer.Option(help="The public key, in hexadecimal; default: this machine's.")
    ] = None,
) -> None:
    """Say whether a certificate is unchanged and sealed by a key; exit code 1 when it is not."""
    with reported():
        with file.open("rb") as opened:
            data = opened.read(DOCUMENT_BYTES_MAX + 1)
        seal = verify_certificate(data, _public_key(key))
    typer.echo(f"good: {seal.form.upper()} unchanged since it was sealed")
    typer.echo(f"facility  {seal.facility}")
    typer.echo(f"as of     {seal.as_of}, record {seal.number}")
    typer.echo(f"content   SHA-256 {seal.content_sha256}")
    typer.echo(f"key       {seal.key_id}")


def _public_key(text: str | None) -> bytes:
    if text is None:
        directory = load_settings().state_dir
        if not (directory / KEY_FILE).exists():
            raise ConfigurationError(f"{directory} has no {KEY_FILE}: name the key with --key")
        return BackendKey.load(directory).public_key
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise InvalidError("--key", text, "64 hexadecimal digits") from error
