"""What is remembered of a camera's view, and of other sensors that say they are meddled with."""

from dataclasses import dataclass

from backend.collateral.types.sample import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class TamperSpell:
    """A tampering that has ended; ``arrived_us`` is when its end came, both by our clock."""

    since: Sample
    until_us: int
    arrived_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleSpell:
    """Vehicles in view without a break, as the camera tells of them, by our clock.

    ``ids`` are those that are still there; without one it ended at ``last_us``.
    """

    since_us: int
    last_us: int
    ids: tuple[str, ...] = ()
