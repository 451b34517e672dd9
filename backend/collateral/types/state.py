"""What a lot's sensors last said, what is remembered of it, and the state that follows.

Names of times: ``at_us`` is a gateway's clock, ``made_us`` the backend's estimate of the same
moment by its own clock. Both are microseconds since 1970.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from backend.collateral.types.camera import TamperSpell, VehicleSpell
from backend.collateral.types.echo import Echo
from backend.collateral.types.load import LoadMemory
from backend.collateral.types.position import Fence
from backend.collateral.types.registered import SensorKey
from backend.collateral.types.sample import Sample
from backend.ids import GatewayId, ItemId, LotId, ZoneId
from schemas.quantities import Quantity

Json = Mapping[str, object]

CONTACT_OPEN: Final = 0.5  # A contact's value: 1 open, 0 closed.


class Custody(StrEnum):
    """Where a lot is, as a whole: its worst item."""

    IN_ZONE = "in_zone"
    MOVING = "moving"
    RELOCATED = "relocated"
    MISSING = "missing"


class ItemCustody(StrEnum):
    """Where one item is; moving or released: by a release order."""

    UNSEEN = "unseen"
    IN_ZONE = "in_zone"
    MOVING = "moving"
    RELOCATED = "relocated"
    MISSING = "missing"
    RELEASED = "released"


class QuantityState(StrEnum):
    """What is measured against what is pledged."""

    WHOLE = "whole"
    SHORT = "short"
    UNKNOWN = "unknown"


class Condition(StrEnum):
    """What state the goods are in."""

    SOUND = "sound"
    AT_RISK = "at_risk"
    DAMAGED = "damaged"


class Surveillance(StrEnum):
    """Whether the lot is watched."""

    LIVE = "live"
    DEGRADED = "degraded"
    DARK = "dark"


class Health(StrEnum):
    """What the gateway says of a sensor."""

    UP = "up"
    LATE = "late"
    SILENT = "silent"
    IMPLAUSIBLE = "implausible"


class FactKind(StrEnum):
    """What can be wrong with a lot."""

    ITEM_MISSING = "item_missing"
    ITEM_RELOCATED = "item_relocated"
    OUT_OF_ZONE = "out_of_zone"
    LOAD_SHORT = "load_short"
    LOAD_EXCESS = "load_excess"
    TAGS_LEFT = "tags_left"
    OVER_LIMIT = "over_limit"
    TAMPER = "tamper"
    KNOCKED = "knocked"
    SENSOR_LOST = "sensor_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class OverRun:
    """The unbroken run of readings over a limit that the last one ends.

    ``dwell_us`` is the plain time over it, ``dose_us`` the same weighted by how far over.
    """

    since: Sample
    last_at_us: int
    last_value: float
    dwell_us: int
    dose_us: int
    worst: Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Latch:
    """Damage done, first by ``sample``: it stays until a person resolves its alert.

    ``last_us`` is when the newest harmful reading was made, ``arrived_us`` when it came; both by
    our clock.
    """

    sensor: SensorKey
    sample: Sample
    last_us: int
    arrived_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Excursion:
    """The last run over a limit that has ended.

    ``arrived_us`` is when the reading came that ended it, by our clock. ``dose_us`` is what is
    left of its dose at ``last_at_us``; both 0 when nothing is.
    """

    since: Sample
    worst: Sample
    ended: Sample
    arrived_us: int
    dose_us: int = 0
    last_at_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LotMemory:
    """What the detectors of a lot keep between readings; latches are by quantity.

    ``detectors`` is what each detector of ``rules.detectors`` keeps, by its name, as JSON.
    """

    loads: Mapping[SensorKey, LoadMemory] = field(
        default_factory=lambda: dict[SensorKey, LoadMemory]()
    )
    overs: Mapping[tuple[SensorKey, Quantity], OverRun] = field(
        default_factory=lambda: dict[tuple[SensorKey, Quantity], OverRun]()
    )
    latches: Mapping[Quantity, Latch] = field(default_factory=lambda: dict[Quantity, Latch]())
    passed: Mapping[tuple[SensorKey, Quantity], Excursion] = field(
        default_factory=lambda: dict[tuple[SensorKey, Quantity], Excursion]()
    )
    fences: Mapping[SensorKey, Fence] = field(default_factory=lambda: dict[SensorKey, Fence]())
    detectors: Mapping[str, Json] = field(default_factory=lambda: dict[str, Json]())


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """How well a reader sees the tags of one lot (``rules.shelves``).

    ``clock_us`` is its clock at the beginning of ``cell``, in which there were ``looks`` so far.
    The rest is what was learnt: looks in so many cells. Looks are in thousandths.
    """

    clock_us: int
    cell: int
    looks: int = 0
    old_looks: int = 0
    old_cells: int = 0
    new_looks: int = 0
    new_cells: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorState:
    """What a sensor last said.

    ``fresh_us``: when its newest usable reading was made, by our clock; None: never.
    ``listened_us``: for how long it was heard to look for tags, in all.
    ``tampers``: what a camera or receiver reports of itself, by name, since when; ``spells`` the
    last of each that has ended; ``vehicles`` those that a camera told of, oldest first.
    ``echoes``: what its channels said before, lest they say it again.
    ``opened``: the last reading of an open contact.
    ``shelves``: how well a reader sees the tags of each lot, by the lot's id.
    """

    key: SensorKey
    last_at_us: int | None = None
    arrival_us: int | None = None
    fresh_us: int | None = None
    health: Health = Health.UP
    values: Mapping[Quantity, Sample] = field(default_factory=lambda: dict[Quantity, Sample]())
    listened_us: int = 0
    inventory_at_us: int | None = None
    tampers: Mapping[str, Sample] = field(default_factory=lambda: dict[str, Sample]())
    offline: str | None = None
    opened: Sample | None = None
    spells: Mapping[str, TamperSpell] = field(default_factory=lambda: dict[str, TamperSpell]())
    vehicles: tuple[VehicleSpell, ...] = ()
    echoes: Mapping[Quantity, Echo] = field(default_factory=lambda: dict[Quantity, Echo]())
    shelves: Mapping[str, Shelf] = field(default_factory=lambda: dict[str, Shelf]())

    @property
    def is_tampered(self) -> bool:
        """Whether a camera says so of itself, or a contact is open."""
        contact = self.values.get(Quantity.CONTACT)
        return bool(self.tampers) or (contact is not None and contact.value > CONTACT_OPEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamView:
    """What matters of the stream that a sensor's readings come by.

    ``unanswered``: it goes on, and its gateway has not answered a challenge.
    """

    stopped: bool
    fresh_us: int | None
    clock_flagged: bool = False
    unanswered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The last sighting of an item by one reader, the run that it ends, and what was learnt of it.

    Times named ``listened`` and ``streak`` count the reader's own listening, ``effective_us`` that
    of the item's shelf. ``doubt_mnat`` is the evidence that the item had gone, after this
    sighting; ``settled_us`` is when it was last read without such doubt, ``peak_mnat`` the most
    evidence since. ``away_...`` is its last absence beyond doubt that ended. ``stay_us`` is since
    when it was read here again and again. ``learnt`` is as ``rules.presence_rates.Learnt``.
    ``arrived_us``, ``made_us``, ``settled_us``, ``away_...`` and ``stay_us`` are by our clock.
    """

    item_id: ItemId
    reader: SensorKey
    seen_us: int
    made_us: int
    listened_us: int
    streak_us: int
    streak_reads: int
    rssi_cdbm: int
    envelope_number: int
    arrived_us: int = 0
    effective_us: int = 0
    doubt_mnat: int = 0
    settled_us: int = 0
    peak_mnat: int = 0
    away_from_us: int = 0
    away_until_us: int = 0
    away_arrived_us: int = 0
    stay_us: int = 0
    learnt: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One reading behind a finding, or what was missing instead of one (number None).

    ``expected`` is what would have been said if nothing were wrong. ``log_odds`` is by how much
    it moved the finding: the natural logarithm of the likelihood ratio, positive in its favour;
    None: it was not weighed.
    """

    at: datetime
    gateway: GatewayId
    envelope_number: int | None
    sensor: str
    quantity: str | None
    value: float | None
    text: str
    image_sha256: bytes | None = None
    expected: str = ""
    log_odds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that is wrong with a lot, for as long as it is.

    ``key`` tells one cause from another within the lot; ``grave``: beyond doubt, or beyond
    patience. ``probability`` that it is so, by all sensors together, when it was found.
    ``began_us`` is when the readings say that it began, by our clock; None: they do not.
    """

    key: str
    kind: FactKind
    grave: bool
    text: str
    evidence: tuple[Evidence, ...] = ()
    probability: float = 1.0
    began_us: int | None = None


