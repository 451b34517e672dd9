"""Makes runs of sites: what each consists of, and all that will happen to it, from one seed.

Deliberately absent: what the devices say of it, which is the sampler's, and the effect of link
outages and wrong clocks, which is that of whoever carries their readings.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Final

from firmware_sim import surroundings as s
from firmware_sim.errors import ScenarioError
from firmware_sim.life import DAY_US, HOUR_US
from firmware_sim.months.acts import SECOND_US, Act, Stage
from firmware_sim.months.calendar import MONTH_DAYS, Calendar, Slot
from firmware_sim.months.family import build_sites
from firmware_sim.months.incidents import KINDS
from firmware_sim.months.orders import movement, movement_items
from firmware_sim.months.types import ClockError, Happening, Label, LinkOutage, Order, SiteRun
from firmware_sim.noise import seeded
from firmware_sim.plan import Scenario

SITES_MAX: Final = 1_000  # Each is a whole site in memory.
DAYS_MAX: Final = 400
_NOT_THERE: Final = "the lot has no such items, or not so many, at that time"
SENSOR_KINDS: Final = ("rfid", "scale", "gps", "climate", "shock", "door", "water", "camera")


def site_runs(
    scenario: str, *, seed: int, sites: int, days: int, without: Collection[str] = ()
) -> tuple[SiteRun, ...]:
    """Return the runs of ``sites`` sites over ``days`` days.

    Args:
        scenario: the name of a scenario, or a path that ends in ``.toml``.
        seed: everything follows from it.
        sites: how many sites; they differ if the scenario describes a family of them.
        days: how long each run lasts.
        without: kinds of sensor, of ``SENSOR_KINDS``, that the sites lack. What happens to them
            is the same as with all.

    Raises:
        ScenarioError: there is no such scenario, a key of it is wrong, or an argument is.
    """
    _check("sites", sites, SITES_MAX)
    _check("days", days, DAYS_MAX)
    for kind in without:
        if kind not in SENSOR_KINDS:
            bound = f"must be one of: {', '.join(SENSOR_KINDS)}"
            raise ScenarioError(key="without", value=kind, bound=bound)
    plans = build_sites(scenario, seed=seed, sites=sites)
    scripts = [
        _Script(scenario=plan, neighbour=_next_to(plans, place), seed=seed, days=days)
        for place, plan in enumerate(plans)
    ]
    for script in scripts:
        script.write()
    for place, script in enumerate(scripts):
        scripts[(place + 1) % len(scripts)].happenings += script.elsewhere
    return tuple(script.run(without) for script in scripts)


def _check(key: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise ScenarioError(key=key, value=value, bound=f"must be within 1 to {most}")


def _next_to(plans: Sequence[Scenario], place: int) -> Scenario | None:
    return plans[(place + 1) % len(plans)] if len(plans) > 1 else None


@dataclass(slots=True, kw_only=True)
class _Script:
    """The script of one site while it is written."""

    scenario: Scenario
    neighbour: Scenario | None
    seed: int
    days: int
    happenings: list[Happening] = field(default_factory=list[Happening])
    elsewhere: list[Happening] = field(default_factory=list[Happening])
    labels: list[Label] = field(default_factory=list[Label])
    orders: list[Order] = field(default_factory=list[Order])
    left: set[str] = field(default_factory=set[str])

    @property
    def begins_us(self) -> int:
        return self.scenario.life.begins_us

    @property
    def ends_us(self) -> int:
        return self.begins_us + self.days * DAY_US

    def rng(self, name: str) -> Random:
        return seeded(self.seed, f"script/{self.scenario.site}/{name}")

    def write(self) -> None:
        """Fill in all that happens."""
        calendar = Calendar(self.scenario, self.rng("calendar"), self.begins_us, self.ends_us)
        calendar.add_given()
        calendar.add_incidents()
        calendar.add_movements()
        for slot in calendar.slots():
            self._play(slot)
        self._shifts()

    def _stage(self, slot: Slot) -> Stage:
        lot = self.scenario.lot(slot.lot)
        return Stage(
            scenario=self.scenario,
            lot=lot,
            items={item.epc: item.net_g for item in lot.items if item.epc not in self.left},
            rng=self.rng(slot.name),
            lasts_us=slot.ends_us - slot.begins_us,
            at_us=slot.begins_us,
            since_begin_us=slot.begins_us - self.begins_us,
            neighbour=self.neighbour,
            asked_items=slot.items,
            asked_count=slot.count,
        )

    def _play(self, slot: Slot) -> None:
        stage = self._stage(slot)
        if slot.movement is not None:
            epcs = movement_items(stage, slot.movement, exactly=slot.given)
            if epcs:
                self._move(stage, slot, epcs)
            elif slot.given:
                raise ScenarioError(key=slot.name, value=slot.lot, bound=_NOT_THERE)
            return
        act = KINDS[slot.kind].act(stage)
        if act is not None:
            self._commit(slot, act)
        elif slot.given:
            raise ScenarioError(key=slot.name, value=slot.kind, bound=_NOT_THERE)

    def _move(self, stage: Stage, slot: Slot, epcs: tuple[str, ...]) -> None:
        plan = slot.movement
        assert plan is not None, "the caller looked"
        keep = self.scenario.life.movements.keep_share * len(stage.lot.epcs)
        stays = len(stage.items) - len(epcs) >= keep
        leaves = plan.to is None and (stays or slot.given)
        happenings, order = movement(stage, plan, epcs, leaves=leaves)
        self.happenings += happenings
        self.orders.append(replace(order, id=self._order_id()))
        if leaves:
            self.left |= set(epcs)

    def _order_id(self) -> str:
        return f"{self.scenario.site}-order-{len(self.orders) + 1:04d}"

    def _commit(self, slot: Slot, act: Act) -> None:
        begins_us, ends_us = slot.begins_us, slot.ends_us
        self.happenings += [
            Happening(at_us=begins_us + step.after_us, what=step.what, change=step.change)
            for step in act.steps
            if begins_us + step.after_us < ends_us
        ]
        self.happenings += [
            Happening(at_us=ends_us, what=f"end of {slot.kind}", change=undo) for undo in act.undo
        ]
        self.elsewhere += [
            Happening(at_us=begins_us + step.after_us, what=step.what, change=step.change)
            for step in act.elsewhere
        ]
        self.elsewhere += [
            Happening(at_us=ends_us, what=f"end of {slot.kind}", change=undo)
            for undo in act.undo_elsewhere
        ]
        for permit in act.permits:
            from_us = begins_us + permit.from_us
            self.orders.append(
                Order(
                    id=self._order_id(),
                    lot=slot.lot,
                    items=permit.items,
                    destination=permit.destination,
                    issued_us=max(self.begins_us, from_us - HOUR_US),
                    from_us=from_us,
                    until_us=begins_us + permit.until_us,
                )
            )
        self.labels.append(self._label(slot, act))

    def _label(self, slot: Slot, act: Act) -> Label:
        number = sum(label.kind == slot.kind for label in self.labels) + 1
        other = self.neighbour.site if self.neighbour and act.elsewhere else None
        return Label(
            id=f"{self.scenario.site}-{slot.kind}-{number:03d}",
            kind=slot.kind,
            site=self.scenario.site,
            lot=slot.lot,
            items=act.items,
            harms=act.harms,
            begins_us=slot.begins_us + act.shows_after_us,
            ends_us=slot.ends_us,
            truth=act.truth,
            lots=slot.lots,
            shown_by=act.shown_by,
            other_site=other,
        )

    def _shifts(self) -> None:
        shift = self.scenario.life.shift
        for day in range(self.days):
            midnight_us = self.begins_us + day * DAY_US
            begins_us = midnight_us + round(shift.begins_h * HOUR_US)
            ends_us = midnight_us + round(shift.ends_h * HOUR_US)
            if shift.at_work(begins_us):
                self.happenings += [
                    Happening(at_us=at_us, what=what, change=partial(s.set_at_work, at_work=on))
                    for at_us, what, on in (
                        (begins_us, "shift begins", True),
                        (ends_us, "shift ends", False),
                    )
                ]

    def run(self, without: Collection[str]) -> SiteRun:
        """Return the finished run."""
        return SiteRun(
            scenario=leave_out(self.scenario, without),
            seed=self.seed,
            begins_us=self.begins_us,
            ends_us=self.ends_us,
            happenings=tuple(sorted(self.happenings, key=lambda each: each.at_us)),
            labels=tuple(sorted(self.labels, key=lambda label: label.begins_us)),
            orders=tuple(sorted(self.orders, key=lambda order: order.issued_us)),
            outages=tuple(self._outages()),
            clock_errors=tuple(self._clock_errors()),
        )

    def _outages(self) -> list[LinkOutage]:
        link = self.scenario.life.link
        found: list[LinkOutage] = []
        for gateway in self.scenario.gateways():
            rng = self.rng(f"outages/{gateway}")
            spans = self._spans(rng, link.long_per_month / MONTH_DAYS, link.long_s, [])
            spans = self._spans(rng, link.outages_per_day, link.outage_s, spans)
            found += [
                LinkOutage(gateway=gateway, begins_us=begins_us, ends_us=ends_us)
                for begins_us, ends_us in spans
            ]
        return sorted(found, key=lambda outage: outage.begins_us)

    def _spans(
        self, rng: Random, per_day: float, lasts_s: float, known: list[tuple[int, int]]
    ) -> list[tuple[int, int]]:
        """Return ``known`` spans and random ones beside them, in order."""
        lasts_us, spans = round(lasts_s * SECOND_US), list(known)
        for _ in range(int(per_day * self.days + rng.random())):
            if self.ends_us - self.begins_us <= lasts_us:
                break
            begins_us = rng.randrange(self.begins_us, self.ends_us - lasts_us)
            if all(begins_us + lasts_us < b or e < begins_us for b, e in spans):
                spans.append((begins_us, begins_us + lasts_us))
        return sorted(spans)

    def _clock_errors(self) -> list[ClockError]:
        clock = self.scenario.life.clock
        found: list[ClockError] = []
        for gateway in self.scenario.gateways():
            rng = self.rng(f"clock/{gateway}")
            per_day = clock.boots_back_per_month / MONTH_DAYS
            drift_ppm = rng.uniform(-clock.drift_ppm, clock.drift_ppm)
            since_us = self.begins_us
            for begins_us, ends_us in self._spans(rng, per_day, clock.corrected_after_s, []):
                found += _drifts(gateway, since_us, begins_us, drift_ppm)
                back_us = -round(clock.back_days * DAY_US)
                found.append(
                    ClockError(
                        gateway=gateway, begins_us=begins_us, ends_us=ends_us, offset_us=back_us
                    )
                )
                since_us = ends_us
            found += _drifts(gateway, since_us, self.ends_us, drift_ppm)
        return sorted(found, key=lambda error: error.begins_us)


def _drifts(gateway: str, since_us: int, until_us: int, drift_ppm: float) -> list[ClockError]:
    """Return the drift of a clock that is set right once a day."""
    if drift_ppm == 0.0:
        return []
    return [
        ClockError(
            gateway=gateway,
            begins_us=begins_us,
            ends_us=min(begins_us + DAY_US, until_us),
            offset_us=0,
            drift_ppm=drift_ppm,
        )
        for begins_us in range(since_us, until_us, DAY_US)
    ]


def leave_out(scenario: Scenario, without: Collection[str]) -> Scenario:
    """Return the site without whole kinds of sensor, of ``SENSOR_KINDS``."""
    plan = scenario
    if "rfid" in without:
        plan = replace(plan, readers=())
    if "scale" in without:
        plan = replace(plan, scales=(), weighers=())
    if "gps" in without:
        plan = replace(plan, trackers=())
    if "climate" in without:
        plan = replace(plan, climates=())
    if "shock" in without:
        plan = replace(plan, shocks=())
    if "door" in without:
        plan = replace(plan, doors=())
    if "water" in without:
        plan = replace(plan, waters=())
    return replace(plan, cameras=()) if "camera" in without else plan
