"""A camera that gives its present image over HTTP."""

from typing import Annotated, Final
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from gateway.config.types import Named, Seconds, SensorName, Vocabulary
from gateway.errors import ConfigError
from schemas.image import IMAGE_BYTES_MAX

SNAPSHOT_FAMILY: Final = "snapshot"
SNAPSHOT_SCHEMES: Final = ("http", "https")
KEEP_BYTES_DEFAULT: Final = 64 * 1024 * 1024  # A week of images every five minutes.
KEEP_BYTES_MAX: Final = 16 * 1024**3

SnapshotUrl = Annotated[str, Meta(pattern=r"^[a-z]+://[^\s/@]+(/[!-~]*)?$", max_length=512)]


class SnapshotSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One camera; an image every ``every_s``, one of them kept and told every ``heartbeat_s``.

    ``persist_s`` is how long a tampering must last to be told. A camera that was turned on purpose
    gets another ``view`` number: the gateway then learns anew what it is to see.
    """

    sensor: SensorName
    url: SnapshotUrl
    username: Annotated[str, Meta(min_length=1, max_length=128, pattern=r'^[^:"\\]*$')] | None = (
        None
    )
    password: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    every_s: Annotated[float, Meta(ge=1, le=600)] = 10.0
    timeout_s: Annotated[float, Meta(ge=0.1, le=60)] = 10.0
    heartbeat_s: Annotated[float, Meta(ge=10, le=86_400)] = 300.0
    late_s: Seconds = 60.0
    # Below, light switches and lorries would be alarms.
    persist_s: Annotated[float, Meta(ge=30, le=3_600)] = 30.0
    keep_bytes_max: Annotated[int, Meta(ge=2 * IMAGE_BYTES_MAX, le=KEEP_BYTES_MAX)] = (
        KEEP_BYTES_DEFAULT
    )
    view: Annotated[int, Meta(ge=1, le=1_000_000)] = 1


def name_snapshot(key: str, section: SnapshotSection) -> Named:
    """Yield where ``section`` names a sensor."""
    yield f"{key}.sensor", section.sensor, key


def check_snapshot(key: str, section: SnapshotSection, _vocabulary: Vocabulary) -> None:
    """Refuse an address that is no web server's, half a login, and times at odds.

    Raises:
        ConfigError: With the key, its value and the bound.
    """
    _check_address(key, section.url)
    secrets = [section.password, section.password_file]
    if section.username is None and secrets != [None, None]:
        raise ConfigError(f"{key}.username", None, "given together with a password")
    if section.username is not None and secrets.count(None) != 1:
        raise ConfigError(f"{key}.username", section.username, "given with one password")
    if section.ca_file is not None and not section.url.startswith("https:"):
        raise ConfigError(f"{key}.ca_file", section.ca_file, "given only with an https:// url")
    if section.late_s < 2 * section.every_s:
        bound = f"at least twice every_s ({section.every_s:g} s)"
        raise ConfigError(f"{key}.late_s", section.late_s, bound)


def _check_address(key: str, url: str) -> None:
    try:
        address = urlsplit(url)
        usable = address.scheme in SNAPSHOT_SCHEMES and bool(address.hostname)
        usable = usable and (address.port is None or address.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"{key}.url", url, "http://HOST:PORT/PATH or https://HOST:PORT/PATH")
