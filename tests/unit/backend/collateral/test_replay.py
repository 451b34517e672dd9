"""Replayed readings are noticed within hours, whatever the lag; noise and rhythms are not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from backend.collateral.rules.detector import Seen
from backend.collateral.rules.detectors.replay import DETECTOR
from backend.collateral.rules.echoes import VALUES, code_bits, fold_echo
from backend.collateral.rules.memory import echoes_of, sensor_memory_json
from backend.collateral.types import Echo, Fact, Purpose, SensorKey, SensorState
from schemas.quantities import Quantity
from tests.unit.backend.collateral.columns import (
    BEGIN_US,
    NAME,
    SECOND_US,
    binding_of,
    books_of,
    channel,
    setup_of,
)

KEY: SensorKey = (NAME, "sensor")
SETUP = setup_of(binding_of("sensor", Purpose.PRESENCE))
HOUR_S, DAY_S = 3_600.0, 86_400.0
Floats = NDArray[np.float64]


def fold(quantity: Quantity, at_s: Floats, value: Floats, cuts_s: list[float]) -> Echo:
    """Return what is remembered, going through the stored form after each batch."""
    state = SensorState(key=KEY)
    for book in books_of([channel("sensor", quantity, at_s, value)], cuts_s=cuts_s):
        found = book.get(KEY, quantity)
        assert found is not None
        echo = fold_echo(state.echoes.get(quantity, Echo()), found.good(), book)
        stored = sensor_memory_json(SensorState(key=KEY, echoes={quantity: echo}))
        state = SensorState(key=KEY, echoes=echoes_of(stored))
    return state.echoes[quantity]


def judge(echo: Echo, now_s: float) -> list[Fact]:
    """Return what is found at a time."""
    now_us = BEGIN_US + int(now_s * SECOND_US)
    sensors = {KEY: SensorState(key=KEY, echoes={Quantity.INVENTORY: echo})}
    seen = Seen(sensors=sensors, streams={}, sights=(), now_us=now_us, since_us=now_us)
    return list(DETECTOR.judge({}, SETUP, seen))


def counts(rng: np.random.Generator, seconds: int) -> Floats:
    """Return how many of ten tags a reader reads a round: 20 rounds in 30 s of a heartbeat."""
    return rng.binomial(10, 0.88, seconds).astype(np.float64)


def shocks(rng: np.random.Generator, readings: int) -> Floats:
    """Return what a quiet shock sensor says in hundredths of a standard gravity."""
    return np.abs(rng.normal(0.0, 0.02, readings)).round(2).astype(np.float64)


@pytest.mark.parametrize("quantity", [Quantity.INVENTORY, Quantity.SHOCK])
def test_a_month_of_noise_repeats_nothing(quantity: Quantity) -> None:
    """Nor does a night that is like the last one."""
    rng = np.random.default_rng(3)
    at_s = np.arange(0.0, 30 * DAY_S, 10.0)
    make = counts if quantity is Quantity.INVENTORY else shocks
    echo = fold(quantity, at_s, make(rng, len(at_s)), [DAY_S * day for day in range(30)])
    assert echo.slots > 600
    assert echo.found is None


@pytest.mark.parametrize("lag_s", [6 * DAY_S + 1_237.0, 3 * DAY_S])
def test_a_reader_that_plays_a_record_is_told_within_hours(lag_s: float) -> None:
    """Whatever the lag, though the gateway thins the record out at other moments."""
    rng = np.random.default_rng(4)
    at_s = np.arange(0.0, 8 * DAY_S, 1.0)
    value = counts(rng, len(at_s))
    begin, lag = int(8 * DAY_S - 4 * HOUR_S), int(lag_s)
    value[begin:] = value[begin - lag : len(value) - lag]
    repeated = np.concatenate(([False], value[1:] == value[:-1]))
    thinned = ~repeated | (rng.random(len(value)) < 0.2)
    echo = fold(Quantity.INVENTORY, at_s[thinned], value[thinned], [7 * DAY_S])
    assert echo.found is not None
    assert echo.found.made_us > BEGIN_US + begin * SECOND_US
    (fact,) = judge(echo, 8 * DAY_S)
    assert fact.grave
    assert judge(echo, 9 * DAY_S) == []


def test_a_rhythm_is_worth_nothing() -> None:
    """Two values in turn, or the same twenty again and again, are no noise."""
    to_and_fro = [float(n % 2) for n in range(VALUES)]
    noise = np.random.default_rng(5).normal(0.0, 1.0, VALUES).round(1).tolist()
    read = counts(np.random.default_rng(6), VALUES).tolist()
    assert code_bits(to_and_fro) < 10.0 < 40.0 < code_bits(read)
    at_s = np.arange(0.0, 10 * DAY_S, 10.0)
    again = np.resize(np.array(noise[:60]), len(at_s))
    assert fold(Quantity.MASS, at_s, again, [DAY_S]).found is None


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), cuts=st.sets(st.integers(1, 900)), back=st.integers(100, 500))
def test_batches_do_not_matter(seed: int, cuts: set[int], back: int) -> None:
    """The same readings however cut leave the same memory behind."""
    rng = np.random.default_rng(seed)
    value = rng.integers(0, 5, 900).astype(np.float64)
    value[600:] = value[600 - back : 900 - back]
    at_s = np.arange(0.0, 900 * 700.0, 700.0)
    whole = fold(Quantity.MASS, at_s, value, [])
    assert fold(Quantity.MASS, at_s, value, [700.0 * cut for cut in sorted(cuts)]) == whole
