"""Where a gateway sends, from its configuration and its enrolment."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiomqtt

from gateway.config.file import Config
from gateway.config.uplink import read_password
from gateway.errors import ConfigError
from gateway.uplink.enrolment import load_enrolment
from gateway.uplink.session import Broker

MQTT_PORT: Final = 1883
MQTTS_PORT: Final = 8883


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplinked:
    """Broker and backend of this gateway, from its configuration and its enrolment."""

    broker: Broker
    backend_key: bytes


def resolve_uplink(config: Config) -> Uplinked:
    """Return where to send; what the configuration leaves out comes from the enrolment.

    Raises:
        ConfigError: Neither names the broker or the backend's key.
        StateError, UntrustedError: The enrolment cannot be used.
    """
    uplink = config.uplink
    enrolment = load_enrolment(Path(config.gateway.state_dir), config.gateway.id)
    url = uplink.url or (enrolment and enrolment.broker.url)
    key = uplink.backend_key or (enrolment and enrolment.backend_key)
    if url is None:
        raise ConfigError("uplink.url", None, "given here or by `gateway enrol`")
    if key is None:
        raise ConfigError("uplink.backend_key", None, "given here or by `gateway enrol`")
    username, password = uplink.username, read_password(uplink.password, uplink.password_file)
    if username is None and enrolment is not None:
        username, password = enrolment.broker.username, enrolment.broker.password
    address = urlsplit(url)
    tls = None
    if address.scheme == "mqtts":
        tls = aiomqtt.TLSParameters(
            ca_certs=uplink.ca_file, certfile=uplink.cert_file, keyfile=uplink.key_file
        )
    broker = Broker(
        host=address.hostname or "",
        port=address.port or (MQTT_PORT if tls is None else MQTTS_PORT),
        username=username,
        password=password,
        tls=tls,
        keepalive_s=uplink.keepalive_s,
    )
    return Uplinked(broker=broker, backend_key=bytes.fromhex(key))
