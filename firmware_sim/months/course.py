"""The course of a site's world over a span of time: what held from when on, and the sample times.

Between two happenings nothing changes but what follows from time alone, so that a device looks at
stretches of a constant world instead of at each reading.
"""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Generic, TypeVar

import numpy as np

from firmware_sim.months.types import Happening, Int64s
from firmware_sim.world import World, step

SECOND_US: Final = 1_000_000
_T = TypeVar("_T", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The world right after something happened at ``at_us``."""

    at_us: int
    world: World


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch(Generic[_T]):
    """A span of time, its end excluded, in which ``value`` holds."""

    begins_us: int
    ends_us: int
    value: _T


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What the world was like from ``moments[0]``, the begin of the span, to ``ends_us``."""

    moments: tuple[Moment, ...]
    ends_us: int

    @property
    def begins_us(self) -> int:
        """When the span begins."""
        return self.moments[0].at_us

    def spans(self) -> Iterator[tuple[Moment, int]]:
        """Yield each moment, and when the next one comes."""
        for moment, after in pairwise(self.moments):
            yield moment, after.at_us
        yield self.moments[-1], self.ends_us

    def stretches(self, value_of: Callable[[World], _T]) -> list[Stretch[_T]]:
        """Return the stretches in which what ``value_of`` tells of the world stays the same."""
        found: list[Stretch[_T]] = []
        begins_us, value = self.begins_us, value_of(self.moments[0].world)
        for moment in self.moments[1:]:
            now = value_of(moment.world)
            if now != value:
                found.append(Stretch(begins_us=begins_us, ends_us=moment.at_us, value=value))
                begins_us, value = moment.at_us, now
        found.append(Stretch(begins_us=begins_us, ends_us=self.ends_us, value=value))
        return found


def course_of(
    world: World, now_us: int, happenings: tuple[Happening, ...], until_us: int
) -> tuple[Course, World]:
    """Return the course from ``now_us`` to ``until_us``, and the world at its end.

    Args:
        world: as it is at ``now_us``.
        now_us: where the course begins.
        happenings: those of the span, in order.
        until_us: where it ends.
    """
    moments = [Moment(at_us=now_us, world=world)]
    for happening in happenings:
        at_us = max(now_us, happening.at_us)
        if at_us > now_us:
            world = step(world, (at_us - now_us) / SECOND_US)
        world, now_us = happening.change(world), at_us
        if moments[-1].at_us == at_us:
            moments.pop()
        moments.append(Moment(at_us=at_us, world=world))
    if until_us > now_us:
        world = step(world, (until_us - now_us) / SECOND_US)
    return Course(moments=tuple(moments), ends_us=until_us), world


class Beat:
    """The times at which a device speaks: one each period, from a moment of its own on."""

    def __init__(self, first_us: int, period_us: int) -> None:
        """Begin before the first."""
        self._next_us = first_us
        self.period_us = period_us
        self.period_s = period_us / SECOND_US

    def until(self, until_us: int) -> Int64s:
        """Return the times before ``until_us`` that were not returned before."""
        count = max(0, -(-(until_us - self._next_us) // self.period_us))
        times_us = self._next_us + self.period_us * np.arange(count, dtype=np.int64)
        self._next_us += self.period_us * count
        return times_us


def beat(begins_us: int, period_s: float, phase: float) -> Beat:
    """Return the times of a device, from ``phase`` of a period after ``begins_us`` on."""
    period_us = max(1, round(period_s * SECOND_US))
    return Beat(begins_us + int(phase * period_us), period_us)
