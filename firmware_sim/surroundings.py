"""What befalls a site besides its goods: air, water, doors, and whoever meddles with its sensors.

Pure functions of the world, like those of ``world.py``; a zone or device that the site lacks is
left alone, so that one script serves a site and the same site with fewer sensors.
"""

from dataclasses import replace

from firmware_sim.world import World, happened, put, switch


def set_damp(world: World, zone: str, target_pct: float) -> World:
    """Return the world whose ``zone`` is now that humid; unwatched air is no part of it."""
    if zone not in world.air:
        return world
    air = {**world.air, zone: replace(world.air[zone], target_pct=target_pct)}
    return happened(replace(world, air=air))


def set_wet(world: World, zone: str, *, wet: bool) -> World:
    """Return the world with water on the floor of ``zone``, or none."""
    return happened(replace(world, wet=switch(world.wet, zone, on=wet)))


def set_door(world: World, zone: str, open_s: float) -> World:
    """Return the world with the door of ``zone`` open for ``open_s``; 0: shut now."""
    if zone not in world.doors_open_s:
        return world
    return happened(replace(world, doors_open_s={**world.doors_open_s, zone: open_s}))


def set_unplugged(world: World, gateway: str, *, unplugged: bool) -> World:
    """Return the world with ``gateway`` without power, or with it: it reads nothing meanwhile."""
    return happened(replace(world, unplugged=switch(world.unplugged, gateway, on=unplugged)))


def set_at_work(world: World, *, at_work: bool) -> World:
    """Return the world with a shift begun or ended."""
    return happened(replace(world, at_work=at_work))


def set_foreign_tags(world: World, zone: str, epcs: frozenset[str], *, there: bool) -> World:
    """Return the world with these tags of another site in ``zone``, or without them."""
    known = world.foreign_tags.get(zone, frozenset())
    wanted = known | epcs if there else known - epcs
    return happened(replace(world, foreign_tags=put(world.foreign_tags, zone, wanted or None)))


def set_strange_load(world: World, lot: str, mass_g: int) -> World:
    """Return the world in which something of ``mass_g`` stands on the platform of ``lot``."""
    loads_g = put(world.strange_loads_g, lot, mass_g or None)
    return happened(replace(world, strange_loads_g=loads_g))


def set_zero_shift(world: World, lot: str, shift_g: int) -> World:
    """Return the world in which the scale of ``lot`` shows ``shift_g`` more than stands on it."""
    return happened(replace(world, zero_shifts_g=put(world.zero_shifts_g, lot, shift_g or None)))


def set_propped(world: World, lot: str, *, propped: bool) -> World:
    """Return the world with the platform of ``lot`` held fast at the load it feels, or free."""
    held_g = world.load_g(lot) if propped else None
    return happened(replace(world, propped_g=put(world.propped_g, lot, held_g)))


def set_replayed(world: World, sensor: str, ago_s: int) -> World:
    """Return the world in which ``sensor`` says what it said ``ago_s`` before; 0: the truth."""
    return happened(replace(world, replayed_s=put(world.replayed_s, sensor, ago_s or None)))


def set_place(world: World, tracker: str, place_m: tuple[float, float] | None) -> World:
    """Return the world with ``tracker`` at that place; None: where its plan says."""
    return happened(replace(world, places_m=put(world.places_m, tracker, place_m)))
