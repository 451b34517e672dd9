"""What a site is made to live through, and what its devices say of it: values only.

Times are microseconds since 1970, UTC, and true ones, unless a name says otherwise.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from firmware_sim.plan import Scenario
from firmware_sim.world import World
from schemas.quantities import EventType, Quantity

Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]
Int16s = NDArray[np.int16]
Floats = NDArray[np.float64]
Bytes8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """A change of the world at one moment; ``what`` names it for a reader of the log."""

    at_us: int
    what: str
    change: Callable[[World], World]


class Harm(StrEnum):
    """What kind of alert an incident should raise; ``none``: it must raise nothing critical."""

    SHORTFALL = "shortfall"
    RELOCATION = "relocation"
    DAMAGE = "damage"
    TAMPER = "tamper"
    SURVEILLANCE_LOST = "surveillance_lost"
    DOUBLE_PLEDGE = "double_pledge"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """The truth about one incident, or about something harmless that looks like one.

    ``harms`` are the kinds of alert of which any one finds it; ``items`` are EPCs in hex.
    ``begins_us`` is when a sensor could first have said it, ``ends_us`` when all was as before.
    ``lots`` are all lots whose sensors it touches, ``lot`` among them: an alert on any of these
    may be about it. ``shown_by`` are the sensors that could show it, were none left out.
    ``other_site`` is where a clone of its tag was read.
    """

    id: str
    kind: str
    site: str
    lot: str | None
    items: tuple[str, ...]
    harms: tuple[Harm, ...]
    begins_us: int
    ends_us: int
    truth: str
    lots: tuple[str, ...] = ()
    shown_by: tuple[str, ...] = ()
    other_site: str | None = None

    @property
    def harmless(self) -> bool:
        """Whether it only looks like an incident, and must raise nothing critical."""
        return self.harms == (Harm.NONE,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A release order that the lender signs: these items may be moved or leave in this window.

    ``destination`` is a zone of the site; None: they leave it.
    """

    id: str
    lot: str
    items: tuple[str, ...]
    destination: str | None
    issued_us: int
    from_us: int
    until_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOutage:
    """A gateway's uplink is down; what it reads meanwhile arrives when the link is back."""

    gateway: str
    begins_us: int
    ends_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockError:
    """From ``begins_us`` to ``ends_us`` a gateway's clock is off by ``offset_us``.

    On top of that it is off by ``drift_ppm`` of the time since ``begins_us``. Two of one gateway
    never overlap.
    """

    gateway: str
    begins_us: int
    ends_us: int
    offset_us: int
    drift_ppm: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRun:
    """One site and all that will happen to it, ordered by time."""

    scenario: Scenario
    seed: int
    begins_us: int
    ends_us: int
    happenings: tuple[Happening, ...]
    labels: tuple[Label, ...]
    orders: tuple[Order, ...]
    outages: tuple[LinkOutage, ...]
    clock_errors: tuple[ClockError, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalarBlock:
    """What one channel measured, in time's order; all of shape (n,).

    ``value`` is in the unit of the quantity; ``quality`` holds the codes of schemas.quantities.
    """

    sensor: str
    quantity: Quantity
    at_us: Int64s
    value: Floats
    quality: Bytes8


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBlock:
    """What one antenna read, in time's order, before any gateway thinned it out.

    ``round_us`` (r,) is when each inventory round ended; a round without a read is there too, an
    outage has none. Of the reads, all of shape (n,): ``round`` indexes the rounds, ``tag`` indexes
    ``epcs``.
    """

    sensor: str
    antenna: int
    epcs: tuple[bytes, ...]
    round_us: Int64s
    round: Int32s
    tag: Int32s
    rssi_cdbm: Int16s


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEvent:
    """What a device told of by name; ``body`` as schemas.bodies allows."""

    sensor: str
    at_us: int
    type: EventType
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBlock:
    """The same event again and again, in time's order: how a camera says that it lives."""

    sensor: str
    type: EventType
    body: Mapping[str, object]
    at_us: Int64s


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """What the devices of one gateway said in a span of time: decoded, not yet filtered.

    Cameras speak as three sensors, as on the wire: NAME (what Frigate tracks, and that it lives),
    NAME-view (what the camera's firmware says of its view) and NAME-image (verdicts on images).
    """

    gateway: str
    begins_us: int
    ends_us: int
    scalars: tuple[ScalarBlock, ...]
    reads: tuple[ReadBlock, ...]
    events: tuple[RawEvent, ...]
    repeated: tuple[EventBlock, ...] = ()
