"""ONVIF events that a camera publishes as JSON over MQTT: what it says about its own view.

Topic: ``<prefix>/onvif-ej/VideoSource/ImageTooDark/...``; payload: UtcTime, PropertyOperation,
Source, Key and Data objects. Namespaces before a colon are dropped. A time without a zone is UTC,
as the field's name says.

Source: ONVIF Core Specification 22.12, 9.11 "Event publishing over MQTT"; ONVIF Profile M, 7.16;
topics: ONVIF Imaging Service and Analytics Service specifications.
"""

from datetime import UTC, datetime
from typing import Final

from gateway.decode.events import Event, FaultWhy, SceneChange, SceneFault, fault
from gateway.decode.jsonmessages import MessageDecoder, is_object, load_json, micros_of, text_of

MARK: Final = "onvif-ej"

_SCENE: Final = {
    "ImageTooDark": SceneFault.DARK,
    "ImageTooBright": SceneFault.BRIGHT,
    "ImageTooBlurry": SceneFault.BLURRY,
    "GlobalSceneChange": SceneFault.MOVED,
    "SignalLoss": SceneFault.SIGNAL_LOST,
    "TamperDetector": SceneFault.COVERED,
    "Tampering": SceneFault.COVERED,
}
_TRUE: Final = frozenset({"true", "1"})
_FALSE: Final = frozenset({"false", "0"})
_STATE_KEYS: Final = ("State", "IsTamper", "Tampering")


def make() -> MessageDecoder:
    """Return a decoder of captured messages."""
    return MessageDecoder(decode_message)


def decode_message(topic: str, payload: bytes) -> list[Event]:
    """Return what the message ``payload`` on ``topic`` says; never raises."""
    parts = [part.rsplit(":", 1)[-1] for part in topic.split("/")]
    mark = parts.index(MARK) if MARK in parts else None
    scene = (
        next((_SCENE[p] for p in parts[mark + 1 :] if p in _SCENE), None)
        if mark is not None
        else None
    )
    if mark is None or scene is None:
        return [fault(FaultWhy.UNKNOWN_TOPIC, topic.encode("utf-8", "replace"))]
    try:
        message = load_json(payload)
    except ValueError:
        return [fault(FaultWhy.MALFORMED, payload)]
    data = message.get("Data") if is_object(message) else None
    active = _state_of(data) if is_object(data) else None
    if not is_object(message) or active is None:
        return [fault(FaultWhy.MALFORMED, payload)]
    source = _source_of(message.get("Source"))
    return [
        SceneChange(
            camera=parts[mark - 1] if mark else source,
            source=source,
            what=scene,
            active=active,
            time_us=_micros_of(message.get("UtcTime")),
        )
    ]


def _state_of(data: dict[str, object]) -> bool | None:
    """Return the event's boolean, which cameras write as true, "true", 1 or "1"."""
    value = next((data[key] for key in _STATE_KEYS if key in data), None)
    text = str(value).lower() if isinstance(value, bool | int | str) else ""
    if text in _TRUE:
        return True
    return False if text in _FALSE else None


def _source_of(source: object) -> str:
    """Return the token of the video source, whatever the camera calls its key."""
    if not is_object(source):
        return text_of(source)
    return next((value for value in source.values() if isinstance(value, str)), "")


def _micros_of(text: object) -> int | None:
    try:
        moment = datetime.fromisoformat(text_of(text))
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return micros_of(aware.timestamp())
    except (ValueError, OverflowError):
        return None
