"""The order in which money that comes in pays what is owed. Pure.

Everything owed stands in one of twelve claims: past due, due, or in advance; penalty, fee,
interest, or principal. Money pays the claims in an order that is agreed, each as far as it goes,
all of them the lender's; what is left belongs to the party named. Every cent has one place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Final

from backend.errors import InvalidError
from backend.ids import PartyId
from backend.money import Minor


class When(StrEnum):
    """By when something is to be paid, the most pressing first."""

    PAST_DUE = "past_due"
    DUE = "due"
    IN_ADVANCE = "in_advance"


class Part(StrEnum):
    """What something is owed for."""

    PENALTY = "penalty"
    FEE = "fee"
    INTEREST = "interest"
    PRINCIPAL = "principal"


Claim = tuple[When, Part]

# What is late first; then penalty, fee, interest and principal of each age.
TIME_FIRST: Final[tuple[Claim, ...]] = tuple(product(When, Part))
# All penalties first, then all fees, all interest, all principal; of each the late first.
PART_FIRST: Final[tuple[Claim, ...]] = tuple((when, part) for part in Part for when in When)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """So much of a claim is paid, to its creditor."""

    claim: Claim
    to: PartyId
    amount_minor: Minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Poured:
    """How money was spread: the payments, in order, and the rest with the party that it is of."""

    payments: tuple[Payment, ...]
    rest_minor: Minor
    rest_to: PartyId

    def of_part(self, part: Part) -> Minor:
        """Return what was paid of one part, of any age."""
        return Minor(sum(each.amount_minor for each in self.payments if each.claim[1] is part))


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall:
    """Who is paid in which order: ``lender`` for every claim, then ``rest_to``."""

    lender: PartyId
    rest_to: PartyId
    order: tuple[Claim, ...] = TIME_FIRST


def pour(amount_minor: Minor, owed: Mapping[Claim, Minor], waterfall: Waterfall) -> Poured:
    """Return how an amount pays what is owed; the payments and the rest add up to it.

    Raises:
        InvalidError: The amount or a claim is below zero, or the order leaves one out.
    """
    check_order(waterfall.order)
    if amount_minor < 0:
        raise InvalidError("amount_minor", amount_minor, "at least 0")
    rest = int(amount_minor)
    payments: list[Payment] = []
    for claim in waterfall.order:
        due = owed.get(claim, 0)
        if due < 0:
            raise InvalidError("_".join(claim), due, "at least 0")
        paid = min(rest, due)
        if paid:
            payments.append(Payment(claim=claim, to=waterfall.lender, amount_minor=Minor(paid)))
        rest -= paid
    return Poured(payments=tuple(payments), rest_minor=Minor(rest), rest_to=waterfall.rest_to)


def check_order(order: Sequence[Claim]) -> None:
    """Make sure that an order names each claim once: one left out would never be paid.

    Raises:
        InvalidError: It does not.
    """
    if sorted(order) != sorted(TIME_FIRST):
        shown = " ".join("_".join(claim) for claim in order)
        raise InvalidError("order", shown, "each of the twelve claims once")
