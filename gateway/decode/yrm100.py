"""Serial UHF readers of the YRM100 / R200 / JRD-100 / M100 class: ``BB .. 7E`` frames.

Frame: BB, type, command, parameter length (2), parameters, checksum, 7E. The checksum is the low
byte of the sum from type to the last parameter. Parameters may hold BB and 7E, so a frame is
found by its length, and searched for anew one byte further on when it proves to be none.

Source: MagicRF M100/QM100 firmware manual, frame format and commands 0x22, 0x27, 0x28; air CRC:
EPC UHF Gen2 Air Interface 2.0.1, 6.3.2.1.2 and annex F (CRC-16: polynomial 0x1021, preset 0xFFFF,
inverted).
"""

from binascii import crc_hqx
from typing import Final

from gateway.decode.events import Event, FaultWhy, ReaderReply, TagRead, fault
from gateway.decode.frames import FrameDecoder, FrameForm

PARAMETERS_BYTES_MAX: Final = 264  # A tag memory read of 255 bytes; a longer frame is noise.
INVENTORY_ROUNDS_MAX: Final = 0xFFFF  # The count field of command 0x27 has 16 bits.
ANTENNA: Final = 1  # These modules have one antenna.

_HEAD, _END = 0xBB, 0x7E
_COMMAND, _REPLY, _NOTICE = 0x00, 0x01, 0x02
_INVENTORY, _INVENTORY_MANY, _INVENTORY_STOP, _ERROR = 0x22, 0x27, 0x28, 0xFF
_HEADER_BYTES: Final = 5
_FRAME_BYTES: Final = 7  # Without parameters.
_TAG_BYTES: Final = 5  # RSSI, PC and air CRC around the EPC.
_NO_TAG: Final = 0x15  # Error code "inventory fail": no tag in the field, which is no fault.


def encode_command(command: int, parameters: bytes = b"") -> bytes:
    """Return the frame that sends ``command`` to the reader.

    Raises:
        ValueError: The parameters are longer than ``PARAMETERS_BYTES_MAX``.
    """
    if len(parameters) > PARAMETERS_BYTES_MAX:
        msg = f"parameters: {len(parameters)} bytes, at most {PARAMETERS_BYTES_MAX}"
        raise ValueError(msg)
    body = bytes((_COMMAND, command)) + len(parameters).to_bytes(2, "big") + parameters
    return bytes((_HEAD, *body, sum(body) & 0xFF, _END))


def encode_inventory() -> bytes:
    """Return the command for one inventory (0x22)."""
    return encode_command(_INVENTORY)


def encode_inventory_many(rounds: int) -> bytes:
    """Return the command for ``rounds`` inventories in a row (0x27).

    Raises:
        ValueError: ``rounds`` is not in 1 .. ``INVENTORY_ROUNDS_MAX``.
    """
    if not 1 <= rounds <= INVENTORY_ROUNDS_MAX:
        msg = f"rounds: {rounds} is not in 1..{INVENTORY_ROUNDS_MAX}"
        raise ValueError(msg)
    # 0x22 is a reserved byte that the manual fixes.
    return encode_command(_INVENTORY_MANY, b"\x22" + rounds.to_bytes(2, "big"))


def encode_inventory_stop() -> bytes:
    """Return the command that ends a running inventory (0x28)."""
    return encode_command(_INVENTORY_STOP)


def crc16_gen2(data: bytes) -> int:
    """Return the CRC-16 that a Gen2 tag sends after ``data`` (its PC and EPC)."""
    return crc_hqx(data, 0xFFFF) ^ 0xFFFF


def make() -> FrameDecoder:
    """Return a decoder for one port."""
    return FrameDecoder(_FORM)


def _frame_length(data: bytearray) -> int | None:
    """Return the length of the frame that may begin here (0: not known yet), None if none."""
    if data[0] != _HEAD or (len(data) > 1 and data[1] not in (_REPLY, _NOTICE)):
        return None
    if len(data) < _HEADER_BYTES:
        return 0
    return _FRAME_BYTES + int.from_bytes(data[3:5], "big")


def _check(frame: bytes) -> FaultWhy | None:
    if frame[-1] != _END:
        return FaultWhy.NOISE
    return None if sum(frame[1:-2]) & 0xFF == frame[-2] else FaultWhy.BAD_CHECKSUM


def _decode_frame(frame: bytes) -> list[Event]:
    kind, command, parameters = frame[1], frame[2], frame[_HEADER_BYTES:-2]
    if kind == _NOTICE and command == _INVENTORY:
        return [_decode_tag(frame, parameters)]
    if command == _ERROR and parameters[:1] != bytes((_NO_TAG,)):
        return [fault(FaultWhy.READER_ERROR, frame)]
    return [ReaderReply(command=command, parameters=parameters)]


def _decode_tag(frame: bytes, parameters: bytes) -> Event:
    if len(parameters) < _TAG_BYTES:
        return fault(FaultWhy.BAD_LENGTH, frame)
    rssi, pc_epc, crc = parameters[0], parameters[1:-2], parameters[-2:]
    pc, epc = int.from_bytes(pc_epc[:2], "big"), pc_epc[2:]
    # Gen2 6.3.2.1.2.2: bits 10h-14h of the tag's memory count the EPC's words.
    if not epc or (pc >> 11) * 2 != len(epc):
        return fault(FaultWhy.BAD_LENGTH, frame)
    if crc16_gen2(pc_epc) != int.from_bytes(crc, "big"):
        return fault(FaultWhy.BAD_CRC, frame)
    dbm = rssi - 256 if rssi >= 128 else rssi
    return TagRead(epc=epc, rssi_dbm=float(dbm), antenna=ANTENNA, pc=pc)


_FORM: Final = FrameForm(
    bytes_max=_FRAME_BYTES + PARAMETERS_BYTES_MAX,
    measure=_frame_length,
    check=_check,
    decode=_decode_frame,
)
