"""Which locks hold, and that they say why."""

from dataclasses import replace

import pytest

from backend.collateral.types import Condition, Custody, QuantityState, Surveillance
from backend.facility.rules.locks import diff_locks
from backend.facility.types import (
    LineState,
    Lock,
    LockReason,
)
from backend.market.types import (
    InstrumentQuote,
    Unusable,
    UnusableReason,
)
from backend.money import Minor
from backend.valuation.types import LotFacts
from tests.unit.backend.facility.facts import (
    COPPER,
    FACILITY,
    SOUND,
    ask,
    codes,
    make_alert,
    make_facility,
    make_holding,
    make_instrument,
    make_lot,
    make_open_lock,
    make_pending,
    make_quote,
    reasons,
    stand,
)


def test_without_a_price_the_facility_locks() -> None:
    """Lending lesson 1: no price is a lock, never value 0, ratio 0 and "no shortfall"."""
    owing = make_facility(principal_minor=Minor(100))
    standing = stand(make_holding(facility=owing, quotes={COPPER: make_quote(None)}))

    assert reasons(standing) == {LockReason.PRICE_STALE, LockReason.UNEVALUATED}
    assert not standing.valuation.complete
    assert "lot-1" in standing.locks[0].detail
    assert "LME-CU" in standing.locks[0].detail


def test_a_facility_without_pledged_lots_is_worth_nothing_and_locked() -> None:
    """Lending lesson 3: released pledges count for nothing; draw after release fails."""
    standing = stand(make_holding(lots=()))

    assert standing.valuation.value_minor == 0
    assert LockReason.UNEVALUATED in reasons(standing)
    assert codes(ask(standing, 1)) == ["UNEVALUATED", "OVER_BASE"]


def test_locks_are_derived_anew_each_time() -> None:
    """Lending lesson 10: a lock without a cause is lifted by what opened it; a person's stays."""
    opened = (make_open_lock(), replace(make_open_lock(LockReason.RELOCATED, "x"), id=2))
    standing = stand(make_holding(opened=opened))

    to_open, reworded, to_lift = diff_locks(opened, standing.locks)

    assert reasons(standing) == {LockReason.MANUAL}
    assert (list(to_open), dict(reworded), list(to_lift)) == ([], {}, [opened[1]])


@pytest.mark.parametrize("price", ["0", "-36.98"])
def test_a_price_of_zero_or_below_locks_and_calls(price: str) -> None:
    """WTI at -36.98: value 0, locked, liquidation line; no division, no NaN."""
    owing = make_facility(principal_minor=Minor(1))
    standing = stand(make_holding(facility=owing, quotes={COPPER: make_quote(price)}))

    assert standing.valuation.value_minor == 0
    assert standing.line.state is LineState.LIQUIDATION
    assert reasons(standing) == {LockReason.PRICE_STALE, LockReason.BELOW_CALL_LINE}


@pytest.mark.parametrize(
    ("lot", "reason"),
    [
        (make_lot(evaluated=False), LockReason.UNEVALUATED),
        (make_lot(custody=Custody.MISSING), LockReason.QUANTITY_SHORT),
        (make_lot(custody=Custody.RELOCATED), LockReason.RELOCATED),
        (make_lot(quantity=QuantityState.SHORT, short_mass_g=1), LockReason.QUANTITY_SHORT),
        (make_lot(quantity=QuantityState.UNKNOWN), LockReason.UNEVALUATED),
        (make_lot(condition=Condition.AT_RISK), LockReason.DAMAGED),
        (make_lot(condition=Condition.DAMAGED), LockReason.DAMAGED),
        (make_lot(surveillance=Surveillance.DARK), LockReason.SENSOR_LOST),
        (make_lot(surveillance=Surveillance.DEGRADED, tampered=True), LockReason.TAMPERED),
    ],
)
def test_each_state_that_is_not_sound_locks_and_says_which_lot(
    lot: LotFacts, reason: LockReason
) -> None:
    """Whatever is wrong with one lot locks the facility, in words with the lot's name."""
    standing = stand(make_holding(lots=(lot, make_lot(2))))

    assert reason in reasons(standing)
    detail = next(lock.detail for lock in standing.locks if lock.reason is reason)
    assert "lot-1" in detail
    assert "lot-2" not in detail


@pytest.mark.parametrize(
    ("short_g", "said"),
    [(1, "by how much is being confirmed"), (1_000_000, "1000000 g short of")],
)
def test_an_amount_is_said_once_it_is_confirmed(short_g: int, said: str) -> None:
    """One weight alone locks; how much is short is what a second one bears out."""
    lot = make_lot(quantity=QuantityState.SHORT, short_mass_g=short_g)
    standing = stand(make_holding(lots=(lot,)))
    detail = next(x.detail for x in standing.locks if x.reason is LockReason.QUANTITY_SHORT)
    assert said in detail


def test_moving_under_a_release_order_and_degraded_watch_do_not_lock() -> None:
    """An authorised movement and one lost sensor of several are no locks by themselves."""
    lot = make_lot(custody=Custody.MOVING, surveillance=Surveillance.DEGRADED)

    assert stand(make_holding(lots=(lot,))).locks == ()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("relocation", LockReason.RELOCATED),
        ("shortfall", LockReason.QUANTITY_SHORT),
        ("damage", LockReason.DAMAGED),
        ("tamper", LockReason.TAMPERED),
        ("surveillance_lost", LockReason.SENSOR_LOST),
    ],
)
def test_an_unresolved_critical_alert_locks(kind: str, reason: LockReason) -> None:
    """A lot that looks sound again stays locked until a person has resolved what was found."""
    standing = stand(make_holding(alerts=(make_alert(kind),)))

    assert reasons(standing) == {reason}
    assert str(make_alert(kind).id) in standing.locks[0].detail


def test_an_alert_of_a_lot_that_is_not_pledged_here_does_not_lock() -> None:
    """Only what backs this facility can lock it."""
    assert stand(make_holding(alerts=(make_alert(lot=42),))).locks == ()


def test_a_fall_that_waits_for_a_second_source_locks() -> None:
    """A held fall is not ignored."""
    held = Unusable(reason=UnusableReason.HELD_FALL, detail="a fall waits")
    quote = InstrumentQuote(instrument=make_instrument(), decision=held, volatility=None)

    standing = stand(make_holding(quotes={COPPER: quote}))

    assert LockReason.PRICE_STALE in reasons(standing)


def test_a_lock_voids_every_promise() -> None:
    """What was promised under sound collateral is not paid out under a lock."""
    holding = make_holding(
        lots=(make_lot(custody=Custody.MISSING),), pending=(make_pending(1), make_pending(2))
    )
    standing = stand(holding)

    assert standing.voided == holding.pending
    assert standing.position.pending_minor == 0


def test_locks_are_opened_reworded_and_lifted() -> None:
    """Each reason is one lock; the same reason with other words is the same lock."""
    opened = (make_open_lock(LockReason.DAMAGED, "old"), make_open_lock(LockReason.TAMPERED, "t"))
    derived = (
        Lock(reason=LockReason.DAMAGED, detail="new"),
        Lock(reason=LockReason.RELOCATED, detail="r"),
    )

    to_open, reworded, to_lift = diff_locks(opened, derived)

    assert [lock.reason for lock in to_open] == [LockReason.RELOCATED]
    assert dict(reworded) == {opened[0].id: "new"}
    assert [lock.reason for lock in to_lift] == [LockReason.TAMPERED]
    assert stand(SOUND).holding.facility.id == FACILITY
