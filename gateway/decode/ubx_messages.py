"""The UBX messages that say where a receiver is, and whether it trusts its signals.

Source: u-blox 8 / M8 receiver description including protocol specification (UBX-13003221):
NAV-PVT, NAV-STATUS, MON-HW; u-blox F9 HPG 1.32 interface description (UBX-22008968): MON-RF,
SEC-SIG version 1; u-blox X20 HPG 2.11 interface description (UBXDOC-304424225-21617): SEC-SIG
versions 2 and 3. u-blox 7 sends a shorter NAV-PVT, u-blox 6 and 7 a longer MON-HW.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.decode.events import Event, FaultWhy, Fix, Jamming, Position, Spoofing, fault
from gateway.decode.nmea import SATELLITES_MIN, YEAR_MAX, YEAR_MIN

PVT_BYTES: Final = frozenset({84, 92})
MON_HW_JAM_INDICATOR: Final = {60: 45, 68: 53}  # Length, and where jamInd stands in it.

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HEADER_BYTES: Final = 6
_PVT: Final = struct.Struct("<I H5B B I i B B B B ii i i I I 12x i")
_DATE_AND_TIME: Final = 0x03  # validDate and validTime.
_FIX_OK: Final = 0x01
_INVALID_PLACE: Final = 0x01
_PVT_FLAGS3: Final = 78
# 0 none, 1 dead reckoning only and 5 time only are no fix.
_FIXES: Final = {2: Fix.TWO_D, 3: Fix.THREE_D, 4: Fix.THREE_D}
_DEGREES: Final = 1e-7
_JAMMINGS: Final = (Jamming.UNKNOWN, Jamming.OK, Jamming.WARNING, Jamming.CRITICAL)
_SPOOFINGS: Final = (Spoofing.UNKNOWN, Spoofing.NONE, Spoofing.INDICATED, Spoofing.MULTIPLE)
_RF_HEADER_BYTES, _RF_BLOCK_BYTES = 4, 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """What one message says of jamming and spoofing; unknown where it says nothing."""

    source: str
    jamming: Jamming = Jamming.UNKNOWN
    spoofing: Spoofing = Spoofing.UNKNOWN
    cw_indicator: int | None = None


def decode_message(frame: bytes) -> Event | Integrity | None:
    """Return what a whole and sound frame says, None if it is none of the messages read here."""
    decode = _MESSAGES.get((frame[2], frame[3]))
    if decode is None:
        return None
    found = decode(frame[_HEADER_BYTES:-2])
    return fault(found, frame) if isinstance(found, FaultWhy) else found


def _decode_pvt(payload: bytes) -> Position | FaultWhy:
    if len(payload) not in PVT_BYTES:
        return FaultWhy.BAD_LENGTH
    fields = _PVT.unpack_from(payload)
    _, year, month, day, hour, minute, second, valid, _, nano_ns = fields[:10]
    fix_type, flags, _, satellites, longitude, latitude, _, _, accuracy_mm, _, speed = fields[10:]
    time_us = None
    if valid & _DATE_AND_TIME == _DATE_AND_TIME:
        time_us = _micros((year, month, day, hour, minute, second), nano_ns)
        if time_us is None:
            return FaultWhy.MALFORMED
    fix = _FIXES.get(fix_type, Fix.NONE) if flags & _FIX_OK else Fix.NONE
    long_form = len(payload) > _PVT_FLAGS3 + 6
    if satellites < SATELLITES_MIN or (long_form and payload[_PVT_FLAGS3] & _INVALID_PLACE):
        fix = Fix.NONE
    if fix is Fix.NONE:
        return Position(time_us=time_us, lat_deg=None, lon_deg=None, fix=Fix.NONE)
    lat_deg, lon_deg = round(latitude * _DEGREES, 7), round(longitude * _DEGREES, 7)
    if abs(lat_deg) > 90 or abs(lon_deg) > 180:
        return FaultWhy.MALFORMED
    return Position(
        time_us=time_us,
        lat_deg=lat_deg,
        lon_deg=lon_deg,
        fix=fix,
        satellites=satellites,
        speed_mps=abs(speed) / 1_000,
        accuracy_m=accuracy_mm / 1_000,
    )


def _micros(date_and_time: tuple[int, int, int, int, int, int], nano_ns: int) -> int | None:
    """Return microseconds since 1970, None if there is no such moment."""
    year, month, day, hour, minute, second = date_and_time
    if not YEAR_MIN <= year <= YEAR_MAX or second > 60 or abs(nano_ns) > 1_000_000_000:
        return None
    try:  # A leap second, 60, has no place in datetime.
        moment = datetime(year, month, day, hour, minute, tzinfo=UTC) + timedelta(seconds=second)
    except ValueError:
        return None
    return round((moment - _EPOCH).total_seconds()) * 1_000_000 + round(nano_ns / 1_000)


def _decode_status(payload: bytes) -> Integrity | FaultWhy:
    if len(payload) != 16:
        return FaultWhy.BAD_LENGTH
    return Integrity(source="NAV-STATUS", spoofing=_SPOOFINGS[payload[7] >> 3 & 0x03])


def _decode_mon_hw(payload: bytes) -> Integrity | FaultWhy:
    place = MON_HW_JAM_INDICATOR.get(len(payload))
    if place is None:
        return FaultWhy.BAD_LENGTH
    return Integrity(
        source="MON-HW",
        jamming=_JAMMINGS[payload[22] >> 2 & 0x03],
        cw_indicator=payload[place],
    )


def _decode_mon_rf(payload: bytes) -> Integrity | FaultWhy:
    blocks = payload[1] if len(payload) >= _RF_HEADER_BYTES else 0
    if len(payload) != _RF_HEADER_BYTES + blocks * _RF_BLOCK_BYTES or payload[0] or not blocks:
        return FaultWhy.BAD_LENGTH
    places = range(_RF_HEADER_BYTES, len(payload), _RF_BLOCK_BYTES)
    return Integrity(
        source="MON-RF",
        jamming=_JAMMINGS[max(payload[place + 1] & 0x03 for place in places)],
        cw_indicator=max(payload[place + 16] for place in places),
    )


def _decode_sec_sig(payload: bytes) -> Integrity | FaultWhy:
    version = payload[0] if payload else 0
    if version == 1 and len(payload) == 12:
        return _sec_sig(payload[4], payload[8])
    if version in (2, 3) and len(payload) >= 4 and len(payload) == 4 + 4 * payload[3]:
        return _sec_sig(payload[1], payload[1] >> 3)
    return FaultWhy.BAD_LENGTH


def _sec_sig(jamming: int, spoofing: int) -> Integrity:
    """Return what the flags say: whether detection is on in bit 0, its state above."""
    jam_state = jamming >> 1 & 0x03 if jamming & 1 else 0
    spoof_state = spoofing >> 1 & 0x07 if spoofing & 1 else 0
    return Integrity(
        source="SEC-SIG",
        jamming=_JAMMINGS[jam_state],
        spoofing=_SPOOFINGS[spoof_state] if spoof_state < len(_SPOOFINGS) else Spoofing.UNKNOWN,
    )


_MESSAGES: Final[dict[tuple[int, int], Callable[[bytes], Event | Integrity | FaultWhy]]] = {
    (0x01, 0x03): _decode_status,
    (0x01, 0x07): _decode_pvt,
    (0x0A, 0x09): _decode_mon_hw,
    (0x0A, 0x38): _decode_mon_rf,
    (0x27, 0x09): _decode_sec_sig,
}
