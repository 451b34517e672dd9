"""What people counted, beside what sensors say: it lasts some days, and never makes more. Pure.

A stock-take that finds an item answers for a dead tag; one that does not find it says that it is
gone, until a reader sees it. Newer word of a sensor is stronger than an older count.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from backend.collateral.rules.load import expected_net_g
from backend.collateral.rules.presence import GRAVE_LOG_ODDS, PRIOR_LOG_ODDS, Whereabouts
from backend.collateral.types import (
    Decision,
    Evidence,
    Fact,
    FactKind,
    ItemCustody,
    LotSetup,
    QuantityState,
)
from backend.ids import GatewayId
from backend.telemetry.types import datetime_of

# Between two inspections of a warehouse; a lender that inspects monthly has them more often here.
COUNT_US_MAX: Final = 7 * 86_400_000_000


def as_counted(setup: LotSetup, items: Sequence[Whereabouts], now_us: int) -> list[Whereabouts]:
    """Return where items are, by the newest count for those that no reader has seen since."""
    counts = setup.counts
    if not counts.found or now_us - counts.at_us > COUNT_US_MAX:
        return list(items)
    return [
        where
        if where.item.id not in counts.found or _is_seen_since(where, counts.at_us)
        else _by_hand(setup, where, found=counts.found[where.item.id])
        for where in items
    ]


def _is_seen_since(where: Whereabouts, at_us: int) -> bool:
    return where.sight is not None and where.sight.made_us > at_us


def _by_hand(setup: LotSetup, where: Whereabouts, *, found: bool) -> Whereabouts:
    """Return an item as it was counted; what another zone's reader sees stays there."""
    if where.custody is ItemCustody.RELOCATED:
        return where
    at_us = setup.counts.at_us
    if found:
        return replace(
            where,
            custody=ItemCustody.IN_ZONE,
            zone_id=setup.zone_id,
            log_odds=PRIOR_LOG_ODDS,
            since_us=at_us,
            together=0,
            all_silent=False,
        )
    return replace(
        where,
        custody=ItemCustody.MISSING,
        zone_id=None,
        log_odds=max(where.log_odds, GRAVE_LOG_ODDS),
        since_us=at_us if where.since_us is None else where.since_us,
    )


def weighed(setup: LotSetup, decision: Decision, now_us: int) -> Decision:
    """Return a decision in which a mass that was weighed by hand counts, where it is less.

    Where nothing else measures, it is what is measured.
    """
    mass = setup.counts.mass
    if mass is None or now_us - mass.at_us > COUNT_US_MAX:
        return decision
    state = decision.state
    expected_g = expected_net_g(setup)
    measured_g = min(mass.mass_g, expected_g)
    short_g = max(0, setup.pledged_mass_g - mass.mass_g)
    unknown = state.quantity is QuantityState.UNKNOWN
    if state.measured_mass_g is not None:
        measured_g = min(measured_g, state.measured_mass_g)
    facts = decision.facts
    detail = dict(state.detail)
    if short_g:
        fact = _short_fact(setup, short_g, mass.at_us)
        facts = (*facts, fact)
        detail["facts"] = {each.key: each.grave for each in facts}
        detail["texts"] = [each.text for each in facts]
    is_short = short_g > 0 or (not unknown and state.quantity is QuantityState.SHORT)
    state = replace(
        state,
        quantity=QuantityState.SHORT if is_short else QuantityState.WHOLE,
        short_mass_g=max(short_g, state.short_mass_g),
        measured_mass_g=measured_g,
        evaluated=state.evaluated or unknown,
        detail=detail,
    )
    return replace(decision, state=state, facts=facts)


def _short_fact(setup: LotSetup, short_g: int, at_us: int) -> Fact:
    at = datetime_of(at_us)
    text = f"{setup.name} is {short_g / 1_000:.0f} kg short by the stock-take of {at:%F}"
    return Fact(
        key="count:mass",
        kind=FactKind.LOAD_SHORT,
        grave=True,
        text=text,
        evidence=(
            Evidence(
                at=at,
                gateway=GatewayId("stock-take"),
                envelope_number=None,
                sensor="stock-take",
                quantity=None,
                value=None,
                text=text,
                expected=f"{setup.pledged_mass_g / 1_000:.0f} kg",
            ),
        ),
        began_us=at_us,
    )
