"""A u-blox M8 receiver at 1 Hz: sentences, and the UBX messages that it was told to send.

Source: u-blox 8 / M8 receiver description including protocol specification (UBX-13003221): frame
and checksum, NAV-PVT, NAV-STATUS, MON-HW, CFG-MSG, CFG-ITFM, ACK; field offsets are those of its
tables.

Deliberately absent: every other command, CFG-VALSET of later receivers among them: refused.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from firmware_sim.devices.gnss_nmea import Fix, encode_second

NAV: Final = 0x01
MON: Final = 0x0A
NAV_PVT: Final = 0x07
NAV_STATUS: Final = 0x03
MON_HW: Final = 0x09
CFG: Final = 0x06
CFG_MSG: Final = 0x01
CFG_ITFM: Final = 0x39
ACK: Final = 0x05
ACK_ACK: Final = 0x01
ACK_NAK: Final = 0x00
FRAME_BYTES: Final = 8  # around the payload
COMMAND_BYTES_MAX = 256  # the longest command here has 16; more is noise
_SATELLITES: Final = 9
_ACCURACY_MM_PER_HDOP: Final = 2_667
_HEIGHT_MM, _SEA_MM = 48_800, 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """What the receiver thinks of its signals, as the numbers of its messages.

    ``jamming``: 0 unknown, 1 ok, 2 warning, 3 critical; ``spoofing``: 0 unknown, 1 none,
    2 indicated, 3 several indications; ``cw_indicator``: 0 to 255.
    """

    jamming: int = 1
    spoofing: int = 1
    cw_indicator: int = 8


def message(group: int, number: int, payload: bytes) -> bytes:
    """Return a UBX frame around ``payload``."""
    counted = bytes((group, number, len(payload) % 256, len(payload) // 256)) + payload
    ck_a = ck_b = 0
    for byte in counted:
        ck_a = (ck_a + byte) % 256
        ck_b = (ck_b + ck_a) % 256
    return b"\xb5b" + counted + bytes((ck_a, ck_b))


def nav_pvt(fix: Fix) -> bytes:
    """Return the navigation solution of one second."""
    at = datetime.fromtimestamp(fix.unix_us // 1_000_000, tz=UTC)
    fields: list[tuple[int, int, int]] = [  # offset, bytes, value
        (0, 4, _week_ms(fix.unix_us)),
        (4, 2, at.year),
        (6, 1, at.month),
        (7, 1, at.day),
        (8, 1, at.hour),
        (9, 1, at.minute),
        (10, 1, at.second),
        (11, 1, 0b0111),  # date and time valid, fully resolved
        (12, 4, 25),
        (16, 4, fix.unix_us % 1_000_000 * 1_000),
        (40, 4, 4_294_967_295),  # no accuracy without a fix
    ]
    if fix.lat_deg is not None and fix.lon_deg is not None:
        fields += [
            (20, 1, 3),
            (21, 1, 0b0000_0001),
            (23, 1, _SATELLITES),
            (24, 4, round(fix.lon_deg * 10_000_000)),
            (28, 4, round(fix.lat_deg * 10_000_000)),
            (32, 4, _HEIGHT_MM),
            (36, 4, _SEA_MM),
            (40, 4, round(_ACCURACY_MM_PER_HDOP * fix.hdop)),
            (44, 4, round(2 * _ACCURACY_MM_PER_HDOP * fix.hdop)),
            (60, 4, 10),
            (76, 2, 160),
        ]
    return message(NAV, NAV_PVT, _payload(92, fields))


def nav_status(fix: Fix, sky: Sky) -> bytes:
    """Return the receiver's status, with what it makes of spoofing."""
    fixed = fix.lat_deg is not None
    fields = [
        (0, 4, _week_ms(fix.unix_us)),
        (4, 1, 3 if fixed else 0),
        (5, 1, 0b1101 if fixed else 0b1100),
        (7, 1, sky.spoofing * 8),
        (8, 4, 26_000),
    ]
    return message(NAV, NAV_STATUS, _payload(16, fields))


def mon_hw(sky: Sky) -> bytes:
    """Return the hardware status, with what it makes of jamming."""
    fields = [
        (16, 2, 92),
        (18, 2, 3_850),
        (20, 1, 2),
        (21, 1, 1),
        (22, 1, sky.jamming * 4 + 1),
        (45, 1, sky.cw_indicator),
    ]
    return message(MON, MON_HW, _payload(60, fields))


class Ublox:
    """The receiver's own state: which messages it was told to send, and what it watches."""

    def __init__(self, sky: Sky | None = None) -> None:
        """Send sentences only, as shipped; ``sky`` is what it would think of its signals."""
        self._sky = sky or Sky()
        self._wanted: set[tuple[int, int]] = set()
        self._watching = False
        self._pending = bytearray()

    def second(self, fix: Fix) -> bytes:
        """Return all that the receiver sends in one second: sentences first, then messages."""
        # Without its interference monitor a receiver knows nothing of jamming.
        sky = self._sky if self._watching else replace(self._sky, jamming=0)
        messages = {
            (NAV, NAV_PVT): nav_pvt(fix),
            (NAV, NAV_STATUS): nav_status(fix, sky),
            (MON, MON_HW): mon_hw(sky),
        }
        sent = [frame for kind, frame in messages.items() if kind in self._wanted]
        return encode_second(fix) + b"".join(sent)

    def feed(self, chunk: bytes) -> bytes:
        """Return the answers to the commands that ``chunk`` completes."""
        self._pending += chunk
        answers = bytearray()
        while len(self._pending) >= FRAME_BYTES:
            size = FRAME_BYTES + self._pending[4] + 256 * self._pending[5]
            if not self._pending.startswith(b"\xb5b") or size > COMMAND_BYTES_MAX:
                del self._pending[0]
            elif len(self._pending) < size:
                break
            else:
                frame = bytes(self._pending[:size])
                if frame == message(frame[2], frame[3], frame[6:-2]):
                    answers += self._obey(frame[2], frame[3], frame[6:-2])
                    del self._pending[:size]
                else:
                    del self._pending[0]
        return bytes(answers)

    def _obey(self, group: int, number: int, payload: bytes) -> bytes:
        known = True
        if (group, number, len(payload)) == (CFG, CFG_MSG, 3):
            kind = (payload[0], payload[1])
            known = kind in ((NAV, NAV_PVT), (NAV, NAV_STATUS), (MON, MON_HW))
            if known and payload[2]:
                self._wanted.add(kind)
            else:
                self._wanted.discard(kind)
        elif (group, number, len(payload)) == (CFG, CFG_ITFM, 8):
            self._watching = payload[3] >= 0x80  # bit 31 of its first word: enable
        else:
            known = False
        return message(ACK, ACK_ACK if known else ACK_NAK, bytes((group, number)))


def _payload(size: int, fields: list[tuple[int, int, int]]) -> bytes:
    payload = bytearray(size)
    for offset, length, value in fields:
        unsigned = value % (1 << 8 * length)
        payload[offset : offset + length] = unsigned.to_bytes(length, "little")
    return bytes(payload)


def _week_ms(unix_us: int) -> int:
    # GPS weeks begin on Sunday; 1970-01-01 was a Thursday. Leap seconds do not matter here.
    return (unix_us // 1_000 + 4 * 86_400_000) % (7 * 86_400_000)
