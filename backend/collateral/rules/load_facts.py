"""What is wrong with a lot by its scale, tags considered, and the readings behind it.

Source: domain.md, the table of corroboration. A drop that silent tags explain is one finding, on
the scale's account; one that they do not may be goods on a fork, until that takes too long.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from backend.collateral.rules.detector import Seen
from backend.collateral.rules.fusion import (
    BEFORE_US,
    LIFT_NATS,
    LIFT_S,
    PRIOR_NATS,
    Fused,
    probability_of,
    weight_nats,
)
from backend.collateral.rules.load import DROP, LOSS
from backend.collateral.rules.load_physics import REGISTERED_SHARE
from backend.collateral.rules.load_still import FROZEN, SURPRISE_NATS
from backend.collateral.rules.presence import Whereabouts
from backend.collateral.rules.tags import last_seen
from backend.collateral.rules.told import reading
from backend.collateral.rules.weigh import Load, Match, explain, was_grave
from backend.collateral.types import (
    Evidence,
    Fact,
    FactKind,
    ItemCustody,
    LotSetup,
    PastRun,
    Purpose,
    Sample,
)
from schemas.quantities import Quantity

# What stands there heavier at the next weight after goods were off the scale took their place.
SWAPPED_US: Final = 15_000_000
# A scale that shows less than this share of what it should was set to zero, not emptied.
ZERO_SHARE: Final = 0.01
_NAMED_MAX: Final = 8  # Items named in one line; all are in the evidence.


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """A lot's scale and tags together, as findings are made of them."""

    setup: LotSetup
    load: Load
    fused: Fused
    seen: Seen


def load_facts(setup: LotSetup, load: Load | None, fused: Fused, seen: Seen) -> list[Fact]:
    """Return what a lot's scale says is wrong, tags considered."""
    if load is None:
        return []
    weighed = Weighed(setup=setup, load=load, fused=fused, seen=seen)
    found = [*_short(weighed), *_tampered(weighed), *_excess(weighed), *_frozen(weighed)]
    keys = {fact.key for fact in found}
    found += [fact for fact in _passed(weighed) if fact.key not in keys]
    return found


def _short(weighed: Weighed) -> list[Fact]:
    """Return that goods are missing by weight, with the items that explain it."""
    load, fused = weighed.load, weighed.fused
    if load.level is None or load.run.since is None or not (load.confirmed or load.run.moved):
        return []
    names = [where for where, _ in fused.taken if where.custody is ItemCustody.MISSING]
    rest_matters = fused.rest_g > 0 and load.short
    grave = load.confirmed and (bool(names) or (rest_matters and not load.is_patient))
    nats = PRIOR_NATS + weight_nats(load)
    if not names and load.match.is_lift and not load.set_down:
        nats = min(nats, LIFT_NATS + load.run.lasted_us / 1_000_000 / LIFT_S)
    tags = [last_seen(where, "tag last read", nats=odds) for where, odds in fused.taken]
    nats += max((odds for _, odds in fused.taken), default=0.0)
    return [
        Fact(
            key="load",
            kind=FactKind.LOAD_SHORT,
            grave=grave,
            text=_short_text(weighed, names),
            evidence=(*_weights(load), *(each for tag in tags for each in tag)),
            probability=probability_of(nats),
            began_us=load.run.since.made_us,
        )
    ]


def _short_text(weighed: Weighed, names: list[Whereabouts]) -> str:
    setup, load, fused = weighed.setup, weighed.load, weighed.fused
    mass = told_kg(load.missing_g)
    if not load.short:
        return f"{setup.name} weighs {mass} less than when it was whole, which is not drift"
    text = f"{setup.name} weighs {mass} less than it should"
    listed = ", ".join(sorted(where.item.name for where in names)[:_NAMED_MAX])
    moved = [w.item.name for w, _ in fused.taken if w.custody is ItemCustody.RELOCATED]
    if listed:
        text += f": {listed} gone" + (", and more" if fused.rest_g else "")
    elif moved and not fused.rest_g:
        text += f", which is {', '.join(sorted(moved)[:_NAMED_MAX])} in another zone"
    elif load.match.items or load.match.goods:
        text += f", {_matched(load.match)}"
    if load.is_patient and load.match.is_lift and not listed and fused.rest_g:
        text += ", perhaps on a fork"
    return text


