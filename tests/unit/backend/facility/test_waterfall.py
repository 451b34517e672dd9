"""The waterfall over generated debts: every cent has one place."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import InvalidError
from backend.facility.rules.waterfall import PART_FIRST, TIME_FIRST, Claim, Waterfall, pour
from backend.ids import PartyId
from backend.money import Minor

LENDER, BORROWER = PartyId(UUID(int=1)), PartyId(UUID(int=2))
orders = st.one_of(
    st.sampled_from([TIME_FIRST, PART_FIRST]), st.permutations(TIME_FIRST).map(tuple)
)
debts = st.dictionaries(st.sampled_from(TIME_FIRST), st.integers(0, 10**12).map(Minor))


@given(amount=st.integers(0, 10**13).map(Minor), owed=debts, order=orders)
def test_every_cent_has_one_place(
    amount: Minor, owed: dict[Claim, Minor], order: tuple[Claim, ...]
) -> None:
    """Payments and rest add up; no claim gets more than it is; none before one that is ahead."""
    poured = pour(amount, owed, Waterfall(lender=LENDER, rest_to=BORROWER, order=order))

    paid = {payment.claim: payment.amount_minor for payment in poured.payments}
    assert sum(paid.values()) + poured.rest_minor == amount
    assert all(0 < amount <= owed[claim] for claim, amount in paid.items())
    assert {payment.to for payment in poured.payments} <= {LENDER}
    assert poured.rest_to == BORROWER
    open_claims = [claim for claim in order if owed.get(claim, 0) > paid.get(claim, 0)]
    if open_claims:
        assert poured.rest_minor == 0
        behind = order[order.index(open_claims[0]) + 1 :]
        assert not any(claim in paid for claim in behind)


def test_an_order_that_leaves_a_claim_out_is_refused() -> None:
    """What is in no order would never be paid."""
    with pytest.raises(InvalidError, match="twelve"):
        pour(Minor(1), {}, Waterfall(lender=LENDER, rest_to=BORROWER, order=TIME_FIRST[:-1]))
