"""``python -m backend release ...``: keys of parties, and release orders signed with them.

Nothing here asks the server: a bank signs on a machine of its own and sends the message.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, cast
from uuid import UUID, uuid4

import typer
from nacl.signing import SigningKey

from backend.clock import SystemClock
from backend.errors import InvalidError, RefusedError
from backend.keys import SEED_BYTES, load_secret
from backend.telemetry.types import unix_us_of
from backend.terminal import reported
from schemas.cose import bytes_to_sign, decode_sign1, encode_protected, encode_sign1
from schemas.errors import MalformedError
from schemas.keys import key_id_of
from schemas.release import (
    MESSAGE_BYTES_MAX,
    PartyKey,
    ReleaseOrder,
    decode_order,
    encode_order,
    encode_party_key,
    key_content_type,
    order_content_type,
)

release_cli = typer.Typer(no_args_is_help=True, help="Release orders: keys, signing, showing.")
DAYS_MAX: Final = 3 * 366
KeyFile = Annotated[Path, typer.Option(help="The private key, in hexadecimal; mode 600.")]
FIELDS: Final[frozenset[str]] = frozenset(
    ("lender", "lot", "items", "mass_g", "begins", "ends", "zone", "into_lot", "executor")
)


@release_cli.command("new-key")
def new_key(
    key: KeyFile,
    party: Annotated[UUID, typer.Option(help="The party that it signs for.")],
    days: Annotated[int, typer.Option(min=1, max=DAYS_MAX, help="For how long.")] = 365,
) -> None:
    """Make a key, and print the message by which an operator registers it."""
    with reported():
        if key.exists():
            raise RefusedError("key_exists", f"{key} is there already: name another file")
        signing = _load(key)
        ends_at = SystemClock().now() + timedelta(days=days)
        public_key = bytes(signing.verify_key)
        named = PartyKey(party=party, public_key=public_key, ends_unix_us=unix_us_of(ends_at))
        message = _sign(signing, key_content_type(), encode_party_key(named))
    typer.echo(f"key {key_id_of(public_key).hex()}, valid until {ends_at.isoformat()}", err=True)
    typer.echo(message.hex())


@release_cli.command()
def sign(
    key: KeyFile,
    order: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A JSON file.")],
) -> None:
    """Sign a release order, and print the message to send.

    The file names lender, lot, items, mass_g, begins, ends, zone, into_lot and executor.
    """
    with reported():
        if not key.exists():
            raise RefusedError("no_key", f"there is no key {key}: make one with new-key")
        asked = _read(order)
        message = _sign(_load(key), order_content_type(), encode_order(asked))
        _check(message)
    typer.echo(f"order {asked.id}", err=True)
    typer.echo(message.hex())


@release_cli.command()
def show(message: Annotated[str, typer.Argument(help="In hexadecimal.")]) -> None:
    """Show what a signed order says, without checking its signature."""
    with reported():
        order = _check(_bytes(message))
    for name in ReleaseOrder.__slots__:
        typer.echo(f"{name:<16} {getattr(order, name)}")


def _read(path: Path) -> ReleaseOrder:
    """Return the order that a file asks for, issued now."""
    with path.open("rb") as file:
        content = file.read(MESSAGE_BYTES_MAX + 1)
    try:
        fields = json.loads(content)
    except ValueError as error:
        raise InvalidError(str(path), str(error), "JSON of up to 32 kB") from error
    if not isinstance(fields, dict):
        raise InvalidError(str(path), fields, "a JSON object")
    said = cast("dict[str, Any]", fields)
    if said.keys() ^ FIELDS:
        raise InvalidError(str(path), sorted(said), f"the fields {sorted(FIELDS)}")
    if not isinstance(said["items"], list) or not isinstance(said["mass_g"], int):
        raise InvalidError("items, mass_g", said["mass_g"], "a list, and grams")
    items = cast("list[object]", said["items"])
    return ReleaseOrder(
        id=uuid4(),
        lender=_uuid(said, "lender"),
        lot=_uuid(said, "lot"),
        items=tuple(sorted({_uuid({"items": item}, "items") for item in items})),
        mass_g=said["mass_g"],
        begins_unix_us=_unix_us("begins", said["begins"]),
        ends_unix_us=_unix_us("ends", said["ends"]),
        zone=None if said["zone"] is None else _uuid(said, "zone"),
        into_lot=None if said["into_lot"] is None else _uuid(said, "into_lot"),
        executor=_uuid(said, "executor"),
        issued_unix_us=unix_us_of(SystemClock().now()),
    )


def _uuid(fields: dict[str, Any], name: str) -> UUID:
    try:
        return UUID(str(fields[name]))
    except ValueError as error:
        raise InvalidError(name, fields[name], "a UUID") from error


def _check(message: bytes) -> ReleaseOrder:
    try:
        return decode_order(decode_sign1(message, bytes_max=MESSAGE_BYTES_MAX))
    except MalformedError as error:
        raise InvalidError(error.field, error.value, error.bound) from error


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise InvalidError("message", text, "hexadecimal") from error


def _load(path: Path) -> SigningKey:
    """Return the key in a file, made there when there is none."""
    seed = load_secret(path.absolute())
    if len(seed) != SEED_BYTES:
        raise InvalidError(str(path), f"{len(seed)} bytes", f"{SEED_BYTES} bytes")
    return SigningKey(seed)


def _sign(key: SigningKey, content_type: str, payload: bytes) -> bytes:
    protected = encode_protected(content_type, key_id_of(bytes(key.verify_key)))
    signature = key.sign(bytes_to_sign(protected, payload)).signature
    return encode_sign1(protected, payload, signature)


def _unix_us(field: str, text: object) -> int:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise InvalidError(field, text, "a time, as 2026-11-22T12:00:00Z") from error
    if at.tzinfo is None:
        raise InvalidError(field, text, "a time with its zone, as 2026-11-22T12:00:00Z")
    return unix_us_of(at.astimezone(UTC))
