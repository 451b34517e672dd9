"""When what happens at a site: slots for incidents and movements that never meet on a lot."""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from firmware_sim.errors import ScenarioError
from firmware_sim.life import DAY_US, HOUR_US, IncidentPlan, MovementPlan
from firmware_sim.months.acts import SECOND_US, Stage
from firmware_sim.months.incidents import KINDS, Kind, Touch
from firmware_sim.months.incidents_sensors import all_sensors, gateway_of
from firmware_sim.months.orders import longest_s
from firmware_sim.plan import LotPlan, Scenario

MOVEMENT: Final = "movement"
MONTH_DAYS: Final = 30.0
_TRIES_MAX: Final = 400  # For a free place; a calendar so full drops the incident.
_MOVE_QUIET_US: Final = HOUR_US // 2
_STAY_S: Final = (1_200.0, 5_400.0)
_PERMIT_US: Final = HOUR_US  # An order's window begins no earlier before the movement.


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place in the calendar; either ``movement`` is set, or ``kind`` names an incident's."""

    name: str
    kind: str
    lot: str
    lots: tuple[str, ...]
    begins_us: int
    ends_us: int
    items: tuple[str, ...] = ()
    count: int | None = None
    movement: MovementPlan | None = None
    given: bool = False  # by the scenario, not drawn


