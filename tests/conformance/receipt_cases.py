"""What the receipt vectors are made of."""

from typing import Final

import cbor2

from schemas.envelope import NUMBER_MAX
from schemas.receipt import RECEIPT_BYTES_MAX
from tests.conformance.forge import Case, Forge
from tests.conformance.vectors import Json

CONTENT_TYPE: Final = "application/pledgewatch-receipt+cbor;v=1"


def content(**overrides: object) -> Json:
    """Return the content of a valid receipt, with ``overrides``."""
    return {
        "gateway": "gw-north",
        "number": 42,
        "sha256": "ab" * 32,
        "readings": 10_752,
        "state": "open",
        "issued_unix_us": 1_790_000_000_500_000,
    } | overrides


def valid_contents() -> dict[str, tuple[str, Json]]:
    """Return description and content of each valid vector, by name."""
    return {
        "committed": ("Envelope 42 and all before it are committed.", content()),
        "nothing-yet": (
            "The stream is known and nothing of it is held.",
            content(number=0, sha256="00" * 32, readings=0),
        ),
        "stopped": ("A fork was seen: the stream is stopped.", content(state="stopped")),
        "greatest-numbers": (
            "Each number at its upper bound.",
            content(
                gateway="z" * 64,
                number=NUMBER_MAX,
                readings=NUMBER_MAX,
                issued_unix_us=NUMBER_MAX,
            ),
        ),
    }


def refused_cases(forge: Forge) -> list[Case]:
    """Return every refused message; each differs from a valid one in what its name says."""
    good = forge.message(forge.payload())

    def refused(name: str, field: str, index: int, item: object) -> Case:
        return Case(name, forge.changed(index, item), "bad_field", field)

    return [
        Case("empty", b"", "not_cbor", "message"),
        Case("trailing-byte", good + b"\x00", "not_cbor", "message"),
        Case(
            "oversized",
            good,
            "oversized",
            "message",
            zero_bytes_appended=RECEIPT_BYTES_MAX + 1 - len(good),
        ),
        Case(
            "unprotected-header",
            forge.parts(forge.payload(), unprotected={4: forge.key_id}),
            "not_cose_sign1",
            "unprotected header",
        ),
        Case("long-form-length", good[:1] + b"\x98\x04" + good[2:], "not_cose_sign1", "message"),
        Case("wrong-algorithm", forge.headed({1: -7}), "wrong_algorithm", "algorithm"),
        Case(
            "envelope-content-type",
            forge.headed({3: "application/pledgewatch-envelope+cbor;v=1"}),
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
        refused("negative-number", "number", 1, -1),
        refused("number-too-great", "number", 1, NUMBER_MAX + 1),
        refused("hash-of-31-bytes", "sha256", 2, bytes(31)),
        refused("no-hash", "sha256", 2, None),
        refused("negative-readings", "readings", 3, -1),
        refused("unknown-state", "state", 4, "paused"),
        refused("state-number", "state", 4, 0),
        refused("time-float", "issued_unix_us", 5, 1.0),
        Case("readings-bignum", forge.changed(3, cbor2.CBORTag(2, b"\1")), "not_cbor", "payload"),
    ]
