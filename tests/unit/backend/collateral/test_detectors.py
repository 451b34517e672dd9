"""Detectors that stand on their own: knocks, garbled and stuck sensors."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from backend.collateral.rules.detector import Detector, Seen
from backend.collateral.rules.detectors import DETECTORS, garbled, knock, stuck
from backend.collateral.types import Fact, FactKind, Json, Limits, Purpose
from schemas.quantities import QUALITY_CODES, Quality, Quantity
from tests.unit.backend.collateral.columns import (
    BEGIN_US,
    SECOND_US,
    Channel,
    binding_of,
    books_of,
    channel,
    setup_of,
)

SETUP = setup_of(
    binding_of("climate", Purpose.CONDITION),
    binding_of("scale", Purpose.LOAD),
    limits=Limits(shock_max_g0=3.0),
)
DAY_S = 86_400.0
BAD = QUALITY_CODES[Quality.BAD]


def fold(detector: Detector, channels: list[Channel], cuts_s: list[float] | None = None) -> Json:
    """Return what a detector remembers, going through JSON after each batch."""
    memory: Json = {}
    for book in books_of(channels, cuts_s=cuts_s or []):
        memory = json.loads(json.dumps(detector.fold(memory, SETUP, book)))
    return memory


def judge(
    detector: Detector, memory: Json, now_s: float, since_s: float | None = None
) -> list[Fact]:
    """Return what a detector finds at a time, after readings that came since another."""
    now_us = BEGIN_US + int(now_s * SECOND_US)
    since_us = now_us if since_s is None else BEGIN_US + int(since_s * SECOND_US)
    seen = Seen(sensors={}, streams={}, sights=(), now_us=now_us, since_us=since_us)
    return list(detector.judge(memory, SETUP, seen))


def climate(quantity: Quantity, at_s: ArrayLike, value: ArrayLike) -> Channel:
    """Return readings of the climate sensor."""
    return channel("climate", quantity, at_s, value)


def test_names_are_distinct() -> None:
    """Memory is found by a detector's name."""
    assert len({detector.name for detector in DETECTORS}) == len(DETECTORS)


def test_forklifts_are_no_knocks_and_drops_are_damage() -> None:
    """A month of forklifts raises nothing; a knock is a hint for some seconds, a drop is none."""
    rng = np.random.default_rng(1)
    at_s = np.arange(0.0, 30 * DAY_S, 5.0)
    peak = np.abs(rng.normal(0.0, 0.02, len(at_s)))
    bumped = rng.random(len(at_s)) < 20 * 5.0 / 3_600.0
    peak[bumped] = rng.uniform(0.3, 1.0, int(bumped.sum()))
    assert fold(knock.DETECTOR, [climate(Quantity.SHOCK, at_s, peak)]) == {}
    at_s, peak = at_s[:17_280], peak[:17_280]
    struck = np.where(at_s == 600.0, 1.6, peak)
    memory = fold(knock.DETECTOR, [climate(Quantity.SHOCK, at_s, struck)])
    (fact,) = judge(knock.DETECTOR, memory, 606.0)
    assert (fact.kind, fact.grave) == (FactKind.KNOCKED, False)
    assert judge(knock.DETECTOR, memory, 660.0) == []
    (late,) = judge(knock.DETECTOR, memory, DAY_S, since_s=0.0)
    assert late.began_us == fact.began_us
    dropped = np.where(at_s == 600.0, 6.5, peak)
    assert fold(knock.DETECTOR, [climate(Quantity.SHOCK, at_s, dropped)]) == {}


def garbled_channel(share: float, seed: int = 1) -> Channel:
    """Return a day of temperatures, from noon on with such a share of bad ones, for an hour."""
    rng = np.random.default_rng(seed)
    at_s = np.arange(0.0, DAY_S, 5.0)
    odds = np.where((at_s >= DAY_S / 2) & (at_s < DAY_S / 2 + 3_600.0), share, 0.001)
    return Channel(
        sensor="climate",
        quantity=Quantity.TEMPERATURE,
        at_s=at_s,
        value=np.full(len(at_s), -18.0),
        quality=np.where(rng.random(len(at_s)) < odds, BAD, 0).astype(np.int16),
    )


