"""What an incident consists of, and what whoever commits it finds at the site: values only.

A kind of incident is a function from a ``Stage`` to an ``Act``; None means that it cannot happen
there. Nothing here knows when: times are relative to the moment at which the act begins.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Final

from firmware_sim import world as w
from firmware_sim.months.types import Harm
from firmware_sim.plan import LotPlan, ScalePlan, Scenario, WeigherPlan, ZonePlan
from firmware_sim.world import World

SECOND_US: Final = 1_000_000
Change = Callable[[World], World]

THEFT: Final = (Harm.SHORTFALL, Harm.RELOCATION)  # Seen elsewhere on its way out, or just gone.
_LIFT_S: Final = (15.0, 40.0)  # From the forks under the pallet until it is out of the zone.
_NEXT_S: Final = (60.0, 180.0)  # Until the forklift is back for the next.


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of the world, ``after_us`` the act began."""

    after_us: int
    what: str
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """A release order that goes with an act; times are relative to when it begins."""

    items: tuple[str, ...]
    destination: str | None
    from_us: int
    until_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What is done, how it is put right, and what is true of it.

    ``undo`` runs at once when the incident ends. ``elsewhere`` happens at the neighbouring site.
    ``shows_after_us`` is when a sensor can first say it.
    """

    steps: tuple[Step, ...]
    undo: tuple[Change, ...]
    items: tuple[str, ...]
    harms: tuple[Harm, ...]
    shown_by: tuple[str, ...]
    truth: str
    shows_after_us: int = 0
    elsewhere: tuple[Step, ...] = ()
    undo_elsewhere: tuple[Change, ...] = ()
    permits: tuple[Permit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A lot at the moment of an incident.

    ``items`` maps the EPCs that are still pledged to their net masses. ``lasts_us`` is how long
    the incident will last; ``since_begin_us`` how long the run has lasted. ``asked`` are the
    items, or how many of them, that a scenario file names.
    """

    scenario: Scenario
    lot: LotPlan
    items: Mapping[str, int]
    rng: Random
    lasts_us: int
    at_us: int
    since_begin_us: int
    neighbour: Scenario | None = None
    asked_items: tuple[str, ...] = ()
    asked_count: int | None = None
    zones: Mapping[str, ZonePlan] = field(init=False)

    def __post_init__(self) -> None:
        """Index the zones by name."""
        zones = {zone.name: zone for zone in self.scenario.zones}
        object.__setattr__(self, "zones", zones)

    @property
    def platform(self) -> ScalePlan | WeigherPlan | None:
        """What weighs the lot."""
        plans = (*self.scenario.scales, *self.scenario.weighers)
        return next((plan for plan in plans if plan.lot == self.lot.name), None)

    @property
    def scale_names(self) -> tuple[str, ...]:
        """The name of what weighs the lot, if anything does."""
        return (self.platform.name,) if self.platform else ()

    def readers(self, zone: str | None = None) -> tuple[str, ...]:
        """Return the readers of ``zone``; of the lot's own by default."""
        wanted = zone or self.lot.zone
        return tuple(plan.name for plan in self.scenario.readers if plan.zone == wanted)

    def pick(self, low: int, high: int) -> tuple[str, ...]:
        """Return items: those asked for, or ``low`` to ``high``, but not all of many."""
        if self.asked_items:
            return self.asked_items if set(self.asked_items) <= set(self.items) else ()
        most = min(high, max(1, len(self.items) - 1))
        if self.asked_count is not None:
            low = most = self.asked_count
        if most < low or most > len(self.items):
            return ()
        return tuple(self.rng.sample(sorted(self.items), self.rng.randint(low, most)))

    def seconds_us(self, low_s: float, high_s: float) -> int:
        """Return a duration between the two."""
        return round(self.rng.uniform(low_s, high_s) * SECOND_US)

    def share_us(self, low: float, high: float) -> int:
        """Return a duration that is ``low`` to ``high`` of the incident's."""
        return round(self.rng.uniform(low, high) * self.lasts_us)


def carry(stage: Stage, epcs: Sequence[str], away: Callable[[World, str], World]) -> list[Step]:
    """Return the steps in which a forklift takes each item up and ``away``, one by one."""
    steps: list[Step] = []
    at_us = 0
    for epc in epcs:
        steps.append(
            Step(after_us=at_us, what=f"lift {epc}", change=partial(w.lift, epc=epc, up=True))
        )
        gone_us = at_us + stage.seconds_us(*_LIFT_S)
        steps.append(Step(after_us=gone_us, what=f"carry {epc}", change=_with(away, epc)))
        at_us = gone_us + stage.seconds_us(*_NEXT_S)
    return steps


def seen_us(stage: Stage, steps: Sequence[Step], item: int = 0) -> int:
    """Return when the carrying of an item shows: on its scale when it is lifted, or when gone."""
    return steps[2 * item if stage.platform else 2 * item + 1].after_us


def _with(away: Callable[[World, str], World], epc: str) -> Change:
    return lambda world: away(world, epc)


def carried_s(items: int) -> float:
    """Return the longest that a forklift takes to carry ``items`` one way, in seconds."""
    return items * (_LIFT_S[1] + _NEXT_S[1])


def put_back(epcs: Sequence[str]) -> tuple[Change, ...]:
    """Return the changes that make these items as they were registered, in their places."""
    return tuple(partial(w.bring_back, epc=epc) for epc in epcs)
