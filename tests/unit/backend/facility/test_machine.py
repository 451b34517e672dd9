"""A facility lived through: draws, repayments, prices, goods, alerts and time, in any order.

The whole of the rules, without a database. ``PLEDGEWATCH_STATEFUL_STEPS`` says how many steps are
taken in all; a night takes a million (CONTRIBUTING.md).
"""

import os
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from backend.facility.rules.dues import outstanding
from backend.facility.rules.interest import accrue, sum_accrued
from backend.facility.rules.locks import diff_locks
from backend.facility.rules.money import decide_drawdown, exposure_minor, split_repayment
from backend.facility.rules.release import decide_exchange, is_safer
from backend.facility.rules.standing import decide_standing
from backend.facility.rules.supposing import Supposition, draw, suppose
from backend.facility.types import (
    AccrualKind,
    Allow,
    CallState,
    DayCount,
    DrawdownState,
    Facility,
    Ledger,
    LineState,
    Lock,
    LockReason,
    Movement,
    OpenLock,
    Parts,
    Policy,
    Rate,
    Standing,
    StoredValuation,
)
from backend.ids import AlertId, LotId, MarginCallId, ValuationId
from backend.market.types import InstrumentQuote, Usable
from backend.money import Minor
from tests.unit.backend.facility.facts import (
    COPPER,
    FACILITY,
    NOW,
    drawable,
    make_alert,
    make_facility,
    make_holding,
    make_lot,
    make_pending,
    make_quote,
)

STEPS: Final = int(os.environ.get("PLEDGEWATCH_STATEFUL_STEPS", "500"))
STEPS_PER_LIFE: Final = 50
MAX_AGE_S: Final = 3_600
CALLED: Final = (LineState.CALL, LineState.LIQUIDATION)
amounts = st.integers(1, 6_000_000)
prices = st.sampled_from(("9000", "8000", "7000", "12000", "5000", "1", "0", "-37.63", "15000"))


def quoted(price: str, at: datetime, now: datetime) -> InstrumentQuote:
    """Return copper's quote of a time, as it is judged now."""
    age_s = int((now - at).total_seconds())
    quote = make_quote(price, age_s, max_price_age_s=MAX_AGE_S)
    moved = now - NOW
    if isinstance(quote.decision, Usable):
        decision = replace(
            quote.decision,
            at=quote.decision.at + moved,
            stale_at=quote.decision.stale_at + moved,
        )
        quote = replace(quote, decision=decision)
    return quote


