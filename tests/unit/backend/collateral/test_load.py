"""Weight: what is a drop, a loss or an excess, and what is only how a load cell behaves."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.collateral.rules.load_physics import BUMP_US
from backend.collateral.rules.load_still import HOURS_LEARNED, is_frozen
from backend.collateral.rules.weigh import Says, explain
from backend.telemetry.types import Floats, Int64s
from schemas.quantities import QUALITY_CODES, Quality
from tests.unit.backend.collateral.weights import BASE_US, DAY_US, SECOND_US, OnScale, lot_of

ITEM_G = 1_020_000
ITEMS = ((1_000_000, 20_000),) * 3
UNSTABLE = QUALITY_CODES[Quality.UNSTABLE]


def on_scale(tolerance_g: int = 40_000) -> OnScale:
    """Return three pallets on a scale that knows what it shows when all are there."""
    made = OnScale(items=ITEMS, tolerance_g=tolerance_g)
    made.feed(*seconds(BASE_US, [float(made.gross_g)] * 130))
    return made


def seconds(begin_us: int, values: list[float]) -> tuple[Int64s, Floats]:
    """Return weights, one a second."""
    at_us = begin_us + np.arange(len(values), dtype=np.int64) * SECOND_US
    return at_us, np.array(values, dtype=np.float64)


def then(made: OnScale, *values: float) -> Says:
    """Feed weights that follow, one a second; return what the scale says."""
    made.feed(*seconds(made.now_us + SECOND_US, list(values)))
    return made.says().says


def test_all_there_is_whole() -> None:
    """The baseline is learned from the first quiet minute, and bounds what may be missing."""
    made = on_scale()
    load = made.says()
    assert load.says is Says.WHOLE
    assert made.memory.base is not None
    assert load.off_g < made.tolerance_g
    assert load.measured_mass_g == 3_000_000 - load.off_g


@pytest.mark.parametrize("spike_g", [-5e6, 5e6, -300_000.0, 300_000.0])
def test_one_impossible_weight_is_nothing(spike_g: float) -> None:
    """Neither while it is the newest, nor after."""
    made = on_scale()
    assert then(made, made.gross_g + spike_g) is Says.WHOLE
    assert then(made, made.gross_g) is Says.WHOLE
    assert made.memory.drop.since is made.memory.excess.since is None
    assert made.memory.past == ()


def test_one_item_less_counts_at_once_and_is_sure_at_the_second_weight() -> None:
    """No spike weighs just what one item does."""
    made = on_scale()
    assert then(made, made.gross_g - ITEM_G) is Says.SHORT
    assert not made.says().confirmed
    assert then(made, made.gross_g - ITEM_G) is Says.SHORT
    load = made.says()
    assert load.confirmed
    assert (load.match.items, load.match.goods) == (1, 0)


def test_goods_without_their_pallet_are_told_apart() -> None:
    """Twenty kilograms of pallet are more than the scale may be off by."""
    made = on_scale()
    then(made, *[made.gross_g - 1_000_000.0] * 3)
    assert (made.says().match.items, made.says().match.goods) == (0, 1)


@pytest.mark.parametrize(
    ("missing_kg", "items", "goods"),
    [(520, 1, 0), (820, 1, 0), (1_340, 2, 0), (500, 0, 1), (650, 0, 0), (2_000, 0, 0)],
)
def test_items_of_different_masses_are_told_apart(missing_kg: int, items: int, goods: int) -> None:
    """One of them, two of them, the goods of one, or none of these."""
    setup = lot_of(((500_000, 20_000), (800_000, 20_000), (1_100_000, 20_000)))
    match = explain(missing_kg * 1_000, setup.items, 8_000)
    assert (match.items, match.goods) == (items, goods)


def test_drop_that_matches_nothing_is_sure_at_the_second_weight() -> None:
    """Several hundred kilograms are no bump."""
    made = on_scale()
    assert then(made, made.gross_g - 400_000) is Says.WHOLE
    assert then(made, made.gross_g - 400_000) is Says.SHORT
    assert made.says().confirmed


def test_drop_after_motion_counts_at_once() -> None:
    """A scale that was seen to move has been moved."""
    made = on_scale()
    at_us, value = seconds(made.now_us + SECOND_US, [made.gross_g, made.gross_g - 4e5])
    made.feed(at_us, value, np.array([UNSTABLE, 0], dtype=np.int16))
    assert made.says().short


@pytest.mark.parametrize("bump_g", [-50_000.0, 50_000.0])
def test_bump_of_a_forklift_is_nothing(bump_g: float) -> None:
    """Fifty kilograms for five seconds, beyond the tolerance."""
    made = on_scale()
    assert then(made, *[made.gross_g + bump_g] * 5) is Says.WHOLE
    assert then(made, made.gross_g, made.gross_g) is Says.WHOLE
    assert made.memory.past == ()


def test_small_loss_that_stays_is_light_then_short() -> None:
    """Beyond drift it is told; beyond the tolerance it locks."""
    made = on_scale()
    over_s = BUMP_US // SECOND_US + 2
    assert then(made, *[made.gross_g - 20_000.0] * over_s) is Says.LIGHT
    assert made.says().measured_mass_g <= 3_000_000 - 20_000
    assert then(made, *[made.gross_g - 45_000.0] * 3) is Says.SHORT


def test_excess_that_stays_is_told_and_covers() -> None:
    """Something else on the scale may stand for goods that are gone."""
    made = on_scale()
    then(made, *[made.gross_g + 2_000_000.0] * 25)
    assert made.memory.excess.found_us is not None
    assert made.says().covered


def test_baseline_moves_with_the_registry_and_not_with_a_thief() -> None:
    """An item that is registered no more is expected no more; weight alone moves nothing."""
    made = on_scale()
    base = made.memory.base
    for step in range(40):
        then(made, *[made.gross_g - 1_000.0 * step] * 60)
    assert made.memory.base == base
    assert made.says().says is not Says.WHOLE
    made = on_scale()
    made.items = ITEMS[:2]
    assert then(made, *[float(made.gross_g)] * 3) is Says.WHOLE
    assert made.memory.base is not None
    assert made.memory.base.gross_g == made.gross_g


def test_what_began_and_ended_in_one_batch_is_kept_with_its_times() -> None:
    """An hour without an item, read back after an outage."""
    made = on_scale()
    full, less = float(made.gross_g), float(made.gross_g - ITEM_G)
    since_us = made.now_us + 61 * SECOND_US
    then(made, *[full] * 60, *[less] * 3_600, *[full] * 60)
    assert made.says().says is Says.WHOLE
    drop = next(past for past in made.memory.past if past.line == "drop")
    assert drop.since.at_us == since_us
    assert drop.lasted_us == 3_599 * SECOND_US


def test_warmth_narrows_what_may_be_missing() -> None:
    """A thermometer beside the scale says that it is as warm as it was."""
    unknown = on_scale()
    known = OnScale(items=ITEMS, tolerance_g=40_000)
    at_us, value = seconds(BASE_US, [float(known.gross_g)] * 130)
    known.feed(at_us, value, air=(at_us, np.full(len(at_us), 12.0)))
    assert known.says().off_g < unknown.says().off_g


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Some weights at one level, a second or several apart."""

    off_g: float
    count: int
    every_s: int
    quality: int


