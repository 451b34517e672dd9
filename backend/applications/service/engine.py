"""The engine at work: one application at a time, held until the transaction ends.

The order is always the same: the application is locked, a step known by its id is answered as
before, the declaration and the guards decide, the signature is checked, the effect is done, the
step is written down. Whoever is refused leaves no trace: the transaction is rolled back whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from backend.applications.errors import StepIdReusedError, StepRefusedError
from backend.applications.rules.fields import body_sha256, number, read_values, text
from backend.applications.rules.machine import Place, awaited, may
from backend.applications.service.kinds import RUNNING
from backend.applications.service.running import Doing, Running
from backend.applications.service.signatures import Signed, check_signature
from backend.applications.service.view import ApplicationView, Chance
from backend.applications.store import applications as store
from backend.applications.types.machine import Seat, Step, Values
from backend.applications.types.record import (
    Application,
    DocumentKind,
    DoneStep,
)
from backend.db import Conn
from backend.errors import InvalidError, NotFoundError
from backend.facility.types import Reason, Refuse
from backend.ids import AccountId, ApplicationId, PartyId
from backend.money import Minor
from backend.parties import store as parties
from backend.parties.types import Actor, Role

NOTE_CHARACTERS_MAX: Final = 500
OPEN_MAX: Final = 200  # Of one applicant: each stands in the lists of two others.
ROOM_LEFT: Final = 50  # Steps that lead on are never more than this.
TIMEKEEPER: Final = Actor(
    account_id=AccountId(UUID(int=0)),
    party_id=PartyId(UUID(int=0)),
    role=Role.OPERATOR,
    login="timekeeper",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApplication:
    """An application to open; the id is the caller's, of it and of its first step."""

    id: UUID
    kind: str
    seats: Mapping[Seat, PartyId]
    values: Mapping[str, object]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStep:
    """A step to do; the id is the caller's. ``message`` is what the actor signed, in hex."""

    id: UUID
    application_id: ApplicationId
    step: str
    values: Mapping[str, object]
    note: str = ""
    message: str | None = None


def open_application(
    conn: Conn, actor: Actor, new: NewApplication, now: datetime
) -> ApplicationView:
    """Open an application; the same sent again is answered as before.

    Raises:
        InvalidError: A value is out of its bound, or a seat's party is not known.
        StepRefusedError: The kind is not opened by the actor.
        StepIdReusedError: The id was used for something else.
    """
    running = _running(new.kind)
    kind, step = running.kind, running.kind.opening
    if actor.role.value != step.actor.value:
        raise _refused(step, "WRONG_ACTOR", f"{step.name} is the {step.actor.value}'s")
    values = read_values(step, new.values)
    seats = _check_seats(conn, running, {**new.seats, step.actor: actor.party_id})
    body: dict[str, object] = {
        "kind": kind.name,
        "values": dict(values),
        "note": new.note,
        "seats": {seat.value: str(party) for seat, party in sorted(seats.items())},
    }
    known = _known(conn, actor, new.id, body)
    if known is not None:
        return load_view(conn, actor, known.application_id, now)
    application = Application(
        id=ApplicationId(new.id),
        kind=kind.name,
        applicant_party=actor.party_id,
        seats=seats,
        state=step.becomes,
        currency=text(values, "currency"),
        amount_minor=Minor(number(values, "amount_minor")),
        asked=values,
        opened_at=now,
        changed_at=now,
        deadline_at=None,
        pledge_id=None,
        facility_id=None,
        drawdown_id=None,
        lots=(),
    )
    count = store.count_open(conn, actor.party_id)
    if count >= OPEN_MAX:
        told = f"{count} applications of yours are on their way, at most {OPEN_MAX}"
        raise _refused(step, "TOO_MANY", told)
    if not store.add_application(conn, application):
        raise StepIdReusedError(new.id)
    _write_down(conn, actor, (application, application), (new.id, step, new.note, body), None, now)
    return load_view(conn, actor, application.id, now)


