"""The antennas of an LLRP reader in the simulated world: what each sees, and who hears of it."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final

from firmware_sim.clock import Clock, ticks
from firmware_sim.devices.llrp_serve import LlrpReader
from firmware_sim.devices.rfid import TagSeen
from firmware_sim.hearing import field_of, mixes_of
from firmware_sim.noise import Field, TagReads, seeded
from firmware_sim.plan import ReaderForm, ReaderPlan, Scenario
from firmware_sim.plant import Plant
from firmware_sim.world import World

_LOOK_S: Final = 1.0  # how often a reader notices what became of its antennas


class SiteAntenna:
    """One antenna over a zone."""

    def __init__(self, plan: ReaderPlan, plant: Plant, reads: TagReads) -> None:
        """Look at the plan's zone, and hear the zones near it."""
        self._plan = plan
        self._plant = plant
        self._reads = reads
        self._oldest: World | None = None
        self._field: Field | None = None
        self._seen: Sequence[TagSeen] = ()
        self._drawn_s = plant.clock.steady_s()

    def look(self) -> Sequence[TagSeen]:
        """Return the tags of one pass over the field.

        What is missed in one pass is missed in the next: chance is asked once in ``round_s``.
        """
        world = self._plant.world
        self._oldest = self._oldest or world
        field = field_of(world, self._plan)
        passed_s = self._plant.clock.steady_s() - self._drawn_s
        if field != self._field or passed_s >= self._plan.round_s:
            said = self._reads.one(field, self._pass())
            self._field = field
            self._seen = [
                TagSeen(epc=bytes.fromhex(epc), rssi_dbm=rssi_dbm) for epc, rssi_dbm in said or ()
            ]
        return self._seen

    def lost(self) -> bool:
        """Return whether nothing is to be had of the antenna now: it failed or was cut off."""
        if self._reads.out:
            self._reads.skip(1, self._pass())  # nobody looks meanwhile
        return self._reads.out or self._plan.name in self._plant.world.cut_cables

    def _pass(self) -> float:
        """Return the seconds since this was asked last."""
        now_s = self._plant.clock.steady_s()
        passed_s, self._drawn_s = now_s - self._drawn_s, now_s
        return passed_s

    def sent(self, unix_us: int) -> None:
        """Note that a round has left; it shows the world as it was at the round's first pass."""
        if self._oldest is not None:
            self._plant.wrote(self._plan.name, self._oldest, unix_us=unix_us)
        self._oldest = None


async def run_outages(
    reader: LlrpReader, antennas: Mapping[int, SiteAntenna], clock: Clock
) -> None:
    """Plug antennas out and in as they fail and come back, until cancelled."""
    async for _ in ticks(clock, _LOOK_S):
        for number, antenna in antennas.items():
            unplugged = number in reader.unplugged
            if antenna.lost() is not unplugged:
                await reader.plug(number, connected=unplugged)


def site_readers(
    scenario: Scenario, plant: Plant, seed: int
) -> dict[str, tuple[LlrpReader, dict[int, SiteAntenna]]]:
    """Return the LLRP readers of the site by device, not yet listening, and their antennas."""
    plans = [plan for plan in scenario.readers if plan.form is ReaderForm.LLRP]
    readers: dict[str, tuple[LlrpReader, dict[int, SiteAntenna]]] = {}
    mixes = mixes_of(scenario)
    for device, own in groupby(sorted(plans, key=_device), _device):
        antennas = {
            plan.antenna: SiteAntenna(
                plan,
                plant,
                TagReads(scenario.noise_of(plan.name), seeded(seed, plan.name), mixes),
            )
            for plan in own
        }

        def sent(antenna: int, unix_us: int, antennas: dict[int, SiteAntenna] = antennas) -> None:
            antennas[antenna].sent(unix_us)

        looks = {number: antenna.look for number, antenna in antennas.items()}
        readers[device] = LlrpReader(looks, plant.clock, sent=sent), antennas
    return readers


def _device(plan: ReaderPlan) -> str:
    return plan.device
