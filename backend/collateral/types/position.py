"""What is remembered of where a lot's receiver is.

Metres are east and north of the site's origin.
"""

from dataclasses import dataclass

from backend.collateral.types.sample import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Where a receiver rests and how far its fixes scatter there, an axis, as it was learnt.

    ``slot`` numbers the last span of time of which a fix was taken, ``samples`` the fixes taken;
    ``strayed`` of them in a row were too far away to learn from.
    """

    slot: int
    east_m: float
    north_m: float
    scatter_m: float
    samples: int = 0
    strayed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FixRun:
    """Fixes in a row that contradict what a fence says; sums are over all of them."""

    since: Sample
    inside: bool
    fixes: int
    east_sum_m: float
    north_sum_m: float
    last_at_us: int
    last_east_m: float
    last_north_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Where the way that a lot took out of its zone cuts the fence, and its first fix outside.

    ``arrived_us`` is when the fix came by which it was certain, or that said it was back; by our
    clock. ``scatter_m`` is what was known of the receiver then.
    """

    since: Sample
    east_m: float
    north_m: float
    away_m: float
    scatter_m: float
    arrived_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """Which side of its zone's fence a lot is on; None: too few fixes to say.

    ``left`` is when and where it was last seen to leave, whether or not it came back.
    """

    inside: bool | None = None
    run: FixRun | None = None
    rest: Rest | None = None
    left: Crossing | None = None
