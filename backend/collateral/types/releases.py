"""Release orders as detection needs them: what may leave a lot, when, whither, and what has."""

from dataclasses import dataclass
from enum import StrEnum

from backend.ids import ItemId, LotId, ReleaseId, ZoneId


class ReleaseState(StrEnum):
    """How far a release order has come; the last three are ends."""

    ISSUED = "issued"
    EXECUTING = "executing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A lender's permission that is not settled yet.

    ``items``: which may go; none named: whichever go first, up to ``mass_g`` (net). The window
    is by our clock; one that was revoked ends then. ``zone_id``: where they must arrive; None: out
    of the site. ``transit``: zones that they may pass on the way. ``watched``: a reader would see
    them arrive. ``into_lot``: which lot they join; None: they are pledged no more. ``going``: what
    was last noted to be under way, of ``going_mass_g``.
    """

    id: ReleaseId
    items: frozenset[ItemId]
    mass_g: int
    begin_us: int
    end_us: int
    zone_id: ZoneId | None
    transit: frozenset[ZoneId]
    watched: bool
    into_lot: LotId | None = None
    revoked: bool = False
    going: tuple[ItemId, ...] = ()
    going_mass_g: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What is under way by an order now, and was not noted yet."""

    release_id: ReleaseId
    going: tuple[ItemId, ...]
    mass_g: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """An order at its end: what has left by it, by how much the pledge falls, and how it ended."""

    release: Release
    state: ReleaseState
    items: tuple[ItemId, ...]
    mass_g: int
