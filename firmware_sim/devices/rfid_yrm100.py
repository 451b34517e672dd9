"""A YRM100 (R200, JRD-100, M100 class) UHF reader: answers commands and reports tags.

Frame: ``BB type command length(2) parameters checksum 7E``; type 00 command, 01 reply, 02 notice;
checksum is the low byte of the sum from type to the last parameter.
Source: MagicRF M100 firmware command manual (R200 user protocol 2.3.3), 2.2 single inventory,
2.3 multiple inventory, 2.4 stop; Gen2 CRC-16: EPCglobal Gen2 v2.1, 6.3.1.5 and annex F.

Deliberately absent: select, access, settings. A reader answers those with "command error".
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from firmware_sim.devices.rfid import TagSeen

HEADER: Final = 0xBB
END: Final = 0x7E
COMMAND_BYTES_MAX = 64  # the longest command this reader knows has 10; more is noise
_PREFIX_BYTES = 5  # header, type, command, length
_SUFFIX_BYTES = 2  # checksum, end
# One poll of the air interface takes about 20 ms; the count of 0x27 counts polls, not seconds.
POLLS_A_SECOND = 50


class FrameType(IntEnum):
    """Who speaks, and why."""

    COMMAND = 0x00
    REPLY = 0x01
    NOTICE = 0x02


class Command(IntEnum):
    """The commands this reader knows."""

    SINGLE_INVENTORY = 0x22
    MULTI_INVENTORY = 0x27
    STOP = 0x28
    ERROR = 0xFF


class ErrorCode(IntEnum):
    """Parameter of an error reply."""

    NO_TAG = 0x15
    COMMAND = 0x17


def frame(kind: FrameType, command: int, parameters: bytes = b"") -> bytes:
    """Return one frame around ``parameters``."""
    body = bytes([kind, command]) + len(parameters).to_bytes(2, "big") + parameters
    return bytes([HEADER]) + body + bytes([sum(body) & 0xFF, END])


def gen2_crc16(data: bytes) -> int:
    """Return the Gen2 CRC-16 of ``data``: polynomial 0x1021, preset FFFF, complemented."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc ^ 0xFFFF


def notice(tag: TagSeen) -> bytes:
    """Return the notice of one tag: RSSI, PC, EPC and the CRC it sent over the air."""
    rssi = round(tag.rssi_dbm).to_bytes(1, "big", signed=True)
    crc = gen2_crc16(tag.pc + tag.epc).to_bytes(2, "big")
    return frame(FrameType.NOTICE, Command.SINGLE_INVENTORY, rssi + tag.pc + tag.epc + crc)


def error(code: ErrorCode) -> bytes:
    """Return an error reply."""
    return frame(FrameType.REPLY, Command.ERROR, bytes([code]))


class Yrm100:
    """The reader's own state: what the host asked for, and how many polls are left of it."""

    def __init__(self, *, autostart: bool) -> None:
        """Wait for a command, or poll from the start as a module configured to does."""
        self._pending = bytearray()
        self._polls_left = 0xFFFF if autostart else 0
        self._autostart = autostart
        self._single = False

    @property
    def polling(self) -> bool:
        """Whether the host asked for tags."""
        return self._single or self._polls_left > 0

    def power_cycle(self) -> None:
        """Forget what the last host asked for."""
        self._pending.clear()
        self._polls_left = 0xFFFF if self._autostart else 0
        self._single = False

    def feed(self, chunk: bytes) -> bytes:
        """Return the replies to the commands that ``chunk`` completes."""
        self._pending += chunk
        replies = bytearray()
        while (command := self._next_command()) is not None:
            replies += self._obey(*command)
        return bytes(replies)

    def round(self, tags: Iterable[TagSeen], round_s: float) -> bytes:
        """Return what the reader sends for one round over the ``tags`` in its field."""
        if not self.polling:
            return b""
        if self._single:
            self._single = False
        elif not self._autostart:
            self._polls_left = max(0, self._polls_left - max(1, round(round_s * POLLS_A_SECOND)))
        sent = b"".join(notice(tag) for tag in tags)
        return sent or error(ErrorCode.NO_TAG)

    def _next_command(self) -> tuple[int, bytes] | None:
        while self._pending:
            if self._pending[0] != HEADER:
                del self._pending[0]
                continue
            if len(self._pending) < _PREFIX_BYTES:
                return None
            size = _PREFIX_BYTES + int.from_bytes(self._pending[3:5], "big") + _SUFFIX_BYTES
            if size > COMMAND_BYTES_MAX:
                del self._pending[0]
                continue
            if len(self._pending) < size:
                return None
            candidate = bytes(self._pending[:size])
            kind, command, parameters = candidate[1], candidate[2], candidate[5:-2]
            if candidate != frame(FrameType.COMMAND, command, parameters) or kind:
                del self._pending[0]  # not a command frame: look for the next header
                continue
            del self._pending[:size]
            return command, parameters
        return None

    def _obey(self, command: int, parameters: bytes) -> bytes:
        match command, len(parameters):
            case Command.SINGLE_INVENTORY, 0:
                self._single = True
                return b""
            case Command.MULTI_INVENTORY, 3:
                self._polls_left = int.from_bytes(parameters[1:], "big")
                return b""
            case Command.STOP, 0:
                self._polls_left = 0
                self._single = False
                return frame(FrameType.REPLY, Command.STOP, b"\x00")
            case _:
                return error(ErrorCode.COMMAND)
