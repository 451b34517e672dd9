"""Envelope, receipt and command: the round trip, and bytes of every other kind."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import command, digest, envelope, receipt
from schemas.command import decode_command
from schemas.cose import (
    SIGNATURE_BYTES,
    Sign1,
    decode_cbor,
    decode_sign1,
    encode_protected,
    encode_sign1,
)
from schemas.digest import decode_digest
from schemas.envelope import ENVELOPE_BYTES_MAX, decode_envelope
from schemas.errors import MalformedError
from schemas.receipt import decode_receipt
from tests.conformance.vectors import digest_content, envelope_content, load_vectors
from tests.unit.schemas.strategies import commands, digests, envelopes, receipts

PROTECTED = encode_protected(envelope.content_type(), bytes(16))
MESSAGES = [vector.message for vector in load_vectors("envelope-v1") if not vector.refused]
COMMANDS = [vector.message for vector in load_vectors("command-v1") if not vector.refused]
DIGESTS = [vector.message for vector in load_vectors("digest-v1") if not vector.refused]
RECEIPTS = [vector.message for vector in load_vectors("receipt-v1") if not vector.refused]


def _unsigned(content_type: str, payload: bytes) -> bytes:
    return encode_sign1(encode_protected(content_type, bytes(16)), payload, bytes(SIGNATURE_BYTES))


def _read(data: bytes, decode: Callable[[Sign1], Any]) -> object:
    return decode(decode_sign1(data, bytes_max=ENVELOPE_BYTES_MAX))


@given(envelopes())
def test_envelope_decodes_to_what_was_sealed(sealed: envelope.Envelope) -> None:
    """Every column, row and number comes back; the payload encodes to the same bytes."""
    payload = envelope.encode_payload(sealed)

    decoded = decode_envelope(
        decode_sign1(_unsigned(envelope.content_type(), payload), bytes_max=ENVELOPE_BYTES_MAX)
    )

    assert envelope_content(decoded) == envelope_content(sealed)
    assert envelope.encode_payload(decoded) == payload
    assert decoded.readings == len(sealed.scalars) + len(sealed.sightings) + len(sealed.events)


@given(digests())
def test_digest_decodes_to_what_was_kept(kept: digest.Digest) -> None:
    """Every column, row and number comes back; the payload encodes to the same bytes."""
    payload = digest.encode_payload(kept)

    decoded = decode_digest(
        decode_sign1(_unsigned(digest.content_type(), payload), bytes_max=ENVELOPE_BYTES_MAX)
    )

    assert digest_content(decoded) == digest_content(kept)
    assert digest.encode_payload(decoded) == payload
    assert decoded.kept == len(kept.scalars) + len(kept.sightings) + len(kept.events)


@given(receipts())
def test_receipt_decodes_to_what_was_issued(issued: receipt.Receipt) -> None:
    """Every field comes back."""
    message = _unsigned(receipt.content_type(), receipt.encode_payload(issued))

    assert _read(message, decode_receipt) == issued


@given(commands())
def test_command_decodes_to_what_was_issued(issued: command.Command) -> None:
    """Every field comes back."""
    message = _unsigned(command.content_type(), command.encode_payload(issued))

    assert _read(message, decode_command) == issued


@given(st.binary(max_size=64))
def test_random_bytes_are_refused_and_raise_nothing_else(data: bytes) -> None:
    """Noise is a MalformedError, for a receipt and a digest as for an envelope."""
    with pytest.raises(MalformedError):
        _read(data, decode_envelope)
    with pytest.raises(MalformedError):
        _read(data, decode_digest)
    with pytest.raises(MalformedError):
        _read(data, decode_receipt)
    with pytest.raises(MalformedError):
        _read(data, decode_command)


@given(st.sampled_from(MESSAGES + RECEIPTS + COMMANDS + DIGESTS), st.data())
def test_mutated_message_is_refused_or_read_and_raises_nothing_else(
    message: bytes, data: st.DataObject
) -> None:
    """Bytes replaced, removed or put in anywhere lead to MalformedError or to valid content."""
    start = data.draw(st.integers(0, len(message)), label="start")
    end = data.draw(st.integers(start, min(len(message), start + 9)), label="end")
    mutated = message[:start] + data.draw(st.binary(max_size=9), label="put in") + message[end:]

    for decode in (decode_envelope, decode_receipt, decode_command, decode_digest):
        with suppress(MalformedError):
            _read(mutated, decode)


@given(st.sampled_from(MESSAGES), st.data())
def test_mutated_payload_is_refused_or_encodes_to_a_readable_one(
    message: bytes, data: st.DataObject
) -> None:
    """Behind intact framing the same holds, and what was read can be written and read again."""
    payload = decode_sign1(message, bytes_max=ENVELOPE_BYTES_MAX).payload
    at = data.draw(st.integers(0, len(payload) - 1), label="at")
    mutated = payload[:at] + data.draw(st.binary(min_size=1, max_size=3)) + payload[at + 1 :]

    try:
        decoded = decode_envelope(_message(mutated))
    except MalformedError:
        return

    again = decode_envelope(_message(envelope.encode_payload(decoded)))
    assert envelope_content(again) == envelope_content(decoded)


@given(st.binary(max_size=48))
def test_any_cbor_as_a_payload_raises_nothing_else(payload: bytes) -> None:
    """A signed payload of arbitrary bytes is refused by both readers."""
    with pytest.raises(MalformedError):
        decode_envelope(_message(payload))


@pytest.mark.parametrize("head", [0x5B, 0x7B, 0x9B, 0xBB])
@pytest.mark.parametrize("length", [2**16, 2**31 - 1, 2**63 - 1, 2**64 - 1])
def test_claimed_length_costs_no_memory(head: int, length: int) -> None:
    """A string or array that claims to be huge ends at the end of the bytes."""
    with pytest.raises(MalformedError, match="not_cbor"):
        decode_cbor(bytes([head]) + length.to_bytes(8, "big"), "message")


def _message(payload: bytes) -> Sign1:
    return Sign1(
        protected=PROTECTED,
        payload=payload,
        signature=bytes(SIGNATURE_BYTES),
        content_type=envelope.content_type(),
        key_id=bytes(16),
    )
