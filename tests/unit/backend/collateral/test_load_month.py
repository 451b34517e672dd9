"""A month on a scale with the noise of quality.md: nothing is found that is not so."""

from dataclasses import dataclass

import numpy as np
import pytest

from backend.collateral.rules.load import DROP
from backend.collateral.rules.weigh import Says
from backend.telemetry.types import Floats
from firmware_sim.noise import PROFILES, LoadCell, seeded
from tests.unit.backend.collateral.weights import BASE_US, DAY_US, SECOND_US, OnScale

HEARTBEAT_S = 5
DAY_READINGS = 86_400 // HEARTBEAT_S
UNSTABLE = 1
MONTH = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """Equal items on a platform, and its tolerance: 0.3 % of the load."""

    net_g: int
    tare_g: int
    count: int
    capacity_g: int

    @property
    def on_scale(self) -> OnScale:
        """The lot, envelopes of a minute."""
        items = ((self.net_g, self.tare_g),) * self.count
        gross_g = self.count * (self.net_g + self.tare_g)
        return OnScale(items=items, tolerance_g=gross_g * 3 // 1_000, tare_g=0, envelope_s=60)


STOCKS = (
    Stock(net_g=1_000_000, tare_g=20_000, count=3, capacity_g=8_500_000),
    Stock(net_g=1_000_000, tare_g=20_000, count=10, capacity_g=16_500_000),
    Stock(net_g=50_000, tare_g=2_000, count=40, capacity_g=7_500_000),
    Stock(net_g=300_000, tare_g=15_000, count=9, capacity_g=4_500_000),
)


class Played:
    """A lot on a noisy scale, day by day."""

    def __init__(self, stock: Stock, seed: int, *, division_g: float = 500.0) -> None:
        """Draw the cell of this seed."""
        self.lot = stock.on_scale
        self._division_g = division_g
        name = f"scale-{stock.count}"
        self._cell = LoadCell(PROFILES["site"], seeded(seed, name), 0.6, stock.capacity_g)
        self._at_us = BASE_US

    def play(self, off_g: float, readings: int) -> None:
        """Show a load that is off by that much, for as many weights; one batch."""
        shown_g, stable = self._cell.block(
            self.lot.gross_g + off_g, readings, float(HEARTBEAT_S), busy=True
        )
        value: Floats = np.round(shown_g / self._division_g) * self._division_g
        at_us = self._at_us + HEARTBEAT_S * SECOND_US * np.arange(readings, dtype=np.int64)
        self._at_us += HEARTBEAT_S * SECOND_US * readings
        self.lot.feed(at_us, value, np.where(stable, 0, UNSTABLE).astype(np.int16))


@pytest.mark.parametrize("stock", STOCKS, ids=lambda stock: f"{stock.count}x{stock.net_g}")
@pytest.mark.parametrize("seed", [1, 2])
def test_month_of_drift_creep_bumps_and_spikes_is_nothing(stock: Stock, seed: int) -> None:
    """Nor is anything found of what a load cell alone did meanwhile."""
    played = Played(stock, seed)
    for _ in range(MONTH):
        played.play(0.0, DAY_READINGS)
        load = played.lot.says()
        assert (load.says, load.covered) == (Says.WHOLE, False)
    assert played.lot.memory.base is not None
    told = [past for past in played.lot.memory.past if past.line != DROP]
    assert told == [], "what leaned on it for a moment is no loss"
    assert all(past.lasted_us <= 10 * SECOND_US for past in played.lot.memory.past)


@pytest.mark.parametrize("stock", STOCKS, ids=lambda stock: f"{stock.count}x{stock.net_g}")
def test_item_that_leaves_after_a_week_is_missed(stock: Stock) -> None:
    """With the second stable weight, or, lighter than a forklift's bump, some seconds later."""
    played = Played(stock, 3)
    for _ in range(7):
        played.play(0.0, DAY_READINGS)
    item_g = stock.net_g + stock.tare_g
    played.play(-item_g, 3)  # The first of them while it settles.
    if stock.net_g < 200_000:
        played.play(-item_g, 5)
    load = played.lot.says()
    assert load.short
    assert load.confirmed
    assert load.match.items == 1


@pytest.mark.parametrize("stock", STOCKS, ids=lambda stock: f"{stock.count}x{stock.net_g}")
def test_slow_pilferage_is_short_before_much_is_gone(stock: Stock) -> None:
    """One item's worth a day, in small portions, two weeks after the goods came."""
    played = Played(stock, 4)
    for _ in range(14):
        played.play(0.0, DAY_READINGS)
    item_g = stock.net_g + stock.tare_g
    portions, gone_g, light = 48, 0.0, 0.0
    while not played.lot.says().short and gone_g < 2 * item_g:
        gone_g += item_g / portions
        played.play(-gone_g, DAY_READINGS // portions)
        if played.lot.says().says is Says.LIGHT:
            light = light or gone_g
    assert gone_g <= item_g


def test_scale_that_is_set_to_zero_is_short_of_everything() -> None:
    """It shows nothing, noise and all."""
    played = Played(STOCKS[1], 5)
    played.play(0.0, DAY_READINGS)
    played.play(-played.lot.gross_g, 6)
    load = played.lot.says()
    assert load.short
    assert load.measured_mass_g == 0


def test_frozen_indicator_is_found_within_minutes() -> None:
    """A fine display: a day is learned, then the last weight stays for ever."""
    played = Played(STOCKS[1], 6, division_g=100.0)
    for _ in range(2):
        played.play(0.0, DAY_READINGS)
    assert not played.lot.says().covered
    last_g = played.lot.memory.last_g
    assert last_g is not None
    at_us = BASE_US + 2 * DAY_US + HEARTBEAT_S * SECOND_US * np.arange(60, dtype=np.int64)
    played.lot.feed(at_us, np.full(60, last_g))
    assert played.lot.memory.still.found_us is not None
    assert played.lot.says().covered
