"""Condition: at risk at once and without flapping, damaged by a dose, nothing lost in a batch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from backend.collateral.rules.condition import fold_condition, ranges_of
from backend.collateral.rules.detector import Seen
from backend.collateral.rules.harm import condition_facts
from backend.collateral.rules.memory import lot_memory_json, lot_memory_of
from backend.collateral.rules.series import SeriesBook
from backend.collateral.types import Fact, Limits, LotMemory, Purpose, SensorKey
from schemas.quantities import Quantity
from tests.unit.backend.collateral.columns import (
    BEGIN_US,
    NAME,
    SECOND_US,
    Channel,
    batches_of,
    binding_of,
    books_of,
    channel,
    setup_of,
)

KEY: SensorKey = (NAME, "climate")
LIMITS = Limits(
    temperature_min_c=-25.0,
    temperature_max_c=-15.0,
    temperature_dwell_s=60,
    humidity_max_pct=85.0,
    shock_max_g0=3.0,
)
SETUP = setup_of(binding_of("climate", Purpose.CONDITION), limits=LIMITS)
RANGES = ranges_of(LIMITS)
GAP_US = 15 * SECOND_US


def fold(memory: LotMemory, *books: SeriesBook) -> LotMemory:
    """Fold books and go through the stored form, as a restart would."""
    for book in books:
        memory = fold_condition(memory, KEY, book, RANGES, GAP_US)
        memory = lot_memory_of(lot_memory_json(memory))
    return memory


def climate(at_s: ArrayLike, value_c: ArrayLike) -> Channel:
    """Return temperatures."""
    return channel("climate", Quantity.TEMPERATURE, at_s, value_c)


def judge(memory: LotMemory, *, now_s: float, since_s: float | None = None) -> list[Fact]:
    """Return what is found at a time, after readings that came since another."""
    now_us = BEGIN_US + int(now_s * SECOND_US)
    since_us = now_us if since_s is None else BEGIN_US + int(since_s * SECOND_US)
    seen = Seen(sensors={}, streams={}, sights=(), now_us=now_us, since_us=since_us)
    return condition_facts(SETUP, memory, seen)


def seconds_to_harm(value_c: float) -> float:
    """Return after how long goods at a temperature count as damaged."""
    memory = LotMemory()
    at_s = np.arange(0.0, 3_600.0, 5.0)
    for book in books_of([climate(at_s, value_c)], cuts_s=at_s[1:].tolist()):
        memory = fold(memory, book)
        if memory.latches:
            return (memory.latches[Quantity.TEMPERATURE].sample.at_us - BEGIN_US) / SECOND_US
    return float("inf")


def test_a_store_at_its_limit_is_one_excursion() -> None:
    """A month at the limit, offset and noise as they are: one run over it and no damage."""
    rng = np.random.default_rng(1)
    at_s = np.arange(0.0, 30 * 86_400.0, 10.0)
    air_c = -15.0 + 0.1 * np.sin(at_s / 86_400.0 * 2 * np.pi)
    said_c = np.round(air_c + 0.1 + rng.normal(0.0, 0.04, len(at_s)), 1)
    memory, opened, over = LotMemory(), 0, False
    for book in books_of([climate(at_s, said_c)], cuts_s=range(0, 30 * 86_400, 43_200)):
        memory = fold_condition(memory, KEY, book, RANGES, GAP_US)
        opened += bool(memory.overs) and not over
        over = bool(memory.overs)
    assert opened == 1
    assert not memory.latches


def test_farther_over_the_limit_harms_sooner() -> None:
    """At the limit by its plain dwell, and ten degrees above three to five times as fast."""
    at_limit, ten_above = seconds_to_harm(-14.6), seconds_to_harm(-4.6)
    assert at_limit == pytest.approx(60.0, abs=5.0)
    assert 3.0 <= at_limit / ten_above <= 5.5
    assert seconds_to_harm(-14.9) == float("inf")  # Within what the sensor may err: at risk only.
    assert seconds_to_harm(-30.0) < seconds_to_harm(-25.5) == pytest.approx(60.0, abs=5.0)


def test_a_door_opened_again_and_again_adds_up() -> None:
    """Each opening is too short to harm; when they are most of the time, they do together."""
    at_s = np.arange(0.0, 1_200.0, 5.0)
    often = np.where(at_s % 60.0 < 40.0, -14.5, -18.0)
    seldom = np.where(at_s % 60.0 < 25.0, -14.5, -18.0)
    assert fold(LotMemory(), *books_of([climate(at_s, often)])).latches
    assert not fold(LotMemory(), *books_of([climate(at_s, seldom)])).latches


def test_an_excursion_inside_one_batch_is_told_with_its_own_times() -> None:
    """Thirteen hours in one batch: what was over for a minute in them raises, once."""
    at_s = np.arange(0.0, 13 * 3_600.0, 5.0)
    value_c = np.where((at_s >= 3_600.0) & (at_s < 3_630.0), -14.0, -18.0)
    memory = fold(LotMemory(), *books_of([climate(at_s, value_c)]))
    now_s = 13 * 3_600.0 + 1.0
    (fact,) = judge(memory, now_s=now_s, since_s=0.0)
    assert not fact.grave
    assert fact.began_us is not None
    assert (fact.began_us - BEGIN_US) / SECOND_US == pytest.approx(3_600.0, abs=6.0)
    assert "back within" in fact.evidence[-1].text
    assert judge(memory, now_s=now_s) == []


def test_harm_inside_one_batch_is_told() -> None:
    """The same long enough to do harm is grave, and its latch stays."""
    at_s = np.arange(0.0, 13 * 3_600.0, 5.0)
    value_c = np.where((at_s >= 3_600.0) & (at_s < 4_200.0), -10.0, -18.0)
    memory = fold(LotMemory(), *books_of([climate(at_s, value_c)]))
    (fact,) = judge(memory, now_s=13 * 3_600.0 + 1.0, since_s=0.0)
    assert fact.grave
    assert memory.latches


def test_one_wild_reading_adds_no_dose() -> None:
    """A misread register between two good readings is at risk and harms nothing."""
    at_s = np.arange(0.0, 600.0, 5.0)
    value_c = np.where(at_s == 300.0, 3_276.7, -18.0)
    assert not fold(LotMemory(), *books_of([climate(at_s, value_c)])).latches


def test_the_stored_form_of_the_first_releases_is_read() -> None:
    """A run and a latch as they were stored before doses were counted."""
    since = [BEGIN_US, -14.0, 7, BEGIN_US]
    memory = lot_memory_of(
        {
            "overs": {"gw-1/climate/temperature": [since, BEGIN_US, 5_000_000]},
            "latches": {"temperature": ["gw-1/climate", since, BEGIN_US]},
        }
    )
    assert memory.overs[KEY, Quantity.TEMPERATURE].dose_us == 5_000_000
    assert memory.latches[Quantity.TEMPERATURE].arrived_us == BEGIN_US


@settings(max_examples=80, deadline=None)
@given(
    value_c=st.lists(
        st.sampled_from([-40.0, -25.2, -18.0, -15.1, -14.9, -14.6, -10.0, 8.0]),
        min_size=2,
        max_size=40,
    ),
    cuts=st.sets(st.integers(1, 39)),
)
def test_batches_do_not_matter(value_c: list[float], cuts: set[int]) -> None:
    """The same readings however cut leave the same memory behind."""
    at_s = 5.0 * np.arange(len(value_c)) + 2.0
    whole = batches_of([climate(at_s, value_c)])
    parts = batches_of([climate(at_s, value_c)], cuts_s=[5.0 * cut for cut in sorted(cuts)])
    one = fold(LotMemory(), *(SeriesBook(batch) for batch in whole))
    assert fold(LotMemory(), *(SeriesBook(batch) for batch in parts)) == one
