"""What was missing and came back inside one batch is as grave as it was second by second."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.collateral.rules.load import DROP, LOSS
from backend.collateral.rules.weigh import was_grave
from tests.unit.backend.collateral.weights import BASE_US, SECOND_US, OnScale

ITEMS = tuple((900_000 + 10_000 * number, 20_000) for number in range(6))
TOLERANCE_G = 20_000
QUIET_S, AFTER_S = 150, 40
ITEM_G = 920_000


def _weights(less_g: int, lasts_s: int) -> tuple[list[int], list[float]]:
    gross_g = OnScale(items=ITEMS, tolerance_g=TOLERANCE_G).gross_g
    less = [0] * QUIET_S + [less_g] * lasts_s + [0] * AFTER_S
    return list(range(len(less))), [float(gross_g - each) for each in less]


def _grave_live(less_g: int, lasts_s: int) -> bool:
    """Return whether it is grave after any second of many batches."""
    scale = OnScale(items=ITEMS, tolerance_g=TOLERANCE_G)
    found = False
    for second, value in zip(*_weights(less_g, lasts_s), strict=True):
        at_us = np.array([BASE_US + second * SECOND_US])
        scale.feed(at_us, np.array([value]))
        load = scale.says()
        found |= load.confirmed and load.short and not load.is_patient
    return found


def _grave_at_once(less_g: int, lasts_s: int) -> bool:
    """Return whether it is grave as told after one batch."""
    scale = OnScale(items=ITEMS, tolerance_g=TOLERANCE_G)
    seconds, values = _weights(less_g, lasts_s)
    memory = scale.feed(BASE_US + np.array(seconds) * SECOND_US, np.array(values))
    load = scale.says()
    assert not load.short, "all of it is back"
    past = [each for each in memory.past if each.line in (DROP, LOSS)]
    return any(was_grave(scale.setup, load, each) for each in past)


@settings(max_examples=25, deadline=None)
@given(
    less_g=st.one_of(
        st.integers(0, 5_000_000), st.sampled_from((ITEM_G, 2 * ITEM_G + 10_000, 450_000))
    ),
    lasts_s=st.integers(1, 200),
)
def test_loss_inside_one_batch_is_as_grave_as_second_by_second(less_g: int, lasts_s: int) -> None:
    """One lifted item may hang on a fork; anything else is grave once no bump lasts so long."""
    assert _grave_at_once(less_g, lasts_s) == _grave_live(less_g, lasts_s)


def test_much_that_is_gone_for_moments_inside_one_batch_is_grave() -> None:
    """More than a fifth of the load leans on nothing."""
    assert _grave_at_once(3 * ITEM_G + 100_000, 5)
    assert not _grave_at_once(ITEM_G, 170)
    assert _grave_at_once(ITEM_G, 190)


def test_what_was_grave_is_told_however_much_is_lifted_after_it_in_the_same_batch() -> None:
    """Twenty pallets that forks move afterwards hide no theft, and neither does the next batch."""
    scale = OnScale(items=ITEMS, tolerance_g=TOLERANCE_G)
    theft, lift = [2 * ITEM_G + 10_000] * 60 + [0] * 30, [ITEM_G] * 40 + [0] * 30
    less = [0] * QUIET_S + theft + lift * 20
    at_us = BASE_US + np.arange(len(less)) * SECOND_US
    values = np.array([float(scale.gross_g - each) for each in less])
    scale.feed(at_us, values)
    load = scale.says()
    assert any(was_grave(scale.setup, load, past) for past in load.memory.past)
    in_two = OnScale(items=ITEMS, tolerance_g=TOLERANCE_G)
    in_two.feed(at_us[:500], values[:500])
    assert in_two.feed(at_us[500:], values[500:]).past == load.memory.past
