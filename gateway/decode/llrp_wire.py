"""LLRP's outer form: messages cut out of a TCP stream, and parameters out of a message.

TCP loses and reorders nothing, so a header that makes no sense means that the far end does not
speak LLRP, or that the two ends no longer agree where a message begins. There is no mark to find
the next one by: the framer names the fault once, takes nothing more, and the connection must end.

Source: EPCglobal Low Level Reader Protocol 1.0.1 and 1.1, chapters "Messages, Parameters and
Fields" (formats and type numbers) and "LLRP Message Encapsulation".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from gateway.decode.events import Fault, FaultWhy, fault

HEADER_BYTES: Final = 10
# A report of 3,000 tags with every field; the largest capability answers have some 10 kB.
MESSAGE_BYTES_MAX: Final = 262_144
VERSIONS: Final = (1, 2)  # LLRP 1.0.1 and 1.1

_RESERVED: Final = 0xE0
_TV: Final = 0x80
_TLV_BYTES: Final = 4
_TLV_MIN: Final = 128  # Lower type numbers belong to the parameters without length.
# Octets after the type octet of the parameters that carry no length of their own.
_TV_BYTES: Final = {
    1: 2,  # AntennaID
    2: 8,  # FirstSeenTimestampUTC
    3: 8,  # FirstSeenTimestampUptime
    4: 8,  # LastSeenTimestampUTC
    5: 8,  # LastSeenTimestampUptime
    6: 1,  # PeakRSSI
    7: 2,  # ChannelIndex
    8: 2,  # TagSeenCount
    9: 4,  # ROSpecID
    10: 2,  # InventoryParameterSpecID
    11: 2,  # C1G2CRC
    12: 2,  # C1G2PC
    13: 12,  # EPC-96
    14: 2,  # SpecIndex
    15: 2,  # ClientRequestOpSpecResult
    16: 4,  # AccessSpecID
    17: 2,  # OpSpecID
    18: 4,  # C1G2SingulationDetails
    19: 2,  # C1G2XPCW1, of 1.1
    20: 2,  # C1G2XPCW2, of 1.1
}


class MessageType(IntEnum):
    """The messages of LLRP 1.1; what else comes is kept by its number."""

    GET_READER_CAPABILITIES = 1
    GET_READER_CONFIG = 2
    SET_READER_CONFIG = 3
    CLOSE_CONNECTION_RESPONSE = 4
    GET_READER_CAPABILITIES_RESPONSE = 11
    GET_READER_CONFIG_RESPONSE = 12
    SET_READER_CONFIG_RESPONSE = 13
    CLOSE_CONNECTION = 14
    ADD_ROSPEC = 20
    DELETE_ROSPEC = 21
    START_ROSPEC = 22
    STOP_ROSPEC = 23
    ENABLE_ROSPEC = 24
    DISABLE_ROSPEC = 25
    GET_ROSPECS = 26
    ADD_ROSPEC_RESPONSE = 30
    DELETE_ROSPEC_RESPONSE = 31
    START_ROSPEC_RESPONSE = 32
    STOP_ROSPEC_RESPONSE = 33
    ENABLE_ROSPEC_RESPONSE = 34
    DISABLE_ROSPEC_RESPONSE = 35
    GET_ROSPECS_RESPONSE = 36
    ADD_ACCESSSPEC = 40
    DELETE_ACCESSSPEC = 41
    ENABLE_ACCESSSPEC = 42
    DISABLE_ACCESSSPEC = 43
    GET_ACCESSSPECS = 44
    CLIENT_REQUEST_OP = 45
    GET_SUPPORTED_VERSION = 46
    SET_PROTOCOL_VERSION = 47
    ADD_ACCESSSPEC_RESPONSE = 50
    DELETE_ACCESSSPEC_RESPONSE = 51
    ENABLE_ACCESSSPEC_RESPONSE = 52
    DISABLE_ACCESSSPEC_RESPONSE = 53
    GET_ACCESSSPECS_RESPONSE = 54
    CLIENT_REQUEST_OP_RESPONSE = 55
    GET_SUPPORTED_VERSION_RESPONSE = 56
    SET_PROTOCOL_VERSION_RESPONSE = 57
    GET_REPORT = 60
    RO_ACCESS_REPORT = 61
    KEEPALIVE = 62
    READER_EVENT_NOTIFICATION = 63
    ENABLE_EVENTS_AND_REPORTS = 64
    KEEPALIVE_ACK = 72
    ERROR_MESSAGE = 100
    CUSTOM_MESSAGE = 1023


class ParameterType(IntEnum):
    """The parameters that this package reads or writes."""

    ANTENNA_ID = 1
    FIRST_SEEN_UTC = 2
    FIRST_SEEN_UPTIME = 3
    LAST_SEEN_UTC = 4
    LAST_SEEN_UPTIME = 5
    PEAK_RSSI = 6
    CHANNEL_INDEX = 7
    TAG_SEEN_COUNT = 8
    ROSPEC_ID = 9
    C1G2_PC = 12
    EPC_96 = 13
    ACCESS_SPEC_ID = 16
    UTC_TIMESTAMP = 128
    UPTIME = 129
    GENERAL_DEVICE_CAPABILITIES = 137
    LLRP_CAPABILITIES = 142
    ROSPEC = 177
    RO_BOUNDARY_SPEC = 178
    ROSPEC_START_TRIGGER = 179
    ROSPEC_STOP_TRIGGER = 182
    AISPEC = 183
    AISPEC_STOP_TRIGGER = 184
    INVENTORY_PARAMETER_SPEC = 186
    KEEPALIVE_SPEC = 220
    ANTENNA_PROPERTIES = 221
    EVENTS_AND_REPORTS = 226
    RO_REPORT_SPEC = 237
    TAG_REPORT_CONTENT_SELECTOR = 238
    TAG_REPORT_DATA = 240
    EPC_DATA = 241
    READER_EVENT_NOTIFICATION_SPEC = 244
    EVENT_NOTIFICATION_STATE = 245
    READER_EVENT_NOTIFICATION_DATA = 246
    GPI_EVENT = 248
    ROSPEC_EVENT = 249
    REPORT_BUFFER_LEVEL_WARNING = 250
    REPORT_BUFFER_OVERFLOW = 251
    READER_EXCEPTION = 252
    AISPEC_EVENT = 254
    ANTENNA_EVENT = 255
    CONNECTION_ATTEMPT = 256
    CONNECTION_CLOSE = 257
    LLRP_STATUS = 287
    C1G2_EPC_MEMORY_SELECTOR = 348


class WireError(ValueError):
    """Bytes inside a message that are not what the specification says; ``why`` names the fault."""

    def __init__(self, why: FaultWhy, what: str) -> None:
        super().__init__(f"{why.value}: {what}")
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message; ``body`` is what follows its header."""

    version: int
    type: int
    id: int
    body: bytes

    @property
    def name(self) -> str:
        """The message's name in the specification, or its number where that has none."""
        return MessageType(self.type).name if self.type in _NAMED else str(self.type)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a message or of another parameter; ``body`` without type and length."""

    type: int
    body: bytes


_NAMED: Final = frozenset(MessageType)


class LlrpFramer:
    """Cut a TCP stream into messages; one instance for each connection."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._broken = False

    def feed(self, chunk: bytes) -> list[Message | Fault]:
        """Return what ``chunk`` completes, oldest first; after a nonsense header nothing more."""
        if self._broken:
            return []
        self._bytes += chunk
        found: list[Message | Fault] = []
        start = 0
        while len(self._bytes) - start >= HEADER_BYTES:
            header = bytes(self._bytes[start : start + HEADER_BYTES])
            length = int.from_bytes(header[2:6], "big")
            if (why := _nonsense(header, length)) is not None:
                self._broken = True
                found.append(fault(why, header))
                self._bytes.clear()
                return found
            if len(self._bytes) - start < length:
                break
            found.append(
                _message(header, bytes(self._bytes[start + HEADER_BYTES : start + length]))
            )
            start += length
        del self._bytes[:start]
        return found

    def flush(self) -> list[Message | Fault]:
        """Return a fault for a message that never ended, and begin anew."""
        cut: list[Message | Fault] = []
        if self._bytes:
            cut.append(fault(FaultWhy.TRUNCATED, self._bytes))
        self._bytes.clear()
        self._broken = False
        return cut


