"""Files of holidays: CSV and iCalendar. Pure."""

import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from backend.errors import InvalidError
from backend.market.types import CalendarDay

FILE_BYTES_MAX: Final = 1024 * 1024  # A calendar of a century is a tenth of it.
DAYS_MAX: Final = 5_000  # Of one file.
EVENT_DAYS_MAX: Final = 31  # A longer one is no holiday: the exchange is closed for good.
NAME_CHARACTERS_MAX: Final = 120
CSV_HEADERS: Final = ("Date,Name", "Date,Name,Trades")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_ICAL_DAY: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})", re.ASCII)
_TRADES: Final = {"yes": True, "no": False}


def read_calendar_csv(content: bytes) -> Sequence[CalendarDay]:
    """Return the days of a file with the header Date,Name or Date,Name,Trades (yes or no).

    Raises:
        InvalidError: A line is not understood; names the line, the field, the value and the bound.
    """
    lines = _text(content).replace("\r\n", "\n").removesuffix("\n").split("\n")
    if lines[0] not in CSV_HEADERS:
        raise InvalidError("line 1", lines[0], f"the header {' or '.join(CSV_HEADERS)}")
    _check_count(len(lines) - 1)
    width = lines[0].count(",") + 1
    return [_read_line(number, line, width) for number, line in enumerate(lines[1:], start=2)]


def _read_line(number: int, line: str, width: int) -> CalendarDay:
    cells = line.split(",")
    if len(cells) != width:
        raise InvalidError(f"line {number}", line, f"{width} cells")
    if not _DAY.fullmatch(cells[0]):
        raise InvalidError(f"line {number}: Date", cells[0], "a day as YYYY-MM-DD")
    trades = "no" if width == 2 else cells[2]
    if trades not in _TRADES:
        raise InvalidError(f"line {number}: Trades", trades, "yes or no")
    day = _day(f"line {number}: Date", cells[0], cells[0])
    return CalendarDay(day=day, trades=_TRADES[trades], name=_name(f"line {number}", cells[1]))


def read_ical(content: bytes) -> Sequence[CalendarDay]:
    """Return the days of an iCalendar file's whole-day events, as holidays.

    Of an event count DTSTART, DTEND (which is not included) and SUMMARY. One that recurs, or that
    has a time of day, refuses the file: which days it closes would be a guess.
    Source: RFC 5545 3.1 (folded lines), 3.3.4 (DATE), 3.6.1 (VEVENT).

    Raises:
        InvalidError: It is none, or an event is not understood.
    """
    lines = list(_unfolded(_text(content)))
    if not lines or lines[0].upper() != "BEGIN:VCALENDAR":
        raise InvalidError("line 1", lines[0] if lines else "", "BEGIN:VCALENDAR")
    days: dict[date, CalendarDay] = {}
    event: dict[str, str] | None = None
    for line in lines:
        head, _, value = line.partition(":")
        name, *parameters = head.upper().split(";")
        if (name, value.upper()) == ("BEGIN", "VEVENT"):
            event = {}
        elif (name, value.upper()) == ("END", "VEVENT") and event is not None:
            days |= {each.day: each for each in _days_of(event)}
            _check_count(len(days))
            event = None
        elif event is not None:
            if name in ("RRULE", "RDATE"):
                raise InvalidError(name, value, "absent: list each day as an event of its own")
            event.setdefault(name, value)
            if name in ("DTSTART", "DTEND") and "VALUE=DATE" not in parameters:
                raise InvalidError(name, value, "a whole day, VALUE=DATE")
    if event is not None:
        raise InvalidError("file", "BEGIN:VEVENT", "ended by END:VEVENT")
    return [days[day] for day in sorted(days)]


def _unfolded(text: str) -> Iterator[str]:
    whole = re.sub(r"\r?\n[ \t]", "", text)  # RFC 5545 3.1
    return (line for line in whole.replace("\r\n", "\n").split("\n") if line)


def _days_of(event: dict[str, str]) -> Iterator[CalendarDay]:
    first = _ical_day("DTSTART", event.get("DTSTART", ""))
    after = first + timedelta(days=1)
    if "DTEND" in event:
        after = _ical_day("DTEND", event["DTEND"])
    count = (after - first).days
    if not 1 <= count <= EVENT_DAYS_MAX:
        raise InvalidError("DTEND", event["DTEND"], f"1 to {EVENT_DAYS_MAX} days after DTSTART")
    name = _name("SUMMARY", re.sub(r"\\([,;\\])", r"\1", event.get("SUMMARY", "")))
    for number in range(count):
        yield CalendarDay(day=first + timedelta(days=number), trades=False, name=name)


def _ical_day(field: str, value: str) -> date:
    match = _ICAL_DAY.fullmatch(value)
    if match is None:
        raise InvalidError(field, value, "a day as YYYYMMDD")
    return _day(field, value, "-".join(match.groups()))


def _day(field: str, value: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise InvalidError(field, value, "a day of the calendar") from error
    if not 1900 <= day.year <= 2999:
        raise InvalidError(field, value, "of the years 1900 to 2999")
    return day


def _name(field: str, value: str) -> str:
    name = value.strip()
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX:
        raise InvalidError(field, value, f"a name of 1 to {NAME_CHARACTERS_MAX} characters")
    return name


def _text(content: bytes) -> str:
    if len(content) > FILE_BYTES_MAX:
        raise InvalidError("file", f"{len(content)} bytes", f"at most {FILE_BYTES_MAX} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidError("file", f"byte {error.start}", "text in UTF-8") from error


def _check_count(count: int) -> None:
    if count > DAYS_MAX:
        raise InvalidError("file", f"{count} days", f"at most {DAYS_MAX}")
