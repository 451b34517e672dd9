"""A Chafon UHF reader, UHFReader18 or UHFReader288: one inventory for each command.

Block: length of what follows, address, command, status, data, CRC-16 (polynomial 0x8408, preset
0xFFFF), low byte first. Tags that fill a block go on in the next: status 3, then 1 in the last.
Source: Chafon UHFReader18 user's manual, data blocks and the CRC's listing; UHF RFID Reader UR
series user manual v1.14, 8.2.1, for the UHFReader288's inventory.

Deliberately absent: everything but the inventory; a reader answers other commands with 0xFE,
"illegal command". The UHFReader288 insists on Q and session: 0xFD, "length wrong", without them.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from firmware_sim.devices.rfid import TagSeen

ADDRESS: Final = 0x00  # as shipped
BROADCAST: Final = 0xFF
INVENTORY: Final = 0x01
DATA_BYTES_MAX = 200  # a block's length is one byte; the readers stay well below
ANTENNA_BIT: Final = 0x01  # antenna 1


class Status(IntEnum):
    """What a block says of the command."""

    DONE = 0x01
    MORE = 0x03
    NO_TAG = 0xFB
    LENGTH_WRONG = 0xFD
    ILLEGAL = 0xFE


class Model(IntEnum):
    """Which of the two command sets a reader speaks."""

    UHFREADER18 = 18
    UHFREADER288 = 288


def crc16(data: bytes) -> int:
    """Return the CRC-16 as the manual's listing computes it."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            carry = value & 1
            value >>= 1
            if carry:
                value ^= 0x8408
    return value


def block(command: int, status: int, data: bytes = b"") -> bytes:
    """Return one response block around ``data``."""
    body = bytes((len(data) + 5, ADDRESS, command, status)) + data
    return body + crc16(body).to_bytes(2, "little")


class Chafon:
    """The reader's own state: whether it is in an inventory."""

    def __init__(self, model: Model) -> None:
        """Wait for a command."""
        self._model = model
        self._pending = bytearray()
        self._asked = False

    @property
    def polling(self) -> bool:
        """Whether the host asked for tags."""
        return self._asked

    def power_cycle(self) -> None:
        """Forget what the last host asked for."""
        self._pending.clear()
        self._asked = False

    def feed(self, chunk: bytes) -> bytes:
        """Return the replies to the commands that ``chunk`` completes."""
        self._pending += chunk
        replies = bytearray()
        while self._pending:
            size = self._pending[0] + 1
            if size < 5:
                del self._pending[0]
                continue
            if len(self._pending) < size:
                break
            command = bytes(self._pending[:size])
            if crc16(command[:-2]).to_bytes(2, "little") != command[-2:]:
                del self._pending[0]
                continue
            del self._pending[:size]
            replies += self._obey(command)
        return bytes(replies)

    def round(self, tags: Iterable[TagSeen], round_s: float) -> bytes:
        """Return the blocks of one inventory; ``round_s`` is how long it took."""
        del round_s  # nothing in the answer depends on it
        if not self._asked:
            return b""
        self._asked = False
        groups = self._groups([self._entry(tag) for tag in tags])
        if not groups and self._model is Model.UHFREADER18:
            return block(INVENTORY, Status.NO_TAG)
        sent = b"".join(block(INVENTORY, Status.MORE, self._data(group)) for group in groups[:-1])
        return sent + block(INVENTORY, Status.DONE, self._data(groups[-1] if groups else []))

    def _entry(self, tag: TagSeen) -> bytes:
        entry = bytes((len(tag.epc),)) + tag.epc
        if self._model is Model.UHFREADER288:
            entry += bytes((round(tag.rssi_dbm) % 256,))
        return entry

    def _data(self, entries: list[bytes]) -> bytes:
        antenna = bytes((ANTENNA_BIT,)) if self._model is Model.UHFREADER288 else b""
        return antenna + bytes((len(entries),)) + b"".join(entries)

    def _groups(self, entries: list[bytes]) -> list[list[bytes]]:
        groups: list[list[bytes]] = []
        room = 0
        for entry in entries:
            if len(entry) > room:
                groups.append([])
                room = DATA_BYTES_MAX
            groups[-1].append(entry)
            room -= len(entry)
        return groups

    def _obey(self, command: bytes) -> bytes:
        address, code, data = command[1], command[2], command[3:-2]
        if address not in (ADDRESS, BROADCAST) or self._asked:
            return b""  # not for this reader, or it is busy
        if code != INVENTORY:
            return block(code, Status.ILLEGAL)
        if self._model is Model.UHFREADER288 and len(data) < 2:
            return block(code, Status.LENGTH_WRONG)
        self._asked = True
        return b""
