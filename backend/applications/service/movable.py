"""The pledge of movable goods at work: what its guards look at, and what its steps do.

Each effect calls the service that a person would have called by hand: nothing is valued, pledged,
drawn or repaid here.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import uuid4

from backend.applications.errors import StepRefusedError
from backend.applications.rules.certificate import (
    HORIZON_DAYS,
    decode_certificate,
    draw_certificate,
    encode_certificate,
)
from backend.applications.rules.contract import draw_contract
from backend.applications.rules.fields import canonical_json, lots, number
from backend.applications.rules.machine import ask_guards
from backend.applications.rules.movable import MOVABLE
from backend.applications.rules.movable_guards import GUARDS
from backend.applications.rules.scorecard import profile_json, score
from backend.applications.service.running import Doing, Effect, Running
from backend.applications.store import applications, goods, history
from backend.applications.types.machine import Seat, Step, Values
from backend.applications.types.movable import MovableFacts
from backend.applications.types.record import Application, Document, DocumentKind
from backend.collateral.service import registry
from backend.db import Conn
from backend.facility.service import drawdowns, facilities, loans, pledges
from backend.facility.service.drawdowns import FAILED, NewDrawdown, NewRepayment
from backend.facility.service.standings import assess_one
from backend.facility.store import accruals
from backend.facility.store import drawdowns as drawdown_store
from backend.facility.store.loans import list_dues
from backend.facility.types import (
    Component,
    DayCount,
    Drawdown,
    DrawdownState,
    Facility,
    Lines,
    LineStanding,
    LineState,
    Rate,
    Reason,
    Refuse,
)
from backend.ids import DrawdownId, FacilityId, RepaymentId
from backend.market import service as market
from backend.money import Minor
from backend.parties import store as parties
from backend.valuation.rules import default_policy, value_lots
from backend.valuation.types import Terms
from schemas.contract import Contract, decode_contract

VALUATION_TTL_S: Final = 60  # The house's default: a drawdown is decided on a fresh value.
_LOOKS_AT_LOTS: Final = frozenset({"lots_suit", "goods_measured", "goods_priced"})
_LOOKS_AT_FACILITY: Final = frozenset({"facility_lets", "nothing_owed", "something_owed"})
_LOOKS_AT_CERTIFICATE: Final = frozenset({"certificate_valid", "limit_covered"})


def load_facts(
    conn: Conn, application: Application, step: Step, values: Values | None, now: datetime
) -> MovableFacts:
    """Return what a step's guards look at, and no more."""
    names = frozenset(step.guards)
    facts = MovableFacts(application=application, now=now)
    if names & _LOOKS_AT_LOTS:
        asked = lots(values, "lots") if values and "lots" in values else application.lots
        facts = replace(facts, lots=tuple(goods.fetch_lots(conn, application.id, asked)))
    if "goods_priced" in names:
        found = [lot.facts for lot in facts.lots]
        quotes = market.load_quotes(conn, sorted({lot.instrument_id for lot in found}), now)
        facts = replace(facts, values=value_lots(found, quotes, _terms(application), now))
    if names & _LOOKS_AT_CERTIFICATE:
        kept = applications.load_document(conn, application.id, DocumentKind.CERTIFICATE)
        certificate = None if kept is None else decode_certificate(kept.content)
        facts = replace(facts, certificate=certificate)
    if names & _LOOKS_AT_FACILITY and application.facility_id is not None:
        facts = replace(facts, standing=assess_one(conn, application.facility_id, now))
        if "nothing_owed" in names:
            behind = accruals.is_behind(conn, application.facility_id, now)
            facts = replace(facts, unbooked=behind)
    if "pledge_proposed" in names and application.pledge_id is not None:
        state = goods.load_pledge_state(conn, application.pledge_id)
        facts = replace(facts, pledge_state=state)
    if names & {"no_drawdown_waits", "drawdown_stands"} and application.drawdown_id is not None:
        drawdown = drawdown_store.load_drawdown(conn, application.drawdown_id)
        facts = replace(facts, drawdown=drawdown)
    return facts


def _ask(
    conn: Conn, application: Application, step: Step, values: Values | None, now: datetime
) -> list[Reason]:
    facts = load_facts(conn, application, step, values, now)
    return list(ask_guards(step, GUARDS, facts, values))


def _to_sign(conn: Conn, application: Application, name: str) -> Document | None:
    return applications.load_document(conn, application.id, DocumentKind(name))


def _terms(application: Application) -> Terms:
    return Terms(
        currency=application.currency,
        policy=default_policy(Minor(0), VALUATION_TTL_S, HORIZON_DAYS),
    )


