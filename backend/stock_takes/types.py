"""What a stock-take says, and what came of holding it against a lot."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from backend.ids import ItemId, LotId, StockTakeId


class Source(StrEnum):
    """How it was put down."""

    HAND = "hand"
    CSV = "csv"
    EPCIS = "epcis"


class Result(StrEnum):
    """What became of one tag: of the lot and found, of the lot and not found, of neither."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRead:
    """A tag that was read, and when; None: nobody says."""

    epc: bytes
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What a stock-take says; ``mass_g`` net, or the tags that were found."""

    id: StockTakeId
    lot_id: LotId
    at: datetime
    counted_by: str
    source: Source
    tags: tuple[TagRead, ...] | None = None
    mass_g: int | None = None
    note: str | None = None
    file_sha256: bytes | None = None
    file_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One tag of a stock-take; ``item_id`` None: it is foreign."""

    epc: bytes
    item_id: ItemId | None
    name: str | None
    result: Result
    read_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StockTake:
    """A stock-take as it is kept."""

    id: StockTakeId
    lot_id: LotId
    at: datetime
    recorded_at: datetime
    recorded_by: str | None
    counted_by: str
    source: Source
    mass_g: int | None
    file_sha256: bytes | None
    file_bytes: int | None
    note: str | None
    found: int
    not_found: int
    foreign: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A stock-take with each of its tags."""

    stock_take: StockTake
    lines: Sequence[Line]
