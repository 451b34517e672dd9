"""What an LLRP reader says: tag reports, its own events, its capabilities, its answers.

A report is the reader's statistical view of its field: one entry stands for ``count`` reads. A
parameter that is not understood, a vendor's among them, is skipped by its length and costs
nothing else. A message that breaks the form inside becomes a fault; the stream goes on behind it,
because the message's own length was good.

Source: EPCglobal Low Level Reader Protocol 1.0.1 and 1.1, chapters on capabilities, reports,
notifications and events, and errors.
"""

from collections.abc import Iterator
from typing import Final

from gateway.decode.events import (
    Event,
    Fault,
    FaultWhy,
    ReaderCapabilities,
    ReaderEvent,
    ReaderMessage,
    ReaderWhat,
    TagReport,
    fault,
)
from gateway.decode.llrp_wire import (
    LlrpFramer,
    Message,
    MessageType,
    ParameterType,
    WireError,
    encode_message,
    find_parameter,
    read_parameters,
    unsigned,
    utf8,
)

EPC_BYTES_MAX: Final = 62  # Gen2: at most 31 words of EPC.
ANTENNA_MAX: Final = 255  # What an envelope's column holds; readers with hubs end at 64 or so.
TEXT_CHARS_MAX: Final = 200  # Of any text that a reader sends.
TIME_US_MAX: Final = 253_402_300_799_999_999  # The end of the year 9999; beyond it is no time.
OK: Final = 0  # LLRPStatus: M_Success

# Messages whose one parameter of interest is an LLRPStatus.
_WITH_STATUS: Final = frozenset(
    kind for kind in MessageType if kind.name.endswith("_RESPONSE")
) | {MessageType.ERROR_MESSAGE}
_ATTEMPTS: Final = {
    0: "",
    1: "a connection that the reader opened exists already",
    2: "another client is connected already",
    3: "refused for a reason that the reader does not give",
    4: "another client tried to connect",
}
_ROSPEC: Final = (ReaderWhat.ROSPEC_STARTED, ReaderWhat.ROSPEC_ENDED, ReaderWhat.ROSPEC_PREEMPTED)


class LlrpDecoder:
    """Turn what a reader sent on one connection into events."""

    def __init__(self) -> None:
        self._framer = LlrpFramer()

    def feed(self, chunk: bytes) -> list[Event]:
        """Return what ``chunk`` completes, oldest first."""
        return [event for part in self._framer.feed(chunk) for event in _decode(part)]

    def flush(self) -> list[Event]:
        """Return a fault for a message that never ended."""
        return [event for part in self._framer.flush() for event in _decode(part)]


def decode_message(message: Message) -> list[Event]:
    """Return what ``message`` says: at least one event; never raises."""
    events: list[Event] = []
    try:
        for event in _events(message):
            events.append(event)  # What came before a fault stays.
    except WireError as error:
        whole = encode_message(message.type, message.id, message.body, version=message.version)
        events.append(fault(error.why, whole))
    return events or [_plain(message)]


def decode_status(message: Message) -> tuple[int, str]:
    """Return the status code and its text, of a response or an ERROR_MESSAGE.

    Raises:
        WireError: There is none, or it breaks the form.
    """
    body = find_parameter(message.body, ParameterType.LLRP_STATUS)
    if body is None:
        raise WireError(FaultWhy.MALFORMED, f"{message.name} without LLRPStatus")
    return unsigned(body, 0, 2), _text(utf8(body, 2)[0])


def decode_antennas(message: Message) -> dict[int, bool]:
    """Return which antennas of a GET_READER_CONFIG_RESPONSE are connected.

    Raises:
        WireError: The message breaks the form.
    """
    return {
        unsigned(p.body, 1, 2): bool(unsigned(p.body, 0, 1) & 0x80)
        for p in read_parameters(message.body)
        if p.type == ParameterType.ANTENNA_PROPERTIES
    }


