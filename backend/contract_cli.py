"""``python -m backend contract ...``: reading, signing and checking contracts.

Nothing here asks the server: a party signs on a machine of its own what it has read there, and
sends the message. Its key is made with ``release new-key``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from nacl.signing import SigningKey

from backend.errors import InvalidError, RefusedError
from backend.keys import SEED_BYTES, load_secret, verify, verify_key
from backend.terminal import reported
from schemas.contract import (
    MESSAGE_BYTES_MAX,
    contract_content_type,
    contract_digest,
    decode_contract,
    decode_signed_contract,
    render_contract,
)
from schemas.cose import bytes_to_sign, decode_sign1, encode_protected, encode_sign1
from schemas.errors import MalformedError
from schemas.keys import key_id_of

contract_cli = typer.Typer(no_args_is_help=True, help="Contracts: reading, signing, checking.")
File = Annotated[
    Path,
    typer.Argument(
        exists=True, dir_okay=False, help="A contract or a signed one, in hexadecimal."
    ),
]


@contract_cli.command()
def show(contract: File) -> None:
    """Print what a contract says, in words made from its bytes."""
    with reported():
        payload = _payload(_read(contract))
        words = _words(payload)
    _print(words)
    typer.echo(f"SHA-256 {contract_digest(payload).hex()}", err=True)


@contract_cli.command()
def sign(
    key: Annotated[Path, typer.Option(help="The private key, in hexadecimal; mode 600.")],
    contract: File,
) -> None:
    """Print what is signed, sign it, and print the message to send; the message comes last."""
    with reported():
        if not key.exists():
            raise RefusedError("no_key", f"there is no key {key}: make one with release new-key")
        seed = load_secret(key.absolute())
        if len(seed) != SEED_BYTES:
            raise InvalidError(str(key), f"{len(seed)} bytes", f"{SEED_BYTES} bytes")
        signing = SigningKey(seed)
        payload = _payload(_read(contract))
        words = _words(payload)
        key_id = key_id_of(bytes(signing.verify_key))
        protected = encode_protected(contract_content_type(), key_id)
        signature = signing.sign(bytes_to_sign(protected, payload)).signature
        message = encode_sign1(protected, payload, signature)
    _print(words, err=True)
    typer.echo(f"SHA-256 {contract_digest(payload).hex()}, signed by key {key_id.hex()}", err=True)
    typer.echo(message.hex())


@contract_cli.command("verify")
def verify_message(
    public_key: Annotated[str, typer.Option(help="The signer's public key, in hexadecimal.")],
    message: File,
) -> None:
    """Check whose signature a signed contract bears, and print what it says."""
    with reported():
        data = _read(message)
        try:
            signed = decode_sign1(data, bytes_max=MESSAGE_BYTES_MAX)
            decode_signed_contract(signed)
        except MalformedError as error:
            raise InvalidError(error.field, error.value, error.bound) from error
        raw = _bytes("public key", public_key)
        if not verify(verify_key(raw), signed.signature, signed.signed_bytes):
            raise RefusedError("bad_signature", f"it is not signed by key {key_id_of(raw).hex()}")
        words = _words(signed.payload)
    _print(words)
    typer.echo(f"the signature is good: key {key_id_of(raw).hex()}", err=True)


def _print(words: Sequence[str], *, err: bool = False) -> None:
    for line in words:
        typer.echo(line, err=err)


def _read(path: Path) -> bytes:
    """Return the bytes that a file of hexadecimal names."""
    with path.open("rb") as file:
        content = file.read(2 * MESSAGE_BYTES_MAX + 2)
    return _bytes(str(path), content.decode("ascii", "replace").strip())


def _bytes(field: str, text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise InvalidError(field, text, "hexadecimal") from error


def _payload(data: bytes) -> bytes:
    """Return the contract's bytes: those of a signed message, or all of them."""
    try:
        return decode_sign1(data, bytes_max=MESSAGE_BYTES_MAX).payload
    except MalformedError:
        return data  # Then it must be a contract by itself; whoever reads it says if not.


def _words(payload: bytes) -> Sequence[str]:
    try:
        return render_contract(decode_contract(payload))
    except MalformedError as error:
        raise InvalidError(error.field, error.value, error.bound) from error
