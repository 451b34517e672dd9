"""Content of valid envelopes: what the golden vectors say, and refused ones deviate from."""

from typing import Final

import cbor2

from schemas.envelope import GENESIS_HASH, NUMBER_MAX
from schemas.quantities import EventType, Quantity
from tests.conformance.vectors import Json

CONTENT_TYPE: Final = "application/pledgewatch-envelope+cbor;v=1"
NO_SCALARS: Final[Json] = {"sensor": [], "offset_us": [], "value": [], "quality": []}
_NO_EVENTS: Final[Json] = {
    "sensor": [],
    "offset_us": [],
    "type": [],
    "body": [],
    "image_sha256": [],
}
_NO_SIGHTINGS: Final[Json] = {
    "sensor": [],
    "offset_us": [],
    "epc": [],
    "antenna": [],
    "rssi_cdbm": [],
    "count": [],
}


def content(**overrides: object) -> Json:
    """Return the content of a small valid envelope of one weight, with ``overrides``."""
    return {
        "gateway": "gw-north",
        "number": 1,
        "previous_sha256": GENESIS_HASH.hex(),
        "readings_before": 0,
        "base_unix_us": 1_790_000_000_000_000,
        "clock": {"state": "ntp", "boot_id": "0f" * 16, "monotonic_us": 86_400_000_000},
        "sensors": [["scale-a", "mass"]],
        "scalars": {"sensor": [0], "offset_us": [0], "value": [10_200_000.0], "quality": [0]},
        "sightings": _NO_SIGHTINGS,
        "events": _NO_EVENTS,
    } | overrides


def valid_contents() -> dict[str, tuple[str, Json]]:
    """Return description and content of each valid vector, by name."""
    return {
        "one-weight": ("The smallest: one reading of one scale.", content()),
        "all-groups": ("Each group of columns holds rows.", all_groups()),
        "every-quantity": ("Each quantity, and each quality.", _every_quantity()),
        "every-event-type": ("Each event type; bodies of each plain kind.", _every_event()),
        "greatest-numbers": ("Each number at its upper bound.", _greatest()),
        "bad-reading-without-number": (
            "A scalar of quality 3 (bad) may be NaN.",
            content(
                scalars={
                    "sensor": [0, 0],
                    "offset_us": [0, 500_000],
                    "value": [None, 1.5],
                    "quality": [3, 0],
                }
            ),
        ),
    }


def all_groups() -> Json:
    """Return the content of an envelope with rows in each group of columns."""
    return content(
        number=42,
        previous_sha256="ab" * 32,
        readings_before=10_496,
        clock={"state": "gnss", "boot_id": "c0" * 16, "monotonic_us": 1},
        sensors=[["scale-a", "mass"], ["temp-c", "temperature"], ["rfid-a", None], ["cam", None]],
        scalars={
            "sensor": [0, 1, 0],
            "offset_us": [0, 10_000, 200_000],
            "value": [10_200_000.0, -18.25, 10_199_500.0],
            "quality": [0, 0, 1],
        },
        sightings={
            "sensor": [2, 2, 2],
            "offset_us": [1_000, 2_000, 4_294_967_295],
            "epc": ["3074257bf7194e4000001a85", "", "e2" * 62],
            "antenna": [1, 1, 255],
            "rssi_cdbm": [-5_500, -32_768, 0],
            "count": [1, 2, 65_535],
        },
        events={
            "sensor": [3, 2],
            "offset_us": [5, 6],
            "type": ["camera_tamper", "health"],
            "body": [
                body(what="covered", active=True).hex(),
                body(state="late", why="no reading for 3.0 s").hex(),
            ],
            "image_sha256": ["5a" * 32, None],
        },
    )


def _every_quantity() -> Json:
    rows = [["probe", quantity.value] for quantity in Quantity]
    count = len(rows)
    return content(
        sensors=rows,
        scalars={
            "sensor": list(range(count)),
            "offset_us": [1_000 * index for index in range(count)],
            "value": [index + 0.5 for index in range(count)],
            "quality": [index % 4 for index in range(count)],
        },
    )


def _every_event() -> Json:
    bodies = [
        body(),
        body(why="bad_checksum", bytes=b"\xbb\x02\x7e"),
        body(score=0.875, zones=["dock", "hall-a"], box=[1, 2, 3, 4], end=None),
        body(least=-(2**63), greatest=2**63 - 1),
        body(nested={"text": "\u00e9\u4ed3\U0001f4e6", "truth": False}),
    ]
    types = [kind.value for kind in EventType]
    return content(
        sensors=[["gateway", None]],
        scalars=NO_SCALARS,
        events={
            "sensor": [0] * len(types),
            "offset_us": [0] * len(types),
            "type": types,
            "body": [bodies[index % len(bodies)].hex() for index in range(len(types))],
            "image_sha256": [None] * len(types),
        },
    )


def _greatest() -> Json:
    return content(
        gateway="z" * 64,
        number=NUMBER_MAX,
        previous_sha256="ff" * 32,
        readings_before=NUMBER_MAX,
        base_unix_us=NUMBER_MAX,
        clock={"state": "free_running", "boot_id": "ff" * 16, "monotonic_us": NUMBER_MAX},
        scalars={
            "sensor": [0, 0],
            "offset_us": [2**32 - 1, 0],
            "value": [1.7976931348623157e308, 1.7976931348623157e308],
            "quality": [0, 2],
        },
    )


def body(**fields: object) -> bytes:
    """Return an event body, encoded without any check."""
    return cbor2.dumps(fields, canonical=True)
