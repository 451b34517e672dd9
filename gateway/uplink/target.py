"""Where a gateway sends, from its configuration and its enrolment."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiomqtt

from gateway.config.file import Config
from gateway.config.uplink import UplinkSection, read_password
from gateway.errors import ConfigError
from gateway.uplink.enrolment import load_enrolment
from gateway.uplink.https import HttpsSite, TlsFiles
from gateway.uplink.mqtt import Broker
from gateway.uplink.tls_files import BROKER_CA_FILE, BUNDLE_FILE, bundle_sha256

MQTT_PORT: Final = 1883
MQTTS_PORT: Final = 8883
HTTP_PORT: Final = 80
HTTPS_PORT: Final = 443


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplinked:
    """The way to this gateway's backend, and whose signature it has."""

    transport: Broker | HttpsSite
    backend_key: bytes
    certificate: bytes | None = None  # Digest of the enrolled one, if that is the one in use.


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """As whom this gateway comes."""

    username: str | None
    password: str | None


def resolve_uplink(config: Config) -> Uplinked:
    """Return where to send; what the configuration leaves out comes from the enrolment.

    Raises:
        ConfigError: Neither names the address or the backend's key.
        StateError, UntrustedError: The enrolment cannot be used.
    """
    uplink = config.uplink
    state_dir = Path(config.gateway.state_dir)
    enrolment = load_enrolment(state_dir, config.gateway.id)
    url = uplink.url or (enrolment and enrolment.broker.url)
    key = uplink.backend_key or (enrolment and enrolment.backend_key)
    if url is None:
        raise ConfigError("uplink.url", None, "given here or by `gateway enrol`")
    if key is None:
        raise ConfigError("uplink.backend_key", None, "given here or by `gateway enrol`")
    username, password = uplink.username, read_password(uplink.password, uplink.password_file)
    if username is None and enrolment is not None:
        username, password = enrolment.broker.username, enrolment.broker.password
    login = Login(username=username, password=password)
    files = TlsFiles(uplink.ca_file, uplink.cert_file, uplink.key_file)
    certificate = None
    if url.startswith("mqtts:") and uplink.cert_file is None:
        certificate = bundle_sha256(state_dir)
    if certificate is not None:
        bundle = str(state_dir / BUNDLE_FILE)
        files = TlsFiles(files.ca_certs or str(state_dir / BROKER_CA_FILE), bundle, bundle)
    return Uplinked(
        transport=_transport(uplink, url, login, files),
        backend_key=bytes.fromhex(key),
        certificate=certificate,
    )


def _transport(
    uplink: UplinkSection, url: str, login: Login, files: TlsFiles
) -> Broker | HttpsSite:
    address = urlsplit(url)
    host = address.hostname or ""
    if address.scheme in ("http", "https"):
        secure = address.scheme == "https"
        return HttpsSite(
            host=host,
            port=address.port or (HTTPS_PORT if secure else HTTP_PORT),
            username=login.username,
            password=login.password,
            tls=files if secure else None,
        )
    tls = None
    if address.scheme == "mqtts":
        tls = aiomqtt.TLSParameters(
            ca_certs=files.ca_certs, certfile=files.certfile, keyfile=files.keyfile
        )
    return Broker(
        host=host,
        port=address.port or (MQTT_PORT if tls is None else MQTTS_PORT),
        username=login.username,
        password=login.password,
        tls=tls,
        keepalive_s=uplink.keepalive_s,
    )
