"""A gateway's broker password, derived: the broker's password file and the enrolment agree by it.

It lets a gateway reach the broker, no more: what it sends counts only under its own signature.
"""

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from backend.config import Settings
from backend.errors import UnavailableError

SECRET_CHARACTERS_MIN: Final = 16
# Names at the broker with rights of their own (deploy/mosquitto/acl): no gateway may come as one.
BROKER_USERS: Final = frozenset({"backend", "site"})
_PURPOSE: Final = b"pledgewatch broker password v1\0"


def broker_password(secret: str, gateway_id: str) -> str:
    """Return the password of ``gateway_id``, whose user name is its own id."""
    assert len(secret) >= SECRET_CHARACTERS_MIN, "the secret is too short"
    digest = hmac.new(secret.encode(), _PURPOSE + gateway_id.encode(), sha256).digest()
    return urlsafe_b64encode(digest).decode().rstrip("=")


def broker_url(settings: Settings, *, certified: bool) -> str:
    """Return where gateways find the broker, with a certificate or by password.

    Raises:
        UnavailableError: No setting says so.
    """
    url = settings.public_mqtt_url or settings.mqtt_url
    if certified and settings.certificate_mqtt_url is not None:
        url = settings.certificate_mqtt_url
    if url is None:
        raise UnavailableError("no_broker", "PLEDGEWATCH_PUBLIC_MQTT_URL is not set")
    parts = urlsplit(url)
    # Without the backend's own user and password.
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