def advance(conn: Conn, actor: Actor, new: NewStep, now: datetime) -> ApplicationView:
    """Do a step; the same sent again is answered as before.

    Raises:
        NotFoundError: There is no such application, or none of the actor's business.
        InvalidError: A value is out of its bound, or there is no such step.
        StepRefusedError: The step may not be done now; every reason is named.
        SignatureRefusedError: It is not signed by a key of the actor's party that is valid now.
        StepIdReusedError: The id was used for something else.
    """
    was = store.load_application(conn, new.application_id, lock=True)
    if was is None:
        raise NotFoundError("application", new.application_id)
    running = _running(was.kind)
    step = running.kind.step(new.step)
    if step is None or not step.leaves or step.timed:
        names = ", ".join(s.name for s in running.kind.steps if s.leaves and not s.timed)
        raise InvalidError("step", new.step, f"one of {names}")
    values = read_values(step, new.values)
    body: dict[str, object] = {
        "application": str(was.id),
        "step": step.name,
        "values": dict(values),
        "note": new.note,
        "message": new.message,
    }
    if _known(conn, actor, new.id, body) is not None:
        return load_view(conn, actor, was.id, now)
    _check_room(conn, was, step)
    _decide(conn, running, (was, step), _seat(was, actor), values, now)
    signed = check_signature(conn, running, was, (actor, step, new.message), now)
    doing = Doing(conn=conn, actor=actor, id=new.id, application=was, values=values, now=now)
    _do(running, step, doing, (new.note, body), signed)
    return load_view(conn, actor, was.id, now)


def expire(conn: Conn, application_id: ApplicationId, now: datetime) -> bool:
    """Do the timed step of an application whose deadline is over; return whether it was.

    The caller works past row-level security.
    """
    was = store.load_application(conn, application_id, lock=True)
    assert was is not None
    running = _running(was.kind)
    step = next((s for s in running.kind.steps_from(was.state) if s.timed), None)
    if step is None or was.deadline_at is None or now < was.deadline_at:
        return False
    values: Values = {}
    _decide(conn, running, (was, step), Seat.PLATFORM, values, now)
    doing = Doing(conn=conn, actor=TIMEKEEPER, id=uuid4(), application=was, values=values, now=now)
    body: dict[str, object] = {"application": str(was.id), "step": step.name}
    _do(running, step, doing, (f"deadline {was.deadline_at.isoformat()}", body), None)
    return True


def load_view(
    conn: Conn, actor: Actor, application_id: ApplicationId, now: datetime
) -> ApplicationView:
    """Return an application as the actor sees it, with what it may do.

    Raises:
        NotFoundError: There is none, or none of the actor's business.
    """
    application = store.load_application(conn, application_id)
    if application is None:
        raise NotFoundError("application", application_id)
    documents = [store.load_document(conn, application_id, kind) for kind in DocumentKind]
    return replace(
        _view(application, actor),
        chances=_chances(conn, application, _seat(application, actor), now),
        steps=store.list_steps(conn, application_id),
        documents=[document for document in documents if document is not None],
    )


def load_views(conn: Conn, actor: Actor) -> Sequence[ApplicationView]:
    """Return the actor's applications without their parts: those on their way first."""
    return [_view(application, actor) for application in store.list_applications(conn)]


def _view(application: Application, actor: Actor) -> ApplicationView:
    kind = _running(application.kind).kind
    return ApplicationView(
        application=application,
        kind=kind,
        seat=_seat(application, actor),
        awaited=awaited(kind, application.state),
        chances=(),
        steps=(),
        documents=(),
    )


def _chances(
    conn: Conn, application: Application, seat: Seat | None, now: datetime
) -> Sequence[Chance]:
    running = _running(application.kind)
    place = Place(state=application.state, deadline_at=application.deadline_at)
    return [
        Chance(
            step=step,
            decision=may(
                running.kind,
                step,
                place,
                seat,
                now,
                running.ask(conn, application, step, None, now),
            ),
        )
        for step in running.kind.steps_from(application.state)
        if step.actor is seat
    ]


def _check_room(conn: Conn, application: Application, step: Step) -> None:
    """Let pass what leads on; what stays where it is, only while there is room for it.

    Raises:
        StepRefusedError: It was done too often.
    """
    room = store.STEPS_MAX - ROOM_LEFT
    stays = step.becomes == application.state
    if stays and store.next_number(conn, application.id) > room:
        told = f"{room} steps were done, at most {room}: repay on the facility's page"
        raise _refused(step, "TOO_MANY", told)


