"""What is against a step of a pledge of movable goods: one function for each guard. Pure.

With ``values`` None a guard says what holds whatever is asked for: so a page knows which steps are
worth offering.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from backend.applications.rules.certificate import measured, priced
from backend.applications.rules.fields import goods_commodities, lots, number
from backend.applications.rules.machine import Guard
from backend.applications.types.machine import Seat, Values
from backend.applications.types.movable import LotSeen, MovableFacts
from backend.facility.rules.money import decide_drawdown, exposure_minor
from backend.facility.types import DrawdownState, Reason, Refuse
from backend.money import Minor

Found = Sequence[Reason]
_LIVE: Final = (DrawdownState.REQUESTED, DrawdownState.PENDING, DrawdownState.DISBURSED)


def lots_suit(facts: MovableFacts, values: Values | None) -> Found:
    """Find lots that are unknown here, another's, of other goods, pledged, or applied with."""
    if values is None:
        return ()
    seen = {lot.facts.lot_id: lot for lot in facts.lots}
    found: list[Reason] = []
    for lot_id in lots(values, "lots"):
        lot = seen.get(lot_id)
        if lot is None:
            found.append(
                Reason(code="LOT_UNKNOWN", detail=f"there is no lot {lot_id} at your sites")
            )
        else:
            found += [Reason(code="LOT_UNSUITED", detail=why) for why in _unsuited(facts, lot)]
    return found


def _unsuited(facts: MovableFacts, lot: LotSeen) -> Sequence[str]:
    name, seats = lot.facts.name, facts.application.seats
    asked = goods_commodities(facts.application.asked)
    faults = (
        (lot.owner_party != seats[Seat.BORROWER], "is not the borrower's"),
        (lot.keeper_party != seats[Seat.LOGISTICS], "is not kept by you"),
        (
            lot.commodity_id not in asked,
            f"is {lot.commodity_id}, applied for were {', '.join(sorted(asked))}",
        ),
        (lot.pledged, "is pledged already"),
        (lot.elsewhere is not None, f"is in application {lot.elsewhere} already"),
        (lot.facts.pledged_mass_g <= 0, "has nothing left in it"),
    )
    return [f"{name} {why}" for wrong, why in faults if wrong]


def goods_measured(facts: MovableFacts, values: Values | None) -> Found:
    """Find what keeps the sensors' word on the goods from being believed now."""
    return measured(facts.lots, facts.now)


def goods_priced(facts: MovableFacts, values: Values | None) -> Found:
    """Find what keeps the goods from being valued now."""
    return priced(facts.values)


def certificate_valid(facts: MovableFacts, values: Values | None) -> Found:
    """Find that the certificate is missing or over."""
    certificate = facts.certificate
    if certificate is None:
        return (Reason(code="NO_CERTIFICATE", detail="there is no value certificate"),)
    if facts.now >= certificate.valid_until:
        until = certificate.valid_until.isoformat()
        detail = f"the value certificate was valid until {until}: the borrower certifies anew"
        return (Reason(code="CERTIFICATE_OVER", detail=detail),)
    return ()


def limit_covered(facts: MovableFacts, values: Values | None) -> Found:
    """Find that the limit is more than was asked for, or than may be lent against the goods."""
    if values is None or facts.certificate is None:
        return ()
    limit = number(values, "limit_minor")
    bounds = (
        ("OVER_ASKED", "applied for", facts.application.amount_minor),
        ("OVER_LENDABLE", "certified as lendable", facts.certificate.lendable_minor),
    )
    return [
        Reason(
            code=code,
            detail=f"limit_minor is {limit}, must be at most {bound} as {what}",
            numbers={"limit_minor": limit, "bound_minor": bound},
        )
        for code, what, bound in bounds
        if limit > bound
    ]


def lines_in_order(facts: MovableFacts, values: Values | None) -> Found:
    """Find that the lines are in no order."""
    if values is None:
        return ()
    warning, call, liquidation = (
        number(values, name)
        for name in ("warning_line_bps", "call_line_bps", "liquidation_line_bps")
    )
    if warning >= call >= liquidation:
        return ()
    return (
        Reason(
            code="LINES",
            detail=f"the lines are {warning}, {call} and {liquidation} bps, must fall",
            numbers={"warning_bps": warning, "call_bps": call, "liquidation_bps": liquidation},
        ),
    )


def pledge_proposed(facts: MovableFacts, values: Values | None) -> Found:
    """Find that the pledge is not as the borrower proposed it any more."""
    if facts.pledge_state == "proposed":
        return ()
    detail = f"the pledge is {facts.pledge_state or 'not there'}, must be proposed"
    return (Reason(code="PLEDGE_STATE", detail=detail),)


def no_drawdown_waits(facts: MovableFacts, values: Values | None) -> Found:
    """Find that a drawdown is under way already."""
    drawdown = facts.drawdown
    if drawdown is None or drawdown.state not in _LIVE:
        return ()
    return (
        Reason(
            code="DRAWDOWN_WAITS",
            detail=f"drawdown {drawdown.id} of {drawdown.amount_minor} is"
            f" {drawdown.state.value} already",
            numbers={"amount_minor": drawdown.amount_minor},
        ),
    )


def facility_lets(facts: MovableFacts, values: Values | None) -> Found:
    """Find what the facility has against a drawdown: its locks, its limit, its base."""
    standing = facts.standing
    if standing is None:
        return (Reason(code="NO_FACILITY", detail="there is no facility"),)
    amount = Minor(1 if values is None else number(values, "amount_minor"))
    facility = standing.holding.facility
    decision = decide_drawdown(facility, standing.position, standing.locks, amount)
    return decision.reasons if isinstance(decision, Refuse) else ()


def drawdown_stands(facts: MovableFacts, values: Values | None) -> Found:
    """Find that the drawdown has ended without money."""
    drawdown = facts.drawdown
    if drawdown is not None and drawdown.state in _LIVE:
        return ()
    state = "not there" if drawdown is None else drawdown.state.value
    why = () if drawdown is None else drawdown.reasons
    detail = f"the drawdown is {state}: the borrower asks anew"
    return (Reason(code="DRAWDOWN_OVER", detail=detail), *why)


def nothing_owed(facts: MovableFacts, values: Values | None) -> Found:
    """Find what is owed or promised still."""
    standing = facts.standing
    if standing is None:
        return ()
    facility = standing.holding.facility
    owed = exposure_minor(facility)
    promised = sum(each.amount_minor for each in standing.holding.pending)
    if owed + promised == 0:
        late = "days are over whose interest is not booked yet: it is in a moment"
        return (Reason(code="UNBOOKED", detail=late),) if facts.unbooked else ()
    return (
        Reason(
            code="OWED",
            detail=f"{owed} {facility.currency} minor units are owed and {promised} promised,"
            " must be 0",
            numbers={"owed_minor": owed, "promised_minor": promised},
        ),
    )


def something_owed(facts: MovableFacts, values: Values | None) -> Found:
    """Find that there is nothing to repay."""
    if facts.standing is not None and exposure_minor(facts.standing.holding.facility) > 0:
        return ()
    return (Reason(code="NOTHING_OWED", detail="nothing is owed any more"),)


GUARDS: Final[Mapping[str, Guard[MovableFacts]]] = {
    guard.__name__: guard
    for guard in (
        lots_suit,
        goods_measured,
        goods_priced,
        certificate_valid,
        limit_covered,
        lines_in_order,
        pledge_proposed,
        no_drawdown_waits,
        facility_lets,
        drawdown_stands,
        nothing_owed,
        something_owed,
    )
}
