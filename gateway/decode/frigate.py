"""Frigate's MQTT messages: tracked objects, reviews, and whether service and cameras are alive.

Messages can be replayed and repeated: upsert by id. Images are not looked at here.

Source: Frigate documentation 0.16, "MQTT" (topics frigate/available, frigate/events,
frigate/reviews, frigate/tracked_object_update, frigate/<camera>/status/<role>).
"""

from typing import Final

from gateway.decode.events import (
    CameraNote,
    CameraObject,
    CameraReview,
    CameraStatus,
    Event,
    FaultWhy,
    Phase,
    fault,
)
from gateway.decode.jsonmessages import (
    MessageDecoder,
    is_object,
    load_json,
    micros_of,
    number_of,
    text_of,
    texts_of,
)

PREFIX: Final = "frigate"

_STATUS: Final = frozenset({"online", "offline", "stopped", "disabled"})
_NOTE_TEXTS: Final = ("name", "plate", "sub_label", "description")


def make() -> MessageDecoder:
    """Return a decoder of captured messages."""
    return MessageDecoder(decode_message)


def decode_message(topic: str, payload: bytes) -> list[Event]:
    """Return what the message ``payload`` on ``topic`` says; never raises."""
    match topic.split("/"):
        case [_, "available"]:
            return [_decode_status("", "service", payload)]
        case [_, camera, "status", role]:
            return [_decode_status(camera, role, payload)]
        case [_, "events" | "reviews" | "tracked_object_update" as name]:
            return [_decode_json(name, payload)]
        case _:
            return [fault(FaultWhy.UNKNOWN_TOPIC, topic.encode("utf-8", "replace"))]


def _decode_status(camera: str, role: str, payload: bytes) -> Event:
    status = payload.decode("utf-8", "replace").strip().strip('"').lower()
    if status not in _STATUS:
        return fault(FaultWhy.MALFORMED, payload)
    return CameraStatus(camera=camera, role=role, status=status)


def _decode_json(name: str, payload: bytes) -> Event:
    try:
        message = load_json(payload)
    except ValueError:
        return fault(FaultWhy.MALFORMED, payload)
    if not is_object(message):
        return fault(FaultWhy.MALFORMED, payload)
    if name == "tracked_object_update":
        return _decode_note(message) or fault(FaultWhy.MALFORMED, payload)
    phase, after = text_of(message.get("type")), message.get("after")
    if phase not in list(Phase) or not is_object(after):
        return fault(FaultWhy.MALFORMED, payload)
    if not (text_of(after.get("id")) and text_of(after.get("camera"))):
        return fault(FaultWhy.MALFORMED, payload)
    decode = _decode_object if name == "events" else _decode_review
    return decode(Phase(phase), after)


def _decode_object(phase: Phase, after: dict[str, object]) -> Event:
    return CameraObject(
        camera=text_of(after["camera"]),
        object_id=text_of(after["id"]),
        phase=phase,
        label=text_of(after.get("label")),
        score=number_of(after.get("score")),
        zones=texts_of(after.get("current_zones")),
        entered_zones=texts_of(after.get("entered_zones")),
        start_us=micros_of(after.get("start_time")),
        end_us=micros_of(after.get("end_time")),
        has_snapshot=after.get("has_snapshot") is True,
    )


def _decode_review(phase: Phase, after: dict[str, object]) -> Event:
    data = after.get("data")
    details = data if is_object(data) else {}
    return CameraReview(
        camera=text_of(after["camera"]),
        review_id=text_of(after["id"]),
        phase=phase,
        severity=text_of(after.get("severity")),
        labels=texts_of(details.get("objects")),
        zones=texts_of(details.get("zones")),
        start_us=micros_of(after.get("start_time")),
        end_us=micros_of(after.get("end_time")),
    )


def _decode_note(message: dict[str, object]) -> CameraNote | None:
    what, object_id = text_of(message.get("type")), text_of(message.get("id"))
    if not what or not object_id:
        return None
    texts = (text_of(message.get(key)) for key in _NOTE_TEXTS)
    return CameraNote(
        camera=text_of(message.get("camera")),
        object_id=object_id,
        what=what,
        text=next((text for text in texts if text), ""),
        time_us=micros_of(message.get("timestamp")),
    )
