"""Envelopes that are refused, each for one reason at one field."""

from collections.abc import Callable
from typing import Any

import cbor2

from schemas.bodies import EVENT_BODY_BYTES_MAX
from schemas.envelope import ENVELOPE_BYTES_MAX, NUMBER_MAX
from tests.conformance.envelope_contents import (
    CONTENT_TYPE,
    NO_SCALARS,
    all_groups,
    body,
    content,
)
from tests.conformance.forge import Case, Forge
from tests.conformance.vectors import Json


def refused_cases(forge: Forge) -> list[Case]:
    """Return every refused message; each differs from a valid one in what its name says."""
    return [
        *_framing(forge),
        *_headers(forge),
        *_payloads(forge),
        *_fields(forge),
        *_columns(forge),
        *_events(forge),
    ]


def _framing(forge: Forge) -> list[Case]:
    payload = forge.payload()
    good = forge.message(payload)
    return [
        Case("empty", b"", "not_cbor", "message"),
        Case("not-cbor", b"\xff\x00", "not_cbor", "message"),
        Case("cut-short", good[:-1], "not_cbor", "message"),
        Case("trailing-byte", good + b"\x00", "not_cbor", "message"),
        Case(
            "oversized",
            good,
            "oversized",
            "message",
            zero_bytes_appended=ENVELOPE_BYTES_MAX + 1 - len(good),
        ),
        Case("untagged", good[1:], "not_cose_sign1", "message"),
        Case("cose-mac0-tag", b"\xd1" + good[1:], "not_cose_sign1", "message"),
        Case("five-parts", forge.parts(payload, extra=[b""]), "bad_field", "message"),
        Case(
            "unprotected-header",
            forge.parts(payload, unprotected={4: forge.key_id}),
            "not_cose_sign1",
            "unprotected header",
        ),
        Case(
            "long-form-length",
            good[:1] + b"\x98\x04" + good[2:],
            "not_cose_sign1",
            "message",
            "The array's length in two bytes, outside of what is signed.",
        ),
        Case(
            "indefinite-length-array",
            good[:1] + b"\x9f" + good[2:] + b"\xff",
            "not_cbor",
            "message",
        ),
        Case("short-signature", forge.parts(payload, cut=1), "bad_field", "signature"),
    ]


