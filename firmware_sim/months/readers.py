"""UHF readers over a simulated month."""

import numpy as np

from firmware_sim.hearing import field_of, mixes_of
from firmware_sim.months.course import Course, beat
from firmware_sim.months.devices import Said, silent
from firmware_sim.months.types import Int64s, ReadBlock
from firmware_sim.noise import Field, Reads, TagReads, seeded
from firmware_sim.plan import ReaderPlan, Scenario
from firmware_sim.world import World


class ReaderDevice:
    """One antenna: inventory rounds without end."""

    def __init__(self, plan: ReaderPlan, scenario: Scenario, seed: int, begins_us: int) -> None:
        """Begin at ``begins_us``, a part of a round later."""
        self.name, self.gateway = plan.name, plan.gateway
        self._plan = plan
        self._reads = TagReads(
            scenario.noise_of(plan.name), seeded(seed, plan.name), mixes_of(scenario)
        )
        phase = seeded(seed, f"{plan.name}/phase").random()
        self._beat = beat(begins_us, plan.round_s, phase)
        self._seen: tuple[World, Field] | None = None

    def sample(self, course: Course) -> Said:
        """Return the reads of the rounds that end in the course."""
        times: list[Int64s] = []
        parts: list[Reads] = []
        for stretch in course.stretches(self._hears):
            times_us = self._beat.until(stretch.ends_us)
            if stretch.value is None:
                self._reads.skip(len(times_us), self._beat.period_s)
            elif len(times_us):
                parts.append(self._reads.rounds(stretch.value, len(times_us), self._beat.period_s))
                times.append(times_us)
        return Said(reads=[self._block(times, parts)] if parts else [])

    def _hears(self, world: World) -> Field | None:
        if silent(world, self.name, self.gateway):
            return None
        if self._seen is not None:
            known, field = self._seen
            if known.items is world.items and known.foreign_tags is world.foreign_tags:
                return field
        field = field_of(world, self._plan)
        self._seen = world, field
        return field

    def _block(self, times: list[Int64s], parts: list[Reads]) -> ReadBlock:
        """Return one block of all rounds in which the reader listened."""
        listened = np.concatenate([part.listened for part in parts])
        starts = np.cumsum([0, *(len(part.listened) for part in parts[:-1])]).tolist()
        rounds = np.concatenate(
            [part.round + np.int32(start) for part, start in zip(parts, starts, strict=True)]
        )
        round_us = np.concatenate(times)
        if not listened.all():
            place = np.cumsum(listened, dtype=np.int32) - np.int32(1)
            rounds, round_us = place[rounds], round_us[listened]
        return ReadBlock(
            sensor=self.name,
            antenna=self._plan.antenna,
            epcs=tuple(self._reads.epcs),
            round_us=round_us,
            round=rounds,
            tag=np.concatenate([part.tag for part in parts]),
            rssi_cdbm=np.concatenate([part.rssi_cdbm for part in parts]),
        )
