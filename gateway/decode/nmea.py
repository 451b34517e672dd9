"""NMEA 0183 sentences of GNSS receivers: framing, checksum, and what each sentence states.

A sentence starts at ``$``, wherever that stands: logs hold sentences spliced without a line end,
cut short, or mixed with binary protocols. It counts only with a correct checksum directly before
its end.

Source: NMEA 0183 4.11 (sentences RMC, GGA, GLL, GNS, GSA, GST, ZDA and mode indicators), as
described in u-blox's M8 receiver protocol specification (UBX-13003221) chapter 31; gpsd's
regression logs for what receivers make of it. Not read: GSV, VTG and everything else, which is
passed over in silence.
"""

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final, TypeAlias

from gateway.decode.events import Event, Fault, FaultWhy, Fix, fault
from gateway.decode.nmea_epoch import EpochMerger, Statement

# NMEA 0183 allows 82 characters; receivers' own sentences (PUBX,03) list up to 32 satellites.
SENTENCE_BYTES_MAX: Final = 1_024
NOISE_BYTES_MAX: Final = 256  # A run of bytes outside sentences is reported at least this often.
HDOP_MAX: Final = 99.0  # Receivers send 99.99 for "none".
SATELLITES_MIN: Final = 3  # A position needs as many unknowns solved; fewer is a guess.

YEAR_MIN: Final = 1980  # GPS time began.
YEAR_MAX: Final = 2099  # What two digits of RMC can say, and more than any receiver will see.

_START: Final = frozenset(b"$!")
_ENDS: Final = frozenset(b"\r\n")
_CHECKED = re.compile(rb"(?P<body>[^*]*)\*(?P<sum>[0-9A-Fa-f]{2}) *")
_HEAD = re.compile(r"(?:G[ABILNPQ]|BD|QZ)(?P<formatter>[A-Z]{3})")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d|60)(?:\.(\d{0,6})\d*)?")
_DATE = re.compile(r"(\d\d)(\d\d)(\d\d)")
_LATITUDE = re.compile(r"(\d{2})([0-5]\d(?:\.\d{1,12})?)")
_LONGITUDE = re.compile(r"(\d{3})([0-5]\d(?:\.\d{1,12})?)")
_NUMBER = re.compile(r"-?\d{1,9}(?:\.\d{1,12})?")
_KNOT_MPS: Final = 1_852 / 3_600
_CENTURY_YEAR_MIN: Final = 80  # GPS time began in 1980: a two-digit year below is 20xx.
# Autonomous, differential, precise, float and fixed RTK; estimated, manual and simulated are no
# fix.
_MODES: Final = frozenset("ADPFR")
_QUALITIES: Final = frozenset(
    "12345"
)  # GGA: 0 none, 6 estimated, 7 manual, 8 simulated are no fix.


Fields: TypeAlias = Sequence[str]


class NmeaDecoder:
    """Find sentences in a byte stream and merge those of one epoch into a position."""

    def __init__(self) -> None:
        self._sentence: bytearray | None = None
        self._noise = bytearray()
        self._epochs = EpochMerger()

    def feed(self, chunk: bytes) -> list[Event]:
        """Return what ``chunk`` completes, oldest first."""
        events: list[Event] = []
        for byte in chunk:
            if byte in _START:
                self._end(events)
                self._end_noise(events)
                self._sentence = bytearray((byte,))
            elif byte in _ENDS:
                self._end(events)
                self._end_noise(events)
            elif self._sentence is not None:
                self._append(self._sentence, byte, events)
            else:
                self._outside(byte, events)
        return events

    def flush(self) -> list[Event]:
        """Return what was pending when the bytes ended: a last sentence, and the open epoch."""
        events: list[Event] = []
        self._end(events)
        self._end_noise(events)
        events.extend(self._epochs.flush())
        return events

    def _append(self, sentence: bytearray, byte: int, events: list[Event]) -> None:
        if byte == 0:  # Padding: it changes no checksum, and carries nothing.
            return
        if 0x20 <= byte < 0x7F and len(sentence) < SENTENCE_BYTES_MAX:
            sentence.append(byte)
            return
        printable = 0x20 <= byte < 0x7F
        events.append(fault(FaultWhy.TOO_LONG if printable else FaultWhy.NOISE, sentence))
        self._sentence = None
        self._outside(byte, events)

    def _outside(self, byte: int, events: list[Event]) -> None:
        self._noise.append(byte)
        if len(self._noise) >= NOISE_BYTES_MAX:
            self._end_noise(events)

    def _end(self, events: list[Event]) -> None:
        if self._sentence is None:
            return
        sentence, self._sentence = bytes(self._sentence), None
        stated = decode_sentence(sentence)
        if isinstance(stated, Fault):
            events.append(stated)
        elif stated is not None:
            events.extend(self._epochs.add(stated))

    def _end_noise(self, events: list[Event]) -> None:
        if self._noise.strip(b"\0 "):
            events.append(fault(FaultWhy.NOISE, self._noise))
        self._noise.clear()


