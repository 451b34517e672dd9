"""One seed: all its sites in lockstep, from their worlds to the alerts of both detectors."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.collateral.types import SensorKey
from backend.ids import GatewayId
from deploy.evaluate.alerts import Alert
from deploy.evaluate.backend import Backend
from deploy.evaluate.clocks import GatewayTime
from deploy.evaluate.compare import MINUTE_US, compare_minute
from deploy.evaluate.cuts import Cuts
from deploy.evaluate.drive import Drive, Tally
from deploy.evaluate.gateway import SEAL_US, GatewayTwin
from deploy.evaluate.naive import Naive
from deploy.evaluate.permits import Permits
from deploy.evaluate.registry import Registered, register
from deploy.evaluate.reported import Reported
from deploy.evaluate.streams import Streams
from deploy.evaluate.tables import Channels, Tags
from firmware_sim.months.sampler import SiteSampler
from firmware_sim.months.types import Raw, SiteRun

HOUR_US: Final = 3_600_000_000
CHUNK_US: Final = 6 * HOUR_US  # Sampled and thinned at once: some megabytes a site.
COMPARED: Final = 0.25  # Of the chunks of a site: a minute a day.
_NEVER: Final = 2**62

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedRun:
    """What came of one seed."""

    seed: int
    registered: tuple[Registered, ...]
    runs: tuple[SiteRun, ...]
    alerts: tuple[Alert, ...]
    naive: tuple[Alert, ...]
    silences: Mapping[SensorKey, Spans]
    tally: Tally
    readings: int
    compared: int
    differences: tuple[str, ...]


class Months:
    """The sites of one seed on their way through the months."""

    def __init__(self, runs: Sequence[SiteRun], *, steps_us: int) -> None:
        self.runs = runs
        self.registered = [register(run.scenario) for run in runs]
        self.channels, self.tags = Channels(), Tags()
        self.samplers = [SiteSampler(run) for run in runs]
        self.twins = [
            self._twins(run, own) for run, own in zip(runs, self.registered, strict=True)
        ]
        backend = Backend(self.registered)
        gateways = [twin.gateway for twins in self.twins for twin in twins.values()]
        self.drive = Drive(
            backend=backend,
            channels=self.channels,
            tags=self.tags,
            streams=Streams(gateways),
            cuts=Cuts(
                self.channels,
                {key: gap for own in self.registered for key, gap in own.gaps_s.items()},
            ),
            steps_us=steps_us,
            books=backend.books(),
        )
        self.permits = Permits(runs, self.registered)
        self.naive = [
            Naive(
                own=own,
                orders=run.orders,
                channels=self.channels,
                tags=self.tags,
            )
            for run, own in zip(runs, self.registered, strict=True)
        ]
        self.readings = self.compared = 0
        self.differences: list[str] = []
        self.rng = Random(f"compare/{runs[0].seed}")  # noqa: S311 - reproducible, not secret
        self._owner = self._owners()
        self._linked: tuple[frozenset[int], ...] = ()
        self._waiting: dict[GatewayId, Reported] = {}

    def _twins(self, run: SiteRun, own: Registered) -> dict[str, GatewayTwin]:
        return {
            gateway: GatewayTwin(
                gateway=GatewayId(gateway),
                channels=self.channels,
                tags=self.tags,
                time=GatewayTime.of(run, gateway),
                bound=own.sensors,
                begins_us=run.begins_us // SEAL_US * SEAL_US,
            )
            for gateway in run.scenario.gateways()
        }

    def _owners(self) -> NDArray[np.int64]:
        """Return, for each registered tag's number, the site that owns it."""
        sites: list[int] = []
        for place, own in enumerate(self.registered):
            self.tags.places(own.owners)
            sites += [place] * len(own.owners)
        return np.array(sites, dtype=np.int64)

    def reach(self, until_us: int, progress: Callable[[float], None] = lambda _: None) -> None:
        """Let all sites live until then, and the backend with them, in bearable pieces."""
        begins_us = self.samplers[0].now_us
        for piece_us in (*range(begins_us + CHUNK_US, until_us, CHUNK_US), until_us):
            self.advance(piece_us)
            progress((piece_us - begins_us) / (until_us - begins_us))

    def advance(self, until_us: int) -> None:
        """Let all sites live until then at once, and the backend with them."""
        begins_us = self.samplers[0].now_us
        told = [self._told(place, until_us) for place in range(len(self.runs))]
        for span in _hours(begins_us, until_us):
            self.permits.apply(self.drive.books, span)
            parts = [[part.between(*span) for part in parts] for parts in told]
            links = self._links(parts)
            for group in _groups(len(parts), (*links, *self._linked)):
                names = [self.registered[place].site for place in group]
                self.drive.take(names, [part for place in group for part in parts[place]], span)
            self._linked = links
        for part in (part for parts in told for part in parts):
            self._waiting[part.gateway] = part.between(until_us, _NEVER)

    def _told(self, place: int, until_us: int) -> list[Reported]:
        """Return what the gateways of a site tell, with what still waits for its link."""
        told: list[Reported] = []
        said = self.samplers[place].take(until_us)
        self._compare(place, said)
        fresh = [self.twins[place][raw.gateway].take(raw) for raw in said]
        self.naive[place].take(fresh)
        for new in fresh:
            self.readings += len(new.values.at_us) + len(new.sightings.at_us) + len(new.events)
            waiting = self._waiting.get(new.gateway)
            idle = waiting is None or not len(waiting.envelopes.number)
            told.append(new if waiting is None or idle else waiting.joined(new))
        return told

    def _compare(self, place: int, said: Sequence[Raw]) -> None:
        """Now and then, look at one minute of one gateway in the real stages as well."""
        now = self.compared == 0 or self.rng.random() < COMPARED
        if not now or said[0].ends_us - said[0].begins_us < MINUTE_US:
            return
        raw = self.rng.choice(said)
        found = compare_minute(self.twins[place][raw.gateway], raw, self.rng)
        self.compared += 1
        if found:
            self.differences.append(f"{raw.gateway} from {raw.begins_us}: {found}")

    def _links(self, parts: Sequence[Sequence[Reported]]) -> tuple[frozenset[int], ...]:
        """Return the pairs of sites of which one saw a tag of the other."""
        links: set[frozenset[int]] = set()
        for place, own in enumerate(parts):
            nothing = np.empty(0, dtype=np.int32)
            seen = np.unique(np.concatenate([nothing, *(part.sightings.tag for part in own)]))
            owners = self._owner[seen[seen < len(self._owner)].astype(np.int64)]
            links |= {frozenset((place, owner)) for owner in owners[owners != place].tolist()}
        return tuple(links)


