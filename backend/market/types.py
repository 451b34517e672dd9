"""Instruments, quotes, and the decision which price may be used."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from backend.ids import AccountId, CalendarId, FeedId, InstrumentId, PartyId


class Unit(StrEnum):
    """Units that a price can be per. Source: UNECE Recommendation 20, common codes."""

    GRM = "GRM"  # gram
    KGM = "KGM"  # kilogram
    DTN = "DTN"  # decitonne, the metric hundredweight
    TNE = "TNE"  # tonne
    KTN = "KTN"  # kilotonne
    LBR = "LBR"  # pound
    ONZ = "ONZ"  # ounce, avoirdupois
    APZ = "APZ"  # troy ounce
    CWA = "CWA"  # hundredweight of 100 lb (US)
    CWI = "CWI"  # hundredweight of 112 lb (UK)
    STN = "STN"  # ton of 2,000 lb (US)
    LTN = "LTN"  # ton of 2,240 lb (UK)
    CTM = "CTM"  # metric carat
    C62 = "C62"  # one: of a currency, in a rate of exchange


# Exact, all of them: the pound is 453.59237 g (international yard and pound agreement, 1959), the
# troy ounce 480 of its 7,000 grains. What a volume weighs depends on the goods: none is here.
GRAMS_PER_UNIT: Final = {
    Unit.GRM: Decimal(1),
    Unit.KGM: Decimal(1_000),
    Unit.DTN: Decimal(100_000),
    Unit.TNE: Decimal(1_000_000),
    Unit.KTN: Decimal(1_000_000_000),
    Unit.LBR: Decimal("453.59237"),
    Unit.ONZ: Decimal("28.349523125"),
    Unit.APZ: Decimal("31.1034768"),
    Unit.CWA: Decimal("45359.237"),
    Unit.CWI: Decimal("50802.34544"),
    Unit.STN: Decimal("907184.74"),
    Unit.LTN: Decimal("1016046.9088"),
    Unit.CTM: Decimal("0.2"),
}
UNIT_SYMBOLS: Final = {
    Unit.GRM: "g",
    Unit.KGM: "kg",
    Unit.DTN: "dt",
    Unit.TNE: "t",
    Unit.KTN: "kt",
    Unit.LBR: "lb",
    Unit.ONZ: "oz",
    Unit.APZ: "oz tr",
    Unit.CWA: "cwt (US)",
    Unit.CWI: "cwt (UK)",
    Unit.STN: "short ton",
    Unit.LTN: "long ton",
    Unit.CTM: "ct",
    Unit.C62: "1",
}


class Quality(StrEnum):
    """Whether a quote counts, waits for a second source or a person, or was rejected by one."""

    ACCEPTED = "accepted"
    HELD = "held"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """On which days of UTC something is quoted: a week from Monday on, and the days that differ.

    ``exceptions`` tells of such a day whether it is traded on.
    """

    id: CalendarId
    name: str
    week: tuple[bool, ...]
    exceptions: Mapping[date, bool] = field(default_factory=dict[date, bool])


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarDay:
    """A day that differs from a calendar's week, and why."""

    day: date
    trades: bool
    name: str


