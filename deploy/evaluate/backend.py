"""The backend without its database: what it knows, in memory, and one turn of its own rules.

What is kept is never changed in place, so that a turn can be taken back for the price of a copy
of a few small tables.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from backend.alerts.rules.steps import steps_of
from backend.alerts.types import Steps
from backend.collateral.rules.lot import Around, Evaluated, evaluate, facts_of
from backend.collateral.rules.memory import lot_memory_json
from backend.collateral.rules.series import SeriesBook
from backend.collateral.rules.sightings import SightKey
from backend.collateral.rules.turn import RULE_ERRORS, change_of, fold_batch, unevaluated
from backend.collateral.types import LotState, Place, SensorKey, SensorState, Sight, StreamView
from backend.collateral.types.releases import Release
from backend.ids import GatewayId, ItemId, LotId, ZoneId
from backend.telemetry.types import ReadingBatch
from deploy.evaluate.registry import Registered

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLot:
    """A lot's state and its detectors' memory, as they would be stored.

    ``releases`` are the orders that are not settled, ``gone`` the items that left by others.
    """

    state: LotState
    memory: Row
    releases: tuple[Release, ...] = ()
    gone: frozenset[ItemId] = frozenset()


@dataclass(slots=True, kw_only=True)
class Books:
    """Everything that the backend remembers of all sites."""

    sensors: dict[SensorKey, SensorState] = field(default_factory=dict[SensorKey, SensorState])
    sights: dict[LotId, Mapping[SightKey, Sight]] = field(
        default_factory=dict[LotId, Mapping[SightKey, Sight]]
    )
    lots: dict[LotId, KeptLot] = field(default_factory=dict[LotId, KeptLot])
    fresh_us: dict[GatewayId, int] = field(default_factory=dict[GatewayId, int])
    flagged: frozenset[GatewayId] = frozenset()

    def copy(self) -> Self:
        """Return tables of its own with the same entries."""
        return replace(
            self,
            sensors=dict(self.sensors),
            sights=dict(self.sights),
            lots=dict(self.lots),
            fresh_us=dict(self.fresh_us),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a turn led to: books, what it asks of alerts, and what could not be decided."""

    books: Books
    steps: tuple[Steps, ...]
    raised: tuple[tuple[LotId, str], ...]

    @property
    def finds(self) -> bool:
        """Whether it found something new or graver."""
        return any(step.findings for step in self.steps)


