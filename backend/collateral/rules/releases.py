"""Authorised movements: what a release order lets go is not missed, and what has gone is settled.

While an order lasts, the goods that leave by it are taken out of what the lot is held against:
the rest is decided as ever, so that one pallet too many, the wrong destination or the wrong hour
alarm as they would without an order. When all of it has left, or its time is over, what has left
is settled: by exactly so much the pledge falls, never because less was measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from backend.collateral.rules.decide import Observed
from backend.collateral.rules.leave import STEP_G, Looked, full_gross_g, last_gross_g
from backend.collateral.rules.let_go import EARLY_US, FINISH_US, let_go_g
from backend.collateral.rules.load import expected_net_g
from backend.collateral.rules.presence import Whereabouts
from backend.collateral.types import (
    Custody,
    Decision,
    Fact,
    FactKind,
    ItemCustody,
    ItemSetup,
    LotSetup,
    LotState,
    Purpose,
    QuantityState,
)
from backend.collateral.types.releases import Progress, Release, Settlement
from backend.ids import ItemId, ReleaseId, ZoneId
from backend.telemetry.types import datetime_of

Places = Mapping[ItemId, tuple[ItemCustody, ZoneId | None]]
_NOWHERE: Final = (ItemCustody.UNSEEN, None)
_MOVED: Final = (
    FactKind.ITEM_MISSING,
    FactKind.ITEM_RELOCATED,
    FactKind.LOAD_SHORT,
    FactKind.OUT_OF_ZONE,
    FactKind.TAGS_LEFT,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """A lot without what has left it by order, and what that is.

    ``setup`` and ``observed`` are what the rest is to be decided from; ``settled`` the setup with
    only what is settled taken out. ``going`` are the items under way, ``settlements`` the orders
    that end now, ``progress`` what of the others was not noted yet.
    """

    setup: LotSetup
    observed: Observed
    settled: LotSetup
    going: tuple[Whereabouts, ...] = ()
    settlements: tuple[Settlement, ...] = ()
    progress: tuple[Progress, ...] = ()


def clear(setup: LotSetup, observed: Observed, now_us: int) -> Cleared:
    """Return a lot without what has left it by order."""
    if not setup.releases:
        return Cleared(setup=setup, observed=observed, settled=setup)
    looked = Looked.at(setup, observed, now_us)
    settlements: list[Settlement] = []
    progress: list[Progress] = []
    going: list[Whereabouts] = []
    claimed: set[ItemId] = set()
    for release in sorted(setup.releases, key=lambda r: (r.begin_us, r.id)):
        gone = looked.gone_by(release, claimed)
        claimed |= {where.item.id for where in gone}
        settlement = looked.settle(release, gone)
        if settlement is not None:
            settlements.append(settlement)
            continue
        going += gone
        noted = _progress(release, gone)
        if noted is not None:
            progress.append(noted)
    settled = _without(
        setup,
        {item for each in settlements for item in each.items},
        sum(each.mass_g for each in settlements),
        {each.release.id for each in settlements},
    )
    under_way = {where.item.id for where in going}
    rest = _without(settled, under_way, sum(where.item.net_mass_g for where in going), set())
    return Cleared(
        setup=rest,
        observed=_observed(setup, observed, rest, now_us),
        settled=settled,
        going=tuple(going),
        settlements=tuple(settlements),
        progress=tuple(progress),
    )


def explain(cleared: Cleared, decision: Decision, now_us: int) -> Decision:
    """Return a decision on the rest of a lot as one on the whole of it, orders told of."""
    setup, going = cleared.setup, cleared.going
    if not setup.releases and not cleared.settlements:
        return decision
    places = dict(decision.items)
    for where in going:
        places[where.item.id] = ItemCustody.MOVING, where.zone_id
    for settlement in cleared.settlements:
        for item in settlement.items:
            places[item] = ItemCustody.RELEASED, settlement.release.zone_id
    orders = [*setup.releases, *(each.release for each in cleared.settlements)]
    facts = tuple(
        _told(fact, orders, now_us)
        for fact in decision.facts
        if not _was_allowed(fact, places, orders)
    )
    state = _lighter(cleared, decision.state, now_us)
    if going:
        state = _moving(cleared, state)
    detail: dict[str, object] = {
        **state.detail,
        "facts": {fact.key: fact.grave for fact in facts},
        "texts": [fact.text for fact in facts],
    }
    if not facts:
        detail.pop("texts")
    if setup.releases:
        detail["releases"] = sorted(str(each.id) for each in setup.releases)
    if going:
        detail["moving"] = sorted(where.item.name for where in going)
    return Decision(state=replace(state, detail=detail), items=places, facts=facts)


def _without(
    setup: LotSetup, items: set[ItemId], mass_g: int, releases: set[ReleaseId]
) -> LotSetup:
    if not items and not mass_g and not releases:
        return setup
    kept: tuple[ItemSetup, ...] = tuple(item for item in setup.items if item.id not in items)
    return replace(
        setup,
        items=kept,
        pledged_mass_g=max(0, setup.pledged_mass_g - mass_g),
        releases=tuple(each for each in setup.releases if each.id not in releases),
    )


def _progress(release: Release, gone: Sequence[Whereabouts]) -> Progress | None:
    going = tuple(sorted(where.item.id for where in gone))
    if going == tuple(sorted(release.going)):
        return None
    mass_g = sum(where.item.net_mass_g for where in gone)
    return Progress(release_id=release.id, going=going, mass_g=mass_g)


def _observed(setup: LotSetup, observed: Observed, rest: LotSetup, now_us: int) -> Observed:
    """Return what is observed, without what an order explains beside the goods themselves.

    A door that was opened in its time; and where a tracker is, once the whole lot may leave.
    """
    items = {item.id for item in rest.items}
    sights = [sight for sight in observed.sights if sight.item_id in items]
    sensors = dict(observed.sensors)
    for binding in setup.bound(Purpose.DOOR):
        state = sensors.get(binding.key)
        opened = None if state is None else state.opened
        if state is not None and opened is not None and _is_during(setup, opened.made_us):
            sensors[binding.key] = replace(state, opened=None)
    memory = observed.memory
    if any(_covers_all(setup, each) and _lasts(each, now_us) for each in setup.releases):
        memory = replace(memory, fences={})
    return replace(observed, sensors=sensors, sights=sights, memory=memory)


def _is_during(setup: LotSetup, at_us: int) -> bool:
    return any(_lasts(release, at_us) for release in setup.releases)


def _lasts(release: Release, at_us: int) -> bool:
    return release.begin_us - EARLY_US <= at_us < release.end_us + FINISH_US


def _covers_all(setup: LotSetup, release: Release) -> bool:
    if release.items:
        return {item.id for item in setup.items} <= release.items
    return release.mass_g >= expected_net_g(setup)


def _lighter(cleared: Cleared, state: LotState, now_us: int) -> LotState:
    """Return a state in which weight that may go has gone before its tags are missed."""
    setup = cleared.setup
    scales = setup.bound(Purpose.LOAD)
    allowed_g = int(let_go_g(setup, np.array([now_us], dtype=np.int64))[0])
    if len(scales) != 1 or allowed_g == 0 or state.measured_mass_g is None:
        return state
    gross_g = last_gross_g(scales[0], cleared.observed.sensors, now_us)
    least_g = full_gross_g(setup, scales[0]) - scales[0].tolerance_mass_g
    if gross_g is None or gross_g >= least_g:
        return state
    tare_g = full_gross_g(setup, scales[0]) - expected_net_g(setup)
    step_g = max(STEP_G, scales[0].tolerance_mass_g // 4)
    net_g = max(0, int(gross_g) - tare_g - scales[0].tolerance_mass_g) // step_g * step_g
    return replace(state, measured_mass_g=min(state.measured_mass_g, net_g))


def _moving(cleared: Cleared, state: LotState) -> LotState:
    """Return a state of a lot of which something is under way by order."""
    if not cleared.setup.items and not cleared.setup.bound(Purpose.LOAD):
        # Nothing is left that could be counted, and nothing is expected.
        return replace(
            state,
            custody=Custody.MOVING,
            quantity=QuantityState.WHOLE,
            short_mass_g=0,
            measured_mass_g=0,
            evaluated=True,
        )
    return replace(state, custody=Custody.MOVING) if state.custody is Custody.IN_ZONE else state


def _told(fact: Fact, orders: Sequence[Release], now_us: int) -> Fact:
    """Return a finding about goods, with what orders let go, and until when."""
    if fact.kind not in _MOVED:
        return fact
    told = [_words(each) for each in orders if each.begin_us - EARLY_US <= now_us]
    return replace(fact, text=f"{fact.text}; beyond {', '.join(told)}") if told else fact


def _was_allowed(fact: Fact, places: Places, orders: Sequence[Release]) -> bool:
    """Return whether a finding is of an item that was away by order, and is back."""
    if fact.kind not in (FactKind.ITEM_MISSING, FactKind.ITEM_RELOCATED) or fact.began_us is None:
        return False
    began_us = fact.began_us
    named = {
        item
        for each in orders
        if each.begin_us - EARLY_US <= began_us <= each.end_us
        for item in (each.items or places.keys())
    }
    back = {item for item in named if places.get(item, _NOWHERE)[0] is ItemCustody.IN_ZONE}
    return any(fact.key.startswith(f"item:{item}:") for item in back)


def _words(release: Release) -> str:
    what = f"{release.mass_g / 1_000:.0f} kg"
    if release.items:
        what = "one item" if len(release.items) == 1 else f"{len(release.items)} items"
    end = datetime_of(release.end_us).strftime("%Y-%m-%d %H:%M UTC")
    return f"release order {release.id} ({what}, until {end})"
