"""The CDDL texts name the same words and bounds as the codecs; the vectors check the rest."""

import re
from enum import StrEnum
from functools import cache

import pytest

from schemas import command, digest, envelope, image, receipt
from schemas.bodies import EVENT_BODY_BYTES_MAX
from schemas.columns import TAGS
from schemas.cose import CBOR_DEPTH_MAX, KEY_ID_BYTES, SIGN1_TAG, SIGNATURE_BYTES
from schemas.quantities import EventType, Quantity
from schemas.receipt import StreamState
from tests.conformance.vectors import VECTORS

ENVELOPE = "envelope-v1.cddl"
RECEIPT = "receipt-v1.cddl"
DIGEST = "digest-v1.cddl"
COMMAND = "command-v1.cddl"


@cache
def _text(name: str) -> str:
    return (VECTORS.parent / name).read_text(encoding="utf-8")


@cache
def _code(name: str) -> str:
    """Return the grammar without comments (a semicolon inside a string begins none)."""
    return "\n".join(
        re.sub(r'^((?:[^";]|"[^"]*")*);.*', r"\1", line) for line in _text(name).splitlines()
    )


@pytest.mark.parametrize(("rule", "kind"), [("quantity", Quantity), ("event-type", EventType)])
def test_grammar_lists_every_word(rule: str, kind: type[StrEnum]) -> None:
    """A quantity or event type is added to the codec and to the text together."""
    match = re.search(
        rf'^{rule} = ("[a-z_]+"\s*(?:/ "[a-z_]+"\s*)*)', _code(ENVELOPE), re.MULTILINE
    )

    assert match is not None
    assert re.findall(r'"([a-z_]+)"', match[1]) == list(kind)


def test_grammar_lists_every_stream_state() -> None:
    """Open and stopped."""
    match = re.search(r"state: (.*),", _code(RECEIPT))

    assert match is not None
    assert re.findall(r'"(\w+)"', match[1]) == list(StreamState)


def test_grammar_lists_every_command() -> None:
    """A type of command is added to the codec and to the text together."""
    code = _code(COMMAND)

    assert re.findall(r'type: "(\w+)"', code) == list(command.CommandType)
    assert f"nonce: bstr .size {command.NONCE_BYTES}" in code


def test_grammar_of_chunks_says_its_limits() -> None:
    """Version, lengths and numbers of image chunks are those of the codec."""
    text = _text("image-chunk-v1.cddl")

    assert f"version: {image.VERSION}," in text
    assert f"image_bytes: 1..{image.IMAGE_BYTES_MAX}," in text
    assert f"index: 0..{image.CHUNKS_MAX - 1}," in text
    assert f"data: bstr .size (1..{image.CHUNK_BYTES_MAX})" in text
    assert f"{image.MESSAGE_BYTES_MAX:,} bytes" in text
    assert f"chunks: [* 0..{image.CHUNKS_MAX - 1}]" in _text(COMMAND)


def test_grammar_gives_each_column_its_tag() -> None:
    """RFC 8746 tags, as in the codec."""
    tags = {
        int(tag)
        for name in (ENVELOPE, DIGEST)
        for tag in re.findall(r"^column-\w+ = #6\.(\d+)\(bstr\)", _code(name), re.M)
    }

    assert tags == set(TAGS.values())


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        (ENVELOPE, envelope.content_type()),
        (RECEIPT, receipt.content_type()),
        (COMMAND, command.content_type()),
        (DIGEST, digest.content_type()),
    ],
)
def test_grammar_has_the_codec_s_framing(name: str, content_type: str) -> None:
    """Content type with version, tag, and the lengths of key id, signature and hash."""
    code = _code(name)

    assert f'3 => "{content_type}"' in code
    assert f"#6.{SIGN1_TAG}([" in code
    assert f"4 => bstr .size {KEY_ID_BYTES}" in code
    assert f"signature: bstr .size {SIGNATURE_BYTES}" in code
    if name != COMMAND:
        assert f"sha256 = bstr .size {envelope.HASH_BYTES}" in code
    assert f"count = 0..{envelope.NUMBER_MAX}" in code


def test_grammar_says_each_limit() -> None:
    """The limits that no grammar can express stand in its comments."""
    for limit in (
        f"{envelope.ENVELOPE_BYTES_MAX:,} bytes",
        f"1 to {envelope.READINGS_MAX:,} readings",
        f"{envelope.SENSORS_MAX:,} rows",
        f"{EVENT_BODY_BYTES_MAX:,} bytes",
        f"at most {envelope.EPC_BYTES_MAX} ",
        f"at most {CBOR_DEPTH_MAX} deep",
        f"{envelope.RSSI_UNKNOWN} where unknown",
    ):
        assert limit in _text(ENVELOPE)
    assert f"{receipt.RECEIPT_BYTES_MAX:,} bytes" in _text(RECEIPT)
    assert f"{command.COMMAND_BYTES_MAX:,} bytes" in _text(COMMAND)
    assert f"{command.TOML_BYTES_MAX:,} bytes" in _text(COMMAND)
    for limit in (
        f"{digest.DIGEST_BYTES_MAX:,} bytes",
        f"1 to {digest.KEPT_MAX:,} readings",
        f"above {digest.SPAN_US_MAX:,} us",
    ):
        assert limit in _text(DIGEST)
