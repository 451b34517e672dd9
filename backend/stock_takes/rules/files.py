"""What handheld readers write: CSV with a header, and EPCIS 2.0 JSON. Pure.

Source: GS1 EPCIS 2.0, 7.4.2 (ObjectEvent) and 9 (JSON); CBV 2.0, 7.1 (business steps).
"""

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, cast

from backend.errors import InvalidError
from backend.stock_takes.rules.epc import EPC_TEXT_MAX, parse_epc
from backend.stock_takes.types import TagRead

FILE_BYTES_MAX: Final = 1024 * 1024  # Ten thousand tags with their times take 600 kB.
TAGS_MAX: Final = 10_000
EVENTS_MAX: Final = 1_000
COLUMNS: Final = ("epc", "read_at")
_STEPS: Final = ("stock_taking", "cycle_counting")

Read = tuple[bytes | str, datetime | None]


def parse_csv(content: bytes) -> list[Read]:
    """Return the tags of a CSV file: a header with ``epc`` and perhaps ``read_at``, then lines.

    Raises:
        InvalidError: It is too long, no UTF-8, has no such header, or a line that is none.
    """
    rows = csv.reader(io.StringIO(_text(content)))
    try:
        header = [name.strip().lower() for name in next(rows, list[str]())]
        if "epc" not in header:
            raise InvalidError("line 1", ",".join(header), "a header with the column epc")
        reads: list[Read] = []
        for number, row in enumerate(rows, 2):
            if not any(cell.strip() for cell in row):
                continue
            cells = dict(zip(header, row, strict=False))
            field = f"line {number}: "
            read_at = cells.get("read_at", "").strip()
            reads.append(
                (
                    _epc(cells.get("epc", ""), f"{field}epc"),
                    _time(read_at, f"{field}read_at") if read_at else None,
                )
            )
            _check_count(len(reads))
    except csv.Error as error:
        raise InvalidError("file", str(error), "comma-separated values") from error
    return reads


def parse_epcis(content: bytes) -> list[Read]:
    """Return the tags of an EPCIS document: ObjectEvents that observe, in taking stock.

    Raises:
        InvalidError: It is too long, no such document, or holds another event.
    """
    try:
        document = json.loads(_text(content))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidError("file", str(error), "JSON") from error
    root = _object(document, "document")
    _check_word(root, "type", ("EPCISDocument",), "document")
    _check_word(root, "schemaVersion", ("2.0", "2.0.0", "2.0.1"), "document")
    body = _object(root.get("epcisBody"), "epcisBody")
    events = _array(body.get("eventList"), "epcisBody.eventList", EVENTS_MAX)
    reads: list[Read] = []
    for number, each in enumerate(events):
        name = f"eventList[{number}]"
        event = _object(each, name)
        _check_word(event, "type", ("ObjectEvent",), name)
        _check_word(event, "action", ("OBSERVE",), name)
        _check_word(event, "bizStep", _STEPS, name)
        at = _time(event.get("eventTime"), f"{name}.eventTime")
        epcs = _array(event.get("epcList"), f"{name}.epcList", TAGS_MAX)
        reads += [(_epc(epc, f"{name}.epcList[{i}]"), at) for i, epc in enumerate(epcs)]
        _check_count(len(reads))
    return reads


def tags_of(reads: list[Read], known: dict[str, bytes]) -> tuple[TagRead, ...]:
    """Return tags by their codes, each once, at its last time.

    Args:
        reads: as a file gives them.
        known: the codes of the lot's items by their pure identities.
    """
    latest: dict[bytes, datetime | None] = {}
    for code, at in reads:
        # An identity that is not the lot's is kept as its text: it is foreign whatever it is.
        epc = code if isinstance(code, bytes) else known.get(code, code.encode()[:62])
        before = latest.get(epc)
        latest[epc] = at if before is None or (at is not None and at > before) else before
    return tuple(TagRead(epc=epc, at=latest[epc]) for epc in sorted(latest))


def _text(content: bytes) -> str:
    if len(content) > FILE_BYTES_MAX:
        raise InvalidError("file", f"{len(content)} bytes", f"at most {FILE_BYTES_MAX} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidError("file", str(error), "UTF-8") from error


def _epc(value: object, field: str) -> bytes | str:
    if isinstance(value, str) and len(value) <= EPC_TEXT_MAX:
        try:
            return parse_epc(value)
        except ValueError as error:
            raise InvalidError(field, value, str(error)) from error
    raise InvalidError(field, value, f"text of up to {EPC_TEXT_MAX} characters")


def _time(value: object, field: str) -> datetime:
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
            if at.tzinfo is not None and 2000 <= at.year < 2200:
                return at
    except ValueError:
        pass
    raise InvalidError(field, value, "a time with its zone, as 2026-11-22T12:00:00Z")


def _object(value: object, field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidError(field, value, "a JSON object")
    return cast("dict[str, Any]", value)


def _array(value: object, field: str, length_max: int) -> Iterator[object]:
    if not isinstance(value, list):
        raise InvalidError(field, value, "a JSON array")
    items = cast("list[object]", value)
    if len(items) > length_max:
        raise InvalidError(field, f"{len(items)} elements", f"at most {length_max}")
    return iter(items)


def _check_word(holder: dict[str, Any], key: str, words: tuple[str, ...], name: str) -> None:
    """Check a word, written bare or as the last part of a URI."""
    value = holder.get(key)
    value = value if isinstance(value, str) else ""
    bare = value.replace("BizStep-", "").split("/")[-1].split(":")[-1] if value else ""
    if bare not in words:
        raise InvalidError(f"{name}.{key}", value, " or ".join(words))


def _check_count(count: int) -> None:
    if count > TAGS_MAX:
        raise InvalidError("tags", f"more than {TAGS_MAX}", f"at most {TAGS_MAX}")
