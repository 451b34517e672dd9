"""What a decoder yields, as readings. Pure."""

from collections.abc import Mapping
from typing import Final

from gateway.decode.events import (
    CameraObject,
    CameraReview,
    CameraStatus,
    Event,
    Fault,
    Fix,
    GnssIntegrity,
    Position,
    SceneChange,
    TagRead,
    Weight,
)
from gateway.reading import Arrival, EventReading, Scalar, Sighting
from schemas.bodies import encode_body
from schemas.envelope import RSSI_UNKNOWN
from schemas.quantities import EventType, Quality, Quantity

TEXT_CHARS_MAX: Final = 200  # Of any text that a camera sends; bodies stay far below their limit.
TEXTS_MAX: Final = 16  # Zones or labels of one object.
_FIX_CODES: Final = {Fix.NONE: 0.0, Fix.TWO_D: 2.0, Fix.THREE_D: 3.0}


def arrival_of(sensor: str, event: Event, time_unix_us: int) -> Arrival:
    """Return the readings that ``event`` amounts to, all of one time; none if it is no reading."""
    match event:
        case Weight():
            quality = Quality.GOOD if event.stable else Quality.UNSTABLE
            return [
                Scalar(
                    sensor=sensor,
                    quantity=Quantity.MASS,
                    time_unix_us=time_unix_us,
                    value=float(event.mass_g),
                    quality=quality,
                )
            ]
        case Position():
            return _position(sensor, event, time_unix_us)
        case GnssIntegrity():
            states = {"jamming": event.jamming.value, "spoofing": event.spoofing.value}
            return [event_of(sensor, EventType.GNSS_INTEGRITY, states, time_unix_us)]
        case TagRead():
            return [sighting_of(sensor, event, time_unix_us)]
        case Fault():
            return [fault_of(sensor, event.why.value, event.bytes, time_unix_us)]
        case CameraObject() | CameraReview() | CameraStatus() | SceneChange():
            kind, body = _camera(event)
            return [event_of(sensor, kind, body, time_unix_us)]
        case _:
            return []


def event_of(
    sensor: str, kind: EventType, body: Mapping[str, object], time_unix_us: int
) -> EventReading:
    """Return an event reading with ``body`` encoded."""
    return EventReading(
        sensor=sensor, time_unix_us=time_unix_us, type=kind, body=encode_body(body)
    )


def fault_of(sensor: str, why: str, data: bytes, time_unix_us: int) -> EventReading:
    """Return the event that says that ``data`` became no reading."""
    return event_of(sensor, EventType.FAULT, {"why": why, "bytes": data}, time_unix_us)


def sighting_of(sensor: str, read: TagRead, time_unix_us: int) -> Sighting:
    """Return one read of a tag as a sighting."""
    return Sighting(
        sensor=sensor,
        time_unix_us=time_unix_us,
        epc=read.epc,
        antenna=read.antenna,
        rssi_cdbm=RSSI_UNKNOWN if read.rssi_dbm is None else round(read.rssi_dbm * 100),
    )


def _position(sensor: str, position: Position, time_unix_us: int) -> Arrival:
    values: dict[Quantity, float | None] = {Quantity.FIX: _FIX_CODES[position.fix]}
    if position.fix is not Fix.NONE:
        if position.lat_deg is None or position.lon_deg is None:
            return []
        values[Quantity.LATITUDE] = position.lat_deg
        values[Quantity.LONGITUDE] = position.lon_deg
        values[Quantity.HDOP] = position.hdop
    return [
        Scalar(sensor=sensor, quantity=quantity, time_unix_us=time_unix_us, value=value)
        for quantity, value in values.items()
        if value is not None
    ]


def _camera(
    event: CameraObject | CameraReview | CameraStatus | SceneChange,
) -> tuple[EventType, Mapping[str, object]]:
    match event:
        case CameraObject():
            return EventType.CAMERA_OBJECT, {
                "id": _text(event.object_id),
                "phase": event.phase.value,
                "label": _text(event.label),
                "score": event.score,
                "zones": _texts(event.zones),
                "entered_zones": _texts(event.entered_zones),
                "start_unix_us": event.start_us,
                "end_unix_us": event.end_us,
            }
        case CameraReview():
            return EventType.CAMERA_OBJECT, {
                "id": _text(event.review_id),
                "phase": event.phase.value,
                "label": "review",
                "severity": _text(event.severity),
                "labels": _texts(event.labels),
                "zones": _texts(event.zones),
                "start_unix_us": event.start_us,
                "end_unix_us": event.end_us,
            }
        case CameraStatus():
            return EventType.CAMERA_STATUS, {"status": event.status, "role": _text(event.role)}
        case SceneChange():
            return EventType.CAMERA_TAMPER, {"what": event.what.value, "active": event.active}


def _text(text: str) -> str:
    return text.replace("\0", "")[:TEXT_CHARS_MAX]


def _texts(texts: tuple[str, ...]) -> list[str]:
    return [_text(text) for text in texts[:TEXTS_MAX]]
