"""Weight: what a lot should weigh, and what its scale leaves behind of being off.

Three lines are drawn for each weight. Far below what is expected lies the first, further than what
leans on a platform for a moment: two weights beyond it are a drop. The second is nearer, where
drift ends (see ``load_physics``) or the installer's tolerance does: only what stays there longer
than a bump is a loss. Slow pilferage crosses it, as the baseline follows nobody. The third is as
far above.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from backend.collateral.rules.let_go import let_go_g
from backend.collateral.rules.load_base import Expected, learn_base, moved_base
from backend.collateral.rules.load_physics import BUMP_US, bump_g, drift_g
from backend.collateral.rules.load_runs import SETTLED_US, Line, Weights, fold_run
from backend.collateral.rules.load_still import fold_still
from backend.collateral.rules.series import GOOD, UNSTABLE, Series, SeriesBook
from backend.collateral.types import Baseline, Binding, LoadMemory, LotSetup, PastRun, Purpose
from backend.telemetry.types import Floats, Int64s
from schemas.quantities import Quantity

DROP: Final = "drop"
LOSS: Final = "loss"
EXCESS: Final = "excess"
# What was over within one batch, of all lines: more than forklifts lift in the longest outage.
PAST_MAX: Final = 64
PAST_US_MAX: Final = 86_400_000_000  # Nothing asks for what came a day before the newest.
# How near two weights bear each other out: beyond noise and a second's settling.
BAND_G_MIN: Final = 2_000.0
BAND_SHARE: Final = 0.001
# Weights that stay are told each few seconds; what lies further apart is silence.
GAP_US_MAX: Final = 15_000_000
_NEVER_US: Final = -(2**62)


def expected_net_g(setup: LotSetup) -> int:
    """Return what the goods should weigh: all that is registered, and no less than is pledged."""
    return max(setup.pledged_mass_g, sum(item.net_mass_g for item in setup.items))


def expected_of(setup: LotSetup, binding: Binding) -> Expected:
    """Return what should stand on a lot's scale: goods, their tare and the platform's own."""
    tare_g = binding.tare_mass_g + sum(item.tare_mass_g for item in setup.items)
    return Expected(
        gross_g=expected_net_g(setup) + tare_g, tolerance_g=max(0, binding.tolerance_mass_g)
    )


def threshold_g(setup: LotSetup, binding: Binding) -> int:
    """Return the gross weight below which goods are missing from a scale for certain."""
    expected = expected_of(setup, binding)
    return expected.gross_g - expected.tolerance_g


def allowed_g(base: Baseline, tolerance_g: int, warmth_c: Floats, at_us: Int64s) -> Floats:
    """Return by how much weights may be off a baseline and nothing be wrong.

    The installer's tolerance bounds it, unless that is less than what the scale can do.
    """
    known_c = np.nan if base.warmth_c is None else base.warmth_c
    drifted_g = drift_g(base.gross_g, warmth_c - known_c, at_us - base.at_us)
    return np.maximum(drifted_g, np.minimum(drifted_g + base.slack_g, tolerance_g))


def fold_load(
    memory: LoadMemory, setup: LotSetup, binding: Binding, book: SeriesBook
) -> LoadMemory:
    """Return what is remembered of a lot's scale after a batch of readings."""
    readings = book.get(binding.key, Quantity.MASS)
    thermometer, warmths = _warmths(memory, setup, binding, book)
    memory = replace(memory, thermometer=thermometer)
    warmth_c = memory.warmth_c
    if warmths is not None and len(warmths):
        warmth_c = float(np.rint(warmths.value[-1]))
    if readings is None:
        return replace(memory, warmth_c=warmth_c)
    expected = expected_of(setup, binding)
    base = None if memory.base is None else moved_base(memory.base, expected)
    weights = _weights(memory, readings, book, binding)
    good = weights.good
    moving = np.flatnonzero(readings.quality == UNSTABLE)
    moving_at_us = int(readings.at_us[moving[-1]]) if len(moving) else memory.moving_at_us
    memory = replace(memory, base=base, moving_at_us=moving_at_us)
    if len(good) == 0:
        return replace(memory, warmth_c=warmth_c)
    then_c = _warmth_then(memory.warmth_c, warmths, good)
    minute, known_row = memory.minute, 0
    if base is None:
        base, minute, known_row = learn_base(memory, good, then_c, expected)
    still, past = fold_still(memory.still, weights, memory.last_g)
    let_go = let_go_g(setup, good.made_us).astype(np.float64)
    lines = _lines_g((base, known_row), expected, (then_c, let_go), good)
    memory, crossed = _cross(memory, weights, lines)
    return replace(
        memory,
        past=_kept((*memory.past, *past, *crossed)),
        base=base,
        minute=minute,
        still=still,
        warmth_c=warmth_c,
        last_g=float(good.value[-1]),
    )