def test_time_outs_of_a_field_bus_are_nothing() -> None:
    """A thousandth of readings bad, for a day."""
    memory = fold(garbled.DETECTOR, [garbled_channel(0.001)])
    assert judge(garbled.DETECTOR, memory, DAY_S, since_s=0.0) == []


def test_a_large_share_of_bad_readings_is_told_while_it_lasts_and_a_little_longer() -> None:
    """And, when it came in one batch with the rest of the day, once."""
    told = [garbled_channel(0.5)]
    memory = fold(garbled.DETECTOR, told, [DAY_S / 2 + 1_800.0])
    assert judge(garbled.DETECTOR, memory, DAY_S) == []
    (fact,) = judge(garbled.DETECTOR, memory, DAY_S, since_s=DAY_S / 2)
    assert (fact.kind, fact.grave) == (FactKind.SENSOR_LOST, False)
    (during,) = judge(garbled.DETECTOR, memory, DAY_S / 2 + 3_700.0)
    assert during.key == "garbled:gw-1/climate/temperature"


@pytest.mark.parametrize("quantity", [Quantity.TEMPERATURE, Quantity.HUMIDITY])
def test_a_value_that_freezes_is_told_and_a_coarse_one_is_not(quantity: Quantity) -> None:
    """Ten days of noise at a resolution of 0.1, then six hours of one value."""
    rng = np.random.default_rng(2)
    at_s = np.arange(0.0, 10 * DAY_S, 20.0)
    value = np.round(-18.0 + rng.normal(0.0, 0.04, len(at_s)), 1)
    memory = fold(stuck.DETECTOR, [climate(quantity, at_s, value)], [DAY_S, 5 * DAY_S])
    assert judge(stuck.DETECTOR, memory, 10 * DAY_S) == []
    frozen = np.where(at_s >= 10 * DAY_S - 6 * 3_600.0, -18.0, value)
    memory = fold(stuck.DETECTOR, [climate(quantity, at_s, frozen)], [DAY_S, 5 * DAY_S])
    (fact,) = judge(stuck.DETECTOR, memory, 10 * DAY_S)
    assert not fact.grave
    still = fold(stuck.DETECTOR, [climate(quantity, at_s, -18.0)])
    assert judge(stuck.DETECTOR, still, 10 * DAY_S) == []


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda each: each.name)
@settings(max_examples=40, deadline=None)
@given(
    readings=st.lists(
        st.tuples(
            st.sampled_from([0.02, 0.5, 1.3, 1.7, 5.0]), st.sampled_from([0, 0, 0, 1, 2, 3])
        ),
        min_size=2,
        max_size=80,
    ),
    step_s=st.sampled_from([5.0, 35.0, 700.0]),
    cuts=st.sets(st.integers(1, 79)),
)
def test_batches_do_not_matter(
    detector: Detector, readings: list[tuple[float, int]], step_s: float, cuts: set[int]
) -> None:
    """The same readings however cut leave the same memory behind."""
    at_s = np.linspace(0.0, step_s * (len(readings) - 1), len(readings))
    channels = [
        Channel(
            sensor="climate",
            quantity=quantity,
            at_s=at_s,
            value=np.array([value for value, _ in readings]),
            quality=np.array([quality for _, quality in readings], dtype=np.int16),
        )
        for quantity in (Quantity.SHOCK, Quantity.TEMPERATURE, Quantity.LATITUDE, Quantity.CONTACT)
    ]
    whole = fold(detector, channels)
    assert fold(detector, channels, [step_s * cut for cut in sorted(cuts)]) == whole
