"""Vehicles that a camera tells of: a lorry before the lens is a harmless reason not to see."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from backend.collateral.types import VehicleSpell
from backend.telemetry.types import EventRow

SPELLS_MAX: Final = 16  # Ten a day come: more than one outage of 13 hours holds.
IDS_MAX: Final = 8  # At a time; Frigate forgets one now and then.
ID_CHARS_MAX: Final = 64
# Labels of the COCO set, as Frigate's models have them, and what its users add for forklifts.
VEHICLES: Final = frozenset({"truck", "bus", "car", "train", "forklift"})
_END: Final = "end"


def fold_vehicle(
    spells: Sequence[VehicleSpell], event: EventRow, made_us: int
) -> tuple[VehicleSpell, ...]:
    """Return the spells of vehicles in view after an event of an object."""
    if event.body.get("label") not in VEHICLES:
        return tuple(spells)
    name = str(event.body.get("id"))[:ID_CHARS_MAX]
    last = spells[-1] if spells else None
    if event.body.get("phase") == _END:
        if last is None or name not in last.ids:
            return tuple(spells)
        ids = tuple(id_ for id_ in last.ids if id_ != name)
        return (*spells[:-1], replace(last, ids=ids, last_us=max(last.last_us, made_us)))
    if last is None or not last.ids:
        last = VehicleSpell(since_us=made_us, last_us=made_us, ids=(name,))
        return (*spells, last)[-SPELLS_MAX:]
    ids = last.ids if name in last.ids else (*last.ids, name)[-IDS_MAX:]
    return (*spells[:-1], replace(last, ids=ids, last_us=max(last.last_us, made_us)))
