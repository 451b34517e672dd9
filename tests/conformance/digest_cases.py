"""What the digest vectors are made of."""

from typing import Any, Final

import cbor2

from schemas.digest import DIGEST_BYTES_MAX, SPAN_US_MAX
from schemas.envelope import NUMBER_MAX
from tests.conformance import envelope_contents
from tests.conformance.forge import Case, Forge
from tests.conformance.vectors import Json

CONTENT_TYPE: Final = "application/pledgewatch-digest+cbor;v=1"
_SHARED: Final = ("clock", "sensors", "scalars", "sightings", "events")


def content(**overrides: object) -> Json:
    """Return the content of a small valid digest of one scale, with ``overrides``."""
    envelope = envelope_contents.content()
    return {
        "gateway": "gw-north",
        "first_number": 133,
        "last_number": 196,
        "previous_sha256": "ab" * 32,
        "last_sha256": "cd" * 32,
        "readings_before": 33_792,
        "readings": 16_384,
        "base_unix_us": 1_790_000_000_000_000,
        **{name: envelope[name] for name in _SHARED},
        "scalars": {
            "sensor": [0, 0, 0, 0],
            "offset_us": [0, 90_000_000, 4_294_967_296, 7_200_000_000],
            "value": [10_200_000.0, 9_150_000.0, 10_200_500.0, 10_199_500.0],
            "quality": [0, 0, 0, 0],
        },
    } | overrides


def valid_contents() -> dict[str, tuple[str, Json]]:
    """Return description and content of each valid vector, by name."""
    groups = envelope_contents.all_groups()
    one = content()["scalars"]
    return {
        "one-scale": ("First, least, greatest and last of two hours.", content()),
        "all-groups": (
            "Each group of columns holds rows.",
            content(**{name: groups[name] for name in _SHARED}),
        ),
        "one-envelope": (
            "A run of one; the last of it is the first.",
            content(first_number=1, last_number=1, readings_before=0, readings=8_192),
        ),
        "nothing-thinned": (
            "As many readings as are kept.",
            content(first_number=5, last_number=8, readings=4),
        ),
        "greatest-numbers": (
            "Each number at its upper bound.",
            content(
                gateway="z" * 64,
                first_number=NUMBER_MAX,
                last_number=NUMBER_MAX,
                readings_before=NUMBER_MAX - 8_192,
                readings=8_192,
                base_unix_us=NUMBER_MAX,
                scalars=one | {"offset_us": [SPAN_US_MAX] * 4},
            ),
        ),
    }


def refused_cases(forge: Forge) -> list[Case]:
    """Return every refused message; each differs from a valid one in what its name says."""
    good = forge.message(forge.payload())
    return [
        Case("empty", b"", "not_cbor", "message"),
        Case("trailing-byte", good + b"\x00", "not_cbor", "message"),
        Case(
            "oversized",
            good,
            "oversized",
            "message",
            zero_bytes_appended=DIGEST_BYTES_MAX + 1 - len(good),
        ),
        Case("wrong-algorithm", forge.headed({1: -7}), "wrong_algorithm", "algorithm"),
        Case(
            "envelope-content-type",
            forge.headed({3: envelope_contents.CONTENT_TYPE}),
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
        *_fields(forge),
        *_columns(forge),
    ]


def _fields(forge: Forge) -> list[Case]:
    def refused(name: str, field: str, index: int, item: object, about: str = "") -> Case:
        return Case(name, forge.changed(index, item), "bad_field", field, about)

    def said(name: str, field: str, **overrides: object) -> Case:
        return Case(name, forge.of(content(**overrides)), "bad_field", field)

    return [
        refused("gateway-with-slash", "gateway", 0, "gw/north"),
        refused("first-number-zero", "first_number", 1, 0),
        said("last-before-first", "last_number", last_number=132),
        refused("last-number-too-great", "last_number", 2, NUMBER_MAX + 1),
        refused("previous-hash-of-31-bytes", "previous_sha256", 3, bytes(31)),
        refused("no-last-hash", "last_sha256", 4, None),
        refused("negative-readings-before", "readings_before", 5, -1),
        said("no-readings", "readings", readings=0),
        said("fewer-readings-than-envelopes", "readings", readings=63),
        said("more-readings-than-envelopes-hold", "readings", readings=64 * 8_192 + 1),
        said(
            "readings-beyond-all-count",
            "readings",
            readings_before=NUMBER_MAX - 16_383,
        ),
        said("kept-more-than-there-were", "kept", first_number=194, readings=3),
        said("nothing-kept", "kept", scalars=envelope_contents.NO_SCALARS),
        refused("negative-time", "base_unix_us", 7, -1),
        refused("unknown-clock-state", "clock.state", 8, [3, bytes(16), 0]),
        refused("unknown-quantity", "quantity", 9, [["scale-a", "weight"]]),
        refused(
            "scalar-without-quantity",
            "scalars.sensor",
            9,
            [["scale-a", None]],
            "The scalars' row declares no quantity.",
        ),
    ]


def _columns(forge: Forge) -> list[Case]:
    def scalars(name: str, field: str, **columns: list[Any]) -> Case:
        group = content()["scalars"] | columns
        return Case(name, forge.of(content(scalars=group)), "bad_column", field)

    narrow = cbor2.CBORTag(70, bytes(16))
    return [
        scalars("offset-beyond-a-month", "offset_us", offset_us=[0, 0, 0, SPAN_US_MAX + 1]),
        scalars("sensor-index-out-of-range", "scalars.sensor", sensor=[0, 0, 0, 1]),
        scalars("value-nan-of-good-quality", "scalars.value", value=[1.0, None, 1.0, 1.0]),
        scalars("columns-of-unequal-length", "scalars", offset_us=[0, 1]),
        Case(
            "offsets-of-32-bits",
            forge.with_fields(lambda f: [*f[:10], [f[10][0], narrow, *f[10][2:]], *f[11:]]),
            "bad_column",
            "scalars.offset_us",
            "An envelope's offsets, in a digest.",
        ),
    ]