SPANS = st.lists(
    st.builds(
        Span,
        off_g=st.sampled_from([0.0, 0.0, -ITEM_G, -400_000, -50_000, -20_000, 30_000, 5e6, -5e6]),
        count=st.integers(1, 40),
        every_s=st.sampled_from([1, 5, 3_600]),
        quality=st.sampled_from([0, 0, 0, UNSTABLE, 3]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(spans=SPANS, cuts=st.lists(st.floats(0, 1), max_size=6), noisy=st.booleans())
def test_how_weights_are_cut_into_batches_does_not_matter(
    spans: list[Span], cuts: list[float], *, noisy: bool
) -> None:
    """One batch or many, stored and read back between: the same is remembered, exactly."""
    one, many = (OnScale(items=ITEMS, tolerance_g=40_000) for _ in range(2))
    steps_s = np.concatenate([np.full(s.count, s.every_s) for s in spans])
    at_us = BASE_US + np.cumsum(steps_s.astype(np.int64)) * SECOND_US
    value = one.gross_g + np.concatenate([np.full(s.count, s.off_g) for s in spans])
    if noisy:
        value = value + np.random.default_rng(7).normal(0.0, 100.0, len(value))
    quality = np.concatenate([np.full(s.count, s.quality, dtype=np.int16) for s in spans])
    warmth = 12.0 + np.arange(len(at_us)) / 10
    one.feed(at_us, value, quality, (at_us, warmth))
    bounds = sorted({0, len(at_us), *(int(cut * len(at_us)) for cut in cuts)})
    for begin, end in itertools.pairwise(bounds):
        part = slice(begin, end)
        many.feed(at_us[part], value[part], quality[part], (at_us[part], warmth[part]))
    assert many.memory == one.memory


def test_frozen_scale_is_found_and_a_noisy_one_never() -> None:
    """A day and a night are learned; then the same weight again and again is none."""
    made = on_scale()
    noise = np.random.default_rng(3)
    at_us = BASE_US + 200 * SECOND_US + np.arange(0, 3 * DAY_US, 5 * SECOND_US)
    shown = made.gross_g + np.rint(noise.normal(0.0, 100.0, len(at_us)) / 50.0) * 50.0
    made.feed(at_us, shown)
    assert not is_frozen(made.memory.still)
    assert made.memory.past == ()
    stuck = np.full(120, made.gross_g, dtype=np.float64)
    made.feed(made.now_us + 5 * SECOND_US * np.arange(1, 121), stuck)
    assert is_frozen(made.memory.still)
    assert made.memory.still.found_us is not None
    made.feed(*seconds(made.now_us + SECOND_US, [made.gross_g + 100.0, made.gross_g - 50.0]))
    assert [past.line for past in made.memory.past] == ["frozen"]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    stuck=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 90)), max_size=5),
    cuts=st.lists(st.floats(0, 1), max_size=6),
)
def test_stillness_is_learned_and_told_the_same_however_it_is_cut(
    seed: int, stuck: list[tuple[float, int]], cuts: list[float]
) -> None:
    """Around the end of the first day, with stretches of one weight before and after it."""
    one, many = (OnScale(items=ITEMS, tolerance_g=40_000, envelope_s=600) for _ in range(2))
    at_us = BASE_US + 30 * SECOND_US * np.arange(26 * 120, dtype=np.int64)
    steps = np.random.default_rng(seed).integers(0, 4, len(at_us))
    value = np.asarray(one.gross_g + 100.0 * steps, dtype=np.float64)
    for share, count in stuck:
        begin = int(share * len(value))
        value[begin : begin + count] = value[min(begin, len(value) - 1)]
    one.feed(at_us, value)
    span = 20  # Readings of an envelope, which comes whole.
    bounds = sorted({0, len(at_us), *(int(cut * len(at_us)) // span * span for cut in cuts)})
    for begin, end in itertools.pairwise(bounds):
        many.feed(at_us[begin:end], value[begin:end])
    assert many.memory == one.memory
    assert one.memory.still.hours == HOURS_LEARNED