class FacilityLife(RuleBasedStateMachine):
    """A facility as its rows would have it, settled after each step as the service does."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.price, self.priced_at = "9000", NOW
        self.holding = make_holding()
        self.movements: tuple[Movement, ...] = ()
        self.ledger = Ledger(limit_minor=Minor(0), grace_days=0, rates=(), movements=())
        self.numbers = 0

    @initialize(
        limit=st.integers(1_000_000, 10_000_000),
        control=st.sampled_from((0, 2_000_000)),
        observations=st.integers(1, 3),
    )
    def agree(self, limit: int, control: int, observations: int) -> None:
        """Open a facility on some terms."""
        policy = Policy(control_value_minor=Minor(control), liquidation_observations=observations)
        facility = make_facility(limit_minor=Minor(limit), policy=policy, cure_hours=2)
        self.holding = make_holding(facility=facility)
        rate = Rate(
            from_day=NOW.date(), day_count=DayCount.ACT_360, annual_bps=900, commitment_bps=50
        )
        self.ledger = Ledger(limit_minor=Minor(limit), grace_days=0, rates=(rate,), movements=())
        self.settle()

    def assess(self) -> Standing:
        """Return the facility as it stands now."""
        quotes = {COPPER: quoted(self.price, self.priced_at, self.now)}
        self.holding = replace(self.holding, quotes=quotes)
        return decide_standing(self.holding, self.now)

    def settle(self) -> Standing:
        """Store what an assessment found, as the service does; return the assessment."""
        standing = self.assess()
        call = standing.call
        if call is not None and call.id is None:
            self.numbers += 1
            call = replace(call, id=MarginCallId(self.numbers))
        opened = settle_locks(self.holding.opened, standing.locks, self.now)
        ended = {each.id for each in (*standing.voided, *standing.expired)}
        self.holding = replace(
            self.holding,
            facility=replace(
                self.holding.facility, standing=standing.line, cure_by=standing.cure_by
            ),
            newest=_stored(standing) if standing.is_new else self.holding.newest,
            call=None if call is None or call.ended_at is not None else call,
            opened=opened,
            pending=tuple(each for each in self.holding.pending if each.id not in ended),
        )
        return standing

    @rule(amount=amounts)
    def promise(self, amount: int) -> None:
        """Authorise a drawdown: never over limit or base, never under a lock."""
        standing = self.settle()
        facility = self.holding.facility
        decision = decide_drawdown(facility, standing.position, standing.locks, Minor(amount))
        room = drawable(standing)
        assert isinstance(decision, Allow) == (amount <= room)
        if isinstance(decision, Allow):
            self.numbers += 1
            pending = make_pending(
                self.numbers, amount, decided_at=self.now, expires_at=self.now + timedelta(hours=1)
            )
            self.holding = replace(self.holding, pending=(*self.holding.pending, pending))

    @precondition(lambda self: self.holding.pending)
    @rule()
    def pay_out(self) -> None:
        """Disburse the oldest promise, if it outlives a new assessment."""
        first = self.holding.pending[0]
        standing = self.settle()
        if first not in self.holding.pending:
            return
        assert not standing.locks
        assert first.state is DrawdownState.PENDING
        kept = tuple(each for each in self.holding.pending if each.id != first.id)
        self.holding = draw(replace(self.holding, pending=kept), first.amount_minor)
        self.move(Movement(at=self.now, drawn_minor=first.amount_minor))
        after = self.settle()
        assert after.position.availability_minor >= 0, "more is out than may be"
        assert after.position.exposure_minor <= self.holding.facility.limit_minor

    @rule(amount=amounts)
    def repay(self, amount: int) -> None:
        """Pay back: never refused, to the last cent, and nothing that may be drawn is lost."""
        before = self.settle()
        owed = exposure_minor(self.holding.facility)
        split = split_repayment(self.holding.facility, before.owed, Minor(amount))
        parts = Parts(
            penalty_minor=split.penalty_minor,
            fees_minor=split.fees_minor,
            interest_minor=split.interest_minor,
            principal_minor=split.principal_minor,
        )
        assert parts.total_minor + split.surplus_minor == amount
        assert parts.total_minor == min(amount, owed)
        self.holding = replace(self.holding, facility=_less(self.holding.facility, parts))
        self.move(Movement(at=self.now, settled=parts))
        after = self.assess()
        assert exposure_minor(self.holding.facility) == owed - parts.total_minor
        assert drawable(after) >= drawable(before)

    @rule(price=prices)
    def quote(self, price: str) -> None:
        """A price moves; a higher one in its place would never have let less be drawn."""
        self.price, self.priced_at = str(Decimal(price) + 1), self.now
        dearer = self.assess()
        self.price = price
        assert leaving(self.assess()) <= leaving(dearer)
        self.settle()

    @rule(mass=st.integers(1, 20_000_000))
    def add_lot(self, mass: int) -> None:
        """Pledge more sound goods: safer, so neither refused nor worse in anything."""
        before = self.assess()
        self.numbers += 1
        lot = make_lot(self.numbers + 10_000, mass)
        self.holding = replace(self.holding, lots=(*self.holding.lots, lot))
        after = self.assess()
        assert drawable(after) >= drawable(before)
        assert after.valuation.value_minor >= before.valuation.value_minor
        self.settle()

    @precondition(lambda self: self.holding.lots)
    @rule(which=st.integers(0, 99))
    def release_lot(self, which: int) -> None:
        """Let a lot go: only where the facility can spare it, or is no worse off."""
        before = self.settle()
        lot = self.holding.lots[which % len(self.holding.lots)]
        wish = Supposition(release_lots=(lot.lot_id,))
        supposed = suppose(self.holding, wish, self.holding.quotes, self.now)
        after = decide_standing(supposed, self.now)
        owed = after.position.exposure_minor + sum(p.amount_minor for p in self.holding.pending)
        if not isinstance(decide_exchange(before, after), Allow):
            assert not is_safer(before, after)
            return
        assert owed == 0 or is_safer(before, after) or after.valuation.base_minor >= owed
        if owed and not is_safer(before, after):
            assert after.valuation.value_minor >= (
                self.holding.facility.policy.control_value_minor
            )
        self.holding = supposed
        self.settle()

    @precondition(lambda self: self.holding.lots)
    @rule(which=st.integers(0, 99), kind=st.sampled_from(("relocation", "tamper", "shortfall")))
    def alert(self, which: int, kind: str) -> None:
        """A critical alert opens: nothing may be drawn, and every promise is void."""
        lot = self.holding.lots[which % len(self.holding.lots)]
        self.numbers += 1
        alert = replace(
            make_alert(kind), id=AlertId(UUID(int=self.numbers)), lot_id=LotId(lot.lot_id)
        )
        self.holding = replace(self.holding, alerts=(*self.holding.alerts, alert))
        assert drawable(self.assess()) == 0
        self.settle()
        assert not self.holding.pending

    @precondition(lambda self: self.holding.alerts)
    @rule()
    def resolve(self) -> None:
        """The oldest alert is resolved by a person."""
        self.holding = replace(self.holding, alerts=self.holding.alerts[1:])
        self.settle()

    @rule(seconds=st.sampled_from((1, 40, 1_800, 3_601, 86_400)))
    def pass_time(self, seconds: int) -> None:
        """Time goes by, days are booked, and with the price alone nothing more may be drawn."""
        before = self.assess()
        self.now += timedelta(seconds=seconds)
        after = self.assess()
        assert leaving(after) <= leaving(before) or before.line != after.line
        found = accrue(self.ledger, self.now.date() - timedelta(days=1))
        self.ledger = replace(self.ledger, accruals=(*self.ledger.accruals, *found))
        sums = sum_accrued(found)
        facility = self.holding.facility
        fees = facility.fees_minor + sums[AccrualKind.COMMITMENT]
        interest = facility.interest_minor + sums[AccrualKind.INTEREST]
        facility = replace(facility, fees_minor=Minor(fees), interest_minor=Minor(interest))
        self.holding = replace(self.holding, facility=facility)
        self.settle()

    def move(self, movement: Movement) -> None:
        """Remember what moved."""
        self.ledger = replace(self.ledger, movements=(*self.ledger.movements, movement))

    @invariant()
    def locks_equal_their_derivation(self) -> None:
        """What is stored is what would be derived again, and settling again changes nothing."""
        self.settle()
        held = {lock.reason: lock.detail for lock in self.holding.opened}
        again = self.assess()
        assert held == {lock.reason: lock.detail for lock in again.locks}
        assert not again.voided
        assert not again.expired

    @invariant()
    def nothing_promised_is_over_what_may_be_drawn(self) -> None:
        """Promises fit under limit and base, and none stands beside a lock."""
        standing = self.assess()
        if self.holding.pending:
            assert not standing.locks
            assert standing.position.availability_minor >= 0

    @invariant()
    def the_margin_call_follows_the_line(self) -> None:
        """A call stands while the line is called for and owed on; enforceable only when unmet."""
        facility, call = self.holding.facility, self.holding.call
        called = facility.standing.state in CALLED
        if exposure_minor(facility) and called:
            assert call is not None
        if call is not None:
            assert called
            assert facility.cure_by == call.deadline_at
            assert LockReason.BELOW_CALL_LINE in {lock.reason for lock in self.holding.opened}
        if call is not None and call.state is CallState.LIQUIDATABLE:
            assert call.liquidatable_at is not None
            assert call.liquidatable_at >= call.deadline_at

    @invariant()
    def what_is_owed_follows_from_the_entries(self) -> None:
        """Drawn, accrued, repaid: the sums of the entries are what the facility says."""
        sums = sum_accrued(self.ledger.accruals)
        paid = [each.settled for each in self.ledger.movements]
        drawn = sum(each.drawn_minor for each in self.ledger.movements)
        owed = outstanding(self.holding.facility)
        assert owed.principal_minor == drawn - sum(each.principal_minor for each in paid)
        assert owed.interest_minor == sums[AccrualKind.INTEREST] - sum(
            each.interest_minor for each in paid
        )
        assert owed.fees_minor == sums[AccrualKind.COMMITMENT] - sum(
            each.fees_minor for each in paid
        )


def leaving(standing: Standing) -> int:
    """Return all that may leave yet, promised or not: an ended promise makes room for others."""
    return drawable(standing) + standing.position.pending_minor


def settle_locks(
    opened: tuple[OpenLock, ...], derived: tuple[Lock, ...], now: datetime
) -> tuple[OpenLock, ...]:
    """Return the locks as they are stored after opening, rewording and lifting."""
    to_open, reworded, to_lift = diff_locks(opened, derived)
    lifted = {lock.id for lock in to_lift}
    kept = [
        replace(lock, detail=reworded.get(lock.id, lock.detail))
        for lock in opened
        if lock.id not in lifted
    ]
    first = max((lock.id for lock in opened), default=0) + 1
    new = [
        OpenLock(
            id=number,
            facility_id=FACILITY,
            reason=lock.reason,
            detail=lock.detail,
            opened_at=now,
            opened_by="rules",
        )
        for number, lock in enumerate(to_open, first)
    ]
    return (*kept, *new)


def _stored(standing: Standing) -> StoredValuation:
    valuation = standing.valuation
    return StoredValuation(
        id=ValuationId(UUID(int=5)),
        at=valuation.at,
        expires_at=valuation.expires_at,
        exposure_minor=valuation.exposure_minor,
        content_sha256=valuation.content_sha256,
    )


def _less(facility: Facility, parts: Parts) -> Facility:
    return replace(
        facility,
        penalty_minor=Minor(facility.penalty_minor - parts.penalty_minor),
        fees_minor=Minor(facility.fees_minor - parts.fees_minor),
        interest_minor=Minor(facility.interest_minor - parts.interest_minor),
        principal_minor=Minor(facility.principal_minor - parts.principal_minor),
    )


TestFacilityLife = FacilityLife.TestCase
TestFacilityLife.settings = settings(
    max_examples=max(1, STEPS // STEPS_PER_LIFE), stateful_step_count=STEPS_PER_LIFE, deadline=None
)
