"""The simulated warehouse itself: goods, climate, doors, and what happens to them.

A value and functions on it, with no clock, no bytes and no randomness: the same happenings in the
same order give the same world. Devices read it; only ``plant.py`` holds the current one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeVar

from firmware_sim.plan import Scenario, ZonePlan

DROP_PEAK_G: Final = 6.5  # a pallet off the forks from about a metre; limits start at 3 g
SENSED_HUMIDITY_TAU_S: Final = 30.0  # capacitive humidity elements are slower than thermistors
_DOOR_OPEN_S = 4.0  # a pallet truck through a cold store's door
_ITEM_PITCH_M: Final = 2.5  # floor grid of pallets with room for a fork
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One tagged pallet; ``zone`` is None when it has left the site.

    ``content_g`` is the mass of what lies on it now, goods or dummies: ``net_g`` is what was
    registered. ``read_factor`` multiplies the chance to read its tag in a round; 0: it is dead or
    wrapped in foil. ``lifted``: it hangs on the forks, in its zone but not on the platform.
    """

    epc: str
    lot: str
    net_g: int
    tare_g: int
    home: str
    home_x_m: float
    home_y_m: float
    zone: str | None
    x_m: float
    y_m: float
    content_g: int
    goods: bool = True  # false: goods were taken and the pallet with its tag was left
    read_factor: float = 1.0
    lifted: bool = False

    @property
    def untouched(self) -> bool:
        """Whether the pallet stands where it belongs with its goods and a tag that works."""
        return self.goods and self.zone == self.home and self.read_factor > 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Air:
    """The climate of one zone and what a transmitter's slow element has felt of it so far."""

    target_c: float
    air_c: float
    sensed_c: float
    sensed_pct: float
    air_tau_s: float
    lag_s: float
    target_pct: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Jolt:
    """A shock that a zone's transmitter still holds in its peak register."""

    peak_g: float
    left_s: float


class Sight(StrEnum):
    """What a camera's picture shows besides the goods."""

    MOVED = "moved"  # The camera was turned.
    BLURRED = "blurred"  # Its lens was turned.
    FROZEN = "frozen"  # It sends the same image for ever.
    DARK = "dark"  # Somebody put the lights out.
    DIMMED = "dimmed"  # Half of the lights, as every evening.
    TRUCK = "truck"  # A lorry stands in front of it.


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The whole site at one moment; ``revision`` grows with each happening, not with time."""

    revision: int
    items: tuple[Item, ...]
    air: Mapping[str, Air]  # by zone
    jolts: Mapping[str, Jolt]  # by zone
    doors_open_s: Mapping[str, float]  # by zone: seconds until it is shut again
    covered: frozenset[str]  # cameras
    sights: Mapping[str, frozenset[Sight]]  # by camera: what else is in its picture
    cut_cables: frozenset[str]  # devices
    dark_links: frozenset[str]  # gateways
    price_factors: Mapping[str, float]  # by instrument
    at_work: bool = False  # people and forklifts are about, as in a shift
    # By zone: tags of another site. By lot: what else stands on its platform, by how much its
    # scale shows too much, at what load it is held fast. By sensor: how long ago it said what it
    # says again. By tracker: where it is, if it was moved.
    foreign_tags: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    strange_loads_g: Mapping[str, int] = field(default_factory=dict[str, int])
    zero_shifts_g: Mapping[str, int] = field(default_factory=dict[str, int])
    propped_g: Mapping[str, int] = field(default_factory=dict[str, int])
    replayed_s: Mapping[str, int] = field(default_factory=dict[str, int])
    places_m: Mapping[str, tuple[float, float]] = field(
        default_factory=dict[str, tuple[float, float]]
    )
    wet: frozenset[str] = frozenset()  # zones with water on the floor
    unplugged: frozenset[str] = frozenset()  # gateways without power: nothing is read at all

    def item(self, epc: str) -> Item:
        """Return the item with that tag, which must exist."""
        return next(item for item in self.items if item.epc == epc)

    def tags_in(self, zone: str) -> list[str]:
        """Return the EPCs of the tags in ``zone`` that answer at all, foreign ones last."""
        own = [item.epc for item in self.items if item.zone == zone and item.read_factor > 0.0]
        return own + sorted(self.foreign_tags.get(zone, ()))

    def read_factor(self, epc: str) -> float:
        """Return what the chance to read a tag is multiplied with; 1 for a foreign tag."""
        return next((item.read_factor for item in self.items if item.epc == epc), 1.0)

    def peak_g(self, zone: str) -> float:
        """Return the peak that a transmitter in ``zone`` holds; 0 without one."""
        jolt = self.jolts.get(zone)
        return 0.0 if jolt is None else jolt.peak_g

    def mass_g(self, lot: str) -> int:
        """Return the gross mass that truly stands on the platform of ``lot``."""
        own_g = sum(
            item.content_g + item.tare_g
            for item in self.items
            if item.lot == lot and item.zone == item.home and not item.lifted
        )
        return own_g + self.strange_loads_g.get(lot, 0)

    def load_g(self, lot: str) -> int:
        """Return the mass that a perfect scale under ``lot`` would show, tampered with or not."""
        if lot in self.propped_g:
            return self.propped_g[lot]
        return self.mass_g(lot) + self.zero_shifts_g.get(lot, 0)


def build_world(scenario: Scenario) -> World:
    """Return the site as the scenario describes it, all goods in place."""
    zones = {zone.name: zone for zone in scenario.zones}
    items: list[Item] = []
    for lot in scenario.lots:
        places = _grid(zones[lot.zone], len(lot.epcs))
        for plan, (x_m, y_m) in zip(lot.items, places, strict=True):
            items.append(
                Item(
                    epc=plan.epc,
                    lot=lot.name,
                    net_g=plan.net_g,
                    content_g=plan.net_g,
                    tare_g=plan.tare_g,
                    home=lot.zone,
                    home_x_m=x_m,
                    home_y_m=y_m,
                    zone=lot.zone,
                    x_m=x_m,
                    y_m=y_m,
                )
            )
    air = {
        plan.zone: Air(
            target_c=plan.temperature_c,
            air_c=plan.temperature_c,
            sensed_c=plan.temperature_c,
            sensed_pct=plan.humidity_pct,
            air_tau_s=plan.air_tau_s,
            lag_s=plan.lag_s,
            target_pct=plan.humidity_pct,
        )
        for plan in scenario.climates
    }
    return World(
        revision=0,
        items=tuple(items),
        air=air,
        jolts={},
        doors_open_s={plan.zone: 0.0 for plan in scenario.doors},
        covered=frozenset(),
        sights={},
        cut_cables=frozenset(),
        dark_links=frozenset(),
        price_factors={plan.name: 1.0 for plan in scenario.instruments},
    )


def centre_m(zone: ZonePlan) -> tuple[float, float]:
    """Return the mean of a zone's corners, in metres."""
    count = len(zone.polygon)
    return sum(x for x, _ in zone.polygon) / count, sum(y for _, y in zone.polygon) / count