def encode_message(kind: int, number: int, body: bytes = b"", *, version: int = 1) -> bytes:
    """Return the message of type ``kind`` whose id is ``number``.

    Raises:
        ValueError: It would be longer than ``MESSAGE_BYTES_MAX``.
    """
    length = HEADER_BYTES + len(body)
    if length > MESSAGE_BYTES_MAX:
        msg = f"message: {length} bytes, at most {MESSAGE_BYTES_MAX}"
        raise ValueError(msg)
    head = (version << 10 | kind).to_bytes(2, "big") + length.to_bytes(4, "big")
    return head + number.to_bytes(4, "big") + body


def read_parameters(data: bytes) -> Iterator[Parameter]:
    """Yield the parameters that ``data`` holds one after another.

    Raises:
        WireError: A length reaches beyond the end, or a parameter without length is unknown.
    """
    at = 0
    while at < len(data):
        if data[at] & _TV:
            kind, head = data[at] & ~_TV, 1
            if (size := _TV_BYTES.get(kind)) is None:
                raise WireError(FaultWhy.MALFORMED, f"parameter {kind} has no known length")
            end = at + 1 + size
        else:
            if len(data) - at < _TLV_BYTES:
                raise WireError(FaultWhy.TRUNCATED, f"{len(data) - at} bytes of a parameter")
            # The six highest bits are reserved.
            kind, head = int.from_bytes(data[at : at + 2], "big") & 0x3FF, _TLV_BYTES
            length = int.from_bytes(data[at + 2 : at + 4], "big")
            if length < _TLV_BYTES:
                raise WireError(FaultWhy.BAD_LENGTH, f"parameter {kind} of {length} bytes")
            if kind < _TLV_MIN:
                raise WireError(FaultWhy.MALFORMED, f"parameter {kind} with a length")
            end = at + length
        if end > len(data):
            raise WireError(FaultWhy.TRUNCATED, f"parameter {kind} ends at {end} of {len(data)}")
        yield Parameter(type=kind, body=data[at + head : end])
        at = end


