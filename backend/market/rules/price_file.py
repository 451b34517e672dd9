"""Files of daily prices. Pure."""

import re
from datetime import date
from decimal import Decimal
from typing import Final

from backend.errors import InvalidError, RefusedError
from backend.market.types import PriceRow, PriceTable

FILE_BYTES_MAX: Final = 8 * 1024 * 1024  # A century of days is a tenth of it.
ROWS_MAX: Final = 100_000
CSV_HEADER: Final = "Date,Price"
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_PRICE: Final = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)


def read_price_csv(content: bytes, *, today: date) -> PriceTable:
    """Return the rows of a price file in time order; identical repeated rows only once.

    The header is ``Date,Price``, then one row a day. A cell without a price is skipped and
    reported: a day on which nothing was quoted, not a price of zero. Zero and below are real.
    Anything else that is not understood refuses the whole file.

    Raises:
        InvalidError: A line is not understood; names the line, the field, the value and the bound.
        RefusedError: Two lines give one day different prices.
    """
    if len(content) > FILE_BYTES_MAX:
        raise InvalidError("file", f"{len(content)} bytes", f"at most {FILE_BYTES_MAX} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidError("file", f"byte {error.start}", "text in UTF-8") from error
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    if lines[0] != CSV_HEADER:
        raise InvalidError("line 1", lines[0], f"the header {CSV_HEADER}")
    if len(lines) - 1 > ROWS_MAX:
        raise InvalidError("file", f"{len(lines) - 1} rows", f"at most {ROWS_MAX} rows")
    by_day: dict[date, PriceRow] = {}
    skipped: list[int] = []
    for number, line in enumerate(lines[1:], start=2):
        row = _read_row(number, line, today)
        if row is None:
            skipped.append(number)
        elif by_day.setdefault(row.day, row).value != row.value:
            first = by_day[row.day]
            raise RefusedError(
                "price_contradicts",
                f"line {number}: Price of {row.day} is {row.value}, but line {first.line} says"
                f" {first.value}",
                line=number,
                day=row.day.isoformat(),
            )
    rows = tuple(by_day[day] for day in sorted(by_day))
    return PriceTable(rows=rows, skipped_lines=tuple(skipped))


def _read_row(number: int, line: str, today: date) -> PriceRow | None:
    """Return one line's price, or None when it has none.

    Raises:
        InvalidError: The line is not understood.
    """
    cells = line.split(",")
    if len(cells) != 2:
        raise InvalidError(f"line {number}", line, "two cells, Date and Price")
    day = _read_day(number, cells[0], today)
    if cells[1] == "":
        return None
    if not _PRICE.fullmatch(cells[1]):
        raise InvalidError(
            f"line {number}: Price",
            cells[1],
            "a decimal number with at most 9 digits either side of the point, or empty",
        )
    return PriceRow(line=number, day=day, value=Decimal(cells[1]))


def _read_day(number: int, cell: str, today: date) -> date:
    """Return a line's day.

    Raises:
        InvalidError: It is none, or in the future.
    """
    field = f"line {number}: Date"
    if not _DAY.fullmatch(cell):
        raise InvalidError(field, cell, "a day as YYYY-MM-DD")
    try:
        day = date.fromisoformat(cell)
    except ValueError as error:
        raise InvalidError(field, cell, "a day of the calendar") from error
    if day > today:
        raise InvalidError(field, cell, f"not after today, {today}")
    return day
