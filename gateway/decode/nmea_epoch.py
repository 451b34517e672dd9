"""Merge the sentences that a GNSS receiver sends for one epoch into one position.

An epoch ends when the time changes or a sentence repeats. A receiver keeps its order, so from its
second epoch on a position goes out with the last sentence of the cycle instead of one epoch late.
Any sentence that says "no fix" takes the coordinates from the whole epoch.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

from gateway.decode.events import Fix, Position

STATEMENTS_MAX: Final = (
    32  # An epoch of a receiver with 6 systems has 12; more is a stuck receiver.
)

_HALF_DAY_US: Final = 43_200_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Which sentence's coordinates count first: the one that also states quality and height.
_PRECEDENCE: Final = ("GGA", "GNS", "RMC", "GLL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one sentence states; ``fix`` None where it says nothing about it.

    ``time_us`` counts from midnight; it is not ``timely`` where a receiver makes it up. ``found``
    is the sentence's talker and formatter.
    """

    found: str
    time_us: int | None = None
    timely: bool = True
    day: date | None = None
    fix: Fix | None = None
    height: bool = False
    lat_deg: float | None = None
    lon_deg: float | None = None
    hdop: float | None = None
    satellites: int | None = None
    speed_mps: float | None = None
    accuracy_m: float | None = None

    @property
    def formatter(self) -> str:
        """The sentence's kind, whatever system talks."""
        return self.found[-3:]


@dataclass(slots=True)
class _Epoch:
    """The statements of one epoch, in their order."""

    statements: list[Statement] = field(default_factory=list[Statement])
    sent: Position | None = None

    def time_us(self) -> int | None:
        return next((s.time_us for s in self.statements if s.time_us is not None), None)

    def cycle(self) -> tuple[str, ...]:
        return tuple(s.found for s in self.statements)

    def takes(self, stated: Statement) -> bool:
        """Return whether ``stated`` may belong to this epoch."""
        if len(self.statements) >= STATEMENTS_MAX:
            return False
        repeated = stated.formatter != "GSA" and stated.found in self.cycle()
        if stated.time_us is None:
            return not repeated and self.sent is None
        mine = self.time_us()
        return not repeated and (stated.time_us == mine or (mine is None and self.sent is None))


class EpochMerger:
    """Statements in, positions out; keeps the date between epochs that do not state it."""

    def __init__(self) -> None:
        self._reset()

    def add(self, stated: Statement) -> list[Position]:
        """Return the positions that ``stated`` completes: of the epoch before, or of its own."""
        positions: list[Position] = []
        if not self._epoch.takes(stated):
            positions = self._close()
        self._epoch.statements.append(stated)
        if self._epoch.cycle() == self._cycle:
            positions += self._send()
        return positions

    def flush(self) -> list[Position]:
        """Return the position of the open epoch, and begin anew."""
        positions = self._close()
        self._reset()
        return positions

    def _reset(self) -> None:
        self._epoch = _Epoch()
        self._cycle: tuple[str, ...] = ()
        self._last: tuple[int, Position] | None = None
        self._day: date | None = None
        self._day_time_us = 0

    def _close(self) -> list[Position]:
        positions = self._send()
        self._cycle = self._epoch.cycle()
        self._epoch = _Epoch()
        return positions

    def _send(self) -> list[Position]:
        """Return the open epoch's position unless it went out before.

        A receiver that repeats an epoch, time and all, has lost its position: what it repeats is
        not news (Trimble Placer 450, in gpsd's notes).
        """
        statements = self._epoch.statements
        if not any(s.fix is not None and s.formatter != "GSA" for s in statements):
            return []
        position = _merge(statements, self._moment_us())
        time_us = self._epoch.time_us()
        if position == self._epoch.sent or (
            time_us is not None and (time_us, position) == self._last
        ):
            return []
        self._epoch.sent = position
        self._last = None if time_us is None else (time_us, position)
        return [position]

    def _moment_us(self) -> int | None:
        """Return the open epoch's time since 1970, None while time or date is unknown."""
        statements = self._epoch.statements
        time_us = next((s.time_us for s in statements if s.time_us is not None and s.timely), None)
        if time_us is None:
            return None
        day = next((s.day for s in statements if s.day is not None), None)
        if day is not None:
            self._day = day
        elif self._day is not None and time_us < self._day_time_us - _HALF_DAY_US:
            self._day += timedelta(days=1)  # Midnight, and no sentence with a date in this epoch.
        self._day_time_us = time_us
        if self._day is None:
            return None
        midnight = datetime.combine(self._day, datetime.min.time(), tzinfo=UTC)
        return round((midnight - _EPOCH).total_seconds()) * 1_000_000 + time_us


def _merge(statements: list[Statement], moment_us: int | None) -> Position:
    fix = _decide_fix(statements)
    placed = _placed(statements) if fix is not Fix.NONE else None
    hdops = [s.hdop for s in sorted(statements, key=_rank) if s.hdop is not None]
    satellites = [s.satellites for s in statements if s.satellites is not None]
    return Position(
        time_us=moment_us,
        lat_deg=None if placed is None else placed.lat_deg,
        lon_deg=None if placed is None else placed.lon_deg,
        fix=fix,
        hdop=hdops[0] if placed and hdops else None,
        satellites=max(satellites, default=None) if placed else None,
        speed_mps=next((s.speed_mps for s in statements if s.speed_mps is not None), None)
        if placed
        else None,
        accuracy_m=next((s.accuracy_m for s in statements if s.accuracy_m is not None), None)
        if placed
        else None,
    )


def _rank(stated: Statement) -> int:
    kinds = _PRECEDENCE
    return kinds.index(stated.formatter) if stated.formatter in kinds else len(kinds)


def _placed(statements: list[Statement]) -> Statement | None:
    return min((s for s in statements if s.lat_deg is not None), key=_rank, default=None)


def _decide_fix(statements: list[Statement]) -> Fix:
    """Return the epoch's fix: none if any sentence denies it, else what the last one says.

    GSA states 2D or 3D; GGA and GNS show it by the height; RMC and GLL know of a fix only, which
    is 3D where the epoch has a height (gpsd's reading, kept so that its regression logs agree).
    """
    modes = [s.fix for s in statements if s.formatter == "GSA" and s.fix is not None]
    others = [s.fix for s in statements if s.formatter != "GSA"]
    if Fix.NONE in others or (modes and set(modes) == {Fix.NONE}) or _placed(statements) is None:
        return Fix.NONE
    fix, height = Fix.TWO_D, False
    for stated in statements:
        height = height or stated.height
        if stated.fix in (None, Fix.NONE):
            continue
        if stated.formatter not in ("RMC", "GLL"):
            fix = stated.fix
        elif height:
            fix = Fix.THREE_D
    return fix