def _decide(
    conn: Conn,
    running: Running,
    doing: tuple[Application, Step],
    seat: Seat | None,
    values: Values,
    now: datetime,
) -> None:
    """Let pass what may be done: what needs no look at the world is decided first.

    Raises:
        StepRefusedError: It may not.
    """
    application, step = doing
    place = Place(state=application.state, deadline_at=application.deadline_at)
    decision = may(running.kind, step, place, seat, now)
    if not isinstance(decision, Refuse):
        found = running.ask(conn, application, step, values, now)
        decision = may(running.kind, step, place, seat, now, found)
    if isinstance(decision, Refuse):
        raise StepRefusedError(step.name, decision.reasons)


def _do(
    running: Running,
    step: Step,
    doing: Doing,
    told: tuple[str, dict[str, object]],
    signed: Signed | None,
) -> None:
    """Have a step's effect, and write it down."""
    was, now = doing.application, doing.now
    after = was if step.does is None else running.effects[step.does](doing)
    became = replace(after, state=step.becomes, changed_at=now)
    if not any(each.timed for each in running.kind.steps_from(step.becomes)):
        became = replace(became, deadline_at=None)
    store.save_application(doing.conn, became, ended=step.becomes in running.kind.ends)
    note, body = told
    _write_down(doing.conn, doing.actor, (was, became), (doing.id, step, note, body), signed, now)


def _write_down(
    conn: Conn,
    actor: Actor,
    change: tuple[Application, Application],
    told: tuple[UUID, Step, str, dict[str, object]],
    signed: Signed | None,
    now: datetime,
) -> None:
    """Store who did what, when and why.

    Raises:
        StepIdReusedError: The id is of a step that the actor may not see.
    """
    was, became = change
    step_id, step, note, body = told
    message, key_id = signed or (None, None)
    by_time = step.actor is Seat.PLATFORM
    done = DoneStep(
        id=step_id,
        application_id=became.id,
        number=store.next_number(conn, became.id),
        step=step.name,
        was=was.state if step.leaves else None,
        became=became.state,
        seat=step.actor,
        party_id=None if by_time else actor.party_id,
        account_id=None if by_time else actor.account_id,
        actor=actor.login,
        at=now,
        note=note,
        body={name: value for name, value in body.items() if name == "values"},
        body_sha256=_digest(actor, body),
        message=message,
        key_id=key_id,
    )
    if not store.add_step(conn, done):
        raise StepIdReusedError(step_id)


def _known(conn: Conn, actor: Actor, step_id: UUID, body: dict[str, object]) -> DoneStep | None:
    """Return the step that was done under an id before, with the same body.

    Raises:
        StepIdReusedError: It was another one.
    """
    known = store.load_step(conn, step_id)
    if known is not None and known.body_sha256 != _digest(actor, body):
        raise StepIdReusedError(step_id)
    return known


def _digest(actor: Actor, body: dict[str, object]) -> bytes:
    return body_sha256({"party": str(actor.party_id), "role": actor.role.value, **body})


def _check_seats(
    conn: Conn, running: Running, seats: Mapping[Seat, PartyId]
) -> Mapping[Seat, PartyId]:
    """Return the seats of an application: each taken, by a party of its own.

    Raises:
        InvalidError: One is missing, too many, unknown, or two are one party's.
    """
    wanted = running.kind.seats - {Seat.PLATFORM}
    if frozenset(seats) != wanted:
        names = ", ".join(sorted(wanted))
        raise InvalidError("seats", sorted(seats), f"a party for each of {names}")
    for seat, party in seats.items():
        if parties.load_party(conn, party) is None:
            raise InvalidError(f"seats: {seat.value}", str(party), "a registered party")
    if len(set(seats.values())) != len(seats):
        raise InvalidError("seats", sorted(map(str, seats.values())), "a party in one seat only")
    return seats


def _seat(application: Application, actor: Actor) -> Seat | None:
    """Return the seat that an actor has: its role's, when its party is in it."""
    for seat, party in application.seats.items():
        if seat.value == actor.role.value and party == actor.party_id:
            return seat
    return None


def _running(kind: str) -> Running:
    running = RUNNING.get(kind)
    if running is None:
        raise InvalidError("kind", kind, f"one of {', '.join(RUNNING)}")
    return running


def _refused(step: Step, code: str, detail: str) -> StepRefusedError:
    return StepRefusedError(step.name, [Reason(code=code, detail=detail)])
