"""What a camera behind Frigate, and its own ONVIF firmware, publish over MQTT.

Source: Frigate documentation, "MQTT" (frigate/available, frigate/events, frigate/<camera>/status/
<role>); ONVIF Core Specification, "Event Broker": topic prefix / onvif-ej / topic / & source,
JSON with UtcTime, Source and Data, property events retained and without PropertyOperation;
ONVIF Imaging topics VideoSource/ImageTooDark and VideoSource/GlobalSceneChange.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

AVAILABLE_TOPIC = "frigate/available"
EVENTS_TOPIC = "frigate/events"
_VIDEO_SOURCE = "VideoSource_1"
_FRAME_PX = (1280, 720)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One message to publish."""

    topic: str
    payload: str
    retain: bool = False
    qos: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One person or vehicle that a camera follows."""

    id: str
    camera: str
    label: str
    zone: str
    start_unix_us: int


def track_id(start_unix_us: int, suffix: str) -> str:
    """Return an id in Frigate's form: start time and six letters."""
    return f"{start_unix_us / 1e6:.6f}-{suffix}"


def status(camera: str, role: str, state: str) -> Publication:
    """Return the health of one role of a camera: online, offline or disabled."""
    return Publication(topic=f"frigate/{camera}/status/{role}", payload=state, retain=True)


def available(state: str) -> Publication:
    """Return Frigate's own availability: online, stopped or offline."""
    return Publication(topic=AVAILABLE_TOPIC, payload=state, retain=True)


def tamper(camera: str, topic: str, *, active: bool, unix_us: int) -> Publication:
    """Return an ONVIF property event of the imaging service, such as ``ImageTooDark``."""
    at = datetime.fromtimestamp(unix_us / 1e6, tz=UTC)
    payload = {
        "UtcTime": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1_000:03d}Z",
        "Source": {"Source": _VIDEO_SOURCE},
        "Data": {"State": active},
    }
    return Publication(
        topic=f"{camera}/onvif-ej/VideoSource/{topic}/ImagingService/&{_VIDEO_SOURCE}",
        payload=json.dumps(payload),
        retain=True,
        qos=1,
    )


def cover_events(camera: str, *, covered: bool, unix_us: int) -> list[Publication]:
    """Return what a camera says when it is covered, or free again."""
    topics = ("ImageTooDark", "GlobalSceneChange")
    return [tamper(camera, topic, active=covered, unix_us=unix_us) for topic in topics]


def track_event(track: Track, kind: str, unix_us: int) -> Publication:
    """Return one message of a track's life: kind ``new``, ``update`` or ``end``."""
    before = _state(track, unix_us, ended=False)
    after = _state(track, unix_us, ended=kind == "end")
    payload = {"type": kind, "before": before, "after": after}
    return Publication(topic=EVENTS_TOPIC, payload=json.dumps(payload))


def _state(track: Track, unix_us: int, *, ended: bool) -> dict[str, object]:
    width_px, height_px = _FRAME_PX
    box = [width_px // 3, height_px // 3, width_px // 2, height_px // 2]
    return {
        "id": track.id,
        "camera": track.camera,
        "frame_time": unix_us / 1e6,
        "label": track.label,
        "sub_label": None,
        "top_score": 0.91,
        "false_positive": False,
        "start_time": track.start_unix_us / 1e6,
        "end_time": unix_us / 1e6 if ended else None,
        "score": 0.87,
        "box": box,
        "area": (box[2] - box[0]) * (box[3] - box[1]),
        "current_zones": [] if ended else [track.zone],
        "entered_zones": [track.zone],
        "has_snapshot": False,
        "has_clip": False,
        "active": not ended,
        "stationary": False,
        "motionless_count": 0,
        "position_changes": 1,
    }
