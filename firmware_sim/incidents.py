"""Labelled incidents: what is done to the world, which devices show it, and since when.

Pure but for the counter of ids: time comes with each call. An incident's label is what detection
is scored against, so ``first_bytes_unix_us`` is the moment at which a device first *said* it,
never the moment at which somebody asked for it (except for cuts, which silence shows).
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from firmware_sim import world as w
from firmware_sim.errors import RefusedError
from firmware_sim.life import HOUR_US
from firmware_sim.months.acts import Change, Stage
from firmware_sim.months.incidents import KINDS
from firmware_sim.plan import LotPlan, Scenario

DROP_SHOWS_G = 2.0  # above any forklift bump
PRICE_DROP_FACTOR = 0.85
INCIDENTS_MAX = 10_000  # kept for scoring; a run of days stays below


class Kind(StrEnum):
    """What can be made to happen."""

    TAKE_PALLET = "take_pallet"
    MOVE_PALLET = "move_pallet"
    TAKE_GOODS_LEAVE_TAGS = "take_goods_leave_tags"
    TAKE_SEVERAL = "take_several"
    MOVE_INSIDE = "move_inside"
    SWAP_LIGHTER = "swap_lighter"
    SWAP_HEAVIER = "swap_heavier"
    SHIELD_TAG = "shield_tag"  # harmless: its goods stay
    SHIELD_TAGS = "shield_tags"
    OVERHEAT = "overheat"
    DROP = "drop"
    COVER_CAMERA = "cover_camera"
    MOVE_CAMERA = "move_camera"
    DEFOCUS_CAMERA = "defocus_camera"
    FREEZE_CAMERA = "freeze_camera"
    LIGHTS_OUT = "lights_out"
    LIGHT_STEP = "light_step"  # harmless: half of the lights
    TRUCK_IN_VIEW = "truck_in_view"  # harmless, for a minute
    CUT_SCALE_CABLE = "cut_scale_cable"
    CUT_NETWORK = "cut_network"
    PRICE_DROP = "price_drop"


_OF_LIBRARY: Final = (
    *(Kind.TAKE_SEVERAL, Kind.MOVE_INSIDE, Kind.SWAP_LIGHTER, Kind.SWAP_HEAVIER),
    *(Kind.SHIELD_TAG, Kind.SHIELD_TAGS),
)
"""Done as in simulated months, only that all their steps happen at once."""
PALLET_KINDS: Final = frozenset(
    {Kind.TAKE_PALLET, Kind.MOVE_PALLET, Kind.TAKE_GOODS_LEAVE_TAGS, *_OF_LIBRARY}
)
SIGHTS: Final[Mapping[Kind, w.Sight]] = {
    Kind.MOVE_CAMERA: w.Sight.MOVED,
    Kind.DEFOCUS_CAMERA: w.Sight.BLURRED,
    Kind.FREEZE_CAMERA: w.Sight.FROZEN,
    Kind.LIGHTS_OUT: w.Sight.DARK,
    Kind.LIGHT_STEP: w.Sight.DIMMED,
    Kind.TRUCK_IN_VIEW: w.Sight.TRUCK,
}
"""What is to be seen in images only: neither Frigate nor ONVIF tells of it."""
_CUTS: Final = frozenset({Kind.CUT_SCALE_CABLE, Kind.CUT_NETWORK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident; ``shown_by`` maps a device to the value from which on it shows it."""

    id: str
    kind: Kind
    lot: str | None
    target: str
    revision: int
    shown_by: Mapping[str, float | None]
    started_unix_us: int
    first_bytes_unix_us: int | None = None
    undone_unix_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Deed:
    """What an incident changes, and who will say so."""

    target: str
    world: w.World
    shown_by: Mapping[str, float | None]
    undo: tuple[Change, ...] = ()


def price_feed(instrument: str) -> str:
    """Return the device name under which posts of a price are noted."""
    return f"price:{instrument}"


def snapshot_of(camera: str) -> str:
    """Return the device name under which the images of a camera are noted."""
    return f"{camera}-snapshot"


