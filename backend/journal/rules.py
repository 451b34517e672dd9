"""What a batch of transfers does to a book, and which of them may not. Pure.

A transfer is taken whole or not at all, and one after the other: each sees those before it. What
is reserved counts at once against what an account may pay; a reserve ends exactly once.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from backend.ids import JournalAccountId, TransferKey
from backend.journal.types import (
    ENDS,
    Account,
    Balance,
    Book,
    Booked,
    Entry,
    Leg,
    Outcome,
    Phase,
    Refusal,
    Side,
    Step,
    Transfer,
    Why,
)
from backend.money import MINOR_MAX

LEGS_MAX: Final = 64  # A repayment of a facility has five; a sweep of a day's receipts, dozens.
BATCH_MAX: Final = 10_000  # Held in one transaction, with every account that it names.
WHAT_CHARACTERS_MAX: Final = 200

_OPPOSITE: Final = {Side.DEBIT: Side.CREDIT, Side.CREDIT: Side.DEBIT}


def key_of(scope: UUID, caller_id: UUID) -> TransferKey:
    """Return the key under which a caller's id is kept; another scope's same id is another."""
    return TransferKey(UUID(bytes=sha256(scope.bytes + caller_id.bytes).digest()[:16]))


def account_id_of(owner: UUID, currency: str, kind: str) -> JournalAccountId:
    """Return the id of an owner's account; the database derives it likewise."""
    content = f"{owner}{currency}{kind}".encode()  # Of fixed lengths but the last: no ambiguity.
    return JournalAccountId(UUID(bytes=sha256(content).digest()[:16]))


def body_sha256(transfer: Transfer) -> bytes:
    """Return what tells the same transfer sent again from another one under its id."""
    content: list[object] = [
        transfer.step.value,
        transfer.what,
        None if transfer.of_id is None else transfer.of_id.hex,
        None if transfer.expires_at is None else transfer.expires_at.isoformat(),
        [[leg.account_id.hex, leg.side.value, leg.amount_minor] for leg in transfer.legs],
    ]
    return sha256(json.dumps(content).encode()).digest()


def decide_batch(book: Book, batch: Sequence[Transfer], now: datetime) -> Sequence[Outcome]:
    """Return what comes of each transfer, in order."""
    work = _Work(book, now)
    return [work.take(transfer) for transfer in batch]


def named_accounts(
    batch: Sequence[Transfer], known: Mapping[TransferKey, Booked]
) -> Sequence[JournalAccountId]:
    """Return the accounts that a batch touches, by itself or through what it acts on."""
    found = {leg.account_id for transfer in batch for leg in transfer.legs}
    found |= {leg.account_id for booked in known.values() for leg in booked.legs}
    return sorted(found)


def named_keys(batch: Sequence[Transfer]) -> tuple[set[TransferKey], set[TransferKey]]:
    """Return the keys of a batch's transfers, and of those that they act on."""
    own = {key_of(each.scope, each.id) for each in batch}
    others = {key_of(each.scope, each.of_id) for each in batch if each.of_id is not None}
    return own, others


def entries_of(booked: Booked, original: Booked | None) -> tuple[Entry, ...]:
    """Return what a transfer writes; ``original`` is the one that it acts on."""
    released = () if original is None or booked.step not in ENDS else original.legs
    phase = Phase.PENDING if booked.step is Step.RESERVE else Phase.POSTED
    return (
        *(Entry(leg=leg, phase=Phase.RELEASED) for leg in released),
        *(Entry(leg=leg, phase=phase) for leg in booked.legs),
    )


def add_entries(balance: Balance, entries: Sequence[tuple[Side, Phase, int]]) -> Balance:
    """Return a balance after entries of its account."""
    posted = dict.fromkeys(Side, 0)
    pending = dict.fromkeys(Side, 0)
    for side, phase, amount_minor in entries:
        match phase:
            case Phase.POSTED:
                posted[side] += amount_minor
            case Phase.PENDING:
                pending[side] += amount_minor
            case Phase.RELEASED:
                pending[side] -= amount_minor
    return Balance(
        debits_posted_minor=balance.debits_posted_minor + posted[Side.DEBIT],
        credits_posted_minor=balance.credits_posted_minor + posted[Side.CREDIT],
        debits_pending_minor=balance.debits_pending_minor + pending[Side.DEBIT],
        credits_pending_minor=balance.credits_pending_minor + pending[Side.CREDIT],
    )