EVERY_DAY: Final = Calendar(
    id=CalendarId("EVERY-DAY"), name="every day", week=(True, True, True, True, True, True, True)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What is quoted, per what, and how far its quotes are trusted.

    At least one maximal age is set; with both, a price is stale past either. A move of up to
    ``jump_floor_bps`` never waits, one over ``jump_max_bps`` always does; between them it waits
    beyond ``jump_sigmas`` of the instrument's own volatility. ``fx_base`` is set for a rate of
    exchange, which is in ``currency`` for one of it.
    """

    id: InstrumentId
    name: str
    unit: Unit
    currency: str
    max_price_age_s: int | None
    jump_max_bps: int
    haircut_floor_bps: int
    short_history_haircut_bps: int
    max_price_age_days: int | None = None
    calendar: Calendar = EVERY_DAY
    jump_floor_bps: int = 1_000
    jump_sigmas: int = 10
    fx_base: str | None = None
    owner_party: PartyId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPrice:
    """One source's price at one time, not yet judged."""

    source: str
    at: datetime
    value: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """One source's price at one time, as stored; ``decided``: a person said its quality."""

    source: str
    at: datetime
    value: Decimal
    quality: Quality
    decided: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """A quote as it is judged, and why it waits if it does."""

    quote: Quote
    why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day's last accepted price, whoever quoted it."""

    day: date
    at: datetime
    value: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Who answers for a quote that waited, when, and why."""

    account_id: AccountId
    login: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceEvent:
    """What happened to a quote after it came in: it waits, is confirmed, or a person decided."""

    source: str
    at: datetime
    value: Decimal
    happened_at: datetime
    actor: str
    what: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHead:
    """A source's newest accepted quote, and its newest held one if that is newer.

    The sources of the lowest ``priority`` are asked first; others only when those are silent.
    """

    source: str
    accepted: Quote | None
    held: Quote | None
    priority: int = 1


class UnusableReason(StrEnum):
    """Why there is no price to value at."""

    NONE = "none"
    STALE = "stale"
    HELD_FALL = "held_fall"
    FX = "fx"  # no rate between its currency and the one asked for
    GRADE = "grade"  # no differential for the grade today


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


class DifferentialKind(StrEnum):
    """How a differential changes a price."""

    ABSOLUTE = "absolute"  # so much more or less per unit, in the instrument's currency
    PERCENT = "percent"  # so many per cent of the price more or less


@dataclass(frozen=True, slots=True, kw_only=True)
class Differential:
    """How much more or less a grade costs than what is quoted, on the days of a window.

    Both days are of UTC and included; without ``last_day`` it goes on.
    """

    id: int
    grade: str
    kind: DifferentialKind
    amount: Decimal
    first_day: date
    last_day: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentQuote:
    """An instrument with the decision on its price and how much it moves.

    ``differentials`` are those in force now, by grade.
    """

    instrument: Instrument
    decision: PriceDecision
    volatility: Volatility | None
    differentials: Mapping[str, Differential] = field(default_factory=dict[str, Differential])


# Of what was asked for, and of every rate of exchange: values in other currencies need them.
Quotes = Mapping[InstrumentId, InstrumentQuote]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Units of ``quote`` for one of ``base``, rounded down to 16 digits, and what it rests on."""

    base: str
    quote: str
    value: Decimal
    at: datetime
    source: str
    stale_at: datetime

    @property
    def pair(self) -> str:
        """The currencies, as people write them."""
        return f"{self.base}/{self.quote}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodsPrice:
    """What one lot's goods cost: the grade's price, and the rate if it is another currency's.

    ``price`` is per ``unit`` in the instrument's currency, ``converted`` per ``converted_unit`` in
    the currency that was asked for; ``stale_at`` is the earliest of all that it rests on.
    """

    instrument: Instrument
    price: Decimal
    at: datetime
    source: str
    stale_at: datetime
    unit: Unit
    converted: Decimal
    converted_unit: Unit
    rate: Rate | None = None
    differential: Differential | None = None


class FeedKind(StrEnum):
    """By which way a source's prices come."""

    FILE = "file"
    HTTP_PUSH = "http_push"
    HTTP_PULL = "http_pull"
    MQTT = "mqtt"


class FeedFormat(StrEnum):
    """What a source answers with when it is pulled."""

    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """Where one source's prices of one instrument come from, and how that fares.

    ``owner_party`` may post under the source; None: the platform's operators. ``credential`` is a
    name; what is behind it is in no database.
    """

    id: FeedId
    instrument_id: InstrumentId
    source: str
    kind: FeedKind
    priority: int
    owner_party: PartyId | None
    url: str | None = None
    form: FeedFormat | None = None
    credential: str | None = None
    every_s: int | None = None
    public_key: bytes | None = None
    retired_at: datetime | None = None
    next_at: datetime | None = None
    tried_at: datetime | None = None
    succeeded_at: datetime | None = None
    failures: int = 0
    last_error: str | None = None


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
