"""The health of sensors as gateway.health decides it, from the times at which they spoke."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deploy.evaluate.rules import LATE_S
from firmware_sim.months.types import Raw
from gateway.health import SILENT_FACTOR, HealthState

Int64s = NDArray[np.int64]

LATE_US: Final = int(LATE_S * 1e6)
# A sensor that is asked seldom is late only when it misses several answers.
LATE_PERIODS: Final = 3
# A gateway of which nothing is heard for that long is without power, for all that can be known.
_DEAD_US: Final = 2 * LATE_US


@dataclass(slots=True)
class Pulse:
    """When a sensor spoke last; None: never yet. ``late_us`` is when it is late.

    ``silences`` are all spans in which it truly said nothing for longer.
    """

    last_us: int | None = None
    late_us: int = LATE_US
    silences: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def take(self, spoken: Int64s, begins_us: int, ends_us: int) -> list[tuple[int, str]]:
        """Return the changes of health within a span of time: when, and to what."""
        if self.last_us is None and not len(spoken):
            return []
        if self.last_us is None and len(spoken) > 1:
            period_us = int(np.median(np.diff(spoken)))
            self.late_us = max(LATE_US, LATE_PERIODS * period_us)
        first = [] if self.last_us is None else [self.last_us]
        times = np.concatenate((np.array(first, dtype=np.int64), spoken, [ends_us]))
        changes: list[tuple[int, str]] = []
        for place in np.flatnonzero(np.diff(times) > self.late_us).tolist():
            since_us, until_us = int(times[place]), int(times[place + 1])
            late_us = since_us + self.late_us
            silent_us = since_us + int(self.late_us * SILENT_FACTOR)
            steps = [(late_us, HealthState.LATE), (silent_us, HealthState.SILENT)]
            self._note(since_us, until_us)
            changes += [(at, s.value) for at, s in steps if begins_us <= at < until_us]
            if place + 2 < len(times):
                changes.append((until_us, HealthState.UP.value))
        if len(spoken):
            self.last_us = int(spoken[-1])
        return changes

    def _note(self, since_us: int, until_us: int) -> None:
        """Keep a silence, or let the last one go on: a span of time may end inside it."""
        if self.silences and self.silences[-1][0] == since_us:
            self.silences.pop()
        self.silences.append((since_us, until_us))


def spoken_us(raw: Raw, bound: frozenset[str]) -> Mapping[str, Int64s]:
    """Return when each sensor gave a sign of life: a reader its rounds, others their readings."""
    spoken: dict[str, Int64s] = {}
    for block in raw.scalars:
        if block.sensor in bound:
            known = spoken.get(block.sensor)
            # All of a device's quantities come by one request; the shorter one says less.
            if known is None or len(block.at_us) > len(known):
                spoken[block.sensor] = block.at_us
    for block in raw.reads:
        if block.sensor in bound:
            spoken[block.sensor] = block.round_us
    return spoken


def is_alive(alive: Int64s, at_us: int) -> bool:
    """Return whether anything of a gateway was heard around a moment."""
    place = int(np.searchsorted(alive, at_us, side="right"))
    return place > 0 and at_us - int(alive[place - 1]) <= _DEAD_US
