"""What tests of simulated months share: a run of happenings, and all that was said as columns."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from firmware_sim.months.sampler import SiteSampler
from firmware_sim.months.types import Floats, Happening, Int16s, Int64s, RawEvent, SiteRun
from firmware_sim.plan import Scenario
from firmware_sim.world import World
from schemas.quantities import Quantity

BEGINS_US = 1_772_409_600_000_000  # Monday, 2026-03-02
SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US

Changes = Iterable[tuple[float, Callable[[World], World]]]


@dataclass(slots=True, kw_only=True)
class Columns:
    """All that a site said."""

    scalars: dict[tuple[str, Quantity], tuple[Int64s, Floats, Int64s]]
    rounds: dict[str, Int64s]
    reads: dict[str, tuple[Int64s, list[bytes], Int16s]]
    events: list[RawEvent]
    world: World

    def values(self, sensor: str, quantity: Quantity, span_s: tuple[float, float]) -> Floats:
        """Return the values of a channel in a span of seconds since the begin."""
        at_us, value, _ = self.scalars[sensor, quantity]
        first, last = np.searchsorted(at_us, [BEGINS_US + round(s * SECOND_US) for s in span_s])
        return value[first:last]

    def seen_s(self, reader: str, epc: str) -> Floats:
        """Return when a tag was read, in seconds since the begin."""
        at_us, epcs, _ = self.reads[reader]
        own = np.array([found == bytes.fromhex(epc) for found in epcs], dtype=np.bool_)
        return (at_us[own] - BEGINS_US) / SECOND_US


def site_run(scenario: Scenario, hours: float, changes: Changes = (), *, seed: int = 1) -> SiteRun:
    """Return a run of so many hours with changes at some seconds since the begin."""
    happenings = tuple(
        Happening(at_us=BEGINS_US + round(at_s * SECOND_US), what="test", change=change)
        for at_s, change in changes
    )
    return SiteRun(
        scenario=scenario,
        seed=seed,
        begins_us=BEGINS_US,
        ends_us=BEGINS_US + round(hours * HOUR_US),
        happenings=happenings,
        labels=(),
        orders=(),
        outages=(),
        clock_errors=(),
    )


def sample(run: SiteRun, cuts_s: Iterable[float] = ()) -> Columns:
    """Return all that is said in a run, taken in pieces that end at the cuts."""
    sampler = SiteSampler(run)
    scalars: dict[tuple[str, Quantity], list[tuple[Int64s, Floats, Int64s]]] = {}
    rounds: dict[str, list[Int64s]] = {}
    reads: dict[str, list[tuple[Int64s, list[bytes], Int16s]]] = {}
    events: list[RawEvent] = []
    cuts_us = [min(run.ends_us, run.begins_us + round(cut_s * SECOND_US)) for cut_s in cuts_s]
    for until_us in (*sorted(cuts_us), run.ends_us):
        for raw in sampler.take(until_us):
            for block in raw.scalars:
                column = block.at_us, block.value, block.quality.astype(np.int64)
                scalars.setdefault((block.sensor, block.quantity), []).append(column)
            for seen in raw.reads:
                tags: list[int] = seen.tag.tolist()
                epcs = [seen.epcs[tag] for tag in tags]
                part = seen.round_us[seen.round], epcs, seen.rssi_cdbm
                reads.setdefault(seen.sensor, []).append(part)
                rounds.setdefault(seen.sensor, []).append(seen.round_us)
            events += raw.events
            events += [
                RawEvent(sensor=same.sensor, at_us=at_us, type=same.type, body=same.body)
                for same in raw.repeated
                for at_us in same.at_us.tolist()
            ]
    return Columns(
        scalars={
            key: (
                np.concatenate([part[0] for part in parts]),
                np.concatenate([part[1] for part in parts]),
                np.concatenate([part[2] for part in parts]),
            )
            for key, parts in scalars.items()
        },
        rounds={name: np.concatenate(parts) for name, parts in rounds.items()},
        reads={
            name: (
                np.concatenate([part[0] for part in parts]),
                [epc for part in parts for epc in part[1]],
                np.concatenate([part[2] for part in parts]),
            )
            for name, parts in reads.items()
        },
        events=sorted(events, key=lambda event: (event.at_us, event.sensor, str(event.body))),
        world=sampler.world,
    )
