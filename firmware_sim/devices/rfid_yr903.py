"""A YR903 (YR9010 class) UHF reader: one round of real-time inventory for each command.

Packet: ``A0 len address command data check``; len counts from the address to the check; check is
the two's complement of the sum of all bytes before it.
Source: UHF RFID Reader Serial Interface Protocol V3.7, "Specification of the data packet",
cmd_real_time_inventory (0x89) and its RSSI table, where -31 dBm is 98 and -98 dBm is 31.

Deliberately absent: everything but this inventory and the firmware version; a reader answers
other commands with error 0x11, "command failed".
"""

from collections.abc import Iterable
from typing import Final

from firmware_sim.devices.rfid import TagSeen

HEAD: Final = 0xA0
ADDRESS: Final = 0x01  # as shipped
PUBLIC: Final = 0xFF
REAL_TIME_INVENTORY: Final = 0x89
FIRMWARE_VERSION: Final = 0x72
COMMAND_FAILED: Final = 0x11
VERSION: Final = bytes((7, 9))
ANTENNAS: Final = 8  # what the packets can tell apart
FREQUENCY: Final = 6  # 868 MHz in the manual's table
READS_A_SECOND: Final = 300  # what the reader reports as its rate with a good tag
_RSSI_RANGE: Final = (1, 127)  # seven bits; the eighth counts antennas


def packet(command: int, data: bytes, address: int = ADDRESS) -> bytes:
    """Return one packet around ``data``."""
    head = bytes((HEAD, len(data) + 3, address, command))
    return head + data + bytes((check(head + data),))


def check(data: bytes) -> int:
    """Return the check byte of a packet whose other bytes are ``data``."""
    total = 0
    for byte in data:
        total = (total + byte) % 256
    return (~total + 1) % 256


def tag_reply(tag: TagSeen, antenna: int = 0) -> bytes:
    """Return the packet of one read on ``antenna``, 0 to 7."""
    low, high = _RSSI_RANGE
    rssi = min(max(round(tag.rssi_dbm) + 129, low), high)
    if antenna > 3:
        rssi += 128
    freq_ant = FREQUENCY * 4 + antenna % 4
    return packet(REAL_TIME_INVENTORY, bytes((freq_ant,)) + tag.pc + tag.epc + bytes((rssi,)))


class Yr903:
    """The reader's own state: whether it is in a round."""

    def __init__(self, *, antenna: int = 0) -> None:
        """Wait for a command; ``antenna`` is the working one, 0 to 7."""
        self._pending = bytearray()
        self._asked = False
        self._antenna = antenna

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
        while len(self._pending) >= 2:
            size = self._pending[1] + 2
            if self._pending[0] != HEAD or size < 5:
                del self._pending[0]
            elif len(self._pending) < size:
                break
            elif check(bytes(self._pending[: size - 1])) != self._pending[size - 1]:
                del self._pending[0]
            else:
                replies += self._obey(bytes(self._pending[:size]))
                del self._pending[:size]
        return bytes(replies)

    def round(self, tags: Iterable[TagSeen], round_s: float) -> bytes:
        """Return each read of the round, and the summary that ends it."""
        if not self._asked:
            return b""
        self._asked = False
        replies = [tag_reply(tag, self._antenna) for tag in tags]
        rate = READS_A_SECOND if replies else 0
        total = round(len(replies) * max(1.0, round_s))
        summary = bytes((self._antenna,)) + rate.to_bytes(2, "big") + total.to_bytes(4, "big")
        return b"".join(replies) + packet(REAL_TIME_INVENTORY, summary)

    def _obey(self, command: bytes) -> bytes:
        address, code = command[2], command[3]
        if address not in (ADDRESS, PUBLIC) or self._asked:
            return b""  # not for this reader, or it is busy
        if code == REAL_TIME_INVENTORY:
            self._asked = True
            return b""
        return packet(code, VERSION if code == FIRMWARE_VERSION else bytes((COMMAND_FAILED,)))
