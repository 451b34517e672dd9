"""Where the money of a line belongs, or why a person must say. Pure.

Certain or not at all: a reference that is there and wrong is never overruled by something weaker,
and two answers are none.
"""

from collections.abc import Sequence
from uuid import UUID

from backend.ids import FacilityId
from backend.settlement.rules.references import compact, is_reference, references_in
from backend.settlement.types import (
    BankLine,
    Confirms,
    Decision,
    Declared,
    Direction,
    Disburses,
    Line,
    Promised,
    Repays,
    Returns,
    StatementLineState,
    Target,
    Unclear,
    Undoes,
    Why,
)

_DISBURSED = "disbursed"
_PENDING = "pending"


def decide_credit(
    line: BankLine,
    dedicated_to: FacilityId | None,
    targets: Sequence[Target],
    declared: Declared | None,
) -> Decision:
    """Return whose money came in.

    First what a party said it paid; then the structured reference, the end-to-end identification,
    references in free text; last the account, if it is one facility's.
    """
    if declared is not None and not declared.confirmed:
        if declared.amount_minor == line.amount_minor:
            return Confirms(facility_id=declared.facility_id, repayment_id=declared.repayment_id)
        detail = f"{line.amount_minor} came, {declared.amount_minor} was declared"
        return Unclear(why=Why.AMOUNT_DIFFERS, detail=detail)
    named, wrong = _references(line)
    if wrong:
        return Unclear(why=Why.BAD_REFERENCE, detail=f"{wrong} has wrong check digits")
    found = [target for target in targets if target.reference in named]
    if named and not found:
        detail = f"no facility has {', '.join(sorted(named))}"
        return Unclear(why=Why.UNKNOWN_REFERENCE, detail=detail)
    if not named:
        found = [target for target in targets if target.facility_id == dedicated_to]
    if not found:
        detail = "nothing on it says what it is for"
        return Unclear(why=Why.NO_REFERENCE, detail=detail)
    if len(found) > 1:
        detail = f"{len(found)} facilities may be meant"
        return Unclear(why=Why.AMBIGUOUS, detail=detail)
    target = found[0]
    if dedicated_to is not None and target.facility_id != dedicated_to:
        detail = "the reference names another facility than the account's own"
        return Unclear(why=Why.AMBIGUOUS, detail=detail)
    return check_target(line, target) or Repays(facility_id=target.facility_id)


def check_target(line: BankLine, target: Target) -> Unclear | None:
    """Return why a facility can not take a line's money; None: it can."""
    if target.currency != line.currency:
        detail = f"{line.currency} came, the facility is in {target.currency}"
        return Unclear(why=Why.CURRENCY_DIFFERS, detail=detail)
    if not target.open:
        return Unclear(why=Why.FACILITY_CLOSED, detail="the facility is closed")
    return None


def decide_debit(line: BankLine, promised: Promised | None, returning: Line | None) -> Decision:
    """Return what was paid out."""
    if returning is not None:
        if returning.state is StatementLineState.RETURNING and _same_money(returning.line, line):
            return Returns(line_id=returning.id)
        return Unclear(why=Why.AMOUNT_DIFFERS, detail="it is not what was to be sent back")
    if promised is None:
        return Unclear(why=Why.NO_REFERENCE, detail="no drawdown is named on it")
    if promised.currency != line.currency:
        detail = f"{line.currency} went, the facility is in {promised.currency}"
        return Unclear(why=Why.CURRENCY_DIFFERS, detail=detail)
    if promised.amount_minor != line.amount_minor:
        detail = f"{line.amount_minor} went, the drawdown is of {promised.amount_minor}"
        return Unclear(why=Why.AMOUNT_DIFFERS, detail=detail)
    if promised.confirmed:
        return Unclear(why=Why.NO_PROMISE, detail="another line was this drawdown's already")
    pays_now = promised.state == _PENDING and not promised.expired
    if not pays_now and promised.state != _DISBURSED:
        state = "expired" if promised.state == _PENDING else promised.state
        return Unclear(why=Why.NO_PROMISE, detail=f"the drawdown is {state}")
    return Disburses(
        facility_id=promised.facility_id, drawdown_id=promised.drawdown_id, first=pays_now
    )


def decide_reversal(line: BankLine, earlier: Sequence[Line]) -> Decision:
    """Return which line the bank takes back: of the other direction, the same money and names."""
    found = [
        each
        for each in earlier
        if not each.line.is_reversal
        and each.line.direction is not line.direction
        and each.state in (StatementLineState.MATCHED, StatementLineState.EXCEPTION)
        and (each.line.amount_minor, each.line.currency) == (line.amount_minor, line.currency)
        and _same_names(each.line, line)
    ]
    if not found:
        return Unclear(why=Why.NO_ORIGINAL, detail="no line is there that it takes back")
    if len(found) > 1:
        detail = f"{len(found)} lines may be what it takes back"
        return Unclear(why=Why.AMBIGUOUS, detail=detail)
    if found[0].line.direction is Direction.DEBIT:
        detail = f"a payment of {line.amount_minor} came back"
        return Unclear(why=Why.DISBURSEMENT_RETURNED, detail=detail)
    return Undoes(line_id=found[0].id)


def line_key(account_id: UUID, line: BankLine) -> bytes:
    """Return what a line's id is made of: the account, the bank's name of the entry, the part."""
    return account_id.bytes + line.part.to_bytes(4) + line.entry_key.encode()


def _references(line: BankLine) -> tuple[frozenset[str], str]:
    """Return the references of the strongest kind that is there, and a wrong one."""
    structured = compact(line.reference)
    if structured.startswith("RF"):
        return (
            (frozenset({structured}), "")
            if is_reference(structured)
            else (frozenset(), structured)
        )
    named = compact(line.end_to_end_id)
    if is_reference(named):
        return frozenset({named}), ""
    return references_in(line.remittance), ""


def _same_money(one: BankLine, other: BankLine) -> bool:
    return (one.amount_minor, one.currency) == (other.amount_minor, other.currency)


def _same_names(one: BankLine, other: BankLine) -> bool:
    """Tell whether two lines name the same payment: by the bank's name of it, or the payer's."""
    if one.entry_key and other.entry_key.removeprefix("reversal ") == one.entry_key:
        return one.part == other.part
    names = (one.end_to_end_id, compact(one.reference))
    return any(names) and names == (other.end_to_end_id, compact(other.reference))
