"""The published vectors of schemas/vectors against the codecs and both signature libraries."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import nacl.exceptions
import nacl.signing
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from schemas import command, digest, envelope, receipt
from schemas.cose import Sign1, decode_sign1, encode_protected, encode_sign1
from schemas.errors import Malformation, MalformedError
from schemas.keys import check_public_key, key_id_of
from tests.conformance.vectors import (
    VECTORS,
    Json,
    Vector,
    command_content,
    command_from,
    digest_content,
    digest_from,
    envelope_content,
    envelope_from,
    load_vectors,
    receipt_content,
    receipt_from,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One wire format under test."""

    bytes_max: int
    content_type: str
    decode: Callable[[Sign1], Any]
    encode: Callable[[Any], bytes]
    to_json: Callable[[Any], Json]
    from_json: Callable[[Json], Any]


FORMATS = {
    "envelope-v1": Format(
        bytes_max=envelope.ENVELOPE_BYTES_MAX,
        content_type=envelope.content_type(),
        decode=envelope.decode_envelope,
        encode=envelope.encode_payload,
        to_json=envelope_content,
        from_json=envelope_from,
    ),
    "digest-v1": Format(
        bytes_max=digest.DIGEST_BYTES_MAX,
        content_type=digest.content_type(),
        decode=digest.decode_digest,
        encode=digest.encode_payload,
        to_json=digest_content,
        from_json=digest_from,
    ),
    "receipt-v1": Format(
        bytes_max=receipt.RECEIPT_BYTES_MAX,
        content_type=receipt.content_type(),
        decode=receipt.decode_receipt,
        encode=receipt.encode_payload,
        to_json=receipt_content,
        from_json=receipt_from,
    ),
    "command-v1": Format(
        bytes_max=command.COMMAND_BYTES_MAX,
        content_type=command.content_type(),
        decode=command.decode_command,
        encode=command.encode_payload,
        to_json=command_content,
        from_json=command_from,
    ),
}


def _params(choose: Callable[[Vector], bool]) -> list[Any]:
    return [
        pytest.param(FORMATS[kind], vector, id=f"{kind}/{vector.name}")
        for kind in FORMATS
        for vector in load_vectors(kind)
        if choose(vector)
    ]


READABLE = _params(lambda vector: vector.refused is None)
SIGNED = _params(lambda vector: vector.refused is None and vector.signature)
WEAK = _params(lambda vector: vector.key_refused)
REFUSED = _params(lambda vector: vector.refused is not None)


@pytest.mark.parametrize(("wire", "vector"), READABLE)
def test_message_says_what_its_vector_says(wire: Format, vector: Vector) -> None:
    """A message of valid form decodes to the published content, whoever signed it."""
    message = decode_sign1(vector.message, bytes_max=wire.bytes_max)

    assert wire.to_json(wire.decode(message)) == vector.content


@pytest.mark.parametrize(("wire", "vector"), READABLE)
def test_content_encodes_to_the_bytes_of_its_vector(wire: Format, vector: Vector) -> None:
    """One content has one encoding: from the message and from JSON alike."""
    message = decode_sign1(vector.message, bytes_max=wire.bytes_max)
    assert vector.content is not None

    assert wire.encode(wire.decode(message)) == message.payload
    assert wire.encode(wire.from_json(vector.content)) == message.payload


@pytest.mark.parametrize(("wire", "vector"), SIGNED)
def test_key_and_content_give_the_whole_message(wire: Format, vector: Vector) -> None:
    """Ed25519 is deterministic: seed and content are enough to make the message again."""
    assert vector.key_seed is not None
    assert vector.content is not None
    key = Ed25519PrivateKey.from_private_bytes(vector.key_seed)
    protected = encode_protected(wire.content_type, key_id_of(vector.public_key))
    payload = wire.encode(wire.from_json(vector.content))
    unsigned = Sign1(
        protected=protected, payload=payload, signature=b"", content_type="", key_id=b""
    )

    assert key.public_key().public_bytes_raw() == vector.public_key
    assert encode_sign1(protected, payload, key.sign(unsigned.signed_bytes)) == vector.message


@pytest.mark.parametrize(("wire", "vector"), READABLE)
def test_both_libraries_find_a_signature_as_the_vector_says(wire: Format, vector: Vector) -> None:
    """Whoever passes the key check is judged the same by cryptography and by PyNaCl."""
    message = decode_sign1(vector.message, bytes_max=wire.bytes_max)

    assert _verifies_with_nacl(vector.public_key, message) is vector.signature
    if not vector.key_refused:
        check_public_key(vector.public_key)
        assert _verifies_with_cryptography(vector.public_key, message) is vector.signature


@pytest.mark.parametrize(("wire", "vector"), WEAK)
def test_key_that_signs_everything_is_refused(wire: Format, vector: Vector) -> None:
    """OpenSSL verifies the forgery under a small-order key, so such a key must not get in."""
    message = decode_sign1(vector.message, bytes_max=wire.bytes_max)
    assert _verifies_with_cryptography(vector.public_key, message)

    with pytest.raises(MalformedError, match="public key"):
        check_public_key(vector.public_key)


@pytest.mark.parametrize(("wire", "vector"), REFUSED)
def test_malformed_message_is_refused_for_its_reason(wire: Format, vector: Vector) -> None:
    """The error names the reason and the field that the vector names."""
    with pytest.raises(MalformedError) as refusal:
        wire.decode(decode_sign1(vector.message, bytes_max=wire.bytes_max))

    assert (refusal.value.why.value, refusal.value.field) == vector.refused
    assert vector.refused is not None
    assert str(refusal.value).startswith(f"{vector.refused[0]}: {vector.refused[1]} is ")


def test_each_reason_to_refuse_has_a_vector() -> None:
    """No Malformation is without an example."""
    reasons = {
        vector.refused[0] for kind in FORMATS for vector in load_vectors(kind) if vector.refused
    }

    assert reasons == set(Malformation)


def test_published_vectors_are_never_changed() -> None:
    """Files and SHA256SUMS agree; a vector that is gone or edited shows in review."""
    lines = (VECTORS / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    found = {
        str(path.relative_to(VECTORS)): sha256(path.read_bytes()).hexdigest()
        for path in VECTORS.rglob("*.json")
    }

    assert found == listed


def _verifies_with_cryptography(public_key: bytes, message: Sign1) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(
            message.signature, message.signed_bytes
        )
    except InvalidSignature:
        return False
    return True


def _verifies_with_nacl(public_key: bytes, message: Sign1) -> bool:
    try:
        nacl.signing.VerifyKey(public_key).verify(message.signed_bytes, message.signature)
    except nacl.exceptions.BadSignatureError:
        return False
    return True
