"""A camera behind a local MQTT broker."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from gateway.config.types import (
    MQTT_SCHEMES,
    Named,
    Seconds,
    SensorName,
    Url,
    Vocabulary,
    check_url,
)
from gateway.errors import ConfigError

CAMERA_FAMILIES: Final = frozenset({"frigate", "onvif-mqtt"})


class CameraSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One camera behind a local MQTT broker."""

    sensor: SensorName
    family: str
    url: Url
    camera: Annotated[str, Meta(min_length=1, max_length=128)]
    username: str | None = None
    password: str | None = None
    password_file: str | None = None
    late_s: Seconds = 30.0
    heartbeat_s: Seconds = 10.0


def name_camera(key: str, section: CameraSection) -> Named:
    """Yield where ``section`` names a sensor."""
    yield f"{key}.sensor", section.sensor, key


def check_camera(key: str, camera: CameraSection, vocabulary: Vocabulary) -> None:
    """Refuse an unknown family, and an address that is no broker's.

    Raises:
        ConfigError: With the key, its value and the bound.
    """
    if camera.family not in CAMERA_FAMILIES & set(vocabulary.families):
        bound = f"one of {', '.join(sorted(CAMERA_FAMILIES))}"
        raise ConfigError(f"{key}.family", camera.family, bound)
    check_url(f"{key}.url", camera.url, MQTT_SCHEMES)