class IncidentBook:
    """Starts, undoes and remembers incidents of one site."""

    def __init__(self, scenario: Scenario, rng: random.Random) -> None:
        """Begin with none; ``rng`` picks the pallet."""
        self._scenario = scenario
        self._rng = rng
        self._all: dict[str, Incident] = {}
        self._undo: dict[str, tuple[Change, ...]] = {}

    def all(self) -> list[Incident]:
        """Return every incident so far, oldest first."""
        return list(self._all.values())

    def active(self) -> list[Incident]:
        """Return the incidents that nobody has undone yet."""
        return [incident for incident in self._all.values() if incident.undone_unix_us is None]

    def get(self, incident_id: str) -> Incident:
        """Return one incident.

        Raises:
            RefusedError: there is none with that id.
        """
        if incident_id not in self._all:
            raise RefusedError("unknown_incident", f"no incident {incident_id!r}", status=404)
        return self._all[incident_id]

    def start(
        self, world: w.World, kind: Kind, lot: str | None, unix_us: int
    ) -> tuple[w.World, Incident]:
        """Return the world after the incident, and its label.

        Raises:
            RefusedError: the lot is unknown, nothing there could show it, or it is under way.
        """
        if len(self._all) >= INCIDENTS_MAX:
            raise RefusedError("too_many", f"at most {INCIDENTS_MAX} incidents a run")
        lots = self._scenario.lots
        if lot is not None:
            lots = tuple(plan for plan in lots if plan.name == lot)
            if not lots:
                known = ", ".join(plan.name for plan in self._scenario.lots)
                raise RefusedError("unknown_lot", f"no lot {lot!r}; known: {known}", status=404)
        deed = self._first_possible(world, kind, lots)
        incident = Incident(
            id=f"{kind.value}-{len(self._all) + 1}",
            kind=kind,
            lot=deed[0].name,
            target=deed[1].target,
            revision=deed[1].world.revision,
            shown_by=deed[1].shown_by,
            started_unix_us=unix_us,
            first_bytes_unix_us=unix_us if kind in _CUTS else None,
        )
        self._all[incident.id] = incident
        self._undo[incident.id] = deed[1].undo
        return deed[1].world, incident

    def _first_possible(
        self, world: w.World, kind: Kind, lots: tuple[LotPlan, ...]
    ) -> tuple[LotPlan, _Deed]:
        refusals: list[str] = []
        busy = {(incident.kind, incident.target) for incident in self.active()}
        for lot in lots:
            try:
                deed = _DEEDS[kind](self, world, lot)
            except RefusedError as exc:
                refusals.append(str(exc))
                continue
            if (kind, deed.target) not in busy:
                return lot, deed
            refusals.append(f"{kind.value} of {deed.target} is under way; undo it first")
        raise RefusedError("not_possible", "; ".join(refusals))

    def undo(self, world: w.World, incident_id: str, unix_us: int) -> tuple[w.World, Incident]:
        """Return the world with the incident's effect taken back, and its closed label.

        Raises:
            RefusedError: there is no such incident, or it was undone before.
        """
        incident = self.get(incident_id)
        if incident.undone_unix_us is not None:
            raise RefusedError("already_undone", f"incident {incident_id!r} was undone before")
        closed = replace(incident, undone_unix_us=unix_us)
        self._all[incident_id] = closed
        return self._undone(world, incident), closed

    def wrote(self, device: str, revision: int, value: float | None, unix_us: int) -> None:
        """Note that ``device`` sent bytes that show the world at ``revision`` as ``value``."""
        for incident in self.active():
            if incident.first_bytes_unix_us is not None or revision < incident.revision:
                continue
            if device not in incident.shown_by:
                continue
            least = incident.shown_by[device]
            if least is None or (value is not None and value >= least):
                shown = replace(incident, first_bytes_unix_us=unix_us)
                self._all[incident.id] = shown

    def _undone(self, world: w.World, incident: Incident) -> w.World:
        target = incident.target
        match incident.kind:
            case Kind.TAKE_PALLET | Kind.MOVE_PALLET | Kind.TAKE_GOODS_LEAVE_TAGS:
                return w.bring_back(world, target)
            case Kind.OVERHEAT:
                plan = next(c for c in self._scenario.climates if c.zone == target)
                return w.set_air(world, target, plan.temperature_c)
            case Kind.DROP:
                return w.calm(world, target)
            case Kind.COVER_CAMERA:
                return w.set_covered(world, target, covered=False)
            case (
                Kind.MOVE_CAMERA
                | Kind.DEFOCUS_CAMERA
                | Kind.FREEZE_CAMERA
                | Kind.LIGHTS_OUT
                | Kind.LIGHT_STEP
                | Kind.TRUCK_IN_VIEW
            ):
                return w.set_sight(world, target, SIGHTS[incident.kind], on=False)
            case Kind.CUT_SCALE_CABLE:
                return w.set_cable_cut(world, target, cut=False)
            case Kind.CUT_NETWORK:
                return w.set_link_dark(world, target, dark=False)
            case Kind.PRICE_DROP:
                return w.set_price_factor(world, target, 1.0)
            case _:
                for change in self._undo[incident.id]:
                    world = change(world)
                return world

    def _platform(self, lot: LotPlan) -> str | None:
        plans = (*self._scenario.scales, *self._scenario.weighers)
        return next((plan.name for plan in plans if plan.lot == lot.name), None)

    def _readers(self, zone: str) -> list[str]:
        return [plan.name for plan in self._scenario.readers if plan.zone == zone]

    def _pallet(self, world: w.World, lot: LotPlan) -> str:
        whole = [item.epc for item in world.items if item.lot == lot.name and item.untouched]
        if not whole:
            raise RefusedError("no_pallet", f"lot {lot.name!r} has no untouched pallet left")
        return self._rng.choice(whole)

    def _shows_loss(self, lot: LotPlan, *, tag_leaves: bool) -> dict[str, float | None]:
        names = self._readers(lot.zone) if tag_leaves else []
        platform = self._platform(lot)
        names += [platform] if platform else []
        if not names:
            raise RefusedError("invisible", f"no device watches that of lot {lot.name!r}")
        return dict.fromkeys(names)

    def take_pallet(self, world: w.World, lot: LotPlan) -> _Deed:
        """A pallet leaves the site with its tag."""
        shown_by = self._shows_loss(lot, tag_leaves=True)
        epc = self._pallet(world, lot)
        return _Deed(target=epc, world=w.take_away(world, epc), shown_by=shown_by)

    def move_pallet(self, world: w.World, lot: LotPlan) -> _Deed:
        """A pallet turns up at the dock."""
        dock = next(zone for zone in self._scenario.zones if zone.name == self._scenario.dock)
        if lot.zone == dock.name:
            raise RefusedError("not_possible", f"lot {lot.name!r} is kept at the dock already")
        shown_by = self._shows_loss(lot, tag_leaves=True)
        shown_by |= dict.fromkeys(self._readers(dock.name))
        epc = self._pallet(world, lot)
        return _Deed(target=epc, world=w.move_to(world, epc, dock), shown_by=shown_by)

    def take_goods(self, world: w.World, lot: LotPlan) -> _Deed:
        """The goods of a pallet leave; the pallet and its tag stay."""
        shown_by = self._shows_loss(lot, tag_leaves=False)
        epc = self._pallet(world, lot)
        return _Deed(target=epc, world=w.empty(world, epc), shown_by=shown_by)

    def do(self, world: w.World, lot: LotPlan, kind: Kind) -> _Deed:
        """What the library of simulated months does, in one go."""
        whole = {item.epc: item.net_g for item in world.items if item.untouched}
        stage = Stage(
            scenario=self._scenario,
            lot=lot,
            items={item.epc: item.net_g for item in lot.items if item.epc in whole},
            rng=self._rng,
            lasts_us=HOUR_US,
            at_us=0,
            since_begin_us=0,
        )
        act = KINDS[kind].act(stage)
        if act is None or not act.shown_by:
            raise RefusedError("invisible", f"lot {lot.name!r} has nothing that could show that")
        for step in act.steps:
            world = step.change(world)
        return _Deed(
            target=act.items[0],
            world=world,
            shown_by=dict.fromkeys(act.shown_by),
            undo=act.undo,
        )

    def overheat(self, world: w.World, lot: LotPlan) -> _Deed:
        """The zone's cooling fails."""
        for plan in self._scenario.climates:
            if plan.zone == lot.zone:
                warm = w.set_air(world, plan.zone, plan.overheat_c)
                return _Deed(target=plan.zone, world=warm, shown_by={plan.name: plan.limit_c})
        raise RefusedError("invisible", f"no temperature sensor watches lot {lot.name!r}")

    def drop(self, world: w.World, lot: LotPlan) -> _Deed:
        """Something heavy falls in the zone."""
        for plan in self._scenario.shocks:
            if plan.zone == lot.zone:
                hit = w.jolt(world, plan.zone, w.DROP_PEAK_G, plan.hold_s)
                return _Deed(target=plan.zone, world=hit, shown_by={plan.name: DROP_SHOWS_G})
        raise RefusedError("invisible", f"no shock sensor watches lot {lot.name!r}")

    def cover_camera(self, world: w.World, lot: LotPlan) -> _Deed:
        """The camera that watches the zone is covered."""
        for plan in self._scenario.cameras:
            if lot.zone in plan.watches:
                dark = w.set_covered(world, plan.name, covered=True)
                return _Deed(target=plan.name, world=dark, shown_by={plan.name: None})
        raise RefusedError("invisible", f"no camera watches lot {lot.name!r}")

    def show(self, world: w.World, lot: LotPlan, kind: Kind) -> _Deed:
        """Something happens to the picture of the camera that watches the zone."""
        for plan in self._scenario.cameras:
            if lot.zone in plan.watches:
                shown = w.set_sight(world, plan.name, SIGHTS[kind], on=True)
                return _Deed(
                    target=plan.name, world=shown, shown_by={snapshot_of(plan.name): None}
                )
        raise RefusedError("invisible", f"no camera watches lot {lot.name!r}")

    def cut_scale_cable(self, world: w.World, lot: LotPlan) -> _Deed:
        """The platform's cable is cut: it says nothing more."""
        platform = self._platform(lot)
        if platform is None:
            raise RefusedError("invisible", f"lot {lot.name!r} stands on no scale")
        cut = w.set_cable_cut(world, platform, cut=True)
        return _Deed(target=platform, world=cut, shown_by={})

    def cut_network(self, world: w.World, lot: LotPlan) -> _Deed:
        """The uplink of the gateway that hears the lot's readers goes dark."""
        for plan in self._scenario.readers:
            if plan.zone == lot.zone:
                dark = w.set_link_dark(world, plan.gateway, dark=True)
                return _Deed(target=plan.gateway, world=dark, shown_by={})
        raise RefusedError("invisible", f"no gateway reads the tags of lot {lot.name!r}")

    def price_drop(self, world: w.World, lot: LotPlan) -> _Deed:
        """The market falls."""
        lower = w.set_price_factor(world, lot.instrument, PRICE_DROP_FACTOR)
        return _Deed(
            target=lot.instrument, world=lower, shown_by={price_feed(lot.instrument): None}
        )


def _shown(kind: Kind) -> Callable[[IncidentBook, w.World, LotPlan], _Deed]:
    return lambda book, world, lot: book.show(world, lot, kind)


def _done(kind: Kind) -> Callable[[IncidentBook, w.World, LotPlan], _Deed]:
    return lambda book, world, lot: book.do(world, lot, kind)


_DEEDS: Final[Mapping[Kind, Callable[[IncidentBook, w.World, LotPlan], _Deed]]] = {
    Kind.TAKE_PALLET: IncidentBook.take_pallet,
    Kind.MOVE_PALLET: IncidentBook.move_pallet,
    Kind.TAKE_GOODS_LEAVE_TAGS: IncidentBook.take_goods,
    Kind.OVERHEAT: IncidentBook.overheat,
    Kind.DROP: IncidentBook.drop,
    Kind.COVER_CAMERA: IncidentBook.cover_camera,
    **{kind: _shown(kind) for kind in SIGHTS},
    **{kind: _done(kind) for kind in _OF_LIBRARY},
    Kind.CUT_SCALE_CABLE: IncidentBook.cut_scale_cable,
    Kind.CUT_NETWORK: IncidentBook.cut_network,
    Kind.PRICE_DROP: IncidentBook.price_drop,
}
