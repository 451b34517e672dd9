"""Stock-takes beside sensors: they answer for a dead tag, never for goods that a sensor misses."""

from dataclasses import replace
from typing import Any

import pytest

from backend.collateral.rules.counts import COUNT_US_MAX
from backend.collateral.types import Custody, Decision, FactKind, ItemCustody, QuantityState
from backend.collateral.types.counts import CountedMass, Counts
from tests.unit.backend.collateral import test_lot as lots
from tests.unit.backend.collateral.test_lot import (
    EPCS,
    GROSS_G,
    ITEMS,
    NET_G,
    TARE_G,
    Watched,
)

_LOT: dict[str, Any] = vars(lots)["_LOT"]
DEAD = frozenset(EPCS[:1])
ALL = dict.fromkeys(ITEMS.values(), True)


def with_counts(
    monkeypatch: pytest.MonkeyPatch, watched: Watched, counts: Counts, later_s: float = 0.0
) -> Decision:
    """Return what a lot is by its sensors and a count."""
    monkeypatch.setattr(f"{lots.__name__}._LOT", _LOT | {"counts": counts})
    return watched.look(later_s=later_s).decision


def test_a_count_answers_for_a_dead_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent, and found by hand since: present, for some days and no longer."""
    watched = Watched()
    watched.quiet(30)
    watched.quiet(90, gone=DEAD)
    assert [fact.kind for fact in watched.look().decision.facts] == [FactKind.ITEM_MISSING]
    counts = Counts(at_us=watched.now_us, found=ALL)
    found = with_counts(monkeypatch, watched, counts)
    assert (found.facts, found.state.sound) == ((), True)
    assert found.items[ITEMS[EPCS[0]]][0] is ItemCustody.IN_ZONE
    old = replace(counts, at_us=watched.now_us - COUNT_US_MAX - 1)
    assert with_counts(monkeypatch, watched, old).facts


def test_a_count_does_not_answer_for_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by hand, and then the scale misses a pallet: short."""
    watched = Watched()
    watched.quiet(5)
    watched.quiet(20, gone=DEAD)
    counts = Counts(at_us=watched.now_us, found=ALL)
    watched.quiet(200, gone=DEAD, mass=GROSS_G - NET_G - TARE_G)
    found = with_counts(monkeypatch, watched, counts)
    assert found.state.quantity is QuantityState.SHORT
    assert any(fact.grave for fact in found.facts)


def test_what_was_not_found_is_missing_until_a_reader_sees_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two dead tags that nobody found are a shortfall; read again, they are there."""
    watched = Watched(bindings=tuple(b for b in lots.BINDINGS if b["purpose"] != "load"))
    watched.quiet(30)
    counts = Counts(at_us=watched.now_us + 1, found=ALL | {ITEMS[EPCS[0]]: False})
    found = with_counts(monkeypatch, watched, counts)
    assert found.state.custody is Custody.MISSING
    assert found.state.quantity is QuantityState.SHORT
    assert [fact.kind for fact in found.facts] == [FactKind.ITEM_MISSING]
    watched.quiet(2)
    assert with_counts(monkeypatch, watched, counts).state.sound


def test_a_mass_weighed_by_hand_counts_where_it_is_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less than pledged is a shortfall; more changes nothing."""
    watched = Watched()
    watched.quiet(5)
    mass = CountedMass(mass_g=2 * NET_G, at_us=watched.now_us)
    found = with_counts(monkeypatch, watched, Counts(mass=mass))
    assert (found.state.quantity, found.state.short_mass_g) == (QuantityState.SHORT, NET_G)
    assert found.state.measured_mass_g == 2 * NET_G
    assert [fact.key for fact in found.facts] == ["count:mass"]
    before = watched.look().decision
    more = with_counts(
        monkeypatch, watched, Counts(mass=replace(mass, mass_g=4 * NET_G)), later_s=0.0
    )
    assert more.state.measured_mass_g == 3 * NET_G
    assert more.state.sound
    assert before.facts == found.facts


def test_a_mass_weighed_by_hand_is_all_that_is_known_of_what_nothing_measures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither reader nor scale: the count is the quantity, and nothing watches the lot."""
    watched = Watched(bindings=())
    mass = CountedMass(mass_g=3 * NET_G, at_us=watched.now_us)
    found = with_counts(monkeypatch, watched, Counts(mass=mass))
    assert (found.state.quantity, found.state.measured_mass_g) == (QuantityState.WHOLE, 3 * NET_G)
    assert found.state.evaluated
    assert not found.state.sound
