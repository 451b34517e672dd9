"""Cameras behind a local MQTT broker: Frigate's messages, and ONVIF events as JSON.

Nothing is trusted to that broker: messages are bounded and decoded like bytes from a wire.
"""

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final, cast
from urllib.parse import urlsplit

import aiomqtt

from gateway.clock import SystemClock
from gateway.config.camera import CameraSection
from gateway.config.uplink import read_password
from gateway.decode import frigate, onvif
from gateway.decode.events import (
    CameraObject,
    CameraReview,
    CameraStatus,
    Event,
    Fault,
    FaultWhy,
    SceneChange,
)
from gateway.drivers.convert import arrival_of
from gateway.errors import DeviceError
from gateway.reading import Arrival

PORT: Final = 1883
TLS_PORT: Final = 8883
MESSAGE_BYTES_MAX: Final = 262_144  # Frigate's events are under 10 kB; images are not subscribed.
MESSAGES_QUEUED_MAX: Final = 1_000  # A burst of a replaying camera; more is dropped by the client.
KEEPALIVE_S: Final = 20
_STATS_TOPIC: Final = "frigate/stats"
_FRIGATE_TOPICS: Final = (
    "frigate/available",
    "frigate/events",
    "frigate/reviews",
    _STATS_TOPIC,
    "frigate/{camera}/status/+",
)
_ONVIF_TOPICS: Final = ("+/onvif-ej/#", "onvif-ej/#", "+/+/onvif-ej/#")


async def read_camera(
    config: CameraSection, clock: SystemClock
) -> AsyncGenerator[Sequence[Arrival], None]:
    """Yield what the camera's messages say, until the broker is gone.

    Raises:
        DeviceError: The broker cannot be reached, or is gone.
    """
    address = urlsplit(config.url)
    tls = address.scheme == "mqtts"
    topics = _FRIGATE_TOPICS if config.family == "frigate" else _ONVIF_TOPICS
    try:
        async with aiomqtt.Client(
            address.hostname or "",
            address.port or (TLS_PORT if tls else PORT),
            username=config.username,
            password=read_password(config.password, config.password_file),
            tls_params=aiomqtt.TLSParameters() if tls else None,
            keepalive=KEEPALIVE_S,
            max_queued_incoming_messages=MESSAGES_QUEUED_MAX,
        ) as client:
            for topic in topics:
                await client.subscribe(topic.format(camera=config.camera), qos=1)
            async for message in client.messages:
                arrivals = _decode(config, message, clock.unix_us())
                if arrivals:
                    yield arrivals
    except (aiomqtt.MqttError, TimeoutError) as error:
        raise DeviceError(f"{config.sensor}: {config.url}: {error}") from error


def _decode(
    config: CameraSection, message: aiomqtt.Message, time_unix_us: int
) -> Sequence[Arrival]:
    payload = message.payload
    if len(payload) > MESSAGE_BYTES_MAX:
        return ()
    topic = message.topic.value
    if topic == _STATS_TOPIC:
        events = camera_stats(config.camera, payload)
    elif config.family == "frigate":
        events = frigate.decode_message(topic, payload)
    else:
        events = onvif.decode_message(topic, payload)
    arrivals = [
        arrival_of(config.sensor, event, time_unix_us)
        for event in events
        if concerns(config.camera, event)
    ]
    return [arrival for arrival in arrivals if arrival]


def camera_stats(camera: str, payload: bytes) -> list[Event]:
    """Return the camera's status as Frigate's periodic statistics show it: frames, or none."""
    try:
        stats = cast("dict[str, Any]", json.loads(payload))
        frames_per_s = float(stats["cameras"][camera]["camera_fps"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    status = "online" if frames_per_s > 0 else "offline"
    return [CameraStatus(camera=camera, role="frames", status=status)]


def concerns(camera: str, event: Event) -> bool:
    """Tell whether ``event`` is about ``camera``: its own, or the whole service's state."""
    match event:
        case CameraObject() | CameraReview():
            return event.camera == camera
        case CameraStatus():
            return event.camera in ("", camera)
        case SceneChange():
            return camera in (event.camera, event.source)
        case Fault():
            return event.why is not FaultWhy.UNKNOWN_TOPIC
        case _:
            return False
