"""gpsd's reports: one JSON object a line; its TPV is a position.

A TPV below mode 2 is no fix, and so is one that gpsd knows to be reckoned, surveyed or simulated.
HDOP and the number of satellites come from the SKY before it. An ERROR is a fault; everything
else (VERSION, DEVICES, DEVICE, WATCH, ATT, ...) is passed over in silence.

Source: gpsd_json(5), gpsd 3.25, protocol 3: TPV, SKY, ERROR.
"""

from datetime import UTC, datetime
from typing import Final

from gateway.decode.events import Event, Fault, FaultWhy, Fix, Position, fault
from gateway.decode.framing import LineFramer
from gateway.decode.jsonmessages import is_object, load_json, number_of
from gateway.decode.nmea import HDOP_MAX, YEAR_MAX, YEAR_MIN

LINE_BYTES_MAX: Final = 10_240  # gpsd's own limit of a report, GPS_JSON_RESPONSE_MAX.
WATCH: Final = b'?WATCH={"enable":true,"json":true};\n'
"""The request for reports, of every device that gpsd has."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIXES: Final[dict[float, Fix]] = {0: Fix.NONE, 1: Fix.NONE, 2: Fix.TWO_D, 3: Fix.THREE_D}
# TPV status: 5 dead reckoning, 7 surveyed (time only), 8 simulated.
_NO_FIX_STATUS: Final = frozenset({5, 7, 8})
_SATELLITES_MAX: Final = 1_000  # More than all systems together have.


class GpsdDecoder:
    """Lines of reports in, positions out; of ``device`` only, where it is given."""

    def __init__(self, device: str | None = None) -> None:
        self._device = device
        self._framer = LineFramer(parity=False, bytes_max=LINE_BYTES_MAX)
        self._hdop: float | None = None
        self._satellites: int | None = None

    def feed(self, chunk: bytes) -> list[Event]:
        """Return what ``chunk`` completes, oldest first."""
        events: list[Event] = []
        for line in self._framer.feed(chunk):
            event = line if isinstance(line, Fault) else self._decode(line.text)
            if event is not None:
                events.append(event)
        return events

    def flush(self) -> list[Event]:
        """Return a fault for a report that never ended, and begin anew."""
        self._hdop = self._satellites = None
        return [line for line in self._framer.flush() if isinstance(line, Fault)]

    def _decode(self, line: bytes) -> Event | None:
        try:
            report = load_json(line)
        except ValueError:
            return fault(FaultWhy.MALFORMED, line)
        if not is_object(report) or not isinstance(report.get("class"), str):
            return fault(FaultWhy.MALFORMED, line)
        if report["class"] == "ERROR":
            return fault(FaultWhy.READER_ERROR, line)
        if self._device is not None and report.get("device") != self._device:
            return None
        if report["class"] == "SKY":
            self._hdop = _bounded(report.get("hdop"), HDOP_MAX)
            satellites = _bounded(report.get("uSat"), _SATELLITES_MAX)
            self._satellites = None if satellites is None else int(satellites)
        if report["class"] != "TPV":
            return None
        try:
            return self._position(report)
        except ValueError:
            return fault(FaultWhy.MALFORMED, line)

    def _position(self, report: dict[str, object]) -> Position:
        """Return the position that a TPV states.

        Raises:
            ValueError: Its mode, time or coordinates are not what they must be.
        """
        mode, status = number_of(report.get("mode")), number_of(report.get("status"))
        fix = None if mode is None else _FIXES.get(mode)
        if fix is None:
            msg = f"mode: {mode!r} is not 0..3"
            raise ValueError(msg)
        if fix is Fix.NONE or status in _NO_FIX_STATUS:
            return Position(time_us=None, lat_deg=None, lon_deg=None, fix=Fix.NONE)
        speed = number_of(report.get("speed"))
        accuracy = number_of(report.get("eph"))
        return Position(
            time_us=_micros(report.get("time")),
            lat_deg=_degrees("lat", report.get("lat"), 90),
            lon_deg=_degrees("lon", report.get("lon"), 180),
            fix=fix,
            hdop=self._hdop,
            satellites=self._satellites,
            speed_mps=speed,
            accuracy_m=accuracy if accuracy is not None and accuracy >= 0 else None,
        )


def _bounded(value: object, limit: float) -> float | None:
    number = number_of(value)
    return number if number is not None and 0 < number < limit else None


def _degrees(name: str, value: object, degrees_max: int) -> float:
    number = number_of(value)
    if number is None or abs(number) > degrees_max:
        msg = f"{name}: {value!r} is no angle up to {degrees_max} degrees"
        raise ValueError(msg)
    return number


def _micros(value: object) -> int | None:
    """Return an ISO 8601 time in UTC as microseconds since 1970, None if there is none.

    Raises:
        ValueError: It is no time, or one without a zone.
    """
    if value is None:
        return None
    moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    if moment is None or moment.tzinfo is None or not YEAR_MIN <= moment.year <= YEAR_MAX:
        msg = f"time: {value!r} is none"
        raise ValueError(msg)
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
