"""A statement from what was recorded. Pure: the same rows always say the same."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from backend.exports.types import (
    CallLine,
    LockLine,
    Past,
    Statement,
    Step,
    ValuedBase,
    WaitingLine,
)
from backend.facility.rules.money import decide_position
from backend.facility.types import Facility, Lines, LineStanding, LineState
from backend.ids import FacilityId, PartyId
from backend.money import BPS, Minor
from backend.valuation.types import Deduction, EvidenceKind, EvidenceRef, Stage

LINKS_MAX: Final = 12  # Of a step; all of them are in the JSON.
_WAITING: Final = ("requested", "pending")
_CALLS: Final = ("open", "liquidatable", "defaulted")
_TITLES: Final = {
    Stage.INELIGIBLE: "Accepted and eligible",
    Stage.CONDITION: "Collateral value",
    Stage.HAIRCUT: "Lendable",
    Stage.CONCENTRATION: "Within the limits of concentration",
    Stage.RESERVE: "Borrowing base",
}


def statement_of(past: Past, names: tuple[str, str], valued: ValuedBase | None) -> Statement:
    """Return what the rows of one moment say together.

    Args:
        past: The rows.
        names: Of the lender and the borrower.
        valued: The valuation that the standing names.
    """
    facility = _facility(past)
    waiting = tuple(
        WaitingLine(
            id=UUID(row["id"]),
            amount_minor=Minor(row["amount_minor"]),
            state=row["state"],
            requested_at=_time(row["requested_at"]),
            expires_at=_time_or_none(row["expires_at"]),
        )
        for row in past.drawdowns
        if row["state"] in _WAITING
    )
    pending = sum(line.amount_minor for line in waiting if line.state == "pending")
    base = Minor(0) if valued is None else valued.base.base_minor
    position = decide_position(facility, base, Minor(pending))
    locks = tuple(
        LockLine(
            reason=row["reason"],
            detail=row["detail"],
            opened_at=_time(row["opened_at"]),
            opened_by=row["opened_by"],
        )
        for row in past.locks
        if row["lifted_at"] is None
    )
    shut = bool(locks) or not facility.open or valued is None or valued.expires_at <= past.at
    return Statement(
        facility=facility,
        lender=names[0],
        borrower=names[1],
        at=past.at,
        recorded_at=past.recorded_at,
        number=past.number,
        valued=valued,
        position=position,
        drawable_minor=Minor(0 if shut else max(0, position.availability_minor)),
        locks=tuple(sorted(locks, key=lambda lock: (lock.opened_at, lock.reason))),
        waiting=tuple(sorted(waiting, key=lambda line: (line.requested_at, str(line.id)))),
        calls=tuple(_call(row) for row in past.calls if row["state"] in _CALLS),
    )


def steps_of(statement: Statement) -> tuple[Step, ...]:
    """Return the way from gross collateral down to availability, each line with its evidence."""
    steps: list[Step] = []
    valued, facility, position = statement.valued, statement.facility, statement.position
    if valued is not None:
        steps += _steps_to_base(valued)
    bound = min(position.limit_minor, position.base_minor)
    steps += [
        Step(kind="info", code="LIMIT", label="Limit", amount_minor=position.limit_minor),
        Step(kind="left", code="LOWER", label="The lower of both", amount_minor=bound),
    ]
    owed = (
        ("PRINCIPAL", "less principal", facility.principal_minor),
        ("INTEREST", "less interest", facility.interest_minor),
        ("FEES", "less fees", facility.fees_minor),
        ("PENALTY", "less penalties", facility.penalty_minor),
        ("PENDING", "less drawdowns promised and not paid out", position.pending_minor),
    )
    steps += [
        Step(kind="less", code=code, label=label, amount_minor=-amount)
        for code, label, amount in owed
        if amount or code == "PRINCIPAL"
    ]
    room = position.availability_minor
    steps.append(Step(kind="left", code="AVAILABILITY", label="Availability", amount_minor=room))
    drawable = statement.drawable_minor
    why = "locked" if statement.locks or not facility.open else "the valuation has expired"
    label = "Can be drawn" if drawable or room <= 0 else f"Can be drawn: {why}"
    steps.append(Step(kind="total", code="DRAWABLE", label=label, amount_minor=drawable))
    return tuple(steps)


def evidence_path(ref: EvidenceRef, facility_id: FacilityId) -> str:
    """Return the console's page of a piece of evidence."""
    match ref.kind:
        case EvidenceKind.LOT:
            return f"/lots/{ref.id}"
        case EvidenceKind.ALERT:
            return f"/alerts/{ref.id}"
        case EvidenceKind.STOCK_TAKE:
            return f"/stock-takes/{ref.id}"
        case EvidenceKind.PRICE:
            return "/market"
        case EvidenceKind.POLICY:
            return f"/facilities/{facility_id}"


