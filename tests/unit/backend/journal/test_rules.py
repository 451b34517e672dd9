"""Generated books against a simple model: balanced, never below zero, each reserve ends once."""

import os
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from backend.ids import JournalAccountId, PartyId, TransferKey
from backend.journal.rules import (
    account_id_of,
    add_entries,
    body_sha256,
    decide_batch,
    entries_of,
    key_of,
    room_minor,
)
from backend.journal.types import (
    ENDS,
    Account,
    Book,
    Booked,
    Leg,
    Refusal,
    Side,
    Step,
    Transfer,
    Why,
)
from backend.money import Minor
from tests.builders import NOW

STEPS = int(os.environ.get("JOURNAL_STEPS", "25"))  # 40,000 examples of 25: a million steps
EXAMPLES = int(os.environ.get("JOURNAL_EXAMPLES", "40"))
OWNER = UUID(int=1)
SCOPE = UUID(int=2)


def make_account(kind: str, *, floor: bool, currency: str = "EUR") -> Account:
    """Return an empty account; a receivable when it has a floor."""
    return Account(
        id=account_id_of(OWNER, currency, kind),
        facility_id=None,
        party_id=PartyId(OWNER),
        kind=kind,
        currency=currency,
        normal=Side.DEBIT,
        floor=floor,
    )


ACCOUNTS = {
    each.id: each
    for each in (
        make_account("free", floor=False),
        make_account("first", floor=True),
        make_account("second", floor=True),
        make_account("free", floor=False, currency="USD"),
        make_account("first", floor=True, currency="USD"),
    )
}
IDS = sorted(ACCOUNTS)
amounts = st.integers(1, 20).map(Minor)
pairs = st.tuples(st.sampled_from(IDS), st.sampled_from(IDS), amounts)


def legs_of(moves: list[tuple[JournalAccountId, JournalAccountId, Minor]]) -> tuple[Leg, ...]:
    """Return the legs of moves from one account to another."""
    return tuple(
        Leg(account_id=account, side=side, amount_minor=amount)
        for debit, credit, amount in moves
        for side, account in ((Side.DEBIT, debit), (Side.CREDIT, credit))
    )


def post(number: int, *moves: tuple[str, str, int], step: Step = Step.POST) -> Transfer:
    """Return a transfer between accounts in euros."""
    found = [
        (account_id_of(OWNER, "EUR", debit), account_id_of(OWNER, "EUR", credit), Minor(amount))
        for debit, credit, amount in moves
    ]
    return Transfer(scope=SCOPE, id=UUID(int=number), step=step, what="x", legs=legs_of(found))


class Books(RuleBasedStateMachine):
    """A book that is changed as the database changes it, and what a child would write down."""

    def __init__(self) -> None:
        super().__init__()
        self.accounts = dict(ACCOUNTS)
        self.known: dict[TransferKey, Booked] = {}
        self.sent: list[Transfer] = []
        self.posted = dict.fromkeys(IDS, 0)
        self.held: dict[TransferKey, tuple[Leg, ...]] = {}

    def take(self, *batch: Transfer) -> None:
        """Take a batch and keep what came of it, as the store does."""
        outcomes = decide_batch(Book(accounts=self.accounts, known=self.known), batch, NOW)
        for transfer, outcome in zip(batch, outcomes, strict=True):
            self.sent.append(transfer)
            if isinstance(outcome, Refusal) or outcome.replayed:
                continue
            original = None if outcome.of_key is None else self.known[outcome.of_key]
            for entry in entries_of(outcome, original):
                key = entry.leg.account_id
                moved = (entry.leg.side, entry.phase, int(entry.leg.amount_minor))
                balance = add_entries(self.accounts[key].balance, [moved])
                self.accounts[key] = replace(self.accounts[key], balance=balance)
            if original is not None:
                ended = outcome.step if outcome.step in ENDS else original.ended_by
                undone = original.reversed or outcome.step is Step.REVERSE
                self.known[original.key] = replace(original, ended_by=ended, reversed=undone)
            self.known[outcome.key] = outcome
            self.write_down(outcome)

    def write_down(self, booked: Booked) -> None:
        """Keep the model: signed sums, and what is held."""
        if booked.of_key is not None:
            self.held.pop(booked.of_key, None)
        if booked.step is Step.RESERVE:
            self.held[booked.key] = booked.legs
            return
        for leg in booked.legs:
            signed = leg.amount_minor if leg.side is Side.DEBIT else -leg.amount_minor
            self.posted[leg.account_id] += signed

    @rule(
        moves=st.lists(pairs, min_size=1, max_size=3),
        step=st.sampled_from([Step.POST, Step.RESERVE]),
        number=st.integers(0, 60),
    )
    def move(
        self,
        moves: list[tuple[JournalAccountId, JournalAccountId, Minor]],
        step: Step,
        number: int,
    ) -> None:
        """Post or reserve, also under an id that is taken, also across currencies."""
        self.take(
            Transfer(
                scope=SCOPE, id=UUID(int=number), step=step, what="moved", legs=legs_of(moves)
            )
        )

    @rule(
        step=st.sampled_from([Step.SETTLE, Step.VOID, Step.EXPIRE, Step.REVERSE]),
        number=st.integers(61, 160),
        of=st.integers(0, 160),
    )
    def act(self, step: Step, number: int, of: int) -> None:
        """End or reverse anything, also what is not there or has ended."""
        self.take(
            Transfer(scope=SCOPE, id=UUID(int=number), step=step, what="acted", of_id=UUID(int=of))
        )

    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        """Send two that were sent before in one batch."""
        if self.sent:
            self.take(*(data.draw(st.sampled_from(self.sent)) for _ in range(2)))

    @invariant()
    def balances_are_the_models(self) -> None:
        """What stands is what was written down, and what is pending is what is held."""
        for key, account in self.accounts.items():
            assert account.posted_minor == self.posted[key]
            held = [leg for legs in self.held.values() for leg in legs if leg.account_id == key]
            debits = sum(leg.amount_minor for leg in held if leg.side is Side.DEBIT)
            credits = sum(leg.amount_minor for leg in held if leg.side is Side.CREDIT)
            balance = account.balance
            assert (balance.debits_pending_minor, balance.credits_pending_minor) == (
                debits,
                credits,
            )
            assert not account.floor or room_minor(account, balance) >= 0

    @invariant()
    def books_balance(self) -> None:
        """Debits are credits in each currency."""
        for currency in ("EUR", "USD"):
            own = [each for each in self.accounts.values() if each.currency == currency]
            assert sum(each.posted_minor for each in own) == 0


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None)


