"""What the command vectors are made of."""

from typing import Final

import cbor2

from schemas.command import COMMAND_BYTES_MAX
from schemas.envelope import NUMBER_MAX
from tests.conformance.forge import Case, Forge
from tests.conformance.vectors import Json

CONTENT_TYPE: Final = "application/pledgewatch-command+cbor;v=1"
NONCE: Final = "5a" * 32


def content(**overrides: object) -> Json:
    """Return the content of a valid command, with ``overrides``."""
    return {
        "gateway": "gw-north",
        "number": 7,
        "issued_unix_us": 1_790_000_000_500_000,
        "expires_unix_us": 1_790_000_600_500_000,
        "type": "challenge",
        "body": {"nonce": NONCE},
    } | overrides


def valid_contents() -> dict[str, tuple[str, Json]]:
    """Return description and content of each valid vector, by name."""
    return {
        "challenge": ("Answer with this nonce.", content()),
        "configure": (
            "Read other devices.",
            content(type="configure", body={"toml": "[seal]\nage_s = 0.5\n"}),
        ),
        "configure-back": (
            "Read the devices of the machine's own file again.",
            content(type="configure", body={"toml": None}),
        ),
        "rotate": ("Make a new key.", content(type="rotate", body={})),
        "fetch-image": (
            "Send the whole image.",
            content(type="fetch_image", body={"sha256": NONCE, "chunks": []}),
        ),
        "fetch-image-chunks": (
            "Send the chunks that were lost.",
            content(type="fetch_image", body={"sha256": NONCE, "chunks": [0, 5, 63]}),
        ),
        "greatest-numbers": (
            "Each number at its upper bound.",
            content(
                gateway="z" * 64,
                number=NUMBER_MAX,
                issued_unix_us=NUMBER_MAX,
                expires_unix_us=NUMBER_MAX,
            ),
        ),
    }


def refused_cases(forge: Forge) -> list[Case]:
    """Return every refused message; each differs from a valid one in what its name says."""
    good = forge.message(forge.payload())

    def refused(name: str, field: str, index: int, item: object) -> Case:
        return Case(name, forge.changed(index, item), "bad_field", field)

    def ordered(name: str, field: str, kind: object, body: object) -> Case:
        return Case(name, forge.with_fields(lambda f: [*f[:4], kind, body]), "bad_field", field)

    return [
        Case("empty", b"", "not_cbor", "message"),
        Case("trailing-byte", good + b"\x00", "not_cbor", "message"),
        Case(
            "oversized",
            good,
            "oversized",
            "message",
            zero_bytes_appended=COMMAND_BYTES_MAX + 1 - len(good),
        ),
        Case(
            "receipt-content-type",
            forge.headed({3: "application/pledgewatch-receipt+cbor;v=1"}),
            "wrong_content_type",
            "content type",
        ),
        Case(
            "future-version",
            forge.headed({3: CONTENT_TYPE.replace("v=1", "v=2")}),
            "unsupported_version",
            "content type",
        ),
        Case("missing-field", forge.with_fields(lambda f: f[:-1]), "bad_field", "payload"),
        Case("extra-field", forge.with_fields(lambda f: [*f, 0]), "bad_field", "payload"),
        refused("gateway-with-slash", "gateway", 0, "gw/north"),
        refused("number-zero", "number", 1, 0),
        refused("number-too-great", "number", 1, NUMBER_MAX + 1),
        refused("time-float", "issued_unix_us", 2, 1.0),
        refused("ends-before-it-begins", "expires_unix_us", 3, 1_790_000_000_499_999),
        ordered("unknown-type", "type", "open_door", []),
        ordered("type-number", "type", 1, []),
        ordered("nonce-of-31-bytes", "body.nonce", "challenge", [bytes(31)]),
        ordered("no-nonce", "body", "challenge", []),
        ordered("toml-bytes", "body.toml", "configure", [b""]),
        ordered("toml-too-long", "body.toml", "configure", ["#" * 65_537]),
        ordered("rotate-with-a-key", "body", "rotate", [bytes(32)]),
        ordered("fetch-no-digest", "body.sha256", "fetch_image", [bytes(31), [0]]),
        ordered("fetch-chunk-too-high", "body.chunks", "fetch_image", [bytes(32), [64]]),
        ordered("fetch-chunk-twice", "body.chunks", "fetch_image", [bytes(32), [1, 1]]),
        ordered("body-map", "body", "rotate", {}),
        Case("number-bignum", forge.changed(1, cbor2.CBORTag(2, b"\1")), "not_cbor", "payload"),
    ]
