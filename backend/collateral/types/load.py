"""What is remembered of a scale between readings: masses are gross, as it shows them."""

from dataclasses import dataclass

from backend.collateral.types.sample import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRun:
    """Stable weights on the wrong side of a line, one after the other; ``since`` None: none.

    One reading alone neither begins nor ends a run: ``against`` tells that the newest reading
    was on the right side. ``readings`` counts to two.

    ``level`` is the newest weight that another one bears out, ``worst_g`` the farthest such, and
    ``tail_g`` the newest whatever it is. ``lasted_us`` counts readings' own time. ``moved`` tells
    whether the scale showed motion just before. ``found_us`` is when
    the reading came, by our clock, with which the run was long enough to be told.
    """

    since: Sample | None = None
    readings: int = 0
    against: bool = False
    level: Sample | None = None
    worst_g: float = 0.0
    tail_g: float = 0.0
    last_at_us: int = 0
    lasted_us: int = 0
    moved: bool = False
    found_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """A run that was long enough to be told, and is over; ``line`` names what it was beyond."""

    line: str
    since: Sample
    level: Sample
    worst_g: float
    lasted_us: int
    found_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What the scale showed when it first showed all that is registered; it follows nobody.

    ``expected_g`` is what was registered then; ``slack_g`` is how far registered masses of goods
    that came or went by order may be off. ``warmth_c`` None: nobody measured it.
    """

    gross_g: int
    expected_g: int
    slack_g: int
    at_us: int
    warmth_c: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """Stable weights of one minute of the gateway's clock, until the baseline is known."""

    minute: int
    readings: int
    sum_g: int
    least_g: float
    most_g: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stillness:
    """How often a scale shows the same weight twice in a row, in the hour when it did so most.

    ``hours`` counts those learned from; ``same`` of ``pairs`` is their worst. ``hour``,
    ``hour_same`` and ``hour_pairs`` are of the hour that is not over. ``run`` counts how often
    in a row the newest weight was the one before, ``since`` begins it, and ``found_us`` is when
    the reading came, by our clock, that made it too long.
    """

    hours: int = 0
    same: int = 0
    pairs: int = 0
    hour: int = 0
    hour_same: int = 0
    hour_pairs: int = 0
    run: int = 0
    since: Sample | None = None
    found_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadMemory:
    """All of it. ``drop``: far too light; ``loss``: lighter than it drifts; ``excess``: heavier.

    ``moving_at_us`` is the gateway's time of the newest unstable reading; None: there never was
    one. ``thermometer`` hangs beside it and last read ``warmth_c``. ``last_g`` is the newest
    stable weight, whatever it is worth.
    """

    drop: LoadRun = LoadRun()
    loss: LoadRun = LoadRun()
    excess: LoadRun = LoadRun()
    past: tuple[PastRun, ...] = ()
    base: Baseline | None = None
    minute: Minute | None = None
    still: Stillness = Stillness()
    moving_at_us: int | None = None
    thermometer: str | None = None
    warmth_c: float | None = None
    last_g: float | None = None
