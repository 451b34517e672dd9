"""Instruments, quotes, and the decision which price may be used."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from backend.ids import InstrumentId


class Unit(StrEnum):
    """Units that a price can be per. Source: UNECE Recommendation 20, common codes."""

    KGM = "KGM"
    TNE = "TNE"
    LBR = "LBR"


GRAMS_PER_UNIT: Final = {
    Unit.KGM: Decimal(1_000),
    Unit.TNE: Decimal(1_000_000),
    Unit.LBR: Decimal("453.59237"),  # International yard and pound agreement, 1959: exact.
}


class Quality(StrEnum):
    """Whether a quote counts, or waits for a second source or a person."""

    ACCEPTED = "accepted"
    HELD = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What is quoted, per what, and how far its quotes are trusted."""

    id: InstrumentId
    name: str
    unit: Unit
    currency: str
    max_price_age_s: int
    jump_max_bps: int
    haircut_floor_bps: int
    short_history_haircut_bps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPrice:
    """One source's price at one time, not yet judged."""

    source: str
    at: datetime
    value: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """One source's price at one time, as stored."""

    source: str
    at: datetime
    value: Decimal
    quality: Quality


@dataclass(frozen=True, slots=True, kw_only=True)
class Grading:
    """What became of new prices, and which older quotes they confirmed."""

    graded: tuple[Quote, ...]
    promoted: tuple[Quote, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHead:
    """A source's newest accepted quote, and its newest held one if that is newer."""

    source: str
    accepted: Quote | None
    held: Quote | None


class UnusableReason(StrEnum):
    """Why there is no price to value at."""

    NONE = "none"
    STALE = "stale"
    HELD_FALL = "held_fall"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usable:
    """A price to value at; zero and negative ones are real, and worth nothing.

    ``stale_at`` is the moment from which it may no longer be used.
    """

    price: Decimal
    at: datetime
    source: str
    stale_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """No price to value at; ``detail`` says why, for a person."""

    reason: UnusableReason
    detail: str


PriceDecision = Usable | Unusable


@dataclass(frozen=True, slots=True, kw_only=True)
class Volatility:
    """Daily standard deviation of log returns, and how many daily prices it rests on."""

    sigma_daily: float
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentQuote:
    """An instrument with the decision on its price and how much it moves."""

    instrument: Instrument
    decision: PriceDecision
    volatility: Volatility | None


Quotes = Mapping[InstrumentId, InstrumentQuote]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """A priced line of a file."""

    line: int
    day: date
    value: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTable:
    """A file of daily prices: its rows in time order, and the lines without a price."""

    rows: tuple[PriceRow, ...]
    skipped_lines: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of prices that were handed in."""

    accepted: int
    held: int
    duplicates: int
    promoted: int
    skipped_lines: tuple[int, ...] = ()
    quotes: tuple[Quote, ...] = ()
