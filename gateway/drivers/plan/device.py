"""The plan of one bus or port, and what every planner needs."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from gateway.clock import SystemClock
from gateway.drivers.intake import SensorPlan
from gateway.reading import Arrival, Sweep


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverParts:
    """What drivers work with; ``state_dir`` is where those keep what must outlive them."""

    clock: SystemClock
    random: Random
    state_dir: Path = Path()  # Plans that are never started keep nothing.


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverPlan:
    """One bus or port: its sensors, and how to start its driver, as often as it takes.

    ``section`` is what the configuration says of it: equal sections need no restart. ``freshen``
    asks a device that speaks seldom to speak now (a camera: a picture); None: it speaks often.
    """

    name: str
    section: object
    sensors: SensorPlan
    start: Callable[[], AsyncGenerator[Sequence[Arrival | Sweep], None]]
    freshen: Callable[[], None] | None = None