def _attach_lots(doing: Doing) -> Application:
    return replace(doing.application, lots=lots(doing.values, "lots"))


def _certify(doing: Doing) -> Application:
    """Draw the certificate and the credit profile, and propose the goods to the lender."""
    conn, application, now = doing.conn, doing.application, doing.now
    step = MOVABLE.step("certify")
    assert step is not None
    facts = load_facts(conn, application, step, None, now)
    certificate = draw_certificate(
        application.id, application.currency, facts.lots, facts.values, now
    )
    profile = score(history.load_history(conn, application.seats[Seat.BORROWER]), now)
    _keep(doing, DocumentKind.CERTIFICATE, encode_certificate(certificate))
    _keep(doing, DocumentKind.PROFILE, canonical_json(profile_json(profile)))
    if application.pledge_id is not None:
        return application
    new = registry.NewPledge(lender_party=application.seats[Seat.LENDER], lot_ids=application.lots)
    pledge = registry.propose_pledge(conn, doing.actor, new, now)
    return replace(application, pledge_id=pledge.id)


def _draw_up(doing: Doing) -> Application:
    """Draw up the contract; it can be signed while the offer stands."""
    conn, application, values = doing.conn, doing.application, doing.values
    kept = applications.load_document(conn, application.id, DocumentKind.CERTIFICATE)
    assert kept is not None
    names: dict[Seat, str] = {}
    for seat, party_id in application.seats.items():
        party = parties.load_party(conn, party_id)
        assert party is not None
        names[seat] = party.name
    ends_at = doing.now + timedelta(days=number(values, "offer_days"))
    content = draw_contract(
        application,
        names,
        (decode_certificate(kept.content), kept.sha256),
        values,
        (doing.now, ends_at),
    )
    _keep(doing, DocumentKind.CONTRACT, content)
    return replace(application, deadline_at=ends_at)


def _open_facility(doing: Doing) -> Application:
    """Open the facility that both have signed; it is locked until its goods are accepted."""
    contract = _contract(doing)
    warning, call, liquidation = contract.lines_bps
    application = doing.application
    facility = Facility(
        id=FacilityId(uuid4()),
        name=f"Contract {str(contract.id)[:8]}",
        lender_party=application.seats[Seat.LENDER],
        borrower_party=application.seats[Seat.BORROWER],
        currency=contract.currency,
        limit_minor=Minor(contract.limit_minor),
        principal_minor=Minor(0),
        interest_minor=Minor(0),
        fees_minor=Minor(0),
        reserve_minor=Minor(0),
        lines=Lines(
            warning_bps=warning,
            call_bps=call,
            liquidation_bps=liquidation,
            recovery_margin_bps=500,
            recovery_valuations=3,
        ),
        standing=LineStanding(state=LineState.ABOVE, recovered_valuations=0),
        cure_by=None,
        cure_hours=contract.cure_hours,
        valuation_ttl_s=VALUATION_TTL_S,
        liquidation_horizon_days=HORIZON_DAYS,
        open=True,
    )
    facilities.open_facility(doing.conn, doing.actor, facility, doing.now)
    rate = Rate(
        from_day=doing.now.date(),
        day_count=DayCount(contract.day_count.value),
        annual_bps=contract.rate_bps,
    )
    loans.set_rate(doing.conn, doing.actor, facility.id, rate, doing.now)
    return replace(application, facility_id=facility.id)


def _activate_pledge(doing: Doing) -> Application:
    application = doing.application
    assert application.pledge_id is not None
    assert application.facility_id is not None
    registry.activate_pledge(
        doing.conn, doing.actor, application.pledge_id, application.facility_id, doing.now
    )
    return application


def _drop_pledge(doing: Doing) -> Application:
    """Take the proposal of the goods back, if there is one still."""
    application = doing.application
    if application.pledge_id is not None:
        state = goods.load_pledge_state(doing.conn, application.pledge_id)
        if state == "proposed":
            registry.reject_pledge(doing.conn, doing.actor, application.pledge_id, doing.now)
    return application


def _request_drawdown(doing: Doing) -> Application:
    application = doing.application
    assert application.facility_id is not None
    new = NewDrawdown(
        id=DrawdownId(doing.id),
        facility_id=application.facility_id,
        amount_minor=Minor(number(doing.values, "amount_minor")),
    )
    asked = drawdowns.request_drawdown(doing.conn, doing.actor, new, doing.now)
    _check_lives("draw", asked)
    return replace(application, drawdown_id=asked.id)