def room_minor(account: Account, balance: Balance) -> int:
    """Return what the contra side may still take of an account with a floor."""
    if account.normal is Side.DEBIT:
        taken = balance.credits_posted_minor + balance.credits_pending_minor
        return balance.debits_posted_minor - taken
    taken = balance.debits_posted_minor + balance.debits_pending_minor
    return balance.credits_posted_minor - taken


class _RefusedError(Exception):
    """One transfer's end, inside this module."""

    def __init__(self, why: Why, detail: str, **numbers: int) -> None:
        super().__init__(detail)
        self.refusal = Refusal(why=why, detail=detail, numbers=numbers)


class _Work:
    """A book as it becomes while a batch is taken."""

    def __init__(self, book: Book, now: datetime) -> None:
        self._accounts = book.accounts
        self._known = dict(book.known)
        self._balances = {key: account.balance for key, account in book.accounts.items()}
        self._now = now

    def take(self, transfer: Transfer) -> Outcome:
        """Return what comes of a transfer; a refused one leaves the work as it was."""
        key, body = key_of(transfer.scope, transfer.id), body_sha256(transfer)
        before = self._known.get(key)
        if before is not None and before.body_sha256 == body:
            return replace(before, replayed=True)
        try:
            if before is not None:
                raise _RefusedError(
                    Why.ID_REUSED, f"{transfer.id} exists already with another content"
                )
            original = self._original(transfer)
            booked = Booked(
                key=key,
                step=transfer.step,
                what=transfer.what,
                legs=self._legs(transfer, original),
                body_sha256=body,
                at=self._now,
                expires_at=transfer.expires_at,
                of_key=None if original is None else original.key,
            )
            self._move(entries_of(booked, original))
        except _RefusedError as refused:
            return refused.refusal
        if original is not None and booked.step in ENDS:
            self._known[original.key] = replace(original, ended_by=booked.step)
        elif original is not None:
            self._known[original.key] = replace(original, reversed=True)
        self._known[key] = booked
        return booked

    def _original(self, transfer: Transfer) -> Booked | None:
        """Return the transfer that one acts on, if it may."""
        acts = transfer.step not in (Step.POST, Step.RESERVE)
        ends_early = transfer.step is not Step.RESERVE and transfer.expires_at is not None
        if (
            acts != (transfer.of_id is not None)
            or ends_early
            or not 1 <= len(transfer.what) <= WHAT_CHARACTERS_MAX
        ):
            detail = f"a {transfer.step.value} does not look like that"
            raise _RefusedError(Why.MALFORMED, detail)
        if transfer.of_id is None:
            return None
        original = self._known.get(key_of(transfer.scope, transfer.of_id))
        if original is None:
            raise _RefusedError(Why.UNKNOWN_TRANSFER, f"there is no transfer {transfer.of_id}")
        if transfer.step is Step.REVERSE:
            _check_reversible(original)
        else:
            _check_pending(original, transfer.step, self._now)
        return original

    def _legs(self, transfer: Transfer, original: Booked | None) -> tuple[Leg, ...]:
        """Return the legs that a transfer moves, checked for themselves."""
        if transfer.step in (Step.VOID, Step.EXPIRE, Step.REVERSE) and transfer.legs:
            raise _RefusedError(Why.MALFORMED, f"a {transfer.step.value} names no legs")
        if transfer.step in (Step.VOID, Step.EXPIRE):
            return ()
        if transfer.step is Step.REVERSE:
            assert original is not None
            return tuple(replace(leg, side=_OPPOSITE[leg.side]) for leg in original.legs)
        legs = transfer.legs
        if original is not None:
            legs = legs or original.legs
            _check_within(legs, original.legs)
        if not 2 <= len(legs) <= LEGS_MAX:
            raise _RefusedError(
                Why.MALFORMED, f"{len(legs)} legs, must be 2 to {LEGS_MAX}", legs=len(legs)
            )
        for leg in legs:
            if not 1 <= leg.amount_minor <= MINOR_MAX:
                raise _RefusedError(
                    Why.MALFORMED,
                    f"amount_minor is {leg.amount_minor}, must be 1 to {MINOR_MAX}",
                    amount_minor=leg.amount_minor,
                )
        self._check_balanced(legs)
        return legs

    def _check_balanced(self, legs: Sequence[Leg]) -> None:
        sums: dict[str, int] = {}
        for leg in legs:
            account = self._accounts.get(leg.account_id)
            if account is None:
                raise _RefusedError(Why.UNKNOWN_ACCOUNT, f"there is no account {leg.account_id}")
            signed = leg.amount_minor if leg.side is Side.DEBIT else -leg.amount_minor
            sums[account.currency] = sums.get(account.currency, 0) + signed
        for currency, difference in sums.items():
            if difference:
                raise _RefusedError(
                    Why.UNBALANCED,
                    f"debits less credits in {currency} are {difference}, must be 0",
                    difference_minor=difference,
                )

    def _move(self, entries: Sequence[Entry]) -> None:
        """Change the balances, all of them or none."""
        by_account: dict[JournalAccountId, list[tuple[Side, Phase, int]]] = {}
        for entry in entries:
            moved = (entry.leg.side, entry.phase, int(entry.leg.amount_minor))
            by_account.setdefault(entry.leg.account_id, []).append(moved)
        after: dict[JournalAccountId, Balance] = {}
        for key, moves in by_account.items():
            before = self._balances.get(key)
            if before is None:
                raise _RefusedError(Why.UNKNOWN_ACCOUNT, f"there is no account {key}")
            after[key] = add_entries(before, moves)
            self._check_balance(self._accounts[key], before, after[key])
        self._balances.update(after)

    def _check_balance(self, account: Account, before: Balance, after: Balance) -> None:
        if max(after.debits_posted_minor, after.credits_posted_minor) > MINOR_MAX or (
            max(after.debits_pending_minor, after.credits_pending_minor) > MINOR_MAX
        ):
            raise _RefusedError(
                Why.TOO_LARGE, f"{account.kind} would pass {MINOR_MAX}", bound_minor=MINOR_MAX
            )
        room = room_minor(account, after)
        if account.floor and room < 0 and room < room_minor(account, before):
            raise _RefusedError(
                Why.BELOW_ZERO,
                f"{account.kind} would stand at {room}, must be at least 0",
                after_minor=room,
                before_minor=room_minor(account, before),
            )