def _grid(zone: ZonePlan, count: int) -> list[tuple[float, float]]:
    columns = max(1, math.ceil(math.sqrt(count)))
    rows = math.ceil(count / columns)
    middle_x_m, middle_y_m = centre_m(zone)
    left_m = middle_x_m - (columns - 1) * _ITEM_PITCH_M / 2
    low_m = middle_y_m - (rows - 1) * _ITEM_PITCH_M / 2
    places = [divmod(number, columns) for number in range(count)]
    return [(left_m + col * _ITEM_PITCH_M, low_m + row * _ITEM_PITCH_M) for row, col in places]


def step(world: World, dt_s: float) -> World:
    """Return the world ``dt_s`` later: air and sensors follow, shocks fade, doors shut."""
    air = {zone: _step_air(now, dt_s) for zone, now in world.air.items()}
    jolts = {
        zone: replace(jolt, left_s=jolt.left_s - dt_s)
        for zone, jolt in world.jolts.items()
        if jolt.left_s > dt_s
    }
    doors = {zone: max(0.0, left_s - dt_s) for zone, left_s in world.doors_open_s.items()}
    return replace(world, air=air, jolts=jolts, doors_open_s=doors)


def _step_air(air: Air, dt_s: float) -> Air:
    sensed_c, sensed_pct = sensed_after(air, dt_s)
    return replace(
        air,
        air_c=_toward(air.air_c, air.target_c, air.air_tau_s, dt_s),
        sensed_c=sensed_c,
        sensed_pct=sensed_pct,
    )


def sensed_after(air: Air, dt_s: float) -> tuple[float, float]:
    """Return what the transmitter's elements feel ``dt_s`` later, in degrees and percent."""
    # The air nears its target and the element the air: two lags in a row, exact for any step.
    driven_s = lag_apart_s(air)
    far_c = (air.air_c - air.target_c) * air.air_tau_s / (air.air_tau_s - driven_s)
    near_c = air.sensed_c - air.target_c - far_c
    sensed_c = (
        air.target_c
        + far_c * math.exp(-dt_s / air.air_tau_s)
        + near_c * math.exp(-dt_s / driven_s)
    )
    return sensed_c, _toward(air.sensed_pct, air.target_pct, SENSED_HUMIDITY_TAU_S, dt_s)


def lag_apart_s(air: Air) -> float:
    """Return the element's lag, moved off the air's by a trifle where they are the same."""
    same = math.isclose(air.lag_s, air.air_tau_s, rel_tol=1e-4)
    return air.air_tau_s * (1.0 + 1e-4) if same else air.lag_s


def _toward(value: float, target: float, tau_s: float, dt_s: float) -> float:
    # First-order lag, exact for any step.
    return target + (value - target) * math.exp(-dt_s / tau_s)


