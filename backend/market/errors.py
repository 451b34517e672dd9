"""What the market's rules refuse."""

from datetime import date, datetime
from decimal import Decimal

from backend.errors import ForbiddenError, RefusedError
from backend.ids import CalendarId, InstrumentId


class InstrumentTakenError(RefusedError):
    """The id is another instrument's."""

    def __init__(self, instrument_id: InstrumentId) -> None:
        super().__init__(
            "instrument_taken", f"there is an instrument {instrument_id} already", id=instrument_id
        )


class PriceContradictsError(RefusedError):
    """A source already said something else about that moment; history is not rewritten."""

    def __init__(self, source: str, at: datetime, stored: Decimal, sent: Decimal) -> None:
        super().__init__(
            "price_contradicts",
            f"{source} said {stored:f} for {at.isoformat()}, now it says {sent:f}",
            source=source,
            time=at.isoformat(),
            stored=f"{stored:f}",
            sent=f"{sent:f}",
        )


class NotHeldError(RefusedError):
    """The price does not wait for anybody."""

    def __init__(self, source: str, at: datetime, quality: str) -> None:
        super().__init__(
            "price_not_held",
            f"the price of {source} for {at.isoformat()} is {quality} already",
            source=source,
            time=at.isoformat(),
        )


class CalendarTakenError(RefusedError):
    """The id is another calendar's."""

    def __init__(self, calendar_id: CalendarId) -> None:
        super().__init__(
            "calendar_taken", f"there is a calendar {calendar_id} already", id=calendar_id
        )


class DifferentialOverlapError(RefusedError):
    """A grade has one differential a day: which one would count?"""

    def __init__(self, grade: str, first_day: date, last_day: date | None) -> None:
        until = "on" if last_day is None else f"to {last_day}"
        super().__init__(
            "differential_overlaps",
            f"grade {grade} has a differential already on a day of {first_day} {until}",
            grade=grade,
            first_day=first_day.isoformat(),
            last_day=None if last_day is None else last_day.isoformat(),
        )


class NotOwnerError(ForbiddenError):
    """The prices are set by another party."""

    def __init__(self, what: str, key: str) -> None:
        super().__init__(f"{what} {key} is another party's: its owner sets it", what=what, id=key)


class FeedTakenError(RefusedError):
    """The instrument has a feed of that source."""

    def __init__(self, instrument_id: InstrumentId, source: str) -> None:
        super().__init__(
            "feed_taken",
            f"{instrument_id} has a feed of source {source}: retire it first",
            instrument_id=instrument_id,
            source=source,
        )


class OtherDoorError(RefusedError):
    """The source's prices come by another way, and by it alone."""

    def __init__(self, source: str, kind: str, door: str) -> None:
        super().__init__(
            "other_door",
            f"prices of source {source} come by {kind}, not by {door}",
            source=source,
            kind=kind,
        )
