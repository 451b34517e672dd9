"""Stock-takes of a lot: those before, a file of a handheld reader, or items ticked by hand."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final
from uuid import UUID, uuid4

from fastapi import Form, Request, Response, UploadFile
from pydantic import BaseModel, Field, NaiveDatetime, field_validator

from backend.deps import AsLogistics, CurrentPrincipal, Db, Now
from backend.errors import InvalidError, NotFoundError
from backend.ids import LotId, StockTakeId
from backend.stock_takes import http as takes_http
from backend.stock_takes import service
from backend.stock_takes import store as takes
from backend.web.console import go, new_router, render
from backend.web.store import lots

router = new_router()
GRAMS_PER_KG: Final = 1_000
KG_MAX: Final = 10**12
_BEFORE_JSON: Final = b"\xef\xbb\xbf \t\r\n"  # A byte order mark and white space.


def _blank(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


class FileFields(BaseModel):
    """Who read the tags of a file; ``at``, in UTC, where the file does not say."""

    id: UUID
    file: UploadFile
    counted_by: takes_http.Person
    at: NaiveDatetime | None = None
    note: takes_http.Note | None = None

    _blanks: Callable[[object], object] = field_validator("at", "note", mode="before")(_blank)


class HandFields(BaseModel):
    """What was counted by hand: items that are ticked, or a mass; times are UTC."""

    id: UUID
    at: NaiveDatetime
    counted_by: takes_http.Person
    found: Annotated[list[UUID], Field(max_length=takes_http.ITEMS_MAX)] = []
    mass_kg: Annotated[Decimal, Field(ge=0, le=KG_MAX, decimal_places=3)] | None = None
    note: takes_http.Note | None = None

    _blanks: Callable[[object], object] = field_validator("mass_kg", "note", mode="before")(_blank)


@router.get("/lots/{lot_id}/stock-takes")
def list_stock_takes(
    lot_id: UUID, request: Request, db: Db, who: CurrentPrincipal, now: Now
) -> Response:
    """Show the stock-takes of a lot, and the forms for another."""
    with db.acting(who.actor) as conn:
        lot = lots.load_lot(conn, lot_id)
        if lot is None:
            raise NotFoundError("lot", lot_id)
        items = lots.list_items_of_lot(conn, lot_id)
        taken = takes.fetch_of_lot(conn, LotId(lot_id))
    return render(
        request,
        who,
        "stock_takes.html",
        lot=lot,
        items=sorted(items, key=lambda item: item.name),
        taken=taken,
        ids=(uuid4(), uuid4()),
        at=f"{now.astimezone(UTC):%Y-%m-%dT%H:%M}",
    )


@router.post("/lots/{lot_id}/stock-takes")
def add_stock_take(
    lot_id: UUID,
    request: Request,
    db: Db,
    actor: AsLogistics,
    now: Now,
    form: Annotated[HandFields, Form()],
) -> Response:
    """Record what was counted by hand."""
    if bool(form.found) == (form.mass_kg is not None):
        said = "both" if form.found else "neither"
        raise InvalidError("what is there", said, "items that are ticked, or a mass")
    mass_g = None if form.mass_kg is None else int(form.mass_kg * GRAMS_PER_KG)
    body = takes_http.StockTakeBody(
        id=form.id,
        at=_utc(form.at),
        counted_by=form.counted_by,
        found=form.found or None,
        mass_g=mass_g,
        note=form.note,
    )
    taken = takes_http.add_stock_take(lot_id, body, db, actor, now)
    return go(request, f"/stock-takes/{taken.id}")


@router.post("/lots/{lot_id}/stock-takes/file")
def import_stock_take(
    lot_id: UUID,
    request: Request,
    db: Db,
    actor: AsLogistics,
    now: Now,
    form: Annotated[FileFields, Form()],
) -> Response:
    """Record a handheld reader's file: EPCIS when it is JSON, else CSV."""
    content = form.file.file.read()  # As long as a request's body may be.
    terms = takes_http.FileTerms(
        id=form.id,
        counted_by=form.counted_by,
        at=None if form.at is None else _utc(form.at),
        note=form.note,
    )
    is_json = content.lstrip(_BEFORE_JSON).startswith(b"{")
    record = takes_http.import_epcis_stock_take if is_json else takes_http.import_stock_take
    taken = record(lot_id, content, terms, db, actor, now)
    return go(request, f"/stock-takes/{taken.id}")


@router.get("/stock-takes/{stock_take_id}")
def show_stock_take(
    stock_take_id: UUID, request: Request, db: Db, who: CurrentPrincipal
) -> Response:
    """Show a stock-take: what was found, not found, and foreign."""
    with db.acting(who.actor) as conn:
        kept = service.load_kept(conn, StockTakeId(stock_take_id))
        lot = lots.load_lot(conn, kept.stock_take.lot_id)
    return render(
        request, who, "stock_take.html", taken=kept.stock_take, lines=kept.lines, lot=lot
    )


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC)
