"""The bytes of an LLRP reader: what it takes apart of requests, and what it sends.

Source: EPCglobal Low Level Reader Protocol 1.0.1, "Binary Encoding for LLRP". All numbers are in
network order. Messages: 3 reserved bits, 3 bits version, 10 bits type, length, id. Parameters:
type and length in two octets each, or one octet with its highest bit set and no length (TV).

Deliberately absent: access operations, surveys, vendors' extensions.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

VERSION: Final = 1  # of LLRP 1.0.1
REQUEST_BYTES_MAX: Final = 65_536  # more than any request of a client needs
HEADER_BYTES: Final = 10

# Requests by type, and the type of each one's response.
GET_CAPABILITIES: Final = 1
GET_CONFIG: Final = 2
SET_CONFIG: Final = 3
CLOSE_CONNECTION: Final = 14
ADD_ROSPEC: Final = 20
DELETE_ROSPEC: Final = 21
START_ROSPEC: Final = 22
STOP_ROSPEC: Final = 23
ENABLE_ROSPEC: Final = 24
DISABLE_ROSPEC: Final = 25
DELETE_ACCESSSPEC: Final = 41
ENABLE_EVENTS_AND_REPORTS: Final = 64
KEEPALIVE_ACK: Final = 72
RESPONSES: Final[Mapping[int, int]] = {
    GET_CAPABILITIES: 11,
    GET_CONFIG: 12,
    SET_CONFIG: 13,
    CLOSE_CONNECTION: 4,
    ADD_ROSPEC: 30,
    DELETE_ROSPEC: 31,
    START_ROSPEC: 32,
    STOP_ROSPEC: 33,
    ENABLE_ROSPEC: 34,
    DISABLE_ROSPEC: 35,
    DELETE_ACCESSSPEC: 51,
}
_REPORT: Final = 61
_KEEPALIVE: Final = 62
_NOTIFICATION: Final = 63
_ERROR: Final = 100

# Status codes.
SUCCESS: Final = 0
FIELD_ERROR: Final = 101
MISSING_PARAMETER: Final = 103
UNSUPPORTED_MESSAGE: Final = 109
UNSUPPORTED_PARAMETER: Final = 209
OUT_OF_RANGE: Final = 301

# The octets that follow the type of a parameter without length; requests hold only these.
_TV_OCTETS: Final = {1: 2, 9: 4}


class BadRequestError(ValueError):
    """A request that the reader refuses; ``status`` is what it answers."""

    def __init__(self, status: int, text: str) -> None:
        """Keep the LLRP status code beside the text."""
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One message of the client."""

    kind: int
    number: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Rospec:
    """What one ROSpec asks for; ``duration_ms`` 0: until it is stopped."""

    number: int
    antennas: tuple[int, ...]
    duration_ms: int
    immediate: bool
    tags_a_report: int  # 0: one report at the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a SET_READER_CONFIG asks for; None where it says nothing."""

    events: Mapping[int, bool]
    keepalive_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TagSummary:
    """The reads of one tag by one antenna since the last report."""

    epc: bytes
    antenna: int
    rssi_dbm: float
    first_us: int
    last_us: int
    count: int


def message(kind: int, number: int, body: bytes = b"") -> bytes:
    """Return one message of the reader."""
    head = (VERSION << 10 | kind).to_bytes(2) + (HEADER_BYTES + len(body)).to_bytes(4)
    return head + number.to_bytes(4) + body


def parameter(kind: int, body: bytes) -> bytes:
    """Return one parameter that carries its length."""
    return kind.to_bytes(2) + (len(body) + 4).to_bytes(2) + body


def request_length(header: bytes) -> int | None:
    """Return how long the request is that begins with ``header``; None if it is none."""
    length = int.from_bytes(header[2:6])
    if header[0] >> 2 not in (1, 2) or not HEADER_BYTES <= length <= REQUEST_BYTES_MAX:
        return None
    return length


def take_request(data: bytes) -> Request:
    """Return the request in ``data``, which is whole."""
    return Request(
        kind=int.from_bytes(data[:2]) & 0x3FF, number=int.from_bytes(data[6:10]), body=data[10:]
    )


def status(code: int = SUCCESS, text: str = "") -> bytes:
    """Return an LLRPStatus."""
    said = text.encode()
    return parameter(287, code.to_bytes(2) + len(said).to_bytes(2) + said)


def error(number: int, code: int, text: str) -> bytes:
    """Return an ERROR_MESSAGE."""
    return message(_ERROR, number, status(code, text))


def keepalive(number: int) -> bytes:
    """Return a KEEPALIVE."""
    return message(_KEEPALIVE, number)


def notification(number: int, utc_us: int, event: bytes) -> bytes:
    """Return a READER_EVENT_NOTIFICATION of one event, at the reader's time."""
    stamp = parameter(128, utc_us.to_bytes(8))
    return message(_NOTIFICATION, number, parameter(246, stamp + event))


def connection_attempt(outcome: int) -> bytes:
    """Return the event that takes a client (0), refuses it (2), or tells of another (4)."""
    return parameter(256, outcome.to_bytes(2))


def connection_close() -> bytes:
    """Return the event by which a reader takes its leave."""
    return parameter(257, b"")


def antenna_event(antenna: int, *, connected: bool) -> bytes:
    """Return the event of an antenna that was plugged in or out."""
    return parameter(255, bytes((int(connected),)) + antenna.to_bytes(2))


def exception_event(text: str, antenna: int | None) -> bytes:
    """Return the event of something that went wrong in the reader."""
    said = text.encode()
    where = b"" if antenna is None else b"\x81" + antenna.to_bytes(2)
    return parameter(252, len(said).to_bytes(2) + said + where)


