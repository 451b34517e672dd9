"""What a site lives through besides its plant: shifts, weather, movements, incidents, outages.

Values only, as a scenario file gives them; ``firmware_sim.months.script`` makes a run of them.
Hours of the day are UTC; a site's clock on the wall is not modelled.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

DAY_US: Final = 86_400_000_000
HOUR_US: Final = 3_600_000_000
USUAL_FORKLIFTS: Final = 2
_MONDAY_US: Final = 4 * DAY_US  # 1970-01-05


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftPlan:
    """When people and forklifts work; ``weekdays`` count from 1, Monday.

    The noise's forklift bumps are those of ``USUAL_FORKLIFTS``.
    """

    begins_h: float = 6.0
    ends_h: float = 22.0
    weekdays: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    forklifts: int = USUAL_FORKLIFTS

    def at_work(self, at_us: int) -> bool:
        """Return whether a shift is on at ``at_us``."""
        weekday = (at_us - _MONDAY_US) // DAY_US % 7 + 1
        hour = at_us % DAY_US / HOUR_US
        return weekday in self.weekdays and self.begins_h <= hour < self.ends_h


@dataclass(frozen=True, slots=True, kw_only=True)
class WeatherPlan:
    """The temperature outdoors: a wave each day about its mean, warmest at ``warmest_h``."""

    swing_c: float = 8.0  # from the mean to the warmest; quality.md: daily +-8 K
    warmest_h: float = 15.0

    def offset_c(self, at_us: int) -> float:
        """Return by how much it is warmer outdoors at ``at_us`` than the mean."""
        phase = (at_us % DAY_US / HOUR_US - self.warmest_h) / 24.0
        return self.swing_c * math.cos(2.0 * math.pi * phase)


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementPlan:
    """One authorised movement; ``to`` is a zone, or None when the items leave the site.

    Either ``items`` names EPCs, or ``count`` says how many. ``back`` after ``stay_s`` or never.
    """

    at_us: int  # since the run began
    lot: str
    count: int
    items: tuple[str, ...] = ()
    to: str | None = None
    stay_s: float = 3_600.0
    window_s: float = 7_200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementsPlan:
    """How often goods move by release order, in working hours, besides those given."""

    per_day: float = 0.0
    items: tuple[int, int] = (1, 2)
    leave_share: float = 0.2  # of the movements leave the site; the others come back
    keep_share: float = 0.5  # of a lot's items stay pledged to the end
    given: tuple[MovementPlan, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentPlan:
    """One incident at a given time; None: the script chooses."""

    kind: str
    at_us: int  # since the run began
    lot: str | None = None
    items: tuple[str, ...] = ()
    count: int | None = None
    lasts_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentsPlan:
    """What goes wrong: given one by one, and at rates for each site and 30 days by kind."""

    per_month: Mapping[str, float] = field(default_factory=dict[str, float])
    given: tuple[IncidentPlan, ...] = ()
    warmup_h: float = 24.0
    quiet_h: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPlan:
    """How often a gateway's uplink is down."""

    outages_per_day: float = 0.0
    outage_s: float = 600.0
    long_per_month: float = 0.0
    long_s: float = 46_800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockPlan:
    """How a gateway's clock goes wrong: boots into the past until it hears, and drift."""

    boots_back_per_month: float = 0.0
    back_days: float = 14.0
    corrected_after_s: float = 600.0
    drift_ppm: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LifePlan:
    """All of it; ``begins_us`` is when runs begin."""

    begins_us: int = 1_772_409_600_000_000  # Monday, 2026-03-02
    shift: ShiftPlan = ShiftPlan()
    weather: WeatherPlan = WeatherPlan()
    movements: MovementsPlan = MovementsPlan()
    incidents: IncidentsPlan = IncidentsPlan()
    link: LinkPlan = LinkPlan()
    clock: ClockPlan = ClockPlan()
