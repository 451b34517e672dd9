"""Frigate's and ONVIF's messages."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.decode import frigate, onvif
from gateway.decode.events import (
    CameraStatus,
    Event,
    Fault,
    FaultWhy,
    SceneChange,
    SceneFault,
)
from gateway.decode.jsonmessages import MESSAGE_BYTES_MAX, MessageDecoder

ONLINE = CameraStatus(camera="", role="service", status="online")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
KEYS = st.sampled_from(["type", "after", "id", "camera", "data", "Data", "Source", "State"])


def line(topic: str, payload: object) -> bytes:
    """Return a captured message as a JSON line."""
    return json.dumps({"topic": topic, "payload": payload}).encode() + b"\n"


def decode(decoder: MessageDecoder, data: bytes) -> list[Event]:
    """Return everything a decoder finds."""
    return decoder.feed(data) + decoder.flush()


@pytest.mark.parametrize(
    ("topic", "payload", "event"),
    [
        ("frigate/available", b"online", ONLINE),
        (
            "site/available",
            b'"offline"',
            CameraStatus(camera="", role="service", status="offline"),
        ),
        (
            "frigate/dock/status/detect",
            b"offline",
            CameraStatus(camera="dock", role="detect", status="offline"),
        ),
    ],
)
def test_status(topic: str, payload: bytes, event: Event) -> None:
    """Service and streams say that they live, whatever the topic's prefix."""
    assert frigate.decode_message(topic, payload) == [event]


@pytest.mark.parametrize(
    ("topic", "payload", "why"),
    [
        ("frigate/available", b"maybe", FaultWhy.MALFORMED),
        ("frigate/events", b"{", FaultWhy.MALFORMED),
        ("frigate/events", b"[]", FaultWhy.MALFORMED),
        ("frigate/events", b'{"type": "new"}', FaultWhy.MALFORMED),
        ("frigate/events", b'{"type": "gone", "after": {}}', FaultWhy.MALFORMED),
        ("frigate/events", b'{"type": "new", "after": {"id": "1"}}', FaultWhy.MALFORMED),
        ("frigate/tracked_object_update", b'{"type": "face"}', FaultWhy.MALFORMED),
        ("frigate/events", b"[" * 100_000, FaultWhy.MALFORMED),
        ("frigate/stats", b"{}", FaultWhy.UNKNOWN_TOPIC),
    ],
)
def test_frigate_messages_that_say_nothing(topic: str, payload: bytes, why: FaultWhy) -> None:
    """Broken and unknown messages are faults with a name."""
    (event,) = frigate.decode_message(topic, payload)

    assert isinstance(event, Fault)
    assert event.why is why


@pytest.mark.parametrize(
    ("topic", "state", "camera", "what", "active"),
    [
        ("dock/onvif-ej/VideoSource/ImageTooDark/ImagingService/v0", "true", "dock", "dark", True),
        ("onvif-ej/VideoSource/GlobalSceneChange/ImagingService", True, "v0", "moved", True),
        ("a/b/onvif-ej/tns1:VideoSource/tns1:ImageTooBlurry/X", "0", "b", "blurry", False),
        ("dock/onvif-ej/VideoSource/SignalLoss/v0", 1, "dock", "signal_lost", True),
        ("dock/onvif-ej/RuleEngine/TamperDetector/Tamper/v0", "1", "dock", "covered", True),
    ],
)
def test_onvif_scene_changes(
    topic: str, state: object, camera: str, what: str, active: bool
) -> None:
    """Topic names and booleans in every spelling that cameras use."""
    payload = {
        "UtcTime": "2026-01-02T03:04:05.5Z",
        "Source": {"VideoSource": "v0"},
        "Data": {"State": state},
    }

    assert onvif.decode_message(topic, json.dumps(payload).encode()) == [
        SceneChange(
            camera=camera,
            source="v0",
            what=SceneFault(what),
            active=active,
            time_us=1_767_323_045_500_000,
        )
    ]


