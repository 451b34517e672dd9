"""Routes of grades and their differentials."""

from datetime import date
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from backend.deps import CurrentActor, Db, Now
from backend.ids import InstrumentId
from backend.market import service
from backend.market.http.fields import AsFeed, Body, GradeCode, InstrumentKey
from backend.market.rules import PRICE_ABS_MAX, PRICE_DECIMALS_MAX
from backend.market.service import grades
from backend.market.service.instruments import load_own_instrument
from backend.market.store.grades import list_differentials
from backend.market.types import Differential, DifferentialKind

router = APIRouter(prefix="/api", tags=["market"])

ID_MAX = 2**63 - 1  # As the database has it.
Amount = Annotated[
    Decimal, Field(gt=-PRICE_ABS_MAX, lt=PRICE_ABS_MAX, decimal_places=PRICE_DECIMALS_MAX)
]


class DifferentialBody(Body):
    """How much more or less a grade costs, from a day of UTC to another one, both included.

    Absolute: in the instrument's currency per its unit. Percent: of what is quoted.
    """

    grade: GradeCode
    kind: DifferentialKind
    amount: Amount
    first_day: date
    last_day: date | None = None


class DifferentialView(DifferentialBody):
    """A differential."""

    id: int


class EndBody(Body):
    """The last day on which a differential holds."""

    last_day: date


@router.post("/instruments/{instrument_id}/differentials", status_code=201)
def add_differential(
    instrument_id: InstrumentKey, body: DifferentialBody, db: Db, actor: AsFeed, now: Now
) -> DifferentialView:
    """Set a grade's differential; its days overlap no other one's of that grade."""
    differential = Differential(
        id=0,
        grade=body.grade,
        kind=body.kind,
        amount=body.amount,
        first_day=body.first_day,
        last_day=body.last_day,
    )
    with db.acting(actor) as conn:
        instrument = load_own_instrument(conn, actor, InstrumentId(instrument_id))
        return _view(grades.add_differential(conn, actor, instrument, differential, now))


@router.get("/instruments/{instrument_id}/differentials")
def list_of_instrument(
    instrument_id: InstrumentKey, db: Db, actor: CurrentActor
) -> list[DifferentialView]:
    """Return an instrument's differentials, by grade and day."""
    with db.acting(actor) as conn:
        key = service.load_instrument(conn, InstrumentId(instrument_id)).id
        return [_view(each) for each in list_differentials(conn, key)]


@router.post("/instruments/{instrument_id}/differentials/{differential_id}/end")
def end_differential(
    instrument_id: InstrumentKey,
    differential_id: Annotated[int, Field(ge=1, le=ID_MAX)],
    body: EndBody,
    db: Db,
    actor: AsFeed,
    now: Now,
) -> DifferentialView:
    """Let a differential end earlier; the days that are over stand."""
    with db.acting(actor) as conn:
        key = load_own_instrument(conn, actor, InstrumentId(instrument_id)).id
        return _view(grades.end_differential(conn, key, differential_id, body.last_day, now))


def _view(differential: Differential) -> DifferentialView:
    return DifferentialView(
        id=differential.id,
        grade=differential.grade,
        kind=differential.kind,
        amount=differential.amount,
        first_day=differential.first_day,
        last_day=differential.last_day,
    )
