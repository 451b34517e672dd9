"""The book of each facility: what happens to its money, as entries of the journal.

Called in the transaction of whatever happens, with the facility held. What the facility's row says
is owed follows the entries by the database's own hand; nothing else may write it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final
from uuid import UUID

import structlog

from backend.db import Conn
from backend.facility.rules.waterfall import Part
from backend.facility.types import Facility, Split
from backend.ids import DrawdownId, FacilityId, JournalAccountId
from backend.journal import service as journal
from backend.journal.errors import JournalRefusedError
from backend.journal.rules import account_id_of
from backend.journal.types import Booked, Leg, Side, Step, Transfer
from backend.money import Minor

log = structlog.get_logger()


class Kind(StrEnum):
    """Accounts of a book; 0024_books.sql opens a facility's, the settlement centre RETURNING."""

    PRINCIPAL = "principal"
    INTEREST = "interest"
    FEES = "fees"
    PENALTY = "penalty"
    CLEARING = "clearing"
    BANK = "bank"
    UNALLOCATED_IN = "unallocated_in"
    UNALLOCATED_OUT = "unallocated_out"
    RETURNING = "returning"
    SURPLUS = "surplus"
    INTEREST_INCOME = "interest_income"
    FEE_INCOME = "fee_income"
    PENALTY_INCOME = "penalty_income"
    LOSS = "loss"
    OPENING = "opening"


