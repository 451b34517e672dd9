"""The vector files of schemas/vectors: how they are read, and content as JSON both ways.

Numbers stay numbers, bytes are hex, and a value that is no number (NaN, of bad quality) is null.
"""

import json
from array import array
from dataclasses import dataclass
from functools import cache
from math import isnan, nan
from pathlib import Path
from typing import Any

from schemas.command import (
    Challenge,
    Command,
    CommandType,
    Configure,
    FetchImage,
    Order,
    Rotate,
)
from schemas.digest import Digest
from schemas.envelope import Clock, ClockState, Envelope, Events, Scalars, Sightings
from schemas.quantities import EventType, Quantity
from schemas.receipt import Receipt, StreamState

VECTORS = Path(__file__).parents[2] / "schemas" / "vectors"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One vector file.

    ``content`` is what a valid message says; ``refused`` the reason and field of any other.
    ``signature`` says whether the signature verifies under ``public_key``.
    """

    name: str
    message: bytes
    public_key: bytes
    key_seed: bytes | None
    signature: bool
    content: Json | None
    refused: tuple[str, str] | None
    key_refused: bool


@cache
def load_vectors(kind: str) -> tuple[Vector, ...]:
    """Return the vectors of ``kind`` (envelope-v1, receipt-v1 ...), valid ones first."""
    folder = VECTORS / kind
    paths = [*sorted(folder.glob("*.json")), *sorted((folder / "refused").glob("*.json"))]
    return tuple(_vector(json.loads(path.read_text(encoding="utf-8"))) for path in paths)


def _vector(fields: Json) -> Vector:
    refused = fields.get("refused")
    seed = fields.get("key_seed")
    return Vector(
        name=fields["name"],
        message=bytes.fromhex(fields["message"]) + bytes(fields.get("zero_bytes_appended", 0)),
        public_key=bytes.fromhex(fields["public_key"]),
        key_seed=None if seed is None else bytes.fromhex(seed),
        signature=fields["signature"],
        content=fields.get("content"),
        refused=None if refused is None else (refused["why"], refused["field"]),
        key_refused=fields.get("key_refused", False),
    )


def envelope_content(envelope: Envelope) -> Json:
    """Return ``envelope`` as JSON values."""
    return {
        "gateway": envelope.gateway,
        "number": envelope.number,
        "previous_sha256": envelope.previous_sha256.hex(),
        "readings_before": envelope.readings_before,
        "base_unix_us": envelope.base_unix_us,
        **_shared_content(envelope),
    }


def digest_content(digest: Digest) -> Json:
    """Return ``digest`` as JSON values."""
    return {
        "gateway": digest.gateway,
        "first_number": digest.first_number,
        "last_number": digest.number,
        "previous_sha256": digest.previous_sha256.hex(),
        "last_sha256": digest.last_sha256.hex(),
        "readings_before": digest.readings_before,
        "readings": digest.readings,
        "base_unix_us": digest.base_unix_us,
        **_shared_content(digest),
    }


def _shared_content(message: Envelope | Digest) -> Json:
    s, g, e = message.scalars, message.sightings, message.events
    return {
        "clock": {
            "state": message.clock.state.name.lower(),
            "boot_id": message.clock.boot_id.hex(),
            "monotonic_us": message.clock.monotonic_us,
        },
        "sensors": [[name, quantity and quantity.value] for name, quantity in message.sensors],
        "scalars": {
            "sensor": s.sensor.tolist(),
            "offset_us": s.offset_us.tolist(),
            "value": [None if isnan(value) else value for value in s.value],
            "quality": s.quality.tolist(),
        },
        "sightings": {
            "sensor": g.sensor.tolist(),
            "offset_us": g.offset_us.tolist(),
            "epc": _split_epcs(g),
            "antenna": g.antenna.tolist(),
            "rssi_cdbm": g.rssi_cdbm.tolist(),
            "count": g.count.tolist(),
        },
        "events": {
            "sensor": e.sensor.tolist(),
            "offset_us": e.offset_us.tolist(),
            "type": [kind.value for kind in e.type],
            "body": [body.hex() for body in e.body],
            "image_sha256": [digest and digest.hex() for digest in e.image_sha256],
        },
    }


def envelope_from(content: Json) -> Envelope:
    """Return the envelope that ``content`` describes."""
    return Envelope(
        gateway=content["gateway"],
        number=content["number"],
        previous_sha256=bytes.fromhex(content["previous_sha256"]),
        readings_before=content["readings_before"],
        base_unix_us=content["base_unix_us"],
        **_shared_from(content, "I"),
    )


def digest_from(content: Json) -> Digest:
    """Return the digest that ``content`` describes."""
    return Digest(
        gateway=content["gateway"],
        first_number=content["first_number"],
        number=content["last_number"],
        previous_sha256=bytes.fromhex(content["previous_sha256"]),
        last_sha256=bytes.fromhex(content["last_sha256"]),
        readings_before=content["readings_before"],
        readings=content["readings"],
        base_unix_us=content["base_unix_us"],
        **_shared_from(content, "Q"),
    )


def _shared_from(content: Json, offset: str) -> Json:
    s, g, e = content["scalars"], content["sightings"], content["events"]
    epcs = [bytes.fromhex(epc) for epc in g["epc"]]
    return {
        "clock": Clock(
            state=ClockState[content["clock"]["state"].upper()],
            boot_id=bytes.fromhex(content["clock"]["boot_id"]),
            monotonic_us=content["clock"]["monotonic_us"],
        ),
        "sensors": tuple((name, q and Quantity(q)) for name, q in content["sensors"]),
        "scalars": Scalars(
            sensor=column("H", s["sensor"]),
            offset_us=column(offset, s["offset_us"]),
            value=column("d", [nan if value is None else value for value in s["value"]]),
            quality=column("B", s["quality"]),
        ),
        "sightings": Sightings(
            sensor=column("H", g["sensor"]),
            offset_us=column(offset, g["offset_us"]),
            epc_length=column("B", [len(epc) for epc in epcs]),
            epcs=b"".join(epcs),
            antenna=column("B", g["antenna"]),
            rssi_cdbm=column("h", g["rssi_cdbm"]),
            count=column("H", g["count"]),
        ),
        "events": Events(
            sensor=column("H", e["sensor"]),
            offset_us=column(offset, e["offset_us"]),
            type=[EventType(kind) for kind in e["type"]],
            body=[bytes.fromhex(body) for body in e["body"]],
            image_sha256=[digest and bytes.fromhex(digest) for digest in e["image_sha256"]],
        ),
    }


def receipt_content(receipt: Receipt) -> Json:
    """Return ``receipt`` as JSON values."""
    return {
        "gateway": receipt.gateway,
        "number": receipt.number,
        "sha256": receipt.sha256.hex(),
        "readings": receipt.readings,
        "state": receipt.state.value,
        "issued_unix_us": receipt.issued_unix_us,
    }


def receipt_from(content: Json) -> Receipt:
    """Return the receipt that ``content`` describes."""
    return Receipt(
        gateway=content["gateway"],
        number=content["number"],
        sha256=bytes.fromhex(content["sha256"]),
        readings=content["readings"],
        state=StreamState(content["state"]),
        issued_unix_us=content["issued_unix_us"],
    )


def command_content(command: Command) -> Json:
    """Return ``command`` as JSON values."""
    body: Json = {}
    match command.order:
        case Challenge(nonce):
            body["nonce"] = nonce.hex()
        case Configure(toml):
            body["toml"] = toml
        case Rotate():
            pass
        case FetchImage(sha256, chunks):
            body |= {"sha256": sha256.hex(), "chunks": list(chunks)}
    return {
        "gateway": command.gateway,
        "number": command.number,
        "issued_unix_us": command.issued_unix_us,
        "expires_unix_us": command.expires_unix_us,
        "type": command.type.value,
        "body": body,
    }


def command_from(content: Json) -> Command:
    """Return the command that ``content`` describes."""
    order: Order
    match CommandType(content["type"]):
        case CommandType.CHALLENGE:
            order = Challenge(bytes.fromhex(content["body"]["nonce"]))
        case CommandType.CONFIGURE:
            order = Configure(content["body"]["toml"])
        case CommandType.ROTATE:
            order = Rotate()
        case CommandType.FETCH_IMAGE:
            body = content["body"]
            order = FetchImage(bytes.fromhex(body["sha256"]), tuple(body["chunks"]))
    return Command(
        gateway=content["gateway"],
        number=content["number"],
        issued_unix_us=content["issued_unix_us"],
        expires_unix_us=content["expires_unix_us"],
        order=order,
    )


def column(code: str, numbers: list[Any]) -> memoryview:
    """Return ``numbers`` as a column of element type ``code``."""
    return memoryview(array(code, numbers))


def _split_epcs(sightings: Sightings) -> list[str]:
    epcs: list[str] = []
    start = 0
    for length in sightings.epc_length:
        epcs.append(sightings.epcs[start : start + length].hex())
        start += length
    return epcs