def _kept(past: Sequence[PastRun]) -> tuple[PastRun, ...]:
    """Return what is worth keeping of runs that are over, in the order in which they came."""
    ordered = sorted(past, key=lambda p: (p.found_us, p.since.at_us, p.line))[-PAST_MAX:]
    return tuple(p for p in ordered if p.found_us > ordered[-1].found_us - PAST_US_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lines:
    """The weights at which the lines lie for each reading, and how far two may lie apart."""

    drop_g: Floats
    loss_g: Floats
    excess_g: Floats
    band_g: float
    gap_us: int


def _lines_g(
    learned: tuple[Baseline | None, int],
    expected: Expected,
    then: tuple[Floats, Floats],
    good: Series,
) -> _Lines:
    """Return the lines for each weight.

    Args:
        learned: the baseline, and the row from which on it is known.
        expected: what should stand there.
        then: how warm it was at each weight, and how much might leave by order.
        good: the weights.
    """
    count = len(good)
    (base, known_row), (then_c, let_go) = learned, then
    tolerance_g, gross_g = float(expected.tolerance_g), float(expected.gross_g)
    top_g: Floats = np.full(count, gross_g, dtype=np.float64)
    loss_g, excess_g = top_g - tolerance_g, top_g + tolerance_g
    if base is not None:
        known = np.arange(count) >= known_row
        off_g = allowed_g(base, expected.tolerance_g, then_c, good.at_us)
        top_g = np.where(known, max(gross_g, base.gross_g), top_g)
        loss_g = np.where(known, np.maximum(loss_g, base.gross_g - off_g), loss_g)
        excess_g = np.where(known, base.gross_g + off_g, excess_g)
    return _Lines(
        drop_g=top_g - let_go - max(tolerance_g, bump_g(gross_g)),
        loss_g=loss_g - let_go,
        excess_g=excess_g,
        band_g=max(BAND_G_MIN, BAND_SHARE * gross_g),
        gap_us=GAP_US_MAX,
    )


def _cross(
    memory: LoadMemory, weights: Weights, lines: _Lines
) -> tuple[LoadMemory, list[PastRun]]:
    """Return what is remembered of the lines after more weights, and what was beyond one."""
    value = weights.good.value
    past: list[PastRun] = []
    runs = {DROP: memory.drop, LOSS: memory.loss, EXCESS: memory.excess}
    for name, beyond, sign, span_us in (
        (DROP, value < lines.drop_g, -1, 0),
        (LOSS, value < lines.loss_g, -1, BUMP_US),
        (EXCESS, value > lines.excess_g, 1, BUMP_US),
    ):
        line = Line(
            name=name, sign=sign, span_us=span_us, band_g=lines.band_g, gap_us=lines.gap_us
        )
        runs[name], ended = fold_run(runs[name], weights, beyond, line)
        past += ended
    return replace(memory, drop=runs[DROP], loss=runs[LOSS], excess=runs[EXCESS]), past


def _weights(memory: LoadMemory, readings: Series, book: SeriesBook, binding: Binding) -> Weights:
    """Return the stable weights, when they arrived, and which of them motion came before."""
    rows = np.flatnonzero(readings.quality == GOOD)
    good = readings if len(rows) == len(readings) else readings.where(rows)
    unstable = np.flatnonzero(readings.quality == UNSTABLE)
    first_us = _NEVER_US if memory.moving_at_us is None else memory.moving_at_us
    last_us = np.concatenate(([first_us], readings.at_us[unstable]))
    last_us = last_us[np.searchsorted(unstable, rows)]
    since_us = good.at_us - last_us
    moved = (since_us >= 0) & (since_us <= SETTLED_US)
    arrived_us = book.arrivals_us(good.place)
    return Weights(good=good, arrived_us=arrived_us, moved=moved)


def _warmths(
    memory: LoadMemory, setup: LotSetup, binding: Binding, book: SeriesBook
) -> tuple[str | None, Series | None]:
    """Return the thermometer beside a scale, and what it read: the first that was ever heard.

    It hangs at the scale's own gateway: another's readings come in other batches, in an order
    that is nobody's.
    """
    sensor = memory.thermometer
    if sensor is None:
        heard = [
            (int(found.place[0]), each.sensor)
            for each in setup.bound(Purpose.CONDITION)
            if each.gateway == binding.gateway
            if (found := book.get(each.key, Quantity.TEMPERATURE)) is not None
        ]
        sensor = min(heard)[1] if heard else None
    if sensor is None:
        return None, None
    found = book.get((binding.gateway, sensor), Quantity.TEMPERATURE)
    return sensor, None if found is None else found.good()


def _warmth_then(before_c: float | None, warmths: Series | None, good: Series) -> Floats:
    """Return the temperature when each weight was read, in whole degrees; NaN: unknown."""
    first_c = np.nan if before_c is None else before_c
    if warmths is None or len(warmths) == 0:
        return np.full(len(good), first_c)
    known_c = np.concatenate(([first_c], np.rint(warmths.value)))
    return known_c[np.searchsorted(warmths.place, good.place, side="right")]
