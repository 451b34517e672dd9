"""Which tags an antenna could hear in a world, and from what shelf: what its noise is told."""

from collections.abc import Mapping

from firmware_sim.noise import Field, Heard
from firmware_sim.plan import ReaderPlan, Scenario
from firmware_sim.world import World


def field_of(world: World, plan: ReaderPlan) -> Field:
    """Return the tags in the reader's zone and, behind them, those of the zones it may hear.

    Goods of one lot in one zone are a shelf: what stands before it stands before them all.
    """
    return Field(
        here=_heard_in(world, plan.zone),
        near=tuple(tag for zone in plan.near for tag in _heard_in(world, zone)),
    )


def _heard_in(world: World, zone: str) -> tuple[Heard, ...]:
    own = [
        Heard(epc=item.epc, shelf=item.lot, factor=item.read_factor)
        for item in world.items
        if item.zone == zone and item.read_factor > 0.0
    ]
    strangers = [Heard(epc=epc) for epc in sorted(world.foreign_tags.get(zone, ()))]
    return (*own, *strangers)


def mixes_of(scenario: Scenario) -> Mapping[str, tuple[tuple[float, float, float], ...]]:
    """Return the kinds of tags of those shelves that have a mix of their own."""
    return {lot.name: lot.tag_betas for lot in scenario.lots if lot.tag_betas is not None}
