"""The antennas of an LLRP reader in the simulated world: what each sees, and who hears of it."""

from collections.abc import Sequence
from itertools import groupby

from firmware_sim.devices.llrp_serve import LlrpReader
from firmware_sim.devices.rfid import TagSeen
from firmware_sim.noise import TagReads, seeded
from firmware_sim.plan import ReaderForm, ReaderPlan, Scenario
from firmware_sim.plant import Plant
from firmware_sim.world import World


class SiteAntenna:
    """One antenna over a zone."""

    def __init__(self, plan: ReaderPlan, plant: Plant, reads: TagReads) -> None:
        """Look at the plan's zone, and hear the zones near it."""
        self._plan = plan
        self._plant = plant
        self._reads = reads
        self._oldest: World | None = None

    def look(self) -> Sequence[TagSeen]:
        """Return the tags of one pass over the field."""
        world = self._plant.world
        self._oldest = self._oldest or world
        here = world.tags_in(self._plan.zone)
        near = [epc for zone in self._plan.near for epc in world.tags_in(zone)]
        return [
            TagSeen(epc=bytes.fromhex(epc), rssi_dbm=rssi_dbm)
            for epc, rssi_dbm in self._reads.round(here, near)
        ]

    def sent(self, unix_us: int) -> None:
        """Note that a round has left; it shows the world as it was at the round's first pass."""
        if self._oldest is not None:
            self._plant.wrote(self._plan.name, self._oldest, unix_us=unix_us)
        self._oldest = None


def site_readers(scenario: Scenario, plant: Plant, seed: int) -> dict[str, LlrpReader]:
    """Return the LLRP readers of the site by device, not yet listening."""
    plans = [plan for plan in scenario.readers if plan.form is ReaderForm.LLRP]
    readers: dict[str, LlrpReader] = {}
    for device, own in groupby(sorted(plans, key=_device), _device):
        antennas = {
            plan.antenna: SiteAntenna(
                plan, plant, TagReads(scenario.noise, seeded(seed, plan.name))
            )
            for plan in own
        }

        def sent(antenna: int, unix_us: int, antennas: dict[int, SiteAntenna] = antennas) -> None:
            antennas[antenna].sent(unix_us)

        looks = {number: antenna.look for number, antenna in antennas.items()}
        readers[device] = LlrpReader(looks, plant.clock, sent=sent)
    return readers


def _device(plan: ReaderPlan) -> str:
    return plan.device
