"""What a feed says, and when it is asked again. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final, cast
from urllib.parse import urlsplit

from backend.errors import InvalidError
from backend.market.rules.price_file import FILE_BYTES_MAX, ROWS_MAX, read_price_csv
from backend.market.types import FeedFormat, Instrument, NewPrice

MESSAGE_BYTES_MAX: Final = 4_096  # One price and its signature are a tenth of it.
SIGNATURE_BYTES: Final = 64  # RFC 8032 5.1.6
BACKOFF_S_MIN: Final = 30
BACKOFF_S_MAX: Final = 3_600  # A source that is back is heard within the hour.
TOPIC_ROOT: Final = "pw/1/price"
PRICE_FILTER: Final = f"{TOPIC_ROOT}/+/+"
_CONTEXT: Final = b"pledgewatch price v1\0"
_LOCAL: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_VALUE: Final = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
_FIELDS: Final = ["currency", "time", "unit", "value"]


def check_url(url: str, hosts: frozenset[str]) -> None:
    """Refuse to pull from where the operator did not say that prices may come from.

    Raises:
        InvalidError: It is no https address (http on this machine only), or of another host.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise InvalidError("url", url, "an address") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOCAL):
        raise InvalidError("url", url, "https, or http on this machine")
    if parts.username or parts.password or parts.fragment:
        raise InvalidError("url", host, "without user, password and fragment: name a credential")
    if host not in hosts and f"{host}:{port}" not in hosts:
        raise InvalidError("url", host, "of a host in PLEDGEWATCH_FEED_HOSTS")


def pause_s(every_s: int, failures: int, jitter: float) -> float:
    """Return in how many seconds a feed is asked again: as scheduled, or later while it fails.

    Args:
        every_s: Its schedule.
        failures: In a row, so far.
        jitter: From 0 to 1, so that many do not come back at one moment.
    """
    if failures == 0:
        return float(every_s)
    longest = min(BACKOFF_S_MAX, BACKOFF_S_MIN * 2 ** min(failures - 1, 16))
    return max(every_s, longest / 2 * (1 + jitter))


def read_prices(
    content: bytes, form: FeedFormat, instrument: Instrument, source: str, today: date
) -> Sequence[NewPrice]:
    """Return the prices that a feed answered with.

    Raises:
        InvalidError: It is not understood, or in another currency or unit than the instrument's.
        RefusedError: It contradicts itself.
    """
    match form:
        case FeedFormat.CSV:
            rows = read_price_csv(content, today=today).rows
            return [
                NewPrice(
                    source=source,
                    at=datetime.combine(row.day, time.min, tzinfo=UTC),
                    value=row.value,
                )
                for row in rows
            ]
        case FeedFormat.JSON:
            return _read_json(content, instrument, source)


def _read_json(content: bytes, instrument: Instrument, source: str) -> Sequence[NewPrice]:
    if len(content) > FILE_BYTES_MAX:
        raise InvalidError("file", f"{len(content)} bytes", f"at most {FILE_BYTES_MAX} bytes")
    decoded = decode_json(content)
    if not isinstance(decoded, list):
        raise InvalidError("body", type(decoded).__name__, "a list of prices")
    rows = cast("list[object]", decoded)
    if len(rows) > ROWS_MAX:
        raise InvalidError("body", f"{len(rows)} prices", f"at most {ROWS_MAX}")
    return [read_price(row, instrument, source, f"price {n}") for n, row in enumerate(rows, 1)]


def decode_json(content: bytes) -> object:
    """Return what is written in JSON, numbers as they are written.

    Raises:
        InvalidError: It is no JSON.
    """
    try:
        return json.loads(content, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise InvalidError("body", content[:40], "JSON in UTF-8") from error


def read_price(row: object, instrument: Instrument, source: str, what: str) -> NewPrice:
    """Return one price: time, value, and currency and unit, which are the instrument's.

    Raises:
        InvalidError: It is not understood; names the field, the value and the bound.
    """
    if not isinstance(row, dict):
        raise InvalidError(what, row, "an object with time, value, currency and unit")
    said = cast("Mapping[str, Any]", row)
    if sorted(said) != _FIELDS:
        raise InvalidError(what, sorted(said), "exactly time, value, currency and unit")
    if said["currency"] != instrument.currency:
        raise InvalidError(f"{what}: currency", said["currency"], instrument.currency)
    if said["unit"] != instrument.unit.value:
        raise InvalidError(f"{what}: unit", said["unit"], instrument.unit.value)
    value, at = said["value"], said["time"]
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise InvalidError(f"{what}: value", value, "at most 9 digits either side of the point")
    return NewPrice(source=source, at=_read_time(at, f"{what}: time"), value=Decimal(value))


def _read_time(value: object, field: str) -> datetime:
    if not isinstance(value, str):
        raise InvalidError(field, value, "a time as in ISO 8601")
    try:
        at = datetime.fromisoformat(value)
    except ValueError as error:
        raise InvalidError(field, value, "a time as in ISO 8601") from error
    if at.tzinfo is None:
        raise InvalidError(field, value, "with its offset from UTC")
    return at


def parse_topic(topic: str) -> tuple[str, str] | None:
    """Return the instrument and source of a topic of prices; None: it is no such topic."""
    parts = topic.split("/")
    if len(parts) != 5 or "/".join(parts[:3]) != TOPIC_ROOT:
        return None
    return parts[3], parts[4]


def bytes_to_sign(topic: str, body: bytes) -> bytes:
    """Return what a publisher signs: a price for one topic is none for another."""
    return _CONTEXT + topic.encode() + b"\0" + body


def split_message(data: bytes) -> tuple[bytes, bytes]:
    """Return the signature of a message and its body.

    Raises:
        InvalidError: It is too long or too short.
    """
    if not SIGNATURE_BYTES < len(data) <= MESSAGE_BYTES_MAX:
        bound = f"{SIGNATURE_BYTES + 1} to {MESSAGE_BYTES_MAX} bytes"
        raise InvalidError("message", f"{len(data)} bytes", bound)
    return data[:SIGNATURE_BYTES], data[SIGNATURE_BYTES:]
