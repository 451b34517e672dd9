"""Releasing, exchanging and registering pledges of a facility.

Each is tried inside a savepoint and judged on the facility as it then stands; what is refused is
undone, and kept as a refusal with its evidence.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime

from backend.collateral.errors import PledgeRefusedError
from backend.collateral.service import registry
from backend.collateral.types import Pledge
from backend.db import Conn
from backend.errors import ForbiddenError, InvalidError
from backend.facility.rules.release import decide_exchange
from backend.facility.service.refusals import note_refusal
from backend.facility.service.standings import assess_one, hold, opener, relock, settle
from backend.facility.store import facilities, pledges
from backend.facility.types import NewEvent, Refuse
from backend.ids import FacilityId, PledgeId
from backend.parties.types import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Where a security interest is registered."""

    registry: str
    number: str
    registered_on: date


class _UndoneError(Exception):
    """Rolls a savepoint back."""


@dataclass(slots=True)
class _Try:
    """What a try came to."""

    done: list[Pledge] = field(default_factory=list[Pledge])
    refused: Refuse | None = None


def release(conn: Conn, actor: Actor, pledge_id: PledgeId, now: datetime) -> Pledge | Refuse:
    """Release an active pledge, if the facility can spare it or is no worse off.

    Raises:
        NotFoundError: There is no such pledge.
        PledgeRefusedError: It is not active.
    """
    pledge = registry.load_pledge(conn, pledge_id)
    if pledge.state != "active" or pledge.facility_id is None:
        return registry.release_pledge(conn, actor, pledge_id, now)  # which says why not

    def act() -> list[Pledge]:
        return [registry.release_pledge(conn, actor, pledge_id, now)]

    found = _attempt(conn, actor, (pledge.facility_id, "release_pledge", pledge_id), act, now)
    return found if isinstance(found, Refuse) else found[0]


def substitute(
    conn: Conn, actor: Actor, swap: tuple[PledgeId, PledgeId], now: datetime
) -> Sequence[Pledge] | Refuse:
    """Release an active pledge and accept a proposed one in its place, both or neither.

    Raises:
        NotFoundError: There is no such pledge.
        PledgeRefusedError: The one is not active, the other not proposed between the same parties.
        PledgedError: One of the new lots is pledged already.
    """
    old_id, new_id = swap
    old = registry.load_pledge(conn, old_id)
    facility_id = old.facility_id
    if old.state != "active" or facility_id is None:
        raise PledgeRefusedError("wrong_state", f"pledge {old_id} is {old.state}, must be active")

    def act() -> list[Pledge]:
        return [
            registry.release_pledge(conn, actor, old_id, now),
            registry.accept_pledge(conn, actor, new_id, facility_id, now),
        ]

    return _attempt(conn, actor, (facility_id, "substitute_pledge", old_id), act, now)


def _attempt(
    conn: Conn,
    actor: Actor,
    about: tuple[FacilityId, str, PledgeId],
    act: Callable[[], list[Pledge]],
    now: datetime,
) -> Sequence[Pledge] | Refuse:
    """Do something with pledges of a held facility; undo and keep it when the rules refuse."""
    facility_id, action, subject = about
    hold(conn, facility_id)
    before = assess_one(conn, facility_id, now)
    tried = _Try()
    after = before
    with suppress(_UndoneError), conn.transaction():
        tried.done = act()
        after = assess_one(conn, facility_id, now)
        decision = decide_exchange(before, after)
        if isinstance(decision, Refuse):
            tried.refused = decision
            raise _UndoneError
    if tried.refused is not None:
        reasons = tried.refused.reasons
        note_refusal(conn, after, (action, subject, reasons), now, opener(actor))
        return tried.refused
    detail = {"pledges": [str(pledge.id) for pledge in tried.done]}
    event = NewEvent(
        facility_id=facility_id, at=now, actor=opener(actor), what=f"{action}d", detail=detail
    )
    facilities.append_events(conn, [event])
    relock(conn, [facility_id], now, opener(actor))
    return tried.done


def register(
    conn: Conn, actor: Actor, pledge_id: PledgeId, where: Registration, now: datetime
) -> Pledge:
    """Note where a pledge is registered.

    Raises:
        NotFoundError: There is no such pledge.
        InvalidError: It would have been registered in the future.
        ForbiddenError: The actor is not its lender.
    """
    pledge = registry.load_pledge(conn, pledge_id)
    if where.registered_on > now.date():
        bound = f"{now.date().isoformat()} or before"
        raise InvalidError("registered_on", where.registered_on.isoformat(), bound)
    if pledge.facility_id is not None:
        hold(conn, pledge.facility_id)
    if not pledges.save_registration(
        conn, pledge_id, where.registry, where.number, where.registered_on
    ):
        raise ForbiddenError("a registration is noted by the pledge's lender")
    if pledge.facility_id is not None and pledge.state == "active":
        detail: dict[str, object] = {
            "pledge": str(pledge_id),
            "registry": where.registry,
            "number": where.number,
            "registered_on": where.registered_on.isoformat(),
        }
        event = NewEvent(
            facility_id=pledge.facility_id,
            at=now,
            actor=opener(actor),
            what="pledge_registered",
            detail=detail,
        )
        facilities.append_events(conn, [event])
        settle(conn, assess_one(conn, pledge.facility_id, now), now, opener(actor))
    return registry.load_pledge(conn, pledge_id)
