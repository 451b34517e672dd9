"""The uplink: the broker and the backend behind it, or the backend itself over HTTPS."""

from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from gateway.config.types import UPLINK_SCHEMES, Url, check_url
from gateway.errors import ConfigError

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class UplinkSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The broker and the backend behind it, or the backend's web address.

    What is absent comes from the enrolment. ``allow_http``: an ``http://`` address that is not
    this machine's own is taken, with the login and commands in the clear.
    """

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
    allow_http: bool = False


def check_uplink(uplink: UplinkSection) -> None:
    """Refuse what contradicts itself.

    Raises:
        ConfigError: No address, one in the clear, a certificate without its key, two passwords.
    """
    if uplink.url is not None:
        check_url("uplink.url", uplink.url, UPLINK_SCHEMES)
        _check_clear(uplink.url, allowed=uplink.allow_http)
    if (uplink.cert_file is None) != (uplink.key_file is None):
        raise ConfigError("uplink.cert_file", uplink.cert_file, "given together with key_file")
    if uplink.password is not None and uplink.password_file is not None:
        raise ConfigError("uplink.password", "***", "given once: here or as password_file")


def _check_clear(url: str, *, allowed: bool) -> None:
    """Refuse HTTP without TLS: envelopes are signed, but a command may hold passwords."""
    address = urlsplit(url)
    if address.scheme == "http" and address.hostname not in LOOPBACK and not allowed:
        bound = "https://; or http:// of this machine, or with allow_http = true"
        raise ConfigError("uplink.url", url, bound)


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
