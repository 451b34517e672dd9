"""Registering sites, zones and gateways, and the enrolment of a gateway's key."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from backend.certificates import service as certificates
from backend.db import Conn
from backend.errors import ForbiddenError, InvalidError, NotFoundError
from backend.ids import AccountId, GatewayId, SiteId
from backend.keys import verify_key
from backend.parties.types import Actor, Role
from backend.plant import store
from backend.plant.broker_credentials import BROKER_USERS
from backend.plant.errors import AlreadyEnrolledError, BadCodeError, NotEnrolledError
from backend.plant.rules import (
    CODE_ALPHABET,
    CODE_CHARACTERS,
    check_polygon,
    digest_code,
    format_code,
)
from backend.plant.types import EnrolmentCode, Gateway, Site, Zone
from schemas.keys import key_id_of

OPEN: Final = "open"
CODE_HOURS_MAX: Final = 24 * 7  # A visit that is put off by a week is a new visit.


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRequest:
    """A code that an operator asks for; ``replace``: also for a gateway that works."""

    gateway_id: GatewayId
    life: timedelta
    replace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentRequest:
    """What a gateway proves itself with."""

    code: str
    gateway_id: GatewayId
    public_key: bytes


def add_site(conn: Conn, actor: Actor, site: Site) -> Site:
    """Register a site; a logistics party only its own.

    Raises:
        ForbiddenError: It would be another party's.
    """
    if actor.role is Role.LOGISTICS and site.logistics_party != actor.party_id:
        raise ForbiddenError("a logistics party registers its own sites only")
    store.add_site(conn, site)
    return site


def add_zone(conn: Conn, zone: Zone) -> Zone:
    """Add a zone to a site.

    Raises:
        NotFoundError: There is no such site, or the actor may not know of it.
        InvalidError: The polygon is none.
    """
    _load_site(conn, zone.site_id)
    check_polygon(zone.polygon_m)
    store.add_zone(conn, zone)
    return zone


def add_gateway(conn: Conn, gateway_id: GatewayId, site_id: SiteId) -> Gateway:
    """Register a gateway at a site, yet to be enrolled.

    Raises:
        InvalidError: Its name is another user's at the broker.
        NotFoundError: There is no such site, or the actor may not know of it.
    """
    if gateway_id in BROKER_USERS:
        users = ", ".join(sorted(BROKER_USERS))
        raise InvalidError("id", gateway_id, f"none of the broker's own users: {users}")
    _load_site(conn, site_id)
    store.add_gateway(conn, gateway_id, site_id)
    return load_gateway(conn, gateway_id)


def load_gateway(conn: Conn, gateway_id: GatewayId) -> Gateway:
    """Return a gateway.

    Raises:
        NotFoundError: There is none, or the actor may not know of it.
    """
    for gateway in store.list_gateways(conn, gateway_id):
        return gateway
    raise NotFoundError("gateway", gateway_id)


def add_code(
    conn: Conn, asked_by: AccountId | None, asked: CodeRequest, now: datetime
) -> tuple[EnrolmentCode, str]:
    """Return a new enrolment code; its text is returned this once.

    A gateway whose stream is stopped (a fork was seen) is enrolled anew by any code; one whose
    stream is open only if the operator says so, because it ends the key that the gateway has.

    Raises:
        NotFoundError: There is no such gateway.
        AlreadyEnrolledError: It has its key, and its stream is open.
    """
    gateway = load_gateway(conn, asked.gateway_id)
    if gateway.stream_state == OPEN and not asked.replace:
        raise AlreadyEnrolledError(asked.gateway_id)
    text = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_CHARACTERS))
    code = EnrolmentCode(
        code_sha256=digest_code(text),
        gateway_id=asked.gateway_id,
        replaces=gateway.key_id,
        created_by=asked_by,
        expires_at=now + asked.life,
    )
    store.add_code(conn, code)
    return code, format_code(text)


def revoke(conn: Conn, gateway_id: GatewayId, now: datetime) -> None:
    """End what a gateway may do: envelopes, stream, certificates.

    Raises:
        NotFoundError: There is no such gateway, or the actor may not know of it.
        NotEnrolledError: It has no key that could be revoked.
    """
    if load_gateway(conn, gateway_id).key_id is None:
        raise NotEnrolledError(gateway_id)
    store.save_revoked(conn, gateway_id, now)
    certificates.revoke_all(conn, gateway_id, now)


def enrol(conn: Conn, request: EnrolmentRequest, now: datetime) -> None:
    """Give a gateway its key and begin its stream at number 0.

    A code works once. The same code with the same key again, while the code lives, changes
    nothing and is no error: the first answer may have been lost on its way.

    Raises:
        InvalidError: The key is none that an honest gateway has.
        BadCodeError: The code does not fit, was used, or is over.
        KeyInUseError: A gateway has the key, or had it.
    """
    verify_key(request.public_key)
    digest, gateway_id = digest_code(request.code), request.gateway_id
    store.lock_gateway(conn, gateway_id)
    if store.is_own_enrolment(conn, digest, gateway_id, request.public_key, now):
        return
    if not store.save_code_used(conn, digest, gateway_id, now):
        raise BadCodeError
    key_id = key_id_of(request.public_key)
    store.save_enrolment(conn, gateway_id, request.public_key, key_id, now)
    certificates.revoke_all(conn, gateway_id, now)  # They were the key's that it replaces.


def _load_site(conn: Conn, site_id: SiteId) -> Site:
    site = store.load_site(conn, site_id)
    if site is None:
        raise NotFoundError("site", site_id)
    return site
