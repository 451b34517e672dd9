"""Facilities: the portfolio, one facility from value to availability, and what is done with it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

from fastapi import Depends, Form, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from backend.db import Conn
from backend.deps import AsBorrower, AsLender, CurrentActor, CurrentPrincipal, Db, Now
from backend.errors import NotFoundError, RefusedError
from backend.facility import http as facility
from backend.facility.errors import DrawdownRefusedError
from backend.facility.http.money_views import AuthoriseBody, DrawdownBody, RepaymentBody
from backend.facility.http.views import LockBody
from backend.money import minor_digits
from backend.web.charts import Gauge, coverage_gauge
from backend.web.console import AskedPage, done, new_router, render
from backend.web.format import parse_amount, reason_text
from backend.web.pages.loans import load_loan
from backend.web.store import facilities as store
from backend.web.store import lots
from backend.web.types import PAGE_ROWS, FacilityCard
from schemas.drawdown import MESSAGE_BYTES_MAX

router = new_router()
HISTORY_POINTS: Final = 240  # More than a phone has pixels for, fewer than a screen minds.


class MoneyFields(BaseModel):
    """An amount as a person types it; the id tells the same wish sent twice from two wishes."""

    id: UUID
    amount: Annotated[str, Field(max_length=40)]
    message: Annotated[str, Field(max_length=2 * MESSAGE_BYTES_MAX)] | None = None


class SignedFields(BaseModel):
    """A signed message as a person pastes it; None where none is asked."""

    message: Annotated[str, Field(max_length=2 * MESSAGE_BYTES_MAX)] | None = None


def _drawdown_path(facility_id: UUID, drawdown_id: UUID) -> tuple[UUID, UUID]:
    return facility_id, drawdown_id


MoneyForm = Annotated[MoneyFields, Form()]
SignedForm = Annotated[SignedFields, Form()]
DrawdownPath = Annotated[tuple[UUID, UUID], Depends(_drawdown_path)]


@router.get("/facilities")
def list_facilities(request: Request, db: Db, who: CurrentPrincipal, pager: AskedPage) -> Response:
    """Show every facility of the actor with its money, coverage and locks."""
    with db.acting(who.actor) as conn:
        cards = store.list_cards(conn, window=pager.window)
        count, locked = store.count_facilities(conn)
    return render(
        request,
        who,
        "facilities.html",
        cards=cards[:PAGE_ROWS],
        gauges=_gauges(cards),
        count=count,
        locked=locked,
        pager=pager,
        more=len(cards) > PAGE_ROWS,
    )


@router.get("/facilities/{facility_id}")
def show_facility(
    facility_id: UUID, request: Request, db: Db, who: CurrentPrincipal, now: Now
) -> Response:
    """Show one facility: how value becomes availability, its locks, drawdowns and history."""
    with db.acting(who.actor) as conn:
        card = _load(conn, facility_id)
        context: dict[str, Any] = {
            "card": card,
            "lines": [] if card.valuation is None else store.list_lines(conn, card.valuation.id),
            "drawdowns": store.list_drawdowns(conn, facility_id),
            "repayments": store.list_repayments(conn, facility_id),
            "lifted": store.list_lifted_locks(conn, facility_id),
            "events": store.list_events(conn, facility_id),
            "lots": lots.list_lots_of_facility(conn, facility_id),
            "alerts": lots.list_alerts(conn, "unresolved", facility_id=facility_id),
            "pledges": store.list_pledges(conn, facility_id),
            **load_loan(conn, card.facility, now),
        }
    gauge = _gauges([card])[card.facility.id]
    return render(
        request,
        who,
        "facility.html",
        gauge=gauge,
        scale=10 ** minor_digits(card.facility.currency),
        drawdown_id=uuid4(),
        repayment_id=uuid4(),
        **context,
    )


@router.get("/facilities/{facility_id}/history.json")
def facility_history(
    facility_id: UUID,
    db: Db,
    actor: CurrentActor,
    now: Now,
    hours: Annotated[int, Query(ge=1, le=24 * 366)] = 1,
) -> JSONResponse:
    """Return value, borrowing base and exposure over time in columns, amounts in minor units."""
    with db.acting(actor) as conn:
        _load(conn, facility_id)
        begin = now - timedelta(hours=hours)
        points = store.list_history(conn, facility_id, begin, now, HISTORY_POINTS)
    last = [replace(points[-1], at=now)] if points else []  # It holds until there is another.
    shown = [*points, *last]
    columns = [
        [point.at.timestamp() for point in shown],
        [point.value_minor for point in shown],
        [point.base_minor for point in shown],
        [point.exposure_minor for point in shown],
    ]
    return JSONResponse({"columns": columns})


@router.post("/facilities/{facility_id}/drawdowns")
def request_drawdown(
    facility_id: UUID,
    request: Request,
    db: Db,
    actor: AsBorrower,
    now: Now,
    form: MoneyForm,
) -> Response:
    """Ask for money."""
    with db.acting(actor) as conn:
        card = _load(conn, facility_id)
    body = DrawdownBody(
        id=form.id,
        amount_minor=parse_amount(form.amount, card.facility.currency),
        message=form.message,
    )
    _explained(card, lambda: facility.request_drawdown(facility_id, body, db, actor, now))
    return done(request, "Drawdown requested. The lender decides.", f"/facilities/{facility_id}")


@router.post("/facilities/{facility_id}/repayments")
def add_repayment(
    facility_id: UUID,
    request: Request,
    db: Db,
    actor: facility.AsParty,
    now: Now,
    form: MoneyForm,
) -> Response:
    """Pay back; never refused because of a lock."""
    with db.acting(actor) as conn:
        card = _load(conn, facility_id)
    body = RepaymentBody(
        id=form.id, amount_minor=parse_amount(form.amount, card.facility.currency)
    )
    facility.add_repayment(facility_id, body, db, actor, now)
    return done(request, "Repayment booked.", f"/facilities/{facility_id}")


@router.post("/facilities/{facility_id}/lock")
def lock_facility(
    facility_id: UUID,
    request: Request,
    db: Db,
    actor: AsLender,
    now: Now,
    detail: Annotated[str, Form()],
) -> Response:
    """Lock by hand."""
    facility.lock_facility(facility_id, LockBody(detail=detail.strip()), db, actor, now)
    return done(request, "Facility locked by hand.", f"/facilities/{facility_id}")


@router.post("/facilities/{facility_id}/unlock")
def lift_manual_lock(
    facility_id: UUID, request: Request, db: Db, actor: AsLender, now: Now
) -> Response:
    """Lift the lock set by hand; all others stay until their cause ends."""
    facility.lift_manual_lock(facility_id, db, actor, now)
    return done(request, "Manual lock lifted.", f"/facilities/{facility_id}")


@router.post("/facilities/{facility_id}/drawdowns/{drawdown_id}/authorise")
def authorise_drawdown(
    path: DrawdownPath, request: Request, db: Db, actor: AsLender, now: Now, form: SignedForm
) -> Response:
    """Promise the money, if the rules allow it now."""
    facility_id, drawdown_id = path
    body = AuthoriseBody(message=form.message)
    with db.acting(actor) as conn:
        card = _load(conn, facility_id)
    _explained(card, lambda: facility.authorise_drawdown(drawdown_id, db, actor, now, body))
    return done(request, "Drawdown authorised.", f"/facilities/{facility_id}")


@router.post("/facilities/{facility_id}/drawdowns/{drawdown_id}/disburse")
def disburse_drawdown(
    facility_id: UUID, drawdown_id: UUID, request: Request, db: Db, actor: AsLender, now: Now
) -> Response:
    """Pay the money out, if the rules still allow it."""
    with db.acting(actor) as conn:
        card = _load(conn, facility_id)
    _explained(card, lambda: facility.disburse_drawdown(drawdown_id, db, actor, now))
    return done(request, "Drawdown disbursed.", f"/facilities/{facility_id}")


@router.post("/facilities/{facility_id}/drawdowns/{drawdown_id}/void")
def void_drawdown(
    facility_id: UUID,
    drawdown_id: UUID,
    request: Request,
    db: Db,
    actor: facility.AsParty,
    now: Now,
) -> Response:
    """End a drawdown that waits."""
    facility.void_drawdown(drawdown_id, db, actor, now)
    return done(request, "Drawdown voided.", f"/facilities/{facility_id}")


def _load(conn: Conn, facility_id: UUID) -> FacilityCard:
    """Return a facility.

    Raises:
        NotFoundError: There is none, or the actor may not see it.
    """
    for card in store.list_cards(conn, facility_id):
        return card
    raise NotFoundError("facility", facility_id)


def _explained(card: FacilityCard, act: Callable[[], object]) -> None:
    """Do something with a drawdown; a refusal names its reasons in words and money.

    Raises:
        RefusedError: The rules do not allow it.
    """
    try:
        act()
    except DrawdownRefusedError as error:
        found: Any = error.detail["reasons"]
        reasons = [reason_text(reason, card.facility.currency) for reason in found]
        raise RefusedError("drawdown_refused", "Refused. " + "; ".join(reasons)) from error


def _gauges(cards: Sequence[FacilityCard]) -> dict[UUID, Gauge]:
    return {
        card.facility.id: coverage_gauge(
            None if card.valuation is None else card.valuation.coverage_bps, card.facility.lines
        )
        for card in cards
    }