def decode_sentence(sentence: bytes) -> Statement | Fault | None:
    """Return what ``sentence`` (``$`` to checksum) states, None if it concerns no position."""
    if (checked := _CHECKED.fullmatch(sentence, 1)) is None:
        why = FaultWhy.MALFORMED if b"*" in sentence else FaultWhy.NO_CHECKSUM
        return fault(why, sentence)
    total = 0
    for byte in checked["body"]:
        total ^= byte
    if total != int(checked["sum"], 16):
        return fault(FaultWhy.BAD_CHECKSUM, sentence)
    fields = checked["body"].decode("ascii").split(",")
    head = _HEAD.fullmatch(fields[0])
    if head is None or (read := _READERS.get(head["formatter"])) is None:
        return None
    try:
        return read(fields)
    except (ValueError, IndexError):
        return fault(FaultWhy.MALFORMED, sentence)


def _read_rmc(fields: Fields) -> Statement:
    mode = _field(fields, 12)
    sure = fields[2] in ("A", "D") and (not mode or mode in _MODES)
    if (
        not sure
    ):  # Receivers send made-up times and dates with a void fix: kept for the epoch only.
        return Statement(found=fields[0], time_us=_time(fields[1]), timely=False, fix=Fix.NONE)
    latitude, longitude = _coordinates(fields[3:7])
    knots = _number(fields[7])
    return Statement(
        found=fields[0],
        time_us=_time(fields[1]),
        day=_day(fields[9]),
        fix=Fix.TWO_D,
        lat_deg=latitude,
        lon_deg=longitude,
        speed_mps=None if knots is None else knots * _KNOT_MPS,
    )


def _read_gga(fields: Fields) -> Statement:
    return _read_fix_data(fields, fixed=fields[6] in _QUALITIES, stated=bool(fields[6]))


def _read_gns(fields: Fields) -> Statement:
    # One letter a system; the last field, "V" for "no navigational status", says nothing.
    return _read_fix_data(fields, fixed=bool(_MODES & set(fields[6])), stated=True)


def _read_fix_data(fields: Fields, *, fixed: bool, stated: bool) -> Statement:
    """Read GGA or GNS, which hold time, position, satellites, HDOP and height alike."""
    satellites, hdop = _number(fields[7]), _dop(fields[8])
    if fixed and satellites is not None and satellites < SATELLITES_MIN:
        fixed = False
    if not fixed:
        none = Fix.NONE if stated else None
        return Statement(found=fields[0], time_us=_time(fields[1]), fix=none, hdop=hdop)
    latitude, longitude = _coordinates(fields[2:6])
    height = _number(fields[9]) is not None
    return Statement(
        found=fields[0],
        time_us=_time(fields[1]),
        fix=Fix.THREE_D if height else Fix.TWO_D,
        height=height,
        lat_deg=latitude,
        lon_deg=longitude,
        hdop=hdop,
        satellites=None if satellites is None else int(satellites),
    )