# An account of the facility's own book, or any other one by its id.
Place = Kind | JournalAccountId
RECEIVABLE: Final = {
    Part.PENALTY: Kind.PENALTY,
    Part.FEE: Kind.FEES,
    Part.INTEREST: Kind.INTEREST,
    Part.PRINCIPAL: Kind.PRINCIPAL,
}
_INCOME: Final = {
    Part.PENALTY: Kind.PENALTY_INCOME,
    Part.FEE: Kind.FEE_INCOME,
    Part.INTEREST: Kind.INTEREST_INCOME,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Under which id, when and by whom something is booked.

    ``scope`` is whose id it is; None: the facility's own book, for ids that the rules make.
    """

    id: UUID
    at: datetime
    actor: str
    scope: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """So much more is owed of a part, and earned."""

    facility: Facility
    stamp: Stamp
    part: Part
    amount_minor: Minor
    what: str


def derived_id(of: UUID, step: str) -> UUID:
    """Return the id of a step that is taken once for something that has an id."""
    return UUID(bytes=sha256(of.bytes + step.encode()).digest()[:16])


def promise(
    conn: Conn, facility: Facility, stamp: Stamp, amount_minor: Minor, expires_at: datetime
) -> None:
    """Reserve a drawdown: it counts from now on; ``stamp.id`` is the drawdown's."""
    legs = _legs(facility, [(Kind.PRINCIPAL, amount_minor)], [(Kind.CLEARING, amount_minor)])
    transfer = Transfer(
        scope=stamp.scope or facility.id,
        id=stamp.id,
        step=Step.RESERVE,
        what="drawdown promised",
        legs=legs,
        expires_at=expires_at,
    )
    journal.take_all(conn, [transfer], at=stamp.at, actor=stamp.actor)


def disburse(
    conn: Conn, facility: Facility, drawdown_id: DrawdownId, at: datetime, actor: str
) -> None:
    """Turn a promise into money that is owed.

    Raises:
        JournalRefusedError: It has ended, or its time is over.
    """
    transfer = Transfer(
        scope=facility.id,
        id=derived_id(drawdown_id, "disbursed"),
        step=Step.SETTLE,
        what="drawdown disbursed",
        of_id=drawdown_id,
    )
    journal.take_all(conn, [transfer], at=at, actor=actor)


def release(
    conn: Conn, facility_id: FacilityId, drawdown_id: DrawdownId, at: datetime, actor: str
) -> None:
    """End a promise without money. Never refused, because it is safer; what is amiss is logged."""
    transfer = Transfer(
        scope=facility_id,
        id=derived_id(drawdown_id, "released"),
        step=Step.VOID,
        what="drawdown voided or expired",
        of_id=drawdown_id,
    )
    try:
        journal.take_all(conn, [transfer], at=at, actor=actor)
    except JournalRefusedError as error:
        log.exception("promise_not_released", drawdown_id=str(drawdown_id), why=error.why)


def pay_out(conn: Conn, facility: Facility, stamp: Stamp, amount_minor: Minor, what: str) -> None:
    """Book money that has left without a promise: it is owed, whatever was decided."""
    debits, credits = [(Kind.PRINCIPAL, amount_minor)], [(Kind.CLEARING, amount_minor)]
    _post(conn, facility, stamp, what, _legs(facility, debits, credits))


def repay(
    conn: Conn,
    facility: Facility,
    stamp: Stamp,
    split: Split,
    source: Place = Kind.CLEARING,
    what: str = "repaid",
) -> None:
    """Take what came back off what is owed; the surplus is the borrower's from now on.

    ``source``: where the money is taken from; what a party declares, from clearing.
    """
    paid = [
        (Kind.PENALTY, split.penalty_minor),
        (Kind.FEES, split.fees_minor),
        (Kind.INTEREST, split.interest_minor),
        (Kind.PRINCIPAL, split.principal_minor),
        (Kind.SURPLUS, split.surplus_minor),
    ]
    total = Minor(sum(amount for _, amount in paid))
    _post(conn, facility, stamp, what, _legs(facility, [(source, total)], paid))


def charge(conn: Conn, charges: Sequence[Charge]) -> Sequence[Booked]:
    """Book interest, fees and penalties of any number of facilities, at once."""
    if not charges:
        return []
    transfers = [
        Transfer(
            scope=each.stamp.scope or each.facility.id,
            id=each.stamp.id,
            step=Step.POST,
            what=each.what,
            legs=_legs(
                each.facility,
                [(RECEIVABLE[each.part], each.amount_minor)],
                [(_INCOME[each.part], each.amount_minor)],
            ),
        )
        for each in charges
    ]
    stamp = charges[0].stamp
    return journal.take_all(conn, transfers, at=stamp.at, actor=stamp.actor)


def write_off(
    conn: Conn, facility: Facility, stamp: Stamp, parts: Mapping[Part, Minor], what: str
) -> None:
    """Give up what will not be paid: a loss.

    Raises:
        JournalRefusedError: More than is owed of a part.
    """
    given_up = [(RECEIVABLE[part], amount) for part, amount in parts.items()]
    total = Minor(sum(amount for _, amount in given_up))
    _post(conn, facility, stamp, what, _legs(facility, [(Kind.LOSS, total)], given_up))


def move(
    conn: Conn,
    facility: Facility,
    stamp: Stamp,
    amounts: tuple[Place, Place, Minor],
    what: str,
) -> None:
    """Move an amount: debit the first account, credit the second."""
    debit, credit, amount_minor = amounts
    legs = _legs(facility, [(debit, amount_minor)], [(credit, amount_minor)])
    _post(conn, facility, stamp, what, legs)


def reverse(conn: Conn, facility_id: FacilityId, of_id: UUID, stamp: Stamp, what: str) -> None:
    """Undo a posting by its opposite, once.

    Raises:
        JournalRefusedError: It is none, was undone, or what it brought has been used since.
    """
    transfer = Transfer(
        scope=stamp.scope or facility_id, id=stamp.id, step=Step.REVERSE, what=what, of_id=of_id
    )
    journal.take_all(conn, [transfer], at=stamp.at, actor=stamp.actor)


def _post(conn: Conn, facility: Facility, stamp: Stamp, what: str, legs: tuple[Leg, ...]) -> None:
    transfer = Transfer(
        scope=stamp.scope or facility.id, id=stamp.id, step=Step.POST, what=what, legs=legs
    )
    journal.take_all(conn, [transfer], at=stamp.at, actor=stamp.actor)


def _legs(
    facility: Facility,
    debits: Sequence[tuple[Place, Minor]],
    credits: Sequence[tuple[Place, Minor]],
) -> tuple[Leg, ...]:
    """Return legs on a facility's accounts; nothing of what is zero."""
    return tuple(
        Leg(
            account_id=account_id_of(facility.id, facility.currency, place.value)
            if isinstance(place, Kind)
            else place,
            side=side,
            amount_minor=amount_minor,
        )
        for side, amounts in ((Side.DEBIT, debits), (Side.CREDIT, credits))
        for place, amount_minor in amounts
        if amount_minor
    )