def find_parameter(data: bytes, kind: ParameterType) -> bytes | None:
    """Return the body of the first parameter of type ``kind`` in ``data``; None if none.

    Raises:
        WireError: As ``read_parameters``.
    """
    return next((p.body for p in read_parameters(data) if p.type == kind), None)


def unsigned(data: bytes, at: int, size: int) -> int:
    """Return the big-endian number of ``size`` bytes at ``at``.

    Raises:
        WireError: ``data`` ends before it does.
    """
    if len(data) < at + size:
        raise WireError(FaultWhy.TRUNCATED, f"a field of {size} bytes at {at} of {len(data)}")
    return int.from_bytes(data[at : at + size], "big")


def utf8(data: bytes, at: int) -> tuple[str, int]:
    """Return the text at ``at``, whose length stands before it, and where it ends.

    Raises:
        WireError: ``data`` ends before it does.
    """
    end = at + 2 + unsigned(data, at, 2)
    if len(data) < end:
        raise WireError(FaultWhy.TRUNCATED, f"a text that ends at {end} of {len(data)}")
    return data[at + 2 : end].decode("utf-8", "replace"), end


def _nonsense(header: bytes, length: int) -> FaultWhy | None:
    if header[0] & _RESERVED or header[0] >> 2 not in VERSIONS:
        return FaultWhy.MALFORMED
    if length < HEADER_BYTES:
        return FaultWhy.BAD_LENGTH
    return FaultWhy.TOO_LONG if length > MESSAGE_BYTES_MAX else None


def _message(header: bytes, body: bytes) -> Message:
    first = int.from_bytes(header[:2], "big")
    return Message(
        version=first >> 10, type=first & 0x3FF, id=int.from_bytes(header[6:], "big"), body=body
    )