def told_kg(mass_g: float) -> str:
    """Return a mass in words: to two figures, so that noise does not make it another finding."""
    mass_kg = abs(mass_g) / 1_000
    digits = 2 - len(str(int(mass_kg)))
    return f"about {max(1.0, round(mass_kg, min(0, digits))):.0f} kg"


def _matched(match: Match) -> str:
    items, goods = match.items, match.goods
    if items:
        return "as one item does" if items == 1 else f"as {items} items do"
    return "as the goods of one item do" if goods == 1 else f"as the goods of {goods} items do"


def _weights(load: Load) -> list[Evidence]:
    since, level = load.run.since, load.level
    if since is None or level is None:
        return []
    expected = _kg(load)
    key, nats = load.binding.key, weight_nats(load)
    if level == since:
        return [reading(key, Quantity.MASS, since, "weight dropped", expected, nats)]
    return [
        reading(key, Quantity.MASS, since, "weight dropped", expected),
        reading(key, Quantity.MASS, level, "last weight", expected, nats),
    ]


def _kg(load: Load) -> str:
    return f"{load.reference_g / 1_000:.0f} kg, give or take {load.off_g / 1_000:.0f} kg"


def _tampered(weighed: Weighed) -> list[Fact]:
    """Return that goods are gone whose tags stayed, or that only the scale's word changed."""
    load, setup = weighed.load, weighed.setup
    since, level = load.run.since, load.level
    if since is None or level is None or not load.confirmed or not load.short:
        return []
    if weighed.fused.rest_g <= 0 or load.is_patient or not _all_read_since(weighed, since):
        return []
    text = f"{setup.name}: goods are gone and their tags stayed"
    if abs(level.value) <= max(load.off_g, ZERO_SHARE * load.reference_g):
        text = f"the scale of {setup.name} was set to zero, or its goods are gone: all tags stayed"
    return [_tamper(weighed, text)]


def _left_us(weighed: Weighed) -> int:
    """Return for how long goods must be gone before their tags are said to have stayed."""
    readers = weighed.setup.bound(Purpose.PRESENCE)
    return 1_000_000 * max((reader.missing_after_s for reader in readers), default=0)


def _all_read_since(weighed: Weighed, since: Sample) -> bool:
    """Return whether each tag was read so long after that it would have been missed."""
    due_us = since.made_us + _left_us(weighed)
    there = [w for w in weighed.fused.items if w.custody is ItemCustody.IN_ZONE]
    return bool(there) and all(
        where.sight is not None and where.sight.made_us >= due_us for where in there
    )


def _tamper(weighed: Weighed, text: str) -> Fact:
    load = weighed.load
    assert load.run.since is not None, "asked for of a run only"
    tags: Iterable[Evidence] = (
        each
        for where in weighed.fused.items
        if where.custody is ItemCustody.IN_ZONE
        for each in last_seen(where, "tag still read")
    )
    return Fact(
        key="tamper:load",
        kind=FactKind.TAGS_LEFT,
        grave=True,
        text=text,
        evidence=(*_weights(load), *tags),
        probability=probability_of(PRIOR_NATS + weight_nats(load)),
        began_us=load.run.since.made_us,
    )


