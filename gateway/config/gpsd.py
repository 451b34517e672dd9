"""A GNSS receiver behind gpsd."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from gateway.config.types import Named, Seconds, SensorName, Url, Vocabulary, check_url

GPSD_FAMILY: Final = "gpsd"
GPSD_SCHEMES: Final = ("tcp",)


class GpsdSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One receiver of a gpsd; ``device`` names it where gpsd has several."""

    sensor: SensorName
    url: Url = "tcp://127.0.0.1:2947"
    device: Annotated[str, Meta(min_length=1, max_length=1_024)] | None = None
    late_s: Seconds = 3.0
    heartbeat_s: Seconds = 5.0
    deadband: Annotated[float, Meta(ge=0)] = 0.0


def name_gpsd(key: str, section: GpsdSection) -> Named:
    """Yield where ``section`` names a sensor."""
    yield f"{key}.sensor", section.sensor, key


def check_gpsd(key: str, section: GpsdSection, _vocabulary: Vocabulary) -> None:
    """Refuse an address that is none.

    Raises:
        ConfigError: With the key, its value and the bound.
    """
    check_url(f"{key}.url", section.url, GPSD_SCHEMES)