def _check_reversible(original: Booked) -> None:
    if original.step not in (Step.POST, Step.SETTLE):
        raise _RefusedError(Why.NOT_POSTED, f"a {original.step.value} is not reversed")
    if original.reversed:
        raise _RefusedError(Why.ALREADY_REVERSED, "it was reversed before")


def _check_pending(original: Booked, step: Step, now: datetime) -> None:
    if original.step is not Step.RESERVE:
        raise _RefusedError(Why.NOT_PENDING, f"a {original.step.value} is nothing pending")
    if original.ended_by is not None:
        raise _RefusedError(Why.ALREADY_ENDED, f"it has ended by {original.ended_by.value}")
    over = original.expires_at is not None and original.expires_at <= now
    if step is Step.SETTLE and over:
        raise _RefusedError(Why.PENDING_EXPIRED, f"it expired at {original.expires_at}")
    if step is Step.EXPIRE and not over:
        raise _RefusedError(Why.NOT_YET_EXPIRED, f"it expires at {original.expires_at}")


def _check_within(legs: Sequence[Leg], reserved: Sequence[Leg]) -> None:
    """Refuse to settle more on an account's side than was reserved there."""
    left: dict[tuple[JournalAccountId, Side], int] = {}
    for leg in reserved:
        place = (leg.account_id, leg.side)
        left[place] = left.get(place, 0) + leg.amount_minor
    for leg in legs:
        place = (leg.account_id, leg.side)
        left[place] = left.get(place, 0) - leg.amount_minor
        if left[place] < 0:
            raise _RefusedError(
                Why.OVER_PENDING,
                f"{leg.amount_minor} on the {leg.side.value} side, {-left[place]} over"
                " what was reserved",
                amount_minor=leg.amount_minor,
            )