def _excess(weighed: Weighed) -> list[Fact]:
    """Return that something more stands on the scale than should, or that it says so."""
    load, setup = weighed.load, weighed.setup
    run = load.memory.excess
    if run.found_us is None or run.since is None:
        return []
    level = run.level or run.since
    more = told_kg(level.value - load.reference_g)
    swapped = any(
        past.line in (DROP, LOSS) and 0 <= run.since.at_us - past.level.at_us <= SWAPPED_US
        for past in load.memory.past
    )
    text = f"{setup.name} weighs {more} more than it should"
    key, kind = "excess", FactKind.LOAD_EXCESS
    if swapped:
        key, kind = "tamper:excess", FactKind.TAMPER
        text += " since goods were off its scale: others may stand in their place"
    else:
        # By its first weight, so that the text stays the same.
        match = explain(int(run.since.value - load.reference_g), setup.items, load.off_g)
        if match.items or match.goods:
            text += (
                f", {_matched(match)}: set down there, or its zero is shifted to hide that they go"
            )
    evidence = [reading(load.binding.key, Quantity.MASS, run.since, "weight rose", _kg(load))]
    if level != run.since:
        evidence.append(reading(load.binding.key, Quantity.MASS, level, "last weight", _kg(load)))
    return [
        Fact(
            key=key,
            kind=kind,
            grave=kind is FactKind.TAMPER,
            text=text,
            evidence=tuple(evidence),
            probability=0.9,
            began_us=run.since.made_us,
        )
    ]


def _frozen(weighed: Weighed) -> list[Fact]:
    still = weighed.load.memory.still
    if still.found_us is None or still.since is None:
        return []
    return [_still_fact(weighed, still.since)]


def _still_fact(weighed: Weighed, since: Sample) -> Fact:
    text = "the same weight since then"
    expected = "a weight that varies, as it always did"
    return Fact(
        key="tamper:scale",
        kind=FactKind.TAMPER,
        grave=True,
        text=f"the scale of {weighed.setup.name} shows one weight only: it does not weigh",
        evidence=(
            reading(weighed.load.binding.key, Quantity.MASS, since, text, expected, SURPRISE_NATS),
        ),
        probability=probability_of(PRIOR_NATS + SURPRISE_NATS),
        began_us=since.made_us,
    )


def _passed(weighed: Weighed) -> list[Fact]:
    """Return what began and ended within the readings that have just come."""
    news = [p for p in weighed.load.memory.past if p.found_us >= weighed.seen.since_us]
    found: dict[str, Fact] = {}
    for past in sorted(news, key=lambda p: (p.line != DROP, p.found_us)):
        fact = _past_fact(weighed, past)
        known = found.get(fact.key)
        if known is None or (fact.grave and not known.grave):
            found[fact.key] = fact
    return list(found.values())


def _past_fact(weighed: Weighed, past: PastRun) -> Fact:
    setup, load = weighed.setup, weighed.load
    if past.line == FROZEN:
        return _still_fact(weighed, past.since)
    grave, key, kind = False, "excess", FactKind.LOAD_EXCESS
    off = told_kg(past.worst_g - load.reference_g)
    text = f"{setup.name} weighed {off} more than it should for a while"
    if past.line in (DROP, LOSS):
        names = _away_with(weighed, past)
        grave = bool(names) or was_grave(setup, load, past)
        key, kind = "load", FactKind.LOAD_SHORT
        text = f"{setup.name} weighed {off} less than it should for a while"
        if names:
            text += f", and {', '.join(names[:_NAMED_MAX])} was not read meanwhile"
    evidence = (
        reading(load.binding.key, Quantity.MASS, past.since, "weight changed", _kg(load)),
        reading(load.binding.key, Quantity.MASS, past.level, "last such weight", _kg(load)),
    )
    return Fact(
        key=key,
        kind=kind,
        grave=grave,
        text=text,
        evidence=evidence,
        probability=0.9,
        began_us=past.since.made_us,
    )


def _away_with(weighed: Weighed, past: PastRun) -> list[str]:
    """Return the items that their tags missed beyond doubt while their mass was missing."""
    setup, load = weighed.setup, weighed.load
    homes = {binding.key for binding in setup.bound(Purpose.PRESENCE)}
    missing_g = load.reference_g - past.worst_g
    most_g = missing_g + load.off_g + REGISTERED_SHARE * missing_g
    fit = {item.id: item.name for item in setup.items if item.gross_mass_g <= most_g}
    away = {
        fit[sight.item_id]
        for sight in weighed.seen.sights
        if sight.item_id in fit
        and sight.reader in homes
        and sight.away_until_us > past.since.made_us
        and past.since.made_us - BEFORE_US <= sight.away_from_us <= past.level.made_us
    }
    return sorted(away)
