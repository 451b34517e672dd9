"""Routes of stock-takes."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi import Body as RequestBody
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from backend.db import Conn
from backend.deps import AsLogistics, CurrentActor, Db, Now
from backend.errors import InvalidError
from backend.ids import ItemId, LotId, StockTakeId
from backend.parties.types import Actor
from backend.stock_takes import service, store
from backend.stock_takes.types import Counted, Kept, Result, Source, StockTake

router = APIRouter(prefix="/api", tags=["stock-takes"])

MASS_G_MAX: Final = 10**15
ITEMS_MAX: Final = 10_000
Person = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000)]


class StockTakeBody(BaseModel):
    """What was counted by hand: the items that were found, or the net mass; the id is yours."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    at: AwareDatetime
    counted_by: Person
    found: Annotated[list[UUID], Field(max_length=ITEMS_MAX)] | None = None
    mass_g: Annotated[int, Field(ge=0, le=MASS_G_MAX)] | None = None
    note: Note | None = None

    @model_validator(mode="after")
    def check_one(self) -> "StockTakeBody":
        """Check that it counts items or mass, and not both."""
        if (self.found is None) == (self.mass_g is None):
            message = "must have found or mass_g, and not both"
            raise ValueError(message)
        return self


class FileTerms(BaseModel):
    """Who read the tags of a file; ``at``: when, where the file does not say."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    counted_by: Person
    at: AwareDatetime | None = None
    note: Note | None = None


class StockTakeView(BaseModel):
    """A stock-take, and how many of the lot's items were found; append-only."""

    id: UUID
    lot_id: UUID
    at: datetime
    recorded_at: datetime
    recorded_by: str | None
    counted_by: str
    source: Source
    mass_g: int | None
    file_sha256: str | None
    file_bytes: int | None
    note: str | None
    found: int
    not_found: int
    foreign: int


class LineView(BaseModel):
    """One tag of a stock-take."""

    epc: str
    item_id: UUID | None
    name: str | None
    result: Result
    read_at: datetime | None


class StockTakeDetail(StockTakeView):
    """A stock-take with each of its tags, those not found first."""

    items: list[LineView]


@router.post("/lots/{lot_id}/stock-takes", status_code=201)
def add_stock_take(
    lot_id: UUID, body: StockTakeBody, db: Db, actor: AsLogistics, now: Now
) -> StockTakeDetail:
    """Record what was counted by hand; what is not named was not found."""
    key = LotId(lot_id)

    def add() -> Kept:
        with db.acting(actor) as conn:
            tags = None
            if body.found is not None:
                found = tuple(ItemId(item) for item in body.found)
                tags = service.tags_by_items(conn, key, found, body.at)
            counted = Counted(
                id=StockTakeId(body.id),
                lot_id=key,
                at=body.at,
                counted_by=body.counted_by,
                source=Source.HAND,
                tags=tags,
                mass_g=body.mass_g,
                note=body.note,
            )
            return service.record(conn, actor, counted, now)

    return _detail(db.retrying(add))


@router.post("/lots/{lot_id}/stock-takes.csv", status_code=201)
def import_stock_take(
    lot_id: UUID,
    content: Annotated[bytes, RequestBody(media_type="text/csv")],
    terms: Annotated[FileTerms, Query()],
    db: Db,
    actor: AsLogistics,
    now: Now,
) -> StockTakeDetail:
    """Record a handheld reader's file: a header with epc and perhaps read_at, then lines."""

    def add() -> Kept:
        with db.acting(actor) as conn:
            return _record_file(conn, actor, (LotId(lot_id), Source.CSV, content), terms, now)

    return _detail(db.retrying(add))


@router.post("/lots/{lot_id}/stock-takes.epcis", status_code=201)
def import_epcis_stock_take(
    lot_id: UUID,
    content: Annotated[bytes, RequestBody(media_type="application/octet-stream")],
    terms: Annotated[FileTerms, Query()],
    db: Db,
    actor: AsLogistics,
    now: Now,
) -> StockTakeDetail:
    """Record an EPCIS 2.0 JSON document of ObjectEvents that observe, in taking stock."""

    def add() -> Kept:
        with db.acting(actor) as conn:
            return _record_file(conn, actor, (LotId(lot_id), Source.EPCIS, content), terms, now)

    return _detail(db.retrying(add))


@router.get("/lots/{lot_id}/stock-takes")
def list_stock_takes(lot_id: UUID, db: Db, actor: CurrentActor) -> list[StockTakeView]:
    """Return the stock-takes of a lot, newest first."""
    with db.acting(actor) as conn:
        return [_view(each) for each in store.fetch_of_lot(conn, LotId(lot_id))]


@router.get("/stock-takes/{stock_take_id}")
def get_stock_take(stock_take_id: UUID, db: Db, actor: CurrentActor) -> StockTakeDetail:
    """Return a stock-take with each of its tags."""
    with db.acting(actor) as conn:
        return _detail(service.load_kept(conn, StockTakeId(stock_take_id)))


def _record_file(
    conn: Conn,
    actor: Actor,
    file: tuple[LotId, Source, bytes],
    terms: FileTerms,
    now: datetime,
) -> Kept:
    lot_id, source, content = file
    tags, newest_at, digest = service.read_file(conn, lot_id, source, content)
    at = terms.at or newest_at
    if at is None:
        raise InvalidError("at", None, "given, as the file holds no times")
    counted = Counted(
        id=StockTakeId(terms.id),
        lot_id=lot_id,
        at=at,
        counted_by=terms.counted_by,
        source=source,
        tags=tags,
        note=terms.note,
        file_sha256=digest,
        file_bytes=len(content),
    )
    return service.record(conn, actor, counted, now)


def _view(taken: StockTake) -> StockTakeView:
    return StockTakeView(
        id=taken.id,
        lot_id=taken.lot_id,
        at=taken.at,
        recorded_at=taken.recorded_at,
        recorded_by=taken.recorded_by,
        counted_by=taken.counted_by,
        source=taken.source,
        mass_g=taken.mass_g,
        file_sha256=None if taken.file_sha256 is None else taken.file_sha256.hex(),
        file_bytes=taken.file_bytes,
        note=taken.note,
        found=taken.found,
        not_found=taken.not_found,
        foreign=taken.foreign,
    )


def _detail(kept: Kept) -> StockTakeDetail:
    lines = [
        LineView(
            epc=line.epc.hex(),
            item_id=line.item_id,
            name=line.name,
            result=line.result,
            read_at=line.read_at,
        )
        for line in kept.lines
    ]
    return StockTakeDetail.model_validate({**_view(kept.stock_take).model_dump(), "items": lines})