def take_away(world: World, epc: str) -> World:
    """Return the world with the pallet and its tag gone from the site."""
    return _place(world, replace(world.item(epc), zone=None))


def move_to(world: World, epc: str, zone: ZonePlan) -> World:
    """Return the world with the pallet standing in ``zone``."""
    x_m, y_m = centre_m(zone)
    return _place(world, replace(world.item(epc), zone=zone.name, x_m=x_m, y_m=y_m))


def empty(world: World, epc: str) -> World:
    """Return the world with the goods taken off the pallet, its tag left in place."""
    return fill(world, epc, 0)


def fill(world: World, epc: str, content_g: int) -> World:
    """Return the world in which ``content_g`` of something else lies on the pallet."""
    return _place(world, replace(world.item(epc), content_g=content_g, goods=False))


def bring_back(world: World, epc: str) -> World:
    """Return the world with the pallet and its goods where they belong, its tag readable."""
    item = world.item(epc)
    home = replace(
        item,
        zone=item.home,
        x_m=item.home_x_m,
        y_m=item.home_y_m,
        content_g=item.net_g,
        goods=True,
        read_factor=1.0,
        lifted=False,
    )
    return _place(world, home)


def _place(world: World, item: Item) -> World:
    doors = dict(world.doors_open_s)
    if item.home in doors:
        # Nothing leaves or enters through a shut door.
        doors[item.home] = max(doors[item.home], _DOOR_OPEN_S)
    return replace(_with_item(world, item), doors_open_s=doors)


def _with_item(world: World, item: Item) -> World:
    items = tuple(item if other.epc == item.epc else other for other in world.items)
    return happened(replace(world, items=items))


def lift(world: World, epc: str, *, up: bool) -> World:
    """Return the world with the pallet on the forks above its place, or set down again."""
    return _with_item(world, replace(world.item(epc), lifted=up))


def set_read_factor(world: World, epc: str, factor: float) -> World:
    """Return the world in which the tag is read ``factor`` times as often; 0: not at all."""
    return _with_item(world, replace(world.item(epc), read_factor=factor))


def put_at(world: World, epc: str, place_m: tuple[float, float]) -> World:
    """Return the world with the pallet at another place of its zone."""
    return _with_item(world, replace(world.item(epc), x_m=place_m[0], y_m=place_m[1]))


def set_air(world: World, zone: str, target_c: float) -> World:
    """Return the world whose ``zone`` now drifts toward ``target_c``; unwatched air is no part."""
    if zone not in world.air:
        return world
    air = {**world.air, zone: replace(world.air[zone], target_c=target_c)}
    return happened(replace(world, air=air))


def jolt(world: World, zone: str, peak_g: float, hold_s: float) -> World:
    """Return the world in which ``zone`` was hit; its transmitter holds the peak ``hold_s``."""
    jolts = {**world.jolts, zone: Jolt(peak_g=peak_g, left_s=hold_s)}
    return happened(replace(world, jolts=jolts))


def calm(world: World, zone: str) -> World:
    """Return the world with the peak register of ``zone`` reset."""
    jolts = {name: held for name, held in world.jolts.items() if name != zone}
    return happened(replace(world, jolts=jolts))


def set_covered(world: World, camera: str, *, covered: bool) -> World:
    """Return the world with ``camera`` covered or free."""
    return happened(replace(world, covered=switch(world.covered, camera, on=covered)))


def set_sight(world: World, camera: str, sight: Sight, *, on: bool) -> World:
    """Return the world with something in the picture of ``camera``, or no more."""
    present = world.sights.get(camera, frozenset())
    wanted = present | {sight} if on else present - {sight}
    return happened(replace(world, sights=put(world.sights, camera, wanted or None)))


def set_cable_cut(world: World, device: str, *, cut: bool) -> World:
    """Return the world with the cable of ``device`` cut or joined."""
    return happened(replace(world, cut_cables=switch(world.cut_cables, device, on=cut)))


def set_link_dark(world: World, gateway: str, *, dark: bool) -> World:
    """Return the world with the uplink of ``gateway`` black-holed or restored."""
    return happened(replace(world, dark_links=switch(world.dark_links, gateway, on=dark)))


def set_price_factor(world: World, instrument: str, factor: float) -> World:
    """Return the world in which ``instrument`` quotes ``factor`` times its price."""
    factors = {**world.price_factors, instrument: factor}
    return happened(replace(world, price_factors=factors))


def put(known: Mapping[str, _V], name: str, value: _V | None) -> dict[str, _V]:
    """Return ``known`` with ``name`` set to ``value``, or without it."""
    rest = {key: held for key, held in known.items() if key != name}
    return rest if value is None else {**rest, name: value}


def switch(names: frozenset[str], name: str, *, on: bool) -> frozenset[str]:
    """Return ``names`` with or without ``name``."""
    return names | {name} if on else names - {name}


def happened(world: World) -> World:
    """Return the world with its revision counted on."""
    return replace(world, revision=world.revision + 1)