def _steps_to_base(valued: ValuedBase) -> list[Step]:
    base = valued.base
    steps = [
        Step(
            kind="start",
            code="GROSS",
            label="Gross collateral: all that is pledged, whole and sound",
            amount_minor=base.gross_minor,
        )
    ]
    left = int(base.gross_minor)
    names = {str(lot.lot_id): lot.name for lot in valued.lots}
    for stage in Stage:
        lines = [line for line in base.lines if line.stage is stage]
        steps += [_less(line, names) for line in lines]
        left -= sum(line.amount_minor for line in lines)
        if lines or stage is Stage.RESERVE:
            code = stage.value.upper()
            steps.append(Step(kind="left", code=code, label=_TITLES[stage], amount_minor=left))
    return steps


def _less(line: Deduction, names: Mapping[str, str]) -> Step:
    links = tuple(
        (_link_text(ref, names), f"{ref.kind.value}:{ref.id}") for ref in line.evidence[:LINKS_MAX]
    )
    return Step(
        kind="less",
        code=line.code.value,
        label=line.detail,
        amount_minor=-line.amount_minor,
        links=links,
    )


def _link_text(ref: EvidenceRef, names: Mapping[str, str]) -> str:
    match ref.kind:
        case EvidenceKind.LOT:
            return names.get(ref.id, "lot")
        case EvidenceKind.PRICE:
            return ref.id.replace("@", " ")
        case EvidenceKind.POLICY:
            return f"policy {ref.id}"
        case EvidenceKind.ALERT | EvidenceKind.STOCK_TAKE:
            return ref.kind.value.replace("_", " ")


def _call(row: Mapping[str, Any]) -> CallLine:
    return CallLine(
        opened_at=_time(row["opened_at"]),
        deadline_at=_time(row["deadline_at"]),
        state=row["state"],
        cash_minor=Minor(row["cash_minor"]),
        collateral_minor=Minor(row["collateral_minor"]),
    )


def _facility(past: Past) -> Facility:
    """Return the facility; what it had no column for then is as it was before the column."""
    terms, standing = past.terms, past.standing
    recovering = standing.get("recovering_to")
    return Facility(
        id=past.facility_id,
        name=terms["name"],
        lender_party=PartyId(UUID(terms["lender_party"])),
        borrower_party=PartyId(UUID(terms["borrower_party"])),
        currency=terms["currency"],
        limit_minor=Minor(terms["limit_minor"]),
        principal_minor=Minor(terms["principal_minor"]),
        interest_minor=Minor(terms["interest_minor"]),
        fees_minor=Minor(terms["fees_minor"]),
        penalty_minor=Minor(terms.get("penalty_minor", 0)),
        reserve_minor=Minor(terms["reserve_minor"]),
        lines=Lines(
            warning_bps=terms["warning_line_bps"],
            call_bps=terms["call_line_bps"],
            liquidation_bps=terms["liquidation_line_bps"],
            recovery_margin_bps=terms["recovery_margin_bps"],
            recovery_valuations=terms["recovery_valuations"],
        ),
        standing=LineStanding(
            state=LineState(standing["line_state"]),
            recovered_valuations=standing["recovered_valuations"],
            recovering_to=None if recovering is None else LineState(recovering),
        ),
        cure_by=_time_or_none(standing["cure_by"]),
        cure_hours=terms["cure_hours"],
        valuation_ttl_s=terms["valuation_ttl_s"],
        liquidation_horizon_days=terms["liquidation_horizon_days"],
        open=terms["state"] == "open",
    )


def advance_bps(line_value: Minor, lendable: Minor) -> int:
    """Return which share of a value may be lent, rounded down."""
    return 0 if line_value == 0 else lendable * BPS // line_value


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _time_or_none(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