@pytest.mark.parametrize(
    ("time", "time_us"),
    [
        ("2026-01-02T03:04:05", 1_767_323_045_000_000),
        ("2026-01-02T04:04:05+01:00", 1_767_323_045_000_000),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_onvif_times(time: str | None, time_us: int | None) -> None:
    """A time without a zone is UTC; one that is none is left out."""
    payload = json.dumps({"UtcTime": time, "Data": {"State": "true"}}).encode()
    (event,) = onvif.decode_message("cam/onvif-ej/VideoSource/ImageTooDark", payload)

    assert isinstance(event, SceneChange)
    assert event.time_us == time_us


@pytest.mark.parametrize(
    ("topic", "payload", "why"),
    [
        ("cam/onvif-ej/VideoSource/MotionAlarm", b"{}", FaultWhy.UNKNOWN_TOPIC),
        ("cam/VideoSource/ImageTooDark", b"{}", FaultWhy.UNKNOWN_TOPIC),
        ("cam/onvif-ej/VideoSource/ImageTooDark", b"{", FaultWhy.MALFORMED),
        ("cam/onvif-ej/VideoSource/ImageTooDark", b"{}", FaultWhy.MALFORMED),
        ("c/onvif-ej/ImageTooDark", b'{"Data": {"State": "perhaps"}}', FaultWhy.MALFORMED),
    ],
)
def test_onvif_messages_that_say_nothing(topic: str, payload: bytes, why: FaultWhy) -> None:
    """Broken and unknown messages are faults with a name."""
    (event,) = onvif.decode_message(topic, payload)

    assert isinstance(event, Fault)
    assert event.why is why


@given(JSON | st.dictionaries(KEYS, JSON | st.dictionaries(KEYS, JSON)))
def test_any_payload_is_survived(payload: object) -> None:
    """A payload of any shape yields events or faults."""
    text = json.dumps(payload).encode()
    for topic in ("events", "reviews", "tracked_object_update"):
        assert frigate.decode_message(f"frigate/{topic}", text)
    assert onvif.decode_message("cam/onvif-ej/VideoSource/ImageTooDark", text)


@pytest.mark.parametrize(
    "capture",
    [
        pytest.param(line("frigate/available", "online"), id="line"),
        pytest.param(b"[" + line("frigate/available", "online").strip() + b"]", id="array"),
        pytest.param(
            json.dumps([{"topic": "frigate/available", "payload": "online"}], indent=1).encode(),
            id="indented",
        ),
    ],
)
def test_a_capture_may_be_lines_or_an_array(capture: bytes) -> None:
    """Whatever a capture tool writes is read."""
    assert decode(frigate.make(), capture) == [ONLINE]


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        pytest.param(b'{"topic": "frigate/ava\n', FaultWhy.TRUNCATED, id="torn in a string"),
        pytest.param(b'{"topic": "x", "payload": {\n', FaultWhy.TRUNCATED, id="torn"),
        pytest.param(b'{"topic": "x"}\n', FaultWhy.MALFORMED, id="no payload"),
        pytest.param(b'{"topic": 1, "payload": 1}\n', FaultWhy.MALFORMED, id="no topic"),
        pytest.param(b'{"topic": "x", "payload": NaN}\n', FaultWhy.MALFORMED, id="NaN"),
        pytest.param(b"hello\n", FaultWhy.NOISE, id="noise"),
        pytest.param(
            b'{"topic": "' + b"x" * MESSAGE_BYTES_MAX + b"\n", FaultWhy.TOO_LONG, id="endless"
        ),
    ],
)
def test_a_broken_message_costs_only_itself(broken: bytes, why: FaultWhy) -> None:
    """The message after a broken one is read."""
    first, *_, last = decode(frigate.make(), broken + line("frigate/available", "online"))

    assert isinstance(first, Fault)
    assert (first.why, last) == (why, ONLINE)
