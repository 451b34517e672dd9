"""Serial UHF readers that speak Chafon's UHFReader18 / UHFReader288 protocol.

Frame: length (of what follows), address, command, status, data, CRC-16 with its low byte first.
Nothing marks a frame's start, so only the CRC tells one: on a noisy line a frame is found again
by trying each byte as a length.

The inventory (0x01) of the UHFReader18 answers a count and, for each tag, length and EPC; the
UHFReader288 puts the antenna before the count and an RSSI behind each EPC. Both are read, and the
data say which it is: with EPCs in whole words and an antenna that is one bit, the lengths add up
in one of the two forms only. The RSSI is a raw number in no stated unit, so none is given.

Source: Chafon UHFReader18 user's manual, data blocks, status and inventory; UHF RFID Reader UR
series user manual v1.14, 8.2.1 (the UHFReader288 command set); wabson/chafon-rfid (MIT) for
captured frames.
Not read: EPC together with TID (FastID), statistics packets: neither is asked for.
"""

from binascii import crc_hqx
from typing import Final

from gateway.decode.events import Event, FaultWhy, ReaderReply, TagRead, fault
from gateway.decode.frames import FrameDecoder, FrameForm

BROADCAST: Final = 0xFF  # Every reader answers to it.
FRAME_BYTES_MAX: Final = 256  # The length is one byte, and does not count itself.
SCAN_TIME_100MS: Final = 5  # Half a second: several rounds fit into a reading's lateness.

_LENGTH_MIN: Final = 5  # Address, command, status and CRC.
_INVENTORY: Final = 0x01
_DONE, _TIMEOUT, _MORE, _MEMORY_FULL = 0x01, 0x02, 0x03, 0x04
_WITH_TAGS: Final = frozenset({_DONE, _TIMEOUT, _MORE, _MEMORY_FULL})
_NO_TAG: Final = 0xFB  # An empty field is no fault.
# Antenna, poor communication, execution, length, command and parameter errors.
_ERRORS: Final = frozenset({0xF8, 0xF9, 0xFA, 0xFC, 0xFD, 0xFE, 0xFF})
_ANTENNAS: Final = {1 << bit: bit + 1 for bit in range(8)}
_ONE_ANTENNA: Final = 1  # A UHFReader18 has one, and does not name it.
_WORD_BYTES: Final = 2
# Q 4 (16 tags and the like), session S0, EPC memory without a mask; target A, antenna 1.
_INVENTORY_288: Final = bytes((4, 0, 1, 0, 0, 0, 0, 0x80, SCAN_TIME_100MS))

_MIRRORED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def crc16_chafon(data: bytes) -> int:
    """Return the CRC-16 of ``data``: polynomial 0x8408 (bit-reversed 0x1021), preset 0xFFFF."""
    mirrored = crc_hqx(data.translate(_MIRRORED), 0xFFFF)
    return _MIRRORED[mirrored & 0xFF] << 8 | _MIRRORED[mirrored >> 8]


def encode_command(command: int, data: bytes = b"", *, address: int = BROADCAST) -> bytes:
    """Return the frame that sends ``command`` to the reader at ``address``.

    Raises:
        ValueError: The data do not fit into a frame.
    """
    if (length := 4 + len(data)) > 0xFF:
        msg = f"data: {len(data)} bytes, at most {0xFF - 4}"
        raise ValueError(msg)
    body = bytes((length, address, command)) + data
    return body + crc16_chafon(body).to_bytes(2, "little")


def encode_inventory_18() -> bytes:
    """Return a UHFReader18's command for one inventory."""
    return encode_command(_INVENTORY)


def encode_inventory_288() -> bytes:
    """Return a UHFReader288's command for one inventory on antenna 1."""
    return encode_command(_INVENTORY, _INVENTORY_288)


def ends_round(event: Event) -> bool:
    """Return whether ``event`` ends an inventory."""
    return isinstance(event, ReaderReply) and event.command == _INVENTORY


def make() -> FrameDecoder:
    """Return a decoder for one port."""
    return FrameDecoder(_FORM)


def _measure(data: bytearray) -> int | None:
    return None if data[0] < _LENGTH_MIN else 1 + data[0]


def _check(frame: bytes) -> FaultWhy | None:
    crc = int.from_bytes(frame[-2:], "little")
    return None if crc16_chafon(frame[:-2]) == crc else FaultWhy.BAD_CRC


def _decode_frame(frame: bytes) -> list[Event]:
    command, status, data = frame[2], frame[3], frame[4:-2]
    if status in _ERRORS:
        return [fault(FaultWhy.READER_ERROR, frame)]
    if command != _INVENTORY or status not in _WITH_TAGS:
        return [ReaderReply(command=command, parameters=frame[3:-2])]
    tags = _decode_tags(data)
    if tags is None:
        return [fault(FaultWhy.BAD_LENGTH, frame)]
    if status == _MORE:
        return [*tags]
    return [*tags, ReaderReply(command=command, parameters=bytes((status,)))]


def _decode_tags(data: bytes) -> list[TagRead] | None:
    """Return the tags of an inventory's data, None if they fit neither form."""
    if not data:
        return []  # A UHFReader18 that found nothing may leave out the count.
    if (epcs := _split(data, suffix_bytes=0)) is not None:
        return [_tag(epc, _ONE_ANTENNA) for epc in epcs]
    antenna = _ANTENNAS.get(data[0])
    if antenna is None or (epcs := _split(data[1:], suffix_bytes=1)) is None:
        return None
    return [_tag(epc, antenna) for epc in epcs]


def _split(data: bytes, *, suffix_bytes: int) -> list[bytes] | None:
    """Return the EPCs in count, length, EPC, ``suffix_bytes`` ..; None if lengths do not fit."""
    if not data:
        return None
    epcs: list[bytes] = []
    place = 1
    for _ in range(data[0]):
        length = data[place] if place < len(data) else 0
        epc = data[place + 1 : place + 1 + length]
        if not length or length % _WORD_BYTES or len(epc) < length:
            return None
        epcs.append(epc)
        place += 1 + length + suffix_bytes
    return epcs if place == len(data) else None


def _tag(epc: bytes, antenna: int) -> TagRead:
    return TagRead(epc=epc, rssi_dbm=None, antenna=antenna, pc=None)


_FORM: Final = FrameForm(
    bytes_max=FRAME_BYTES_MAX, measure=_measure, check=_check, decode=_decode_frame
)