def _read_gll(fields: Fields) -> Statement:
    mode = _field(fields, 7)
    if fields[6] != "A" or (mode and mode not in _MODES):
        return Statement(found=fields[0], time_us=_time(fields[5]), fix=Fix.NONE)
    latitude, longitude = _coordinates(fields[1:5])
    return Statement(
        found=fields[0],
        time_us=_time(fields[5]),
        fix=Fix.TWO_D,
        lat_deg=latitude,
        lon_deg=longitude,
    )


def _read_gsa(fields: Fields) -> Statement:
    fixes = {"1": Fix.NONE, "2": Fix.TWO_D, "3": Fix.THREE_D}
    return Statement(found=fields[0], fix=fixes.get(fields[2]), hdop=_dop(_field(fields, 16)))


def _read_gst(fields: Fields) -> Statement:
    north, east = _number(fields[6]), _number(fields[7])
    error = None if north is None or east is None else (north**2 + east**2) ** 0.5
    return Statement(found=fields[0], time_us=_time(fields[1]), accuracy_m=error)


def _read_zda(fields: Fields) -> Statement:
    parts = fields[2:5]
    day = None
    if all(parts):
        day = date(int(parts[2]), int(parts[1]), int(parts[0]))
        if not YEAR_MIN <= day.year <= YEAR_MAX:
            msg = f"year {day.year} is not in {YEAR_MIN}..{YEAR_MAX}"
            raise ValueError(msg)
    return Statement(found=fields[0], time_us=_time(fields[1]), day=day)


_READERS: Final[dict[str, Callable[[Fields], Statement]]] = {
    "RMC": _read_rmc,
    "GGA": _read_gga,
    "GNS": _read_gns,
    "GLL": _read_gll,
    "GSA": _read_gsa,
    "GST": _read_gst,
    "ZDA": _read_zda,
}


def _field(fields: Fields, index: int) -> str:
    """Return a field that older receivers do not send."""
    return fields[index] if index < len(fields) else ""


def _number(text: str) -> float | None:
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        msg = f"no number: {text!r}"
        raise ValueError(msg)
    return float(text)


def _dop(text: str) -> float | None:
    value = _number(text)
    return value if value is not None and 0 < value < HDOP_MAX else None


def _time(text: str) -> int | None:
    """Return the time of day in microseconds, None if the field is empty."""
    if not text:
        return None
    if (match := _TIME.fullmatch(text)) is None:
        msg = f"no time of day: {text!r}"
        raise ValueError(msg)
    hours, minutes, seconds, fraction = match.groups()
    whole = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
    return whole * 1_000_000 + int((fraction or "").ljust(6, "0"))


def _day(text: str) -> date | None:
    if not text:
        return None
    if (match := _DATE.fullmatch(text)) is None:
        msg = f"no date: {text!r}"
        raise ValueError(msg)
    day, month, year = map(int, match.groups())
    return date(year + (1900 if year >= _CENTURY_YEAR_MIN else 2000), month, day)


def _coordinates(fields: Fields) -> tuple[float, float]:
    """Return latitude and longitude in degrees from ddmm.mmmm, N or S, dddmm.mmmm, E or W."""
    latitude = _degrees(_LATITUDE, fields[0], 90)
    longitude = _degrees(_LONGITUDE, fields[2], 180)
    if fields[1] not in ("N", "S") or fields[3] not in ("E", "W"):
        msg = f"no hemisphere: {fields[1]!r}, {fields[3]!r}"
        raise ValueError(msg)
    return (
        -latitude if fields[1] == "S" else latitude,
        -longitude if fields[3] == "W" else longitude,
    )


def _degrees(form: re.Pattern[str], text: str, degrees_max: int) -> float:
    if (match := form.fullmatch(text)) is None:
        msg = f"no angle: {text!r}"
        raise ValueError(msg)
    value = int(match[1]) + float(match[2]) / 60
    if value > degrees_max:
        msg = f"angle {text!r} is beyond {degrees_max} degrees"
        raise ValueError(msg)
    return value