def _decode(part: Message | Fault) -> list[Event]:
    return [part] if isinstance(part, Fault) else decode_message(part)


def _events(message: Message) -> Iterator[Event]:
    match message.type:
        case MessageType.RO_ACCESS_REPORT:
            for parameter in read_parameters(message.body):
                if parameter.type == ParameterType.TAG_REPORT_DATA:
                    yield _tag(parameter.body)
        case MessageType.READER_EVENT_NOTIFICATION:
            yield from _notification(message.body)
        case MessageType.GET_READER_CAPABILITIES_RESPONSE:
            yield _plain(message, *decode_status(message))
            body = find_parameter(message.body, ParameterType.GENERAL_DEVICE_CAPABILITIES)
            if body is not None:
                own = find_parameter(message.body, ParameterType.LLRP_CAPABILITIES)
                yield _capabilities(body, own or b"\0")
        case kind if kind in _WITH_STATUS:
            yield _plain(message, *decode_status(message))
        case _:
            pass


def _plain(message: Message, status: int | None = None, text: str = "") -> ReaderMessage:
    return ReaderMessage(
        type=message.type,
        name=message.name,
        number=message.id,
        status=status,
        text=text,
        parameters=message.body,
    )


def _tag(body: bytes) -> Event:
    """Return one TagReportData; a fault where it breaks the form, which costs no other."""
    fields: dict[int, bytes] = {}
    try:
        for parameter in read_parameters(body):
            fields.setdefault(parameter.type, parameter.body)
        epc = _epc(fields)
    except WireError as error:
        return fault(error.why, body)
    antenna = _number(fields, ParameterType.ANTENNA_ID) or None
    if antenna is not None and antenna > ANTENNA_MAX:
        return fault(FaultWhy.MALFORMED, body)
    rssi = fields.get(ParameterType.PEAK_RSSI)
    return TagReport(
        epc=epc,
        rssi_dbm=None if rssi is None else float(int.from_bytes(rssi, "big", signed=True)),
        antenna=antenna,
        pc=_number(fields, ParameterType.C1G2_PC),
        count=max(_number(fields, ParameterType.TAG_SEEN_COUNT) or 1, 1),
        first_seen_us=_time(fields, ParameterType.FIRST_SEEN_UTC),
        last_seen_us=_time(fields, ParameterType.LAST_SEEN_UTC),
        first_seen_uptime_us=_time(fields, ParameterType.FIRST_SEEN_UPTIME),
        last_seen_uptime_us=_time(fields, ParameterType.LAST_SEEN_UPTIME),
        rospec=_number(fields, ParameterType.ROSPEC_ID),
        channel=_number(fields, ParameterType.CHANNEL_INDEX),
        access_spec=_number(fields, ParameterType.ACCESS_SPEC_ID),
    )


