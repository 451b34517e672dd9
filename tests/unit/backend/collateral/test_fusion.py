"""Tags and weight together: each row of the table of corroboration, and what it rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.collateral.rules.decide import Observed, decide_lot
from backend.collateral.rules.detector import Seen
from backend.collateral.rules.fusion import fuse, probability_of
from backend.collateral.rules.load_facts import load_facts
from backend.collateral.rules.presence import GRAVE_LOG_ODDS, PRIOR_LOG_ODDS, Whereabouts
from backend.collateral.rules.tags import Scale, item_facts
from backend.collateral.rules.weigh import HANDLING_US, Load, decide_load
from backend.collateral.types import (
    Fact,
    FactKind,
    ItemCustody,
    LotMemory,
    QuantityState,
    Sight,
)
from tests.unit.backend.collateral.test_load import ITEM_G, on_scale, then
from tests.unit.backend.collateral.weights import BASE_US, NAME, SECOND_US, OnScale

SURE_NATS = GRAVE_LOG_ODDS - PRIOR_LOG_ODDS
READER = (NAME, "rfid")
HOLD_S = HANDLING_US // SECOND_US + 2


def seen(
    made: OnScale, silent_s: Mapping[int, float], nats: Mapping[int, float]
) -> list[Whereabouts]:
    """Return where the items of a lot are by their tags alone.

    Args:
        made: the lot.
        silent_s: how long ago each was last read; none: now.
        nats: what each silence is worth; none: nothing.
    """
    places: list[Whereabouts] = []
    for number, item in enumerate(made.setup.items):
        last_us = made.now_us - int(silent_s.get(number, 0.0) * SECOND_US)
        odds = PRIOR_LOG_ODDS + nats.get(number, 0.0)
        gone = odds >= 0.0
        sight = Sight(
            item_id=item.id,
            reader=READER,
            seen_us=last_us,
            made_us=last_us + SECOND_US,
            listened_us=0,
            streak_us=0,
            streak_reads=1,
            rssi_cdbm=-5_500,
            envelope_number=1,
        )
        places.append(
            Whereabouts(
                item=item,
                custody=ItemCustody.MISSING if gone else ItemCustody.IN_ZONE,
                zone_id=None if gone else made.setup.zone_id,
                sight=sight,
                log_odds=odds,
            )
        )
    return places


def facts(
    made: OnScale | None, items: Sequence[Whereabouts], weighed_us: int | None = None
) -> dict[str, Fact]:
    """Return what is found of a lot, by key; without a scale when there is none.

    A scale that weighed at ``weighed_us`` last has been silent since.
    """
    load: Load | None = None
    setup = on_scale().setup
    now_us = BASE_US
    if made is not None:
        setup, now_us = made.setup, made.now_us
        load = decide_load(setup, made.binding, made.memory, (), now_us, weighed_us)
    fused = fuse(items, load)
    look = Seen(sensors={}, streams={}, sights=(), now_us=now_us, since_us=now_us)
    relied = load is not None and not load.covered and weighed_us is None
    scale = None if load is None else Scale(load=load, relied=relied)
    found = item_facts(fused.items, scale, fused)
    found += load_facts(setup, load, fused, look)
    keys = [fact.key for fact in found]
    assert len(keys) == len(set(keys)), "one cause is one finding"
    return {fact.key: fact for fact in found}


def taken(made: OnScale, count: int, for_s: int) -> OnScale:
    """Take items off a scale, and let it say so for a while."""
    then(made, *[float(made.gross_g - count * ITEM_G)] * for_s)
    return made


def test_item_gone_and_drop_of_one_item_is_one_critical_finding_that_names_it() -> None:
    """Far less silence than it takes without a scale is enough."""
    made = taken(on_scale(), 1, 10)
    found = facts(made, seen(made, {1: 9.0}, {1: 10.0}))
    assert list(found) == ["load"]
    fact = found["load"]
    assert fact.grave
    assert "p1 gone" in fact.text
    assert fact.began_us == made.now_us - 8 * SECOND_US
    assert fact.probability > 0.99
    said = [each for each in fact.evidence if each.log_odds is not None]
    assert [each.sensor for each in said] == ["scale", "rfid"]
    assert "3110 kg, give or take" in said[0].expected


def test_lifted_item_is_a_warning_until_it_takes_too_long() -> None:
    """All tags are read: it may hang on a fork; it locks meanwhile."""
    made = taken(on_scale(), 1, 20)
    found = facts(made, seen(made, {}, {}))
    assert [(key, fact.grave) for key, fact in found.items()] == [("load", False)]
    assert "perhaps on a fork" in found["load"].text
    assert made.says().short
    taken(made, 1, HOLD_S)
    found = facts(made, seen(made, {}, {}))
    assert {key: (fact.kind, fact.grave) for key, fact in found.items()} == {
        "load": (FactKind.LOAD_SHORT, True),
        "tamper:load": (FactKind.TAGS_LEFT, True),
    }


@pytest.mark.parametrize("left_g", [-1_000_000.0, -600_000.0, -300_000.0, -40_000.0])
def test_what_is_set_down_lighter_than_it_was_lifted_is_tampering(left_g: float) -> None:
    """Goods taken off their pallet, or dummies in their place: the tags are all there."""
    made = taken(on_scale(), 1, 60)
    then(made, *[made.gross_g + left_g] * 22)
    found = facts(made, seen(made, {}, {}))
    assert found["load"].grave
    assert found["tamper:load"].grave


def test_what_is_set_down_heavier_is_tampering_and_a_parked_forklift_is_not() -> None:
    """The one follows a lift at once; the other is a warning that something stands there."""
    made = taken(on_scale(), 1, 60)
    then(made, *[made.gross_g + 250_000.0] * 30)
    found = facts(made, seen(made, {}, {}))
    assert found["tamper:excess"].grave
    parked = taken(on_scale(), 1, 60)
    then(parked, *[float(parked.gross_g)] * 60, *[parked.gross_g + 3e6] * 30)
    found = facts(parked, seen(parked, {}, {}))
    assert {key: fact.grave for key, fact in found.items()} == {"excess": False}


@pytest.mark.parametrize(("weighed_s_ago", "grave"), [(60, False), (500, True)])
def test_scale_that_falls_silent_takes_back_nothing(weighed_s_ago: int, grave: bool) -> None:
    """A tag that had failed by its last weight has failed; one read then may have left."""
    made = on_scale()
    silent = replace(
        seen(made, {1: 600.0}, {1: SURE_NATS + 1})[1], missed_us=made.now_us - 300 * SECOND_US
    )
    items = [silent if n == 1 else each for n, each in enumerate(seen(made, {}, {}))]
    (fact,) = facts(made, items, made.now_us - weighed_s_ago * SECOND_US).values()
    assert (fact.kind, fact.grave) == (FactKind.ITEM_MISSING, grave)


def test_what_covers_a_scale_takes_back_nothing() -> None:
    """A forklift that parks on it makes no theft of a tag that had failed before."""
    made = on_scale()
    died_us = made.now_us
    then(made, *[float(made.gross_g)] * 200, *[made.gross_g + 3e6] * 30)
    for missed_s, grave in ((100, False), (210, True)):
        silent = replace(
            seen(made, {1: 230.0}, {1: SURE_NATS + 1})[1], missed_us=died_us + missed_s * SECOND_US
        )
        items = [silent if n == 1 else each for n, each in enumerate(seen(made, {}, {}))]
        found = {fact.kind: fact.grave for fact in facts(made, items).values()}
        assert found == {FactKind.ITEM_MISSING: grave, FactKind.LOAD_EXCESS: False}


def test_lifted_and_put_back_is_nothing_more() -> None:
    """Two minutes on a fork leave nothing behind."""
    made = taken(on_scale(), 1, 120)
    then(made, *[float(made.gross_g)] * 3)
    assert facts(made, seen(made, {}, {})) == {}


def test_silent_tag_on_a_full_scale_is_a_warning_and_several_at_once_are_not() -> None:
    """It failed, fell off or is shielded; a month apart each is so alone."""
    made = on_scale()
    one = facts(made, seen(made, {0: 60.0}, {0: SURE_NATS}))
    assert [fact.grave for fact in one.values()] == [False]
    two = facts(made, seen(made, {0: 60.0, 1: 90.0}, {0: SURE_NATS, 1: SURE_NATS}))
    assert [fact.grave for fact in two.values()] == [True, True]
    apart = facts(made, seen(made, {0: 60.0, 1: 9e6}, {0: SURE_NATS, 1: SURE_NATS}))
    assert [fact.grave for fact in apart.values()] == [False, False]


def test_without_a_scale_silence_alone_must_be_beyond_doubt() -> None:
    """Likely gone is a warning; beyond doubt is critical."""
    made = on_scale()
    likely = facts(None, seen(made, {0: 30.0}, {0: 1.0 - PRIOR_LOG_ODDS}))
    assert [fact.grave for fact in likely.values()] == [False]
    sure = facts(None, seen(made, {0: 60.0}, {0: SURE_NATS}))
    assert [fact.grave for fact in sure.values()] == [True]


def test_scale_that_bears_out_nothing_excuses_no_tag() -> None:
    """With a forklift on it the scale can not say that an item is there."""
    made = on_scale()
    then(made, *[made.gross_g + 3e6] * 30)
    found = facts(made, seen(made, {0: 60.0}, {0: SURE_NATS}))
    assert {fact.kind: fact.grave for fact in found.values()} == {
        FactKind.ITEM_MISSING: True,
        FactKind.LOAD_EXCESS: False,
    }


def test_tag_that_failed_long_before_a_drop_did_not_leave_with_it() -> None:
    """The item whose tag fell silent with the drop is named, not the one with the dead tag."""
    made = taken(on_scale(), 1, 20)
    found = facts(made, seen(made, {0: 9_000.0, 2: 19.0}, {0: 40.0, 2: 12.5}))
    assert "p2 gone" in found["load"].text
    dead = next(fact for key, fact in found.items() if key != "load")
    assert not dead.grave


def test_drop_that_a_relocation_explains_is_its_warning() -> None:
    """Seen in another zone: that is the critical finding, and the weight bears it out."""
    made = taken(on_scale(), 1, HOLD_S)
    items = seen(made, {1: 30.0}, {1: SURE_NATS})
    items[1] = replace(items[1], custody=ItemCustody.RELOCATED, zone_id=made.setup.zone_id)
    found = facts(made, items)
    assert {fact.kind: fact.grave for fact in found.values()} == {
        FactKind.ITEM_RELOCATED: True,
        FactKind.LOAD_SHORT: False,
    }


def test_weak_tags_are_not_named_while_a_pallet_hangs_on_a_fork() -> None:
    """Some silence is what bad tags give; it takes more to tell a theft from handling."""
    made = taken(on_scale(), 1, 30)
    found = facts(made, seen(made, {0: 20.0, 1: 8.0}, {0: 5.0, 1: 4.0}))
    assert [(key, fact.grave) for key, fact in found.items()] == [("load", False)]


def test_scale_set_to_zero_is_tampering() -> None:
    """Nothing by weight, everything by its tags."""
    made = on_scale()
    then(made, *[0.0] * 15)
    found = facts(made, seen(made, {}, {}))
    assert found["load"].grave
    assert "set to zero" in found["tamper:load"].text


@settings(max_examples=40, deadline=None)
@given(
    off_g=st.sampled_from([0.0, -ITEM_G, -2.0 * ITEM_G, -1e6, -6e5, -30_000.0, 3e5, 3e6]),
    for_s=st.sampled_from([1, 3, 30, HOLD_S]),
    nats=st.dictionaries(st.integers(0, 2), st.floats(0.0, 30.0), max_size=3),
    less=st.floats(0.0, 1.0),
)
def test_more_silence_never_makes_less_of_it(
    off_g: float, for_s: int, nats: dict[int, float], less: float
) -> None:
    """Whatever the weight, a lot with more silent tags is in no better state, nor worth more."""
    made = on_scale()
    then(made, *[made.gross_g + off_g] * for_s)
    ranks = {QuantityState.WHOLE: 0, QuantityState.SHORT: 1, QuantityState.UNKNOWN: 2}
    worst: list[tuple[bool, int]] = []
    for share in (less, 1.0):
        each = {number: share * value for number, value in nats.items()}
        items = seen(made, dict.fromkeys(each, 30.0), each)
        found = facts(made, items)
        load = made.says()
        worst.append((any(fact.grave for fact in found.values()), ranks[_quantity(load)]))
    assert worst[0] <= worst[1]


def _quantity(load: Load) -> QuantityState:
    return QuantityState.SHORT if load.short else QuantityState.WHOLE


def test_probability_of_any_odds_is_one() -> None:
    """However large they are."""
    assert probability_of(0.0) == 0.5
    assert 0.0 <= probability_of(-1e9) < 1e-9 < 1 - 1e-9 < probability_of(1e9) <= 1.0


def test_lot_that_nothing_was_heard_of_is_unknown() -> None:
    """A scale without a weight says nothing, which is not that all is there."""
    made = OnScale(items=((1_000_000, 20_000),), tolerance_g=40_000)
    observed = Observed(
        sensors={}, streams={}, sights=(), memory=LotMemory(), since_us=made.now_us
    )
    decision = decide_lot(made.setup, observed, made.now_us)
    assert decision.state.quantity is QuantityState.UNKNOWN
    assert not decision.state.evaluated