class Backend:
    """The registered sites, and the rules of the ingest path over them."""

    def __init__(self, sites: Iterable[Registered]) -> None:
        self.sites = {site.site: site for site in sites}
        self.owners: dict[bytes, ItemId] = {}
        self.lot_of: dict[ItemId, LotId] = {}
        self.site_of: dict[LotId, str] = {}
        self._readers: dict[SensorKey, frozenset[Any]] = {}
        self._places: dict[ZoneId, Place] = {}
        for site in self.sites.values():
            self.owners.update(site.owners)
            self.lot_of.update(site.lot_of)
            self._readers.update(site.readers)
            self._places.update(site.places)
            self.site_of.update(dict.fromkeys(site.lots, site.site))

    def books(self) -> Books:
        """Return the books of a backend that has heard nothing yet."""
        lots = {
            lot: KeptLot(state=LotState(lot_id=lot), memory={})
            for site in self.sites.values()
            for lot in site.lots
        }
        return Books(lots=lots, sights={lot: {} for lot in lots})

    def turn(
        self, books: Books, sites: Collection[str], batch: ReadingBatch | None, now_us: int
    ) -> Turn:
        """Return what becomes of ``books`` when a batch arrived, or only time passed."""
        return self.turn_of(books, self.lots_of(sites), batch, now_us)

    def turn_of(
        self,
        books: Books,
        lots: Sequence[LotId],
        batch: ReadingBatch | None,
        now_us: int,
        heard_us: Mapping[GatewayId, int] | None = None,
    ) -> Turn:
        """Return what becomes of ``books`` when a batch arrived that concerns some lots.

        Args:
            books: before it; unchanged.
            lots: those to be decided.
            batch: all that is told of their sensors and items.
            now_us: the time.
            heard_us: when gateways were heard last, if they told more than there is in the batch.
        """
        after, book = self.folded(books, lots, batch)
        for gateway, fresh_us in (heard_us or {}).items():
            after.fresh_us[gateway] = max(fresh_us, after.fresh_us.get(gateway, fresh_us))
        around = self.around(after, lots, now_us)
        steps: list[Steps] = []
        raised: list[tuple[LotId, str]] = []
        for lot in lots:
            step, error = self.decide(after, lot, around, book)
            if step.findings or step.ceased:
                steps.append(step)
            if error:
                raised.append((lot, error))
        return Turn(books=after, steps=tuple(steps), raised=tuple(raised))

    def lots_of(self, sites: Collection[str]) -> list[LotId]:
        """Return the lots of some sites, in order."""
        return sorted(lot for name in sites for lot in self.sites[name].lots)

    def folded(
        self, books: Books, lots: Sequence[LotId], batch: ReadingBatch | None
    ) -> tuple[Books, SeriesBook | None]:
        """Return books of their own with a batch folded into sensors and sightings."""
        after = books.copy()
        if batch is None or not batch.readings:
            return after, None
        book = SeriesBook(batch)
        self._fold(after, lots, batch, book)
        return after, book

    def _fold(
        self, books: Books, lots: Sequence[LotId], batch: ReadingBatch, book: SeriesBook
    ) -> None:
        known = {key: sight for lot in lots for key, sight in books.sights[lot].items()}
        folded = fold_batch(batch, book, self.owners, books.sensors, known, self.lot_of)
        books.sensors.update(folded.sensors)
        for key, state in folded.sensors.items():
            if state.fresh_us is not None:
                before = books.fresh_us.get(key[0], state.fresh_us)
                books.fresh_us[key[0]] = max(before, state.fresh_us)
        fresh: dict[LotId, dict[SightKey, Sight]] = defaultdict(dict)
        for key, sight in folded.sights.items():
            fresh[self.lot_of[key[0]]][key] = sight
        for lot, sights in fresh.items():
            books.sights[lot] = {**books.sights[lot], **sights}

    def around(self, books: Books, lots: Sequence[LotId], now_us: int) -> Around:
        """Return what lots share with others, as it stands in the books."""
        by_item: dict[ItemId, list[Sight]] = defaultdict(list)
        for lot in lots:
            for (item, _), sight in books.sights[lot].items():
                by_item[item].append(sight)
        streams = {
            gateway: StreamView(
                stopped=False, fresh_us=fresh_us, clock_flagged=gateway in books.flagged
            )
            for gateway, fresh_us in books.fresh_us.items()
        }
        return Around(
            sensors=books.sensors,
            broken=frozenset(),
            streams=streams,
            sights=by_item,
            readers=self._readers,
            places=self._places,
            now_us=now_us,
        )

    def decide(
        self, books: Books, lot: LotId, around: Around, book: SeriesBook | None
    ) -> tuple[Steps, str]:
        """Decide a lot in ``books``; return what follows for its alerts, and an error if any."""
        site = self.sites[self.site_of[lot]]
        kept = books.lots[lot]
        facts: Mapping[str, bool] = {}
        error = ""
        memory = kept.memory
        releases, gone = kept.releases, kept.gone
        try:
            facts = facts_of(kept.state)
            row, items = registered_now(site, lot, kept)
            found = evaluate(row, items, site.bindings[lot], around, book)
            change = change_of(kept.state, facts, found.decision)
            if found.memory is not None:
                memory = lot_memory_json(found.memory)
            if found.settlements or found.progress:
                releases, gone = followed(kept, found)
        except RULE_ERRORS as caught:
            error = f"{type(caught).__name__}: {caught}"
            change = unevaluated(kept.state, facts, caught)
        after = KeptLot(
            state=kept.state if change is None else change.after,
            memory=memory,
            releases=releases,
            gone=gone,
        )
        if after != kept:
            books.lots[lot] = after
        return (Steps() if change is None else steps_of(change)), error


def registered_now(site: Registered, lot: LotId, kept: KeptLot) -> tuple[Row, Sequence[Row]]:
    """Return the rows of a lot and its items, without what has left it by order."""
    items = site.items[lot]
    row: dict[str, Any] = {
        **site.lots[lot],
        "memory": kept.memory,
        "releases": kept.releases,
    }
    if kept.gone:
        left_g = sum(item["net_mass_g"] for item in items if item["id"] in kept.gone)
        row["pledged_mass_g"] -= left_g
        items = [item for item in items if item["id"] not in kept.gone]
    return row, items


def followed(kept: KeptLot, found: Evaluated) -> tuple[tuple[Release, ...], frozenset[ItemId]]:
    """Return a lot's orders after what was found of them, and all that has left by orders."""
    ended = {settlement.release.id for settlement in found.settlements}
    going = {each.release_id: each for each in found.progress}
    gone = kept.gone.union(*(settlement.items for settlement in found.settlements))
    releases = tuple(
        release
        if (noted := going.get(release.id)) is None
        else replace(release, going=noted.going, going_mass_g=noted.mass_g)
        for release in kept.releases
        if release.id not in ended
    )
    return releases, gone
