"""The quantities and event types that an envelope may carry, each with its one unit.

The unit is a property of the quantity, never of the reading: a gateway converts before it seals,
so that no reader of an envelope has to guess. Names follow SenML (RFC 8428) where it has one.
"""

from enum import StrEnum
from typing import Final


class Quantity(StrEnum):
    """What a scalar reading measures."""

    MASS = "mass"
    TEMPERATURE = "temperature"
    HUMIDITY = "humidity"
    SHOCK = "shock"
    TILT = "tilt"
    CONTACT = "contact"
    WATER = "water"
    LATITUDE = "latitude"
    LONGITUDE = "longitude"
    FIX = "fix"
    HDOP = "hdop"
    INVENTORY = "inventory"


UNITS: Final[dict[Quantity, str]] = {
    Quantity.MASS: "g",
    Quantity.TEMPERATURE: "Cel",
    Quantity.HUMIDITY: "%RH",
    Quantity.SHOCK: "g0",  # peak acceleration in standard gravities
    Quantity.TILT: "deg",
    Quantity.CONTACT: "1",  # 1 open, 0 closed
    Quantity.WATER: "1",  # 1 wet, 0 dry
    Quantity.LATITUDE: "lat",  # WGS 84 degrees
    Quantity.LONGITUDE: "lon",
    Quantity.FIX: "1",  # 0 none, 2 two-dimensional, 3 three-dimensional
    Quantity.HDOP: "1",
    Quantity.INVENTORY: "count",  # distinct tags in the round just ended
}


class Quality(StrEnum):
    """How far a scalar can be trusted; its code travels in the quality column."""

    GOOD = "good"
    UNSTABLE = "unstable"
    IMPLAUSIBLE = "implausible"
    BAD = "bad"


QUALITY_CODES: Final[dict[Quality, int]] = {
    Quality.GOOD: 0,
    Quality.UNSTABLE: 1,
    Quality.IMPLAUSIBLE: 2,
    Quality.BAD: 3,
}


class EventType(StrEnum):
    """What an event reading says."""

    HEALTH = "health"  # {"state": "up|late|silent|implausible", "why": text}
    FAULT = "fault"  # {"why": name, "bytes": bytes}, or {"why", "field", "value", "bound"}
    CAMERA_OBJECT = "camera_object"  # one tracked object's latest state
    CAMERA_STATUS = "camera_status"  # {"status": "online|offline|stopped", "role": text}
    CAMERA_TAMPER = "camera_tamper"  # {"what": "covered|moved|dark|blurry|frozen", "active": bool}
    GATEWAY_START = "gateway_start"  # {"software": text, "config_sha256": bytes, ...}
    CLOCK_STEP = "clock_step"  # {"step_us": int}
    READINGS_DROPPED = "readings_dropped"  # {"count": int, "why": name}
    OUTBOX_QUARANTINED = "outbox_quarantined"  # {"file": text, "why": text, "deleted": int ...}
    GNSS_INTEGRITY = "gnss_integrity"  # {"jamming": name, "spoofing": name}
    READER_EVENT = "reader_event"  # {"what": name, "antenna": int or null, "text": text}
    SNAPSHOT = (
        "snapshot"  # {"why": name, "bytes": int, measures ...}; the image's digest beside it
    )
    COMMAND_DONE = "command_done"  # {"number": int, "type": name, "outcome": name, "why": text}
    CHALLENGE_ANSWER = "challenge_answer"  # {"number": int, "nonce": bytes}
    KEY_ROTATED = "key_rotated"  # {"public_key": bytes, "proof": bytes}: the stream's last word