def _authorise_drawdown(doing: Doing) -> Application:
    return _move_drawdown(doing, "authorise", drawdowns.authorise_drawdown)


def _disburse_drawdown(doing: Doing) -> Application:
    """Pay out; what was drawn falls due with its interest when the contract's term is over."""
    moved = _move_drawdown(doing, "disburse", drawdowns.disburse_drawdown)
    assert moved.facility_id is not None
    assert moved.drawdown_id is not None
    drawdown = drawdown_store.load_drawdown(doing.conn, moved.drawdown_id)
    assert drawdown is not None
    due_on = doing.now.date() + timedelta(days=_contract(doing).term_days)
    known = {(due.due_on, due.component) for due in list_dues(doing.conn, moved.facility_id)}
    wanted = (
        (due_on, Component.PRINCIPAL, drawdown.amount_minor),
        (due_on, Component.INTEREST, None),
    )
    new = [due for due in wanted if due[:2] not in known]
    loans.add_dues(doing.conn, doing.actor, moved.facility_id, new, doing.now)
    return moved


def _move_drawdown(doing: Doing, step: str, move: Callable[..., Drawdown]) -> Application:
    """Take the drawdown on, unless that was done on the facility's page already."""
    application = doing.application
    assert application.drawdown_id is not None
    drawdown = drawdown_store.load_drawdown(doing.conn, application.drawdown_id)
    if drawdown is None or drawdown.state is not DrawdownState.DISBURSED:
        moved = move(doing.conn, doing.actor, application.drawdown_id, doing.now)
        _check_lives(step, moved)
    return application


def _repay(doing: Doing) -> Application:
    application = doing.application
    assert application.facility_id is not None
    new = NewRepayment(
        id=RepaymentId(doing.id),
        facility_id=application.facility_id,
        amount_minor=Minor(number(doing.values, "amount_minor")),
    )
    drawdowns.repay(doing.conn, doing.actor, new, doing.now)
    return application


def _release_goods(doing: Doing) -> Application:
    """Give the goods back: nothing is owed. What waits of a drawdown ends; so does the facility.

    Raises:
        StepRefusedError: The facility can not spare the goods.
    """
    application, conn, now = doing.application, doing.conn, doing.now
    assert application.pledge_id is not None
    assert application.facility_id is not None
    if application.drawdown_id is not None:
        drawdown = drawdown_store.load_drawdown(conn, application.drawdown_id)
        if drawdown is not None and drawdown.state is DrawdownState.REQUESTED:
            drawdowns.void_drawdown(conn, doing.actor, drawdown.id, now)
    if registry.load_pledge(conn, application.pledge_id).state == "active":
        released = pledges.release(conn, doing.actor, application.pledge_id, now)
        if isinstance(released, Refuse):
            raise StepRefusedError("release", released.reasons)
    # Refused when the parties have pledged or drawn more under it by now: then it goes on.
    reason = f"application {application.id} is closed"
    loans.close(conn, doing.actor, application.facility_id, reason, now)
    return application


def _check_lives(step: str, drawdown: Drawdown) -> None:
    """Refuse a step whose drawdown was refused: its row goes with the transaction.

    Raises:
        StepRefusedError: It was refused, voided or has expired.
    """
    if drawdown.state in FAILED:
        raise StepRefusedError(step, drawdown.reasons)


def _contract(doing: Doing) -> Contract:
    kept = applications.load_document(doing.conn, doing.application.id, DocumentKind.CONTRACT)
    assert kept is not None
    return decode_contract(kept.content)


def _keep(doing: Doing, kind: DocumentKind, content: bytes) -> None:
    document = Document(
        id=uuid4(),
        application_id=doing.application.id,
        kind=kind,
        made_at=doing.now,
        content=content,
        sha256=sha256(content).digest(),
    )
    applications.add_document(doing.conn, document)


_EFFECTS: Final[dict[str, Effect]] = {
    "attach_lots": _attach_lots,
    "certify": _certify,
    "draw_up": _draw_up,
    "open_facility": _open_facility,
    "activate_pledge": _activate_pledge,
    "drop_pledge": _drop_pledge,
    "request_drawdown": _request_drawdown,
    "authorise_drawdown": _authorise_drawdown,
    "disburse_drawdown": _disburse_drawdown,
    "repay": _repay,
    "release_goods": _release_goods,
}
RUNNING_MOVABLE: Final = Running(kind=MOVABLE, effects=_EFFECTS, ask=_ask, to_sign=_to_sign)