class Calendar:
    """The slots of one site's run."""

    def __init__(self, scenario: Scenario, rng: Random, begins_us: int, ends_us: int) -> None:
        """Begin with none; ``rng`` chooses times and lots."""
        self._scenario = scenario
        self._life = scenario.life
        self._rng = rng
        self._begins_us = begins_us
        self._ends_us = ends_us
        warmup_us = round(self._life.incidents.warmup_h * HOUR_US)
        self._warm_us = begins_us + min(warmup_us, (ends_us - begins_us) // 4)
        self._quiet_us = round(self._life.incidents.quiet_h * HOUR_US)
        self._busy: dict[str, list[tuple[int, int]]] = {}
        self._slots: list[Slot] = []

    def slots(self) -> list[Slot]:
        """Return all slots in the order of their times, and by that also of their names."""
        return sorted(self._slots, key=lambda slot: (slot.begins_us, slot.name))

    def add_given(self) -> None:
        """Book what the scenario gives one by one.

        Raises:
            ScenarioError: two of them meet on a lot, or one does not fit the run or the site.
        """
        for number, plan in enumerate(self._life.incidents.given):
            self._add_given_incident(f"incident[{number}]", plan)
        for number, plan in enumerate(self._life.movements.given):
            if plan.at_us + round(plan.window_s * SECOND_US) > self._ends_us - self._begins_us:
                continue  # A shorter run of the same file.
            lot = self._lot(f"movement[{number}].lot", plan.lot)
            key = f"movement[{number}]"
            slot = self._slot(key, lot, self._begins_us + plan.at_us, plan)
            self._book(key, replace(slot, given=True), _PERMIT_US, _MOVE_QUIET_US)

    def _add_given_incident(self, key: str, plan: IncidentPlan) -> None:
        kind = KINDS[plan.kind]
        begins_us = self._begins_us + plan.at_us
        lasts_us = self._lasts_us(kind) if plan.lasts_s is None else round(plan.lasts_s * 1e6)
        if begins_us + lasts_us > self._ends_us:
            return  # A shorter run of the same file.
        lots = self._fit(plan.kind)
        if plan.lot is not None:
            asked = self._lot(f"{key}.lot", plan.lot)
            lots = [lot for lot in lots if lot is asked]
        if not lots:
            bound = f"nothing at {plan.lot or self._scenario.site} could show it"
            raise ScenarioError(key=f"{key}.kind", value=plan.kind, bound=bound)
        lead_us = round(kind.lead_s * SECOND_US)
        until_us = begins_us + lasts_us
        places = {lot.name: touched(self._scenario, kind, lot) for lot in lots}
        free = [lot for lot in lots if self._free(places[lot.name], begins_us - lead_us, until_us)]
        if not free:
            raise ScenarioError(key=key, value=plan.kind, bound="meets another on the same lot")
        lot = self._rng.choice(free)
        slot = Slot(
            name=f"{plan.kind}-{key}",
            kind=plan.kind,
            lot=lot.name,
            lots=places[lot.name],
            begins_us=begins_us,
            ends_us=until_us,
            items=plan.items,
            count=plan.count,
            given=True,
        )
        self._book(key, slot, lead_us, self._quiet_us)

    def _lot(self, key: str, name: str) -> LotPlan:
        found = next((lot for lot in self._scenario.lots if lot.name == name), None)
        if found is None:
            known = ", ".join(lot.name for lot in self._scenario.lots)
            bound = f"site {self._scenario.site} has {known}"
            raise ScenarioError(key=key, value=name, bound=bound)
        return found

    def _book(self, key: str, slot: Slot, lead_us: int, quiet_us: int) -> None:
        if not self._free(slot.lots, slot.begins_us - lead_us, slot.ends_us):
            bound = f"meets another on lot {' or '.join(slot.lots)}; quiet time counts"
            raise ScenarioError(key=key, value=slot.kind, bound=bound)
        self._take(slot, lead_us, quiet_us)

    def _free(self, lots: Collection[str], from_us: int, until_us: int) -> bool:
        return not any(
            begins_us < until_us and from_us < ends_us
            for lot in lots
            for begins_us, ends_us in self._busy.get(lot, ())
        )

    def _take(self, slot: Slot, lead_us: int, quiet_us: int) -> None:
        for lot in slot.lots:
            taken = (slot.begins_us - lead_us - quiet_us, slot.ends_us + quiet_us)
            self._busy.setdefault(lot, []).append(taken)
        self._slots.append(slot)

    def add_incidents(self) -> None:
        """Book incidents at the scenario's rates; those that last longest come first."""
        days = (self._ends_us - self._begins_us) / DAY_US
        names = sorted(self._life.incidents.per_month, key=lambda name: -KINDS[name].lasts_s[1])
        for name in names:
            wanted = self._life.incidents.per_month[name] * days / MONTH_DAYS
            count = math.floor(wanted + self._rng.random())
            fit = self._fit(name)
            for number in range(count if fit else 0):
                self._try_incident(name, number, fit)

    def _try_incident(self, name: str, number: int, fit: list[LotPlan]) -> None:
        kind = KINDS[name]
        lasts_us, lead_us = self._lasts_us(kind), round(kind.lead_s * SECOND_US)
        latest_us = self._ends_us - lasts_us - HOUR_US
        for _ in range(_TRIES_MAX):
            lot = self._rng.choice(fit)
            first_us = self._warm_us + lead_us
            if kind.at_start:
                begins_us = self._begins_us
            elif first_us >= latest_us:
                return  # The run is too short for it.
            else:
                begins_us = self._rng.randrange(first_us, latest_us)
            at_work = self._life.shift.at_work(begins_us)
            if (kind.at_work and not at_work) or (kind.at_night and at_work):
                continue
            lots = touched(self._scenario, kind, lot)
            if begins_us + lasts_us > self._ends_us:
                return
            if self._free(lots, begins_us - lead_us, begins_us + lasts_us):
                slot = Slot(
                    name=f"{name}-{number:03d}",
                    kind=name,
                    lot=lot.name,
                    lots=lots,
                    begins_us=begins_us,
                    ends_us=begins_us + lasts_us,
                )
                self._take(slot, lead_us, self._quiet_us)
                return

    def _lasts_us(self, kind: Kind) -> int:
        return round(self._rng.uniform(*kind.lasts_s) * SECOND_US)

    def add_movements(self) -> None:
        """Book authorised movements at the scenario's rate, in working hours."""
        plan, days = self._life.movements, (self._ends_us - self._begins_us) / DAY_US
        wanted = math.floor(plan.per_day * days + self._rng.random())
        homes = [lot for lot in self._scenario.lots if lot.zone != self._scenario.dock]
        for number in range(wanted if homes else 0):
            lot = self._rng.choice(homes)
            count, stay_s = self._rng.randint(*plan.items), self._rng.uniform(*_STAY_S)
            leaves = self._rng.random() < plan.leave_share
            movement = MovementPlan(
                at_us=0,
                lot=lot.name,
                count=count,
                to=None if leaves else self._scenario.dock,
                stay_s=stay_s,
                window_s=longest_s(count, stay_s),
            )
            self._try_movement(number, lot, movement)

    def _try_movement(self, number: int, lot: LotPlan, plan: MovementPlan) -> None:
        latest_us = self._ends_us - round(plan.window_s * SECOND_US) - HOUR_US
        if self._warm_us >= latest_us:
            return
        for _ in range(_TRIES_MAX):
            begins_us = self._rng.randrange(self._warm_us, latest_us)
            slot = self._slot(f"{MOVEMENT}-{number:04d}", lot, begins_us, plan)
            shift = self._life.shift
            if not (shift.at_work(slot.begins_us) and shift.at_work(slot.ends_us)):
                continue
            if self._free(slot.lots, begins_us - _PERMIT_US, slot.ends_us + _MOVE_QUIET_US):
                self._take(slot, _PERMIT_US, _MOVE_QUIET_US)
                return

    def _slot(self, name: str, lot: LotPlan, begins_us: int, plan: MovementPlan) -> Slot:
        return Slot(
            name=name,
            kind=MOVEMENT,
            lot=lot.name,
            lots=(lot.name,),
            begins_us=begins_us,
            ends_us=begins_us + round(plan.window_s * SECOND_US),
            movement=plan,
        )

    def _fit(self, name: str) -> list[LotPlan]:
        """Return the lots that a kind can befall, tried out on each."""
        return [lot for lot in self._scenario.lots if fits(self._scenario, name, lot)]


def fits(scenario: Scenario, name: str, lot: LotPlan) -> bool:
    """Return whether ``lot`` has the sensors that could show an incident of that kind."""
    kind = KINDS[name]
    read = any(reader.zone == lot.zone for reader in scenario.readers)
    weighed = any(plan.lot == lot.name for plan in (*scenario.scales, *scenario.weighers))
    if (kind.read and not read) or (kind.weighed and not weighed):
        return False
    trial = Stage(
        scenario=scenario,
        lot=lot,
        items={item.epc: item.net_g for item in lot.items},
        rng=Random(0),  # noqa: S311 - a simulator's choice, and one that nobody sees
        lasts_us=round(kind.lasts_s[0] * SECOND_US),
        at_us=scenario.life.begins_us,
        since_begin_us=int(30 * DAY_US),
        neighbour=scenario,
    )
    return kind.act(trial) is not None


def touched(scenario: Scenario, kind: Kind, lot: LotPlan) -> tuple[str, ...]:
    """Return the lots whose sensors an incident of ``kind`` on ``lot`` disturbs, its own first."""
    match kind.touches:
        case Touch.LOT:
            zones: set[str] = set()
        case Touch.ZONE:
            zones = {lot.zone}
        case Touch.CAMERA:
            zones = {z for c in scenario.cameras if lot.zone in c.watches for z in c.watches}
        case Touch.GATEWAY:
            zones = gateway_zones(scenario, lot)
    others = (other.name for other in scenario.lots if other.zone in zones)
    return (lot.name, *(name for name in others if name != lot.name))


def gateway_zones(scenario: Scenario, lot: LotPlan) -> set[str]:
    """Return the zones that hold anything which the gateway of ``lot`` watches."""
    names = set(all_sensors(scenario, gateway_of(scenario, lot)))
    zonal = (scenario.readers, scenario.climates, scenario.shocks)
    more = (scenario.doors, scenario.waters)
    zones = {plan.zone for group in zonal for plan in group if plan.name in names}
    zones |= {plan.zone for group in more for plan in group if plan.name in names}
    of_lots = (scenario.scales, scenario.weighers, scenario.trackers)
    zones |= {
        scenario.lot(plan.lot).zone for group in of_lots for plan in group if plan.name in names
    }
    return zones | {zone for c in scenario.cameras if c.name in names for zone in c.watches}