def _hours(begins_us: int, ends_us: int) -> list[tuple[int, int]]:
    """Return a span of time in hours of the clock, wherever it begins."""
    edges = [begins_us, *range((begins_us // HOUR_US + 1) * HOUR_US, ends_us, HOUR_US), ends_us]
    return list(pairwise(edges))


def _groups(count: int, links: Collection[frozenset[int]]) -> list[list[int]]:
    """Return the sites in groups: those linked with each other together."""
    group = list(range(count))
    for link in links:
        joined = {group[place] for place in link}
        group = [min(joined) if each in joined else each for each in group]
    return [[p for p in range(count) if group[p] == name] for name in sorted(set(group))]


def run_seed(
    runs: Sequence[SiteRun], *, steps_us: int = HOUR_US, progress: Callable[[float], None]
) -> SeedRun:
    """Return what comes of the sites of one seed; ``progress`` is told the share that is done."""
    months = Months(runs, steps_us=steps_us)
    months.reach(runs[0].ends_us, progress)
    return SeedRun(
        seed=runs[0].seed,
        registered=tuple(months.registered),
        runs=tuple(runs),
        alerts=tuple(months.drive.alerts.every),
        naive=tuple(
            alert
            for rule, run in zip(months.naive, runs, strict=True)
            for alert in rule.alerts(run.ends_us)
        ),
        silences={
            (twin.gateway, sensor): tuple(spans)
            for twins in months.twins
            for twin in twins.values()
            for sensor, spans in twin.silences().items()
        },
        tally=months.drive.tally,
        readings=months.readings,
        compared=months.compared,
        differences=tuple(months.differences),
    )
