"""What is wrong with where a lot is: outside its zone's fence, or out and back again."""

from typing import Final

from backend.collateral.rules.detector import Seen
from backend.collateral.rules.told import is_told, reading
from backend.collateral.types import (
    Crossing,
    Evidence,
    Fact,
    FactKind,
    Fence,
    LotMemory,
    LotSetup,
    Purpose,
    SensorKey,
)
from schemas.quantities import Quantity

# A fix that is so many scatters off is one in ten to the twelfth; what remains is the receiver
# itself being fooled or failing.
OUTSIDE: Final = 0.9999
OUTSIDE_LOG_ODDS: Final = 9.2


def is_outside(memory: LotMemory, key: SensorKey) -> bool:
    """Return whether a receiver's lot is on the wrong side of its fence."""
    fence = memory.fences.get(key)
    return fence is not None and fence.inside is False


def position_facts(setup: LotSetup, memory: LotMemory, seen: Seen) -> list[Fact]:
    """Return receivers whose fixes lie outside the lot's zone, or did in what has just come."""
    facts: list[Fact] = []
    for binding in setup.bound(Purpose.POSITION):
        fence = memory.fences.get(binding.key, Fence())
        left = fence.left
        back = left is not None and is_told(left.arrived_us, seen.since_us, seen.now_us)
        if fence.inside is not False and not back:
            continue
        facts.append(
            Fact(
                key=f"position:{binding.gateway}/{binding.sensor}",
                kind=FactKind.OUT_OF_ZONE,
                grave=True,
                text=f"{setup.name} is outside its zone",
                evidence=(*_left(binding.key, left), *_last(binding.key, seen)),
                probability=OUTSIDE,
                began_us=None if left is None else left.since.made_us,
            )
        )
    return facts


def _left(key: SensorKey, left: Crossing | None) -> list[Evidence]:
    if left is None:
        return []
    text = (
        f"first fix outside; the way there cuts the fence {left.east_m:g} m east,"
        f" {left.north_m:g} m north of the origin; {left.away_m:g} m outside when it was certain"
    )
    expected = f"within its zone, give or take the {left.scatter_m:g} m that this receiver errs"
    return [reading(key, Quantity.LATITUDE, left.since, text, expected, OUTSIDE_LOG_ODDS)]


def _last(key: SensorKey, seen: Seen) -> list[Evidence]:
    state = seen.sensors.get(key)
    if state is None:
        return []
    return [
        reading(key, quantity, state.values[quantity], "last fix")
        for quantity in (Quantity.LATITUDE, Quantity.LONGITUDE)
        if quantity in state.values
    ]
