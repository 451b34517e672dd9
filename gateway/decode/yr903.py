"""Serial UHF readers of the YR903 / YR9010 class: ``A0 length address command .. check`` frames.

The length counts from the address to the check, which makes the sum of all bytes zero. A
real-time inventory (0x89) answers one frame a read and ends with a summary, or with an error code.
There is no air CRC in these frames: the tag's own length, in its PC word, must agree instead.

Source: UHF RFID Reader Serial Interface Protocol V3.7: "Specification of the data packet",
cmd_real_time_inventory (FreqAnt, PC, EPC, RSSI; AntID, ReadRate, TotalRead; antennas 5 to 8 show
in the RSSI's highest bit), "Error code", RSSI table (98 is -31 dBm, 31 is -98 dBm).
"""

from typing import Final

from gateway.decode.events import Event, FaultWhy, ReaderReply, TagRead, fault
from gateway.decode.frames import FrameDecoder, FrameForm

PUBLIC_ADDRESS: Final = 0xFF  # Every reader answers to it; on a point-to-point line there is one.
REPEAT_MAX: Final = 0xFF  # "Shortest": the reader ends the round as soon as no tag answers.
FRAME_BYTES_MAX: Final = 257  # Head and length, and what a length of one byte can count.

_HEAD: Final = 0xA0
_LENGTH_MIN: Final = 3  # Address, command and check; answers with less do not exist.
_PREFIX_BYTES: Final = 4  # Head, length, address, command.
_INVENTORY, _FAST_INVENTORY, _SESSION_INVENTORY = 0x89, 0x8A, 0x8B
_INVENTORIES: Final = frozenset({_INVENTORY, _FAST_INVENTORY, _SESSION_INVENTORY})
_ERROR_BYTES, _ANTENNA_ERROR_BYTES, _SUMMARY_BYTES = 1, 2, 7
_NO_TAG: Final = 0x36  # Error code "no tag": an empty field is no fault.
_TAG_BYTES: Final = 4  # FreqAnt, PC and RSSI around the EPC.
_RSSI_ZERO_DBM: Final = 129


def encode_command(command: int, data: bytes = b"", *, address: int = PUBLIC_ADDRESS) -> bytes:
    """Return the frame that sends ``command`` to the reader at ``address``.

    Raises:
        ValueError: The data do not fit into a frame.
    """
    if (length := _LENGTH_MIN + len(data)) > 0xFF:
        msg = f"data: {len(data)} bytes, at most {0xFF - _LENGTH_MIN}"
        raise ValueError(msg)
    body = bytes((_HEAD, length, address, command)) + data
    return body + bytes((-sum(body) & 0xFF,))


def encode_inventory() -> bytes:
    """Return the command for one round of real-time inventory (0x89)."""
    return encode_command(_INVENTORY, bytes((REPEAT_MAX,)))


def ends_round(event: Event) -> bool:
    """Return whether ``event`` is the summary, or the empty field, that ends an inventory."""
    return isinstance(event, ReaderReply) and event.command in _INVENTORIES


def make() -> FrameDecoder:
    """Return a decoder for one port."""
    return FrameDecoder(_FORM)


def _measure(data: bytearray) -> int | None:
    if data[0] != _HEAD:
        return None
    if len(data) < 2:
        return 0
    return None if data[1] < _LENGTH_MIN else 2 + data[1]


def _check(frame: bytes) -> FaultWhy | None:
    return None if sum(frame) & 0xFF == 0 else FaultWhy.BAD_CHECKSUM


def _decode_frame(frame: bytes) -> list[Event]:
    command, data = frame[3], frame[_PREFIX_BYTES:-1]
    if command not in _INVENTORIES:
        return [ReaderReply(command=command, parameters=data)]
    if len(data) == _ERROR_BYTES and data[0] != _NO_TAG:
        return [fault(FaultWhy.READER_ERROR, frame)]
    if len(data) == _ANTENNA_ERROR_BYTES and command == _FAST_INVENTORY:
        return [fault(FaultWhy.READER_ERROR, frame)]
    if len(data) in (_ERROR_BYTES, _SUMMARY_BYTES):
        return [ReaderReply(command=command, parameters=data)]
    return [_decode_tag(frame, data)]


def _decode_tag(frame: bytes, data: bytes) -> Event:
    pc, epc = int.from_bytes(data[1:3], "big"), data[3:-1]
    # Gen2 6.3.2.1.2.2: bits 10h-14h of the tag's memory count the EPC's words.
    if len(data) < _TAG_BYTES or not epc or (pc >> 11) * 2 != len(epc):
        return fault(FaultWhy.BAD_LENGTH, frame)
    upper, rssi = divmod(data[-1], 0x80)
    antenna = (data[0] & 0x03) + 4 * upper + 1
    return TagRead(epc=epc, rssi_dbm=float(rssi - _RSSI_ZERO_DBM), antenna=antenna, pc=pc)


_FORM: Final = FrameForm(
    bytes_max=FRAME_BYTES_MAX, measure=_measure, check=_check, decode=_decode_frame
)