def _epc(fields: dict[int, bytes]) -> bytes:
    if (epc := fields.get(ParameterType.EPC_96)) is not None:
        return epc
    if (data := fields.get(ParameterType.EPC_DATA)) is None:
        raise WireError(FaultWhy.MALFORMED, "a tag without EPC")
    size = -(-unsigned(data, 0, 2) // 8)  # Its length is in bits; whole octets follow.
    if not 0 < size <= EPC_BYTES_MAX or len(data) < 2 + size:
        raise WireError(FaultWhy.BAD_LENGTH, f"an EPC of {size} bytes")
    return data[2 : 2 + size]


def _number(fields: dict[int, bytes], kind: ParameterType) -> int | None:
    body = fields.get(kind)
    return None if body is None else int.from_bytes(body, "big")


def _time(fields: dict[int, bytes], kind: ParameterType) -> int | None:
    time_us = _number(fields, kind)
    return None if time_us is None or time_us > TIME_US_MAX else time_us


def _notification(body: bytes) -> Iterator[Event]:
    data = find_parameter(body, ParameterType.READER_EVENT_NOTIFICATION_DATA)
    if data is None:
        raise WireError(FaultWhy.MALFORMED, "a notification without data")
    times: dict[int, bytes] = {}
    for parameter in read_parameters(data):
        if parameter.type in (ParameterType.UTC_TIMESTAMP, ParameterType.UPTIME):
            unsigned(parameter.body, 0, 8)
            times[parameter.type] = parameter.body[:8]
        elif (said := _happening(parameter.type, parameter.body)) is not None:
            what, antenna, text = said
            yield ReaderEvent(
                what=what,
                antenna=antenna,
                text=text,
                time_us=_time(times, ParameterType.UTC_TIMESTAMP),
                uptime_us=_time(times, ParameterType.UPTIME),
            )


def _happening(kind: int, body: bytes) -> tuple[ReaderWhat, int | None, str] | None:
    """Return what an event parameter says: what, which antenna, details; None if no event."""
    match kind:
        case ParameterType.ANTENNA_EVENT:
            connected = unsigned(body, 0, 1) == 1
            what = ReaderWhat.ANTENNA_CONNECTED if connected else ReaderWhat.ANTENNA_DISCONNECTED
            return what, unsigned(body, 1, 2), ""
        case ParameterType.READER_EXCEPTION:
            text, end = utf8(body, 0)
            antenna = find_parameter(body[end:], ParameterType.ANTENNA_ID)
            number = None if antenna is None else int.from_bytes(antenna, "big")
            return ReaderWhat.READER_EXCEPTION, number, _text(text)
        case ParameterType.CONNECTION_ATTEMPT:
            return _attempt(unsigned(body, 0, 2))
        case ParameterType.CONNECTION_CLOSE:
            return ReaderWhat.CONNECTION_CLOSED, None, ""
        case ParameterType.REPORT_BUFFER_LEVEL_WARNING:
            return ReaderWhat.BUFFER_WARNING, None, f"{unsigned(body, 0, 1)} % full"
        case ParameterType.REPORT_BUFFER_OVERFLOW:
            return ReaderWhat.BUFFER_OVERFLOW, None, ""
        case _:
            return _progress(kind, body)


def _attempt(status: int) -> tuple[ReaderWhat, int | None, str]:
    if status == 0:
        return ReaderWhat.CONNECTED, None, ""
    # 4 is told to the client that stays, and says that another one came.
    what = ReaderWhat.OTHER_CLIENT if status == 4 else ReaderWhat.CONNECTION_REFUSED
    return what, None, _ATTEMPTS.get(status, f"status {status}")


def _progress(kind: int, body: bytes) -> tuple[ReaderWhat, int | None, str] | None:
    match kind:
        case ParameterType.ROSPEC_EVENT:
            step = unsigned(body, 0, 1)
            what = _ROSPEC[step] if step < len(_ROSPEC) else ReaderWhat.OTHER
            return what, None, f"ROSpec {unsigned(body, 1, 4)}"
        case ParameterType.AISPEC_EVENT:
            return ReaderWhat.AISPEC_ENDED, None, f"ROSpec {unsigned(body, 1, 4)}"
        case ParameterType.GPI_EVENT:
            state = "on" if unsigned(body, 2, 1) & 0x80 else "off"
            return ReaderWhat.GPI, None, f"input {unsigned(body, 0, 2)} {state}"
        case _:
            return None


def _capabilities(body: bytes, own: bytes) -> ReaderCapabilities:
    return ReaderCapabilities(
        antennas=unsigned(body, 0, 2),
        utc_clock=bool(unsigned(body, 2, 2) & 0x4000),
        manufacturer=unsigned(body, 4, 4),
        model=unsigned(body, 8, 4),
        firmware=_text(utf8(body, 12)[0]),
        warns=bool(own[0] & 0x40),
        holds=bool(own[0] & 0x08),
    )


def _text(text: str) -> str:
    return text.replace("\0", "")[:TEXT_CHARS_MAX]
