"""``python -m backend drawdown sign``: a party's own signature on a drawdown.

Nothing here asks the server: a party signs on a machine of its own and sends the message. Its key
is made with ``release new-key``.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from nacl.signing import SigningKey

from backend.clock import SystemClock
from backend.errors import InvalidError, RefusedError
from backend.keys import SEED_BYTES, load_secret
from backend.telemetry.types import unix_us_of
from backend.terminal import reported
from schemas.cose import bytes_to_sign, decode_sign1, encode_protected, encode_sign1
from schemas.drawdown import (
    MESSAGE_BYTES_MAX,
    Act,
    DrawdownAct,
    decode_drawdown,
    drawdown_content_type,
    encode_drawdown,
)
from schemas.errors import MalformedError
from schemas.keys import key_id_of

drawdown_cli = typer.Typer(no_args_is_help=True, help="Drawdowns: signing, showing.")


class ActName(StrEnum):
    """What is signed."""

    REQUEST = "request"
    AUTHORISE = "authorise"


@drawdown_cli.command()
def sign(
    key: Annotated[Path, typer.Option(help="The private key, in hexadecimal; mode 600.")],
    act: Annotated[ActName, typer.Option(help="The borrower requests, the lender authorises.")],
    drawdown: Annotated[UUID, typer.Option(help="Its id: the borrower's choice.")],
    facility: Annotated[UUID, typer.Option(help="Under which it is drawn.")],
    party: Annotated[UUID, typer.Option(help="The party that signs.")],
    amount: Annotated[str, typer.Option(help="In minor units and currency, as 1000000:EUR.")],
) -> None:
    """Sign a drawdown, and print the message to send as its field ``message``."""
    with reported():
        if not key.exists():
            raise RefusedError("no_key", f"there is no key {key}: make one with release new-key")
        seed = load_secret(key.absolute())
        if len(seed) != SEED_BYTES:
            raise InvalidError(str(key), f"{len(seed)} bytes", f"{SEED_BYTES} bytes")
        signing = SigningKey(seed)
        minor, _, currency = amount.partition(":")
        if not minor.isdecimal():
            raise InvalidError("amount", amount, "minor units and currency, as 1000000:EUR")
        said = DrawdownAct(
            act=Act[act.name],
            drawdown=drawdown,
            facility=facility,
            party=party,
            amount_minor=int(minor),
            currency=currency,
            issued_unix_us=unix_us_of(SystemClock().now()),
        )
        protected = encode_protected(drawdown_content_type(), key_id_of(bytes(signing.verify_key)))
        payload = encode_drawdown(said)
        signature = signing.sign(bytes_to_sign(protected, payload)).signature
        message = encode_sign1(protected, payload, signature)
        _check(message)
    typer.echo(message.hex())


@drawdown_cli.command()
def show(message: Annotated[str, typer.Argument(help="In hexadecimal.")]) -> None:
    """Show what a signed drawdown says, without checking its signature."""
    with reported():
        try:
            data = bytes.fromhex(message)
        except ValueError as error:
            raise InvalidError("message", message, "hexadecimal") from error
        said = _check(data)
    for name in DrawdownAct.__slots__:
        value = getattr(said, name)
        typer.echo(f"{name:<16} {value.name.lower() if isinstance(value, Act) else value}")


def _check(message: bytes) -> DrawdownAct:
    try:
        return decode_drawdown(decode_sign1(message, bytes_max=MESSAGE_BYTES_MAX))
    except MalformedError as error:
        raise InvalidError(error.field, error.value, error.bound) from error
