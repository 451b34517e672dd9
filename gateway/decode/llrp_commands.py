"""What a client says to an LLRP reader: the bytes of each request.

One ROSpec of one AISpec is all that is asked of a reader. It is started by command and ends by
itself after one round, because LLRP 1.0.1 has no way to repeat an AISpec: the end of each is the
reader's own word that it has looked, tags or none.

Source: EPCglobal Low Level Reader Protocol 1.0.1, chapters on reader operation, reporting and
device configuration, and their binary encodings.
"""

from collections.abc import Sequence
from typing import Final

from gateway.decode.llrp_wire import MessageType, ParameterType, encode_message

ROSPEC_ID: Final = 1
ALL: Final = 0  # Of ROSpecs, AccessSpecs or antennas.

# ReaderEventNotificationSpec: event types to be told of.
_EVENTS: Final = (
    2,  # ROSpec
    4,  # reader exception
    6,  # AISpec
    8,  # antenna
)
_BUFFER_WARNING: Final = 3
_ANTENNA_PROPERTIES: Final = 2
_ON: Final = 0x80
_PERIODIC: Final = 1
_DURATION: Final = 1
_NULL: Final = 0
_UPON_N_TAGS_OR_END_OF_AISPEC: Final = 1
_EPC_GLOBAL_CLASS_1_GEN_2: Final = 1
# ROSpecID, AntennaID, PeakRSSI, first and last seen, count; not the index fields.
_CONTENT: Final = 1 << 15 | 1 << 12 | 1 << 10 | 1 << 9 | 1 << 8 | 1 << 7
_WITH_PC: Final = 0x40


def get_capabilities(number: int) -> bytes:
    """Return the question for everything that the reader can do."""
    return encode_message(MessageType.GET_READER_CAPABILITIES, number, bytes((ALL,)))


def get_antennas(number: int) -> bytes:
    """Return the question which antennas are connected."""
    # All antennas; the port numbers behind it belong to other requests.
    body = _u16(ALL) + bytes((_ANTENNA_PROPERTIES,)) + _u16(0) + _u16(0)
    return encode_message(MessageType.GET_READER_CONFIG, number, body)


def set_config(number: int, *, keepalive_ms: int, warns: bool, holds: bool) -> bytes:
    """Return the wish for keepalives and events; nothing is held back for a later connection.

    A reader that neither ``warns`` of a full buffer nor ``holds`` reports is not asked about them.
    """
    events = (*_EVENTS, _BUFFER_WARNING) if warns else _EVENTS
    states = b"".join(
        _tlv(ParameterType.EVENT_NOTIFICATION_STATE, _u16(event) + bytes((_ON,)))
        for event in events
    )
    body = (
        bytes((0,))  # Not to factory defaults: an installer may have set the power.
        + _tlv(ParameterType.READER_EVENT_NOTIFICATION_SPEC, states)
        + _tlv(ParameterType.KEEPALIVE_SPEC, bytes((_PERIODIC,)) + _u32(keepalive_ms))
    )
    if holds:
        body += _tlv(ParameterType.EVENTS_AND_REPORTS, bytes((0,)))
    return encode_message(MessageType.SET_READER_CONFIG, number, body)


def enable_events(number: int) -> bytes:
    """Return the wish for what the reader has held back until now; it is not answered."""
    return encode_message(MessageType.ENABLE_EVENTS_AND_REPORTS, number)


def delete_rospecs(number: int) -> bytes:
    """Return the wish to forget every ROSpec."""
    return encode_message(MessageType.DELETE_ROSPEC, number, _u32(ALL))


def delete_access_specs(number: int) -> bytes:
    """Return the wish to forget every AccessSpec: one left behind would write to the tags."""
    return encode_message(MessageType.DELETE_ACCESSSPEC, number, _u32(ALL))


def add_rospec(number: int, *, antennas: Sequence[int], round_ms: int, per_tag: bool) -> bytes:
    """Return the ROSpec of one round over ``antennas`` (none: all) for ``round_ms``.

    With ``per_tag`` each tag is reported at once, else all of them at the round's end.
    """
    boundary = _tlv(ParameterType.ROSPEC_START_TRIGGER, bytes((_NULL,))) + _tlv(
        ParameterType.ROSPEC_STOP_TRIGGER, bytes((_NULL,)) + _u32(0)
    )
    ids = antennas or (ALL,)
    inventory = (
        _u16(len(ids))
        + b"".join(_u16(antenna) for antenna in ids)
        + _tlv(ParameterType.AISPEC_STOP_TRIGGER, bytes((_DURATION,)) + _u32(round_ms))
        + _tlv(
            ParameterType.INVENTORY_PARAMETER_SPEC,
            _u16(1) + bytes((_EPC_GLOBAL_CLASS_1_GEN_2,)),
        )
    )
    selector = _u16(_CONTENT) + _tlv(ParameterType.C1G2_EPC_MEMORY_SELECTOR, bytes((_WITH_PC,)))
    report = (
        bytes((_UPON_N_TAGS_OR_END_OF_AISPEC,))
        + _u16(1 if per_tag else 0)
        + _tlv(ParameterType.TAG_REPORT_CONTENT_SELECTOR, selector)
    )
    rospec = (
        _u32(ROSPEC_ID)
        + bytes((0, 0))  # Highest priority; disabled until ENABLE_ROSPEC.
        + _tlv(ParameterType.RO_BOUNDARY_SPEC, boundary)
        + _tlv(ParameterType.AISPEC, inventory)
        + _tlv(ParameterType.RO_REPORT_SPEC, report)
    )
    return encode_message(MessageType.ADD_ROSPEC, number, _tlv(ParameterType.ROSPEC, rospec))


def enable_rospec(number: int) -> bytes:
    """Return the wish to arm the ROSpec."""
    return encode_message(MessageType.ENABLE_ROSPEC, number, _u32(ROSPEC_ID))


def start_rospec(number: int) -> bytes:
    """Return the wish to begin a round."""
    return encode_message(MessageType.START_ROSPEC, number, _u32(ROSPEC_ID))


def stop_rospec(number: int) -> bytes:
    """Return the wish to end the round."""
    return encode_message(MessageType.STOP_ROSPEC, number, _u32(ROSPEC_ID))


def keepalive_ack(number: int) -> bytes:
    """Return the answer to the keepalive whose id is ``number``."""
    return encode_message(MessageType.KEEPALIVE_ACK, number)


def close_connection(number: int) -> bytes:
    """Return the farewell, after which the reader takes another client."""
    return encode_message(MessageType.CLOSE_CONNECTION, number)


def _tlv(kind: ParameterType, body: bytes) -> bytes:
    return _u16(kind) + _u16(4 + len(body)) + body


def _u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "big")