def overflow_event() -> bytes:
    """Return the event of reports that were lost in the reader."""
    return parameter(251, b"")


def rospec_event(step: int, rospec: int) -> bytes:
    """Return the event of a ROSpec that began (0) or ended (1)."""
    return parameter(249, bytes((step,)) + rospec.to_bytes(4) + bytes(4))


def aispec_event(rospec: int) -> bytes:
    """Return the event of the end of a ROSpec's first AISpec."""
    return parameter(254, b"\0" + rospec.to_bytes(4) + (1).to_bytes(2))


def report(number: int, rospec: int, tags: Sequence[TagSummary]) -> bytes:
    """Return an RO_ACCESS_REPORT."""
    return message(_REPORT, number, b"".join(_tag(rospec, tag) for tag in tags))


def capabilities(antennas: int) -> bytes:
    """Return what a reader with a UTC clock can do: it warns of a full buffer, and may hold."""
    firmware = b"sim-1.0"
    body = antennas.to_bytes(2) + b"\x40\x00" + bytes(8) + len(firmware).to_bytes(2) + firmware
    gpio = parameter(141, bytes(4))
    sensitivity = parameter(139, (1).to_bytes(2) + (0).to_bytes(2))
    protocols = b"".join(
        parameter(140, n.to_bytes(2) + (1).to_bytes(2) + b"\x01") for n in range(1, antennas + 1)
    )
    own = parameter(142, b"\x48\x01" + bytes(2) + 5 * (1).to_bytes(4))
    return parameter(137, body + sensitivity + gpio + protocols) + own


def antenna_properties(antenna: int, *, connected: bool) -> bytes:
    """Return whether an antenna is plugged in; its gain is 6 dBi."""
    return parameter(221, bytes((connected << 7,)) + antenna.to_bytes(2) + (600).to_bytes(2))


def take_settings(body: bytes) -> Settings:
    """Return what a SET_READER_CONFIG asks for.

    Raises:
        BadRequestError: It breaks the form.
    """
    events: dict[int, bool] = {}
    keepalive_ms: int | None = None
    for kind, held in _parameters(body[1:]):
        if kind == 244:
            for _, state in _parameters(held):
                events[int.from_bytes(state[:2])] = bool(state[2] & 0x80)
        elif kind == 220:
            keepalive_ms = int.from_bytes(held[1:5]) if held[0] == 1 else 0
    return Settings(events=events, keepalive_ms=keepalive_ms)


def take_rospec(body: bytes) -> Rospec:
    """Return the ROSpec of an ADD_ROSPEC.

    Raises:
        BadRequestError: It breaks the form, or asks for what this reader cannot do.
    """
    held = _one(body, 177)
    parts = held[6:]
    boundary, aispec, wanted = _one(parts, 178), _one(parts, 183), _one(parts, 237)
    start = _one(boundary, 179)[0]
    if start > 1 or _one(boundary, 182)[0]:
        raise BadRequestError(UNSUPPORTED_PARAMETER, "only null and immediate triggers of ROSpecs")
    count = int.from_bytes(aispec[:2])
    antennas = tuple(int.from_bytes(aispec[2 + 2 * i : 4 + 2 * i]) for i in range(count))
    stop = _one(aispec[2 + 2 * count :], 184)
    if stop[0] > 1:
        raise BadRequestError(UNSUPPORTED_PARAMETER, "only null and duration triggers of AISpecs")
    if _one(aispec[2 + 2 * count :], 186)[2] != 1:
        raise BadRequestError(UNSUPPORTED_PARAMETER, "only EPCglobal class 1 generation 2")
    if wanted[0] not in (1, 2):
        raise BadRequestError(UNSUPPORTED_PARAMETER, "only reports upon N tags or an end")
    return Rospec(
        number=int.from_bytes(held[:4]),
        antennas=antennas,
        duration_ms=int.from_bytes(stop[1:5]) if stop[0] else 0,
        immediate=start == 1,
        tags_a_report=int.from_bytes(wanted[1:3]),
    )


def _tag(rospec: int, tag: TagSummary) -> bytes:
    # Gen2 6.3.2.1.2.2: the first five bits of the PC word are the EPC's length in words.
    pc = (len(tag.epc) // 2 << 11).to_bytes(2)
    epc = b"\x8d" + tag.epc
    if len(tag.epc) != 12:
        epc = parameter(241, (8 * len(tag.epc)).to_bytes(2) + tag.epc)
    fields = (
        epc,
        b"\x89" + rospec.to_bytes(4),
        b"\x81" + tag.antenna.to_bytes(2),
        b"\x86" + round(tag.rssi_dbm).to_bytes(1, signed=True),
        b"\x82" + tag.first_us.to_bytes(8),
        b"\x84" + tag.last_us.to_bytes(8),
        b"\x88" + min(tag.count, 0xFFFF).to_bytes(2),
        b"\x8c" + pc,
    )
    return parameter(240, b"".join(fields))


def _one(data: bytes, wanted: int) -> bytes:
    for kind, held in _parameters(data):
        if kind == wanted:
            return held
    raise BadRequestError(MISSING_PARAMETER, f"parameter {wanted} is missing")


def _parameters(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        if data[0] & 0x80:
            kind, start = data[0] & 0x7F, 1
            end = start + _TV_OCTETS.get(kind, len(data))
        else:
            kind, start = int.from_bytes(data[:2]), 4
            end = int.from_bytes(data[2:4])
        if not start < end <= len(data):
            raise BadRequestError(FIELD_ERROR, f"parameter {kind} has a wrong length")
        yield kind, data[start:end]
        data = data[end:]
