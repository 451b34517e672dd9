"""What the newest stock-takes of a lot say, as detection needs them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from backend.ids import ItemId


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedMass:
    """A net mass that somebody weighed or reckoned, and when, by our clock."""

    mass_g: int
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The newest count of a lot's items, whether each was found; and the newest mass.

    ``at_us``: when the items were counted, by our clock.
    """

    at_us: int = 0
    found: Mapping[ItemId, bool] = field(default_factory=lambda: dict[ItemId, bool]())
    mass: CountedMass | None = None


NO_COUNTS = Counts()