UNCONFIRMED_SHORT_G: Final = 1  # Of a lot that one weight alone calls short: it locks, no more.


@dataclass(frozen=True, slots=True, kw_only=True)
class LotState:
    """What a lot is believed to be; ``evaluated`` False: the rules could not say, which locks.

    ``measured_mass_g`` is net and a lower bound; None: never measured.
    """

    lot_id: LotId
    custody: Custody = Custody.MISSING
    quantity: QuantityState = QuantityState.UNKNOWN
    short_mass_g: int = 0
    measured_mass_g: int | None = None
    condition: Condition = Condition.SOUND
    condition_since: datetime | None = None
    surveillance: Surveillance = Surveillance.DARK
    tampered: bool = False
    evaluated: bool = False
    detail: Json = field(default_factory=lambda: dict[str, object]())

    @property
    def dimensions(self) -> dict[str, str | bool]:
        """The state in words, without its numbers."""
        return {
            "custody": self.custody.value,
            "quantity": self.quantity.value,
            "condition": self.condition.value,
            "surveillance": self.surveillance.value,
            "tampered": self.tampered,
            "evaluated": self.evaluated,
        }

    @property
    def sound(self) -> bool:
        """Whether nothing speaks against the lot."""
        return (
            self.evaluated
            and self.custody is Custody.IN_ZONE
            and self.quantity is QuantityState.WHOLE
            and self.condition is Condition.SOUND
            and self.surveillance is not Surveillance.DARK
            and not self.tampered
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the rules say of a lot: its state, where each item is, and what is wrong."""

    state: LotState
    items: Mapping[ItemId, tuple[ItemCustody, ZoneId | None]]
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LotChange:
    """A lot whose state, or what is wrong with it, is no longer what it was.

    ``before_facts`` maps the key of each fact that held to whether it was grave. ``raised``: the
    rules failed, so that nothing is known of the facts now.
    """

    lot_id: LotId
    before: LotState
    after: LotState
    before_facts: Mapping[str, bool]
    facts: tuple[Fact, ...]
    raised: bool = False

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """All readings behind what is wrong now."""
        return tuple(each for fact in self.facts for each in fact.evidence)
