"""What is wrong with a lot, in words and with the readings behind it."""

from collections.abc import Mapping, Sequence
from typing import Final

from backend.collateral.rules.load import Load
from backend.collateral.rules.presence import Whereabouts
from backend.collateral.rules.surveillance import TAMPER_GRAVE_US, tampers
from backend.collateral.types import (
    Binding,
    Evidence,
    Fact,
    FactKind,
    ItemCustody,
    LotSetup,
    Purpose,
    Sample,
    SensorKey,
    SensorState,
)
from backend.ids import ZoneId
from backend.telemetry.types import datetime_of
from schemas.envelope import RSSI_UNKNOWN
from schemas.quantities import UNITS, Quantity

SEVERAL: Final = 2  # One silent tag may have failed; two at once have not.


def item_facts(items: Sequence[Whereabouts], load: Load | None) -> list[Fact]:
    """Return what is wrong with a lot's items, its scale considered.

    Source: domain.md, the table of corroboration.
    """
    gone = [where for where in items if where.custody is ItemCustody.MISSING]
    doubtful = load is not None and not load.short and len(gone) < SEVERAL
    facts = [
        Fact(
            key=f"item:{where.item.id}:shortfall",
            kind=FactKind.ITEM_MISSING,
            grave=not doubtful,
            text=f"{where.item.name} is not seen any more"
            + (", though the scale misses nothing" if doubtful else ""),
            evidence=_seen(where, "last seen"),
        )
        for where in gone
    ]
    facts += [
        Fact(
            key=f"item:{where.item.id}:relocation",
            kind=FactKind.ITEM_RELOCATED,
            grave=True,
            text=f"{where.item.name} is seen in another zone",
            evidence=_seen(where, "seen elsewhere"),
        )
        for where in items
        if where.custody is ItemCustody.RELOCATED
    ]
    return facts


def load_facts(
    setup: LotSetup, binding: Binding, load: Load | None, state: SensorState | None
) -> list[Fact]:
    """Return what a lot's scale says is wrong."""
    if load is None or load.run.since is None:
        return []
    evidence = [
        _reading(binding.key, Quantity.MASS, load.run.since, "first weight below the least")
    ]
    last = None if state is None else state.values.get(Quantity.MASS)
    if last is not None and last != load.run.since:
        evidence.append(_reading(binding.key, Quantity.MASS, last, "last weight"))
    return [
        Fact(
            key="load",
            kind=FactKind.LOAD_SHORT,
            grave=load.confirmed,
            text=f"{setup.name} weighs {load.short_mass_g / 1_000:.0f} kg less than it should",
            evidence=tuple(evidence),
        )
    ]


def tags_left(
    setup: LotSetup, binding: Binding, load: Load | None, items: Sequence[Whereabouts]
) -> list[Fact]:
    """Return whether goods are gone whose tags stayed: all present by RFID, and still a drop.

    Each tag must have been read after the drop by as long as it would take to be missed.
    """
    if load is None or load.run.since is None or not load.confirmed or not items:
        return []
    gone_g = sum(
        where.item.net_mass_g
        for where in items
        if where.custody in (ItemCustody.MISSING, ItemCustody.RELOCATED)
    )
    readers = setup.bound(Purpose.PRESENCE)
    confirm_us = 1_000_000 * max((reader.missing_after_s for reader in readers), default=0)
    due_us = load.run.since.made_us + confirm_us
    there = [where for where in items if where.custody is ItemCustody.IN_ZONE]
    seen_since = all(where.sight is not None and where.sight.made_us >= due_us for where in there)
    if not there or not seen_since or load.short_mass_g - gone_g <= binding.tolerance_mass_g:
        return []
    return [
        Fact(
            key="tamper:load",
            kind=FactKind.TAGS_LEFT,
            grave=True,
            text=f"{setup.name}: goods are gone and their tags stayed",
            evidence=(
                _reading(binding.key, Quantity.MASS, load.run.since, "weight dropped"),
                *(each for where in there for each in _seen(where, "tag still seen")),
            ),
        )
    ]


def tamper_facts(binding: Binding, state: SensorState | None, now_us: int) -> list[Fact]:
    """Return what was done to a door or camera."""
    done = tampers(binding, state)
    if not done:
        return []
    return [
        Fact(
            key=f"tamper:{binding.gateway}/{binding.sensor}:{what}",
            kind=FactKind.TAMPER,
            grave=binding.purpose is Purpose.CAMERA and now_us - sample.made_us > TAMPER_GRAVE_US,
            text=f"{binding.gateway}/{binding.sensor} ({binding.purpose.value}): {what}",
            evidence=(_reading(binding.key, None, sample, what),),
        )
        for what, sample in sorted(done.items())
    ]


def zone_names(items: Sequence[Whereabouts]) -> dict[str, ZoneId | None]:
    """Return the zone in which each relocated item was seen, by its name."""
    return {
        where.item.name: where.zone_id for where in items if where.custody is ItemCustody.RELOCATED
    }


def _reading(key: SensorKey, quantity: Quantity | None, sample: Sample, text: str) -> Evidence:
    unit = "" if quantity is None else f" {sample.value:g} {UNITS[quantity]}"
    return Evidence(
        at=datetime_of(sample.at_us),
        gateway=key[0],
        envelope_number=sample.envelope_number,
        sensor=key[1],
        quantity=None if quantity is None else quantity.value,
        value=None if quantity is None else sample.value,
        text=f"{text}{':' if unit else ''}{unit}",
        image_sha256=sample.image_sha256,
    )


def _seen(where: Whereabouts, text: str) -> tuple[Evidence, ...]:
    sight = where.sight
    if sight is None:
        return ()
    known = sight.rssi_cdbm != RSSI_UNKNOWN
    return (
        Evidence(
            at=datetime_of(sight.seen_us),
            gateway=sight.reader[0],
            envelope_number=sight.envelope_number,
            sensor=sight.reader[1],
            quantity=None,
            value=sight.rssi_cdbm / 100 if known else None,
            text=f"{where.item.name} (EPC {where.item.epc.hex()}) {text}",
        ),
    )