def outcomes(*batch: Transfer, known: dict[TransferKey, Booked] | None = None) -> list[str]:
    """Return what came of each transfer of a batch on empty accounts."""
    found = decide_batch(Book(accounts=ACCOUNTS, known=known or {}), batch, NOW)
    return [
        each.why.value if isinstance(each, Refusal) else "again" if each.replayed else "booked"
        for each in found
    ]


def test_six_holds_of_a_thousand_are_not_accepted_on_five_thousand() -> None:
    """Ledger lesson 1: pending counts at once."""
    holds = [post(n, ("free", "first", 1_000), step=Step.RESERVE) for n in range(1, 7)]
    assert outcomes(post(9, ("first", "free", 5_000)), *holds) == ["booked"] * 6 + ["below_zero"]


def test_the_same_id_twice_in_one_batch_is_told_apart_by_its_body() -> None:
    """Ledger lesson 3: a replay is answered as before, another body refused."""
    one, other = post(1, ("free", "first", -1)), post(1, ("first", "free", 2))
    first = post(1, ("first", "free", 1))
    assert outcomes(first, first, other) == ["booked", "again", "id_reused"]
    assert outcomes(one) == ["malformed"]
    assert key_of(SCOPE, one.id) != key_of(OWNER, one.id)
    assert body_sha256(first) != body_sha256(other)


def test_a_reserve_is_settled_in_part_and_ends() -> None:
    """The rest is free at once; nothing more can be had of it."""
    fill = post(1, ("first", "free", 10))
    hold = post(2, ("second", "first", 8), step=Step.RESERVE)
    part = replace(post(3, ("second", "first", 5), step=Step.SETTLE), of_id=hold.id)
    more = replace(part, id=UUID(int=4), legs=post(0, ("second", "first", 9)).legs)
    again = replace(part, id=UUID(int=5))
    rest = post(6, ("second", "first", 5))
    assert outcomes(fill, hold, more, part, again, rest) == [
        "booked",
        "booked",
        "over_pending",
        "booked",
        "already_ended",
        "booked",
    ]


@given(late_s=st.integers(0, 100))
def test_what_has_expired_is_not_settled(late_s: int) -> None:
    """It is voided or expired; before its time it does not expire."""
    hold = replace(
        post(1, ("first", "free", 1), step=Step.RESERVE),
        expires_at=NOW - timedelta(seconds=late_s),
    )
    settle = Transfer(scope=SCOPE, id=UUID(int=2), step=Step.SETTLE, what="x", of_id=hold.id)
    expire = replace(settle, id=UUID(int=3), step=Step.EXPIRE)
    assert outcomes(hold, settle, expire) == ["booked", Why.PENDING_EXPIRED.value, "booked"]
    early = replace(hold, expires_at=NOW + timedelta(seconds=late_s + 1))
    assert outcomes(early, expire, settle) == ["booked", Why.NOT_YET_EXPIRED.value, "booked"]
