"""The uplink: the broker, and the backend behind it."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from gateway.config.types import MQTT_SCHEMES, Url, check_url
from gateway.errors import ConfigError


class UplinkSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The broker, and the backend behind it; what is absent comes from the enrolment."""

    url: Url | None = None
    username: str | None = None
    password: str | None = None
    password_file: str | None = None
    backend_key: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")] | None = None
    window: Annotated[int, Meta(ge=1, le=1_024)] = 32
    receipt_timeout_s: Annotated[float, Meta(ge=0.1, le=3_600)] = 5.0
    keepalive_s: Annotated[int, Meta(ge=1, le=3_600)] = 15
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


def check_uplink(uplink: UplinkSection) -> None:
    """Refuse what contradicts itself.

    Raises:
        ConfigError: No broker's address, a certificate without its key, two passwords.
    """
    if uplink.url is not None:
        check_url("uplink.url", uplink.url, MQTT_SCHEMES)
    if (uplink.cert_file is None) != (uplink.key_file is None):
        raise ConfigError("uplink.cert_file", uplink.cert_file, "given together with key_file")
    if uplink.password is not None and uplink.password_file is not None:
        raise ConfigError("uplink.password", "***", "given once: here or as password_file")


def read_password(password: str | None, password_file: str | None) -> str | None:
    """Return the password, from its file where one is named.

    Raises:
        ConfigError: The file is unreadable.
    """
    if password_file is None:
        return password
    try:
        return Path(password_file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError("password_file", password_file, f"readable: {error.strerror}") from error