def _headers(forge: Forge) -> list[Case]:
    return [
        Case("wrong-algorithm", forge.headed({1: -7}), "wrong_algorithm", "algorithm"),
        Case("no-algorithm", forge.headed({}, without=1), "not_cose_sign1", "protected header"),
        Case("extra-header", forge.headed({5: b"iv"}), "not_cose_sign1", "protected header"),
        Case("short-key-id", forge.headed({4: bytes(15)}), "not_cose_sign1", "protected header"),
        Case("float-algorithm", forge.headed({1: -8.0}), "not_cose_sign1", "protected header"),
        Case(
            "wrong-content-type",
            forge.headed({3: "application/json;v=1"}),
            "wrong_content_type",
            "content type",
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
        Case(
            "no-version",
            forge.headed({3: CONTENT_TYPE.partition(";")[0]}),
            "unsupported_version",
            "content type",
        ),
    ]


def _payloads(forge: Forge) -> list[Case]:
    payload = forge.payload()
    return [
        Case("payload-not-cbor", forge.message(b"\xff"), "not_cbor", "payload"),
        Case("payload-trailing-byte", forge.message(payload + b"\x00"), "not_cbor", "payload"),
        Case("payload-map", forge.message(b"\xa0"), "bad_field", "payload"),
        Case("deep-nesting", forge.message(b"\x81" * 200 + b"\x00"), "not_cbor", "payload"),
    ]


def _fields(forge: Forge) -> list[Case]:
    def refused(name: str, field: str, index: int, item: object, about: str = "") -> Case:
        return Case(name, forge.changed(index, item), "bad_field", field, about)

    clock = [1, bytes(16), 0]
    mass = ["scale-a", "mass"]
    return [
        Case("missing-field", forge.with_fields(lambda f: f[:-1]), "bad_field", "payload"),
        Case("extra-field", forge.with_fields(lambda f: [*f, 0]), "bad_field", "payload"),
        refused("empty-gateway", "gateway", 0, ""),
        refused("gateway-with-slash", "gateway", 0, "gw/north"),
        refused("gateway-of-65-characters", "gateway", 0, "g" * 65),
        refused("number-zero", "number", 1, 0),
        refused("number-too-great", "number", 1, NUMBER_MAX + 1),
        refused("number-true", "number", 1, True),
        refused("number-float", "number", 1, 1.0),
        Case(
            "number-bignum",
            forge.changed(1, cbor2.CBORTag(2, b"\x01")),
            "not_cbor",
            "payload",
            "The value 1 as a tagged bignum.",
        ),
        refused("hash-of-31-bytes", "previous_sha256", 2, bytes(31)),
        refused("negative-readings-before", "readings_before", 3, -1),
        refused("negative-time", "base_unix_us", 4, -1),
        refused("unknown-clock-state", "clock.state", 5, [3, *clock[1:]]),
        refused("boot-id-of-15-bytes", "clock.boot_id", 5, [1, bytes(15), 0]),
        refused("clock-of-two-fields", "clock", 5, clock[:2]),
        refused("unknown-quantity", "quantity", 6, [["scale-a", "weight"]]),
        refused("sensor-twice", "sensors", 6, [mass, mass]),
        refused("sensor-name-in-capitals", "sensor", 6, [["Scale-A", "mass"]]),
        refused(
            "too-many-sensors", "sensors", 6, [[f"s{index}", "mass"] for index in range(1_025)]
        ),
        refused(
            "scalar-without-quantity",
            "scalars.sensor",
            6,
            [["scale-a", None]],
            "The scalar's row declares no quantity.",
        ),
        Case("no-readings", forge.of(content(scalars=NO_SCALARS)), "bad_field", "readings"),
        Case(
            "too-many-readings", forge.of(content(scalars=_rows(8_193))), "bad_field", "readings"
        ),
    ]


def _rows(count: int) -> Json:
    zeros = [0] * count
    return {"sensor": zeros, "offset_us": zeros, "value": [0.0] * count, "quality": zeros}


def _columns(forge: Forge) -> list[Case]:
    def scalars(name: str, field: str, **columns: list[Any]) -> Case:
        group = content()["scalars"] | columns
        return Case(name, forge.of(content(scalars=group)), "bad_column", field)

    sightings: Json = all_groups()["sightings"]
    rfid = content(sensors=[["rfid-a", None]], scalars=NO_SCALARS)
    one_read = rfid | {"sightings": {name: column[:1] for name, column in sightings.items()}}
    one_read["sightings"] |= {"sensor": [0]}

    def reads(name: str, field: str, part: int, item: object, about: str = "") -> Case:
        change = _replacing(part, item)
        return Case(
            name,
            forge.with_fields(lambda f: [*f[:8], change(f[8]), f[9]], one_read),
            "bad_column",
            field,
            about,
        )

    def typed(part: int, tag: int, data: bytes) -> bytes:
        change = _replacing(part, cbor2.CBORTag(tag, data))
        return forge.with_fields(lambda f: [*f[:7], change(f[7]), *f[8:]])

    return [
        scalars("sensor-index-out-of-range", "scalars.sensor", sensor=[1]),
        scalars("quality-four", "scalars.quality", quality=[4]),
        scalars("value-nan-of-good-quality", "scalars.value", value=[None]),
        scalars("value-infinite", "scalars.value", value=[float("inf")], quality=[2]),
        scalars("columns-of-unequal-length", "scalars", offset_us=[0, 1]),
        Case("big-endian-column", typed(0, 65, b"\0\0"), "bad_column", "scalars.sensor"),
        Case("wrong-typed-array-tag", typed(2, 82, bytes(8)), "bad_column", "scalars.value"),
        Case(
            "untagged-column",
            forge.changed(7, [b"", b"", b"", b""]),
            "bad_column",
            "scalars.sensor",
        ),
        Case("column-of-odd-bytes", typed(1, 70, bytes(3)), "bad_column", "scalars.offset_us"),
        Case("missing-column", forge.changed(7, []), "bad_field", "scalars"),
        reads("epc-bytes-left-over", "sightings.epcs", 3, bytes(13)),
        reads("epc-bytes-missing", "sightings.epcs", 3, bytes(11)),
        reads(
            "epc-of-63-bytes",
            "sightings.epc_length",
            2,
            cbor2.CBORTag(64, b"\x3f"),
            "Gen2 holds at most 31 words.",
        ),
        reads("sighting-of-no-sensor", "sightings.sensor", 0, cbor2.CBORTag(69, b"\x01\x00")),
    ]


def _replacing(part: int, item: object) -> Callable[[list[Any]], list[Any]]:
    return lambda group: [*group[:part], item, *group[part + 1 :]]


def _events(forge: Forge) -> list[Case]:
    def event(name: str, why: str, field: str, **columns: list[Any]) -> Case:
        group: Json = {
            "sensor": [0],
            "offset_us": [0],
            "type": ["fault"],
            "body": [body(why="noise")],
            "image_sha256": [None],
        } | columns
        items = [
            cbor2.CBORTag(69, b"".join(i.to_bytes(2, "little") for i in group["sensor"])),
            cbor2.CBORTag(70, bytes(4 * len(group["offset_us"]))),
            *(group[part] for part in ("type", "body", "image_sha256")),
        ]
        return Case(name, forge.changed(9, items), why, field)

    def bad_body(name: str, data: object, why: str = "bad_field") -> Case:
        return event(name, why, "events.body", body=[data])

    laughs = b"\xd8\x1c\x82\x00\x00"  # A shared array, and arrays of references to arrays.
    return [
        event("unknown-event-type", "bad_field", "events.type", type=["theft"]),
        event("event-without-body", "bad_column", "events", body=[]),
        event("event-of-no-sensor", "bad_column", "events.sensor", sensor=[1]),
        event(
            "image-hash-of-31-bytes", "bad_field", "events.image_sha256", image_sha256=[bytes(31)]
        ),
        bad_body("body-text", "text"),
        bad_body("body-array", b"\x80"),
        bad_body("body-not-cbor", b"\xff", "not_cbor"),
        bad_body("body-too-long", body(bytes=bytes(EVENT_BODY_BYTES_MAX)), "oversized"),
        bad_body("body-duplicate-key", b"\xa2\x61a\x00\x61a\x01", "not_cbor"),
        bad_body("body-integer-key", b"\xa1\x00\x00"),
        bad_body("body-indefinite-length", b"\xbf\xff", "not_cbor"),
        bad_body("body-deep", b"\xa1\x61a" * 20 + b"\x00", "not_cbor"),
        bad_body("body-nan", body(value=float("nan"))),
        bad_body("body-nul-text", body(text="a\0b")),
        bad_body("body-nul-key", b"\xa1\x61\x00\x00"),
        bad_body("body-undefined", b"\xa1\x61a\xf7"),
        bad_body("body-unsigned-64", body(value=2**64 - 1)),
        bad_body("body-unknown-tag", b"\xa1\x61a\xd9\x03\xe7\x00"),
        bad_body("body-regular-expression", b"\xa1\x61a\xd8\x23\x61a", "not_cbor"),
        bad_body("body-shared-reference", b"\xa1\x61a" + laughs, "not_cbor"),
        bad_body("body-invalid-utf-8", b"\xa1\x61a\x61\xff", "not_cbor"),
    ]
