"""What a scale says of its lot now: whole, light, or short of so much, and how sure it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from backend.collateral.rules.load import (
    BAND_SHARE,
    DROP,
    Expected,
    allowed_g,
    expected_net_g,
    expected_of,
)
from backend.collateral.rules.load_base import moved_base
from backend.collateral.rules.load_physics import BUMP_US, REGISTERED_SHARE, UNDOUBTED_SHARE
from backend.collateral.rules.load_runs import CONFIRMING_READINGS
from backend.collateral.rules.load_still import is_frozen
from backend.collateral.types import (
    UNCONFIRMED_SHORT_G,
    Binding,
    ItemSetup,
    LoadMemory,
    LoadRun,
    LotSetup,
    PastRun,
    Sample,
)
from backend.telemetry.types import Int64s

SET_DOWN_G_MIN: Final = 5_000.0  # What comes back to a scale is more than its noise.
STEP_G_MIN: Final = 1_000  # A measured mass is told in steps, so that noise does not revalue it.
# Forks lift a pallet to move its neighbour and put it back within two minutes; half as long again.
HANDLING_US: Final = 180_000_000
LIFTED_MAX: Final = 1  # Pallets that hang on a fork at a time.
_PAIRS_OF_MAX: Final = 256  # Items of which all pairs are looked at: 32,640.


class Says(StrEnum):
    """What a scale says: ``light`` is less than it drifts, and less than what matters."""

    WHOLE = "whole"
    LIGHT = "light"
    SHORT = "short"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """How many items weigh what is missing: with their pallets, or only their goods; 0: none."""

    items: int = 0
    goods: int = 0

    @property
    def is_lift(self) -> bool:
        """Whether a forklift could have lifted just that."""
        return 0 < self.items <= LIFTED_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a scale says of a lot.

    ``reference_g`` is what it would show if nothing had changed, give or take ``off_g``.
    ``missing_g`` is gross; ``measured_mass_g`` is net and a lower bound, ``short_mass_g`` net.
    ``set_down``: part of what was missing came back, and it was no item. ``covered``: something
    else stands on the scale, or it does not weigh: it bears out nothing. ``vouched_us``: until
    when its weights bore out what they say, by our clock.
    """

    binding: Binding
    memory: LoadMemory
    says: Says
    confirmed: bool
    reference_g: int
    off_g: int
    missing_g: int
    measured_mass_g: int
    short_mass_g: int
    match: Match
    set_down: bool
    run: LoadRun
    covered: bool
    vouched_us: int

    @property
    def short(self) -> bool:
        """Whether it weighs too little."""
        return self.says is Says.SHORT

    @property
    def level(self) -> Sample | None:
        """The weight that this rests on; None: it misses nothing."""
        return self.run.level or self.run.since

    @property
    def is_patient(self) -> bool:
        """Whether nothing grave need have happened yet.

        A whole item may hang on a fork, until something else was set down in its place. What
        weighs no more than that may lean on the platform for a moment.
        """
        if self.match.is_lift and not self.set_down:
            return self.run.lasted_us < HANDLING_US
        undoubted_g = UNDOUBTED_SHARE * self.reference_g
        return self.run.lasted_us < BUMP_US and self.missing_g < undoubted_g

    def sees(self, item: ItemSetup) -> bool:
        """Return whether its weights would show that an item is gone."""
        return item.gross_mass_g >= 2 * self.off_g


def decide_load(
    setup: LotSetup,
    binding: Binding,
    memory: LoadMemory,
    gone: Sequence[ItemSetup],
    now_us: int,
    weighed_us: int | None = None,
) -> Load | None:
    """Return what is remembered of a scale means for a lot; None: it never gave a stable weight.

    Args:
        setup: the lot.
        binding: its scale.
        memory: what is remembered of it.
        gone: the items that are known not to stand on it; their tare is not missing.
        now_us: the time, by our clock.
        weighed_us: when its last stable weight was made, by our clock; None: just now.
    """
    if memory.last_g is None and memory.drop.since is None:
        return None
    expected = expected_of(setup, binding)
    reference_g, off_g = _reference_of(memory, expected, now_us)
    run = _run_of(setup, memory, reference_g, off_g)
    level = run.level or run.since
    net_g = expected_net_g(setup)
    missing_g, says, match = 0, Says.WHOLE, Match()
    if level is not None:
        missing_g = max(1, int(reference_g - level.value))
        match = explain(missing_g, setup.items, off_g)
        matters_g = max(1, min(matters(setup, binding), expected.gross_g))
        is_below = level.value < expected.gross_g - expected.tolerance_g
        is_short = run is memory.drop or missing_g >= matters_g or is_below
        says = Says.SHORT if is_short else Says.LIGHT
    confirmed = run.readings >= CONFIRMING_READINGS
    step_g = max(STEP_G_MIN, binding.tolerance_mass_g // 4)
    net_missing_g = max(0, missing_g - sum(item.tare_mass_g for item in gone))
    # One weight alone locks, and revalues nothing.
    measured_g = max(0, net_g - min(off_g, expected.tolerance_g))
    short_g = UNCONFIRMED_SHORT_G
    if says is not Says.WHOLE and confirmed:
        measured_g = max(0, net_g - net_missing_g - off_g) // step_g * step_g
        short_g = max(short_g, min(net_g, net_missing_g) // step_g * step_g)
    return Load(
        binding=binding,
        memory=memory,
        says=says,
        confirmed=confirmed,
        reference_g=reference_g,
        off_g=off_g,
        missing_g=missing_g,
        measured_mass_g=measured_g,
        short_mass_g=short_g if says is Says.SHORT else 0,
        match=match,
        set_down=_set_down(run, setup.items),
        run=run,
        covered=memory.excess.found_us is not None or is_frozen(memory.still),
        vouched_us=_vouched_us(memory, now_us if weighed_us is None else weighed_us),
    )


def _vouched_us(memory: LoadMemory, weighed_us: int) -> int:
    """Return until when a scale bore out its lot: before anything covered it, or held it still."""
    begins = [weighed_us]
    if memory.excess.since is not None:
        begins.append(memory.excess.since.made_us - 1)
    if is_frozen(memory.still) and memory.still.since is not None:
        begins.append(memory.still.since.made_us)
    return min(begins)


def _reference_of(memory: LoadMemory, expected: Expected, now_us: int) -> tuple[int, int]:
    """Return the gross mass that a weight is held against, and how far it may be off it."""
    base = None if memory.base is None else moved_base(memory.base, expected)
    if base is None:
        return expected.gross_g, expected.tolerance_g
    warmth_c = np.array([np.nan if memory.warmth_c is None else memory.warmth_c])
    allowed = allowed_g(base, expected.tolerance_g, warmth_c, np.array([now_us]))
    return base.gross_g, int(allowed[0])


def matters(setup: LotSetup, binding: Binding) -> int:
    """Return the loss of mass from which on goods are missing: half an item, or the tolerance."""
    lightest_g = min((item.gross_mass_g for item in setup.items), default=0)
    known = [mass_g for mass_g in (lightest_g // 2, binding.tolerance_mass_g) if mass_g > 0]
    return min(known, default=0)


def explain(missing_g: int, items: Sequence[ItemSetup], off_g: int) -> Match:
    """Return how many items weigh what is missing, with their pallets, and without."""
    near_g = off_g + REGISTERED_SHARE * missing_g
    gross_g = np.array([item.gross_mass_g for item in items], dtype=np.int64)
    net_g = np.array([item.net_mass_g for item in items], dtype=np.int64)
    return Match(items=_count(missing_g, gross_g, near_g), goods=_count(missing_g, net_g, near_g))


def was_grave(setup: LotSetup, load: Load, past: PastRun) -> bool:
    """Return whether a run that is over was grave while it went on, by its weights alone.

    As ``Load.is_patient`` and ``Load.short`` would have had it: at its end, and at its worst.
    """
    undoubted_g = UNDOUBTED_SHARE * load.reference_g
    missing_g = max(1, int(load.reference_g - past.level.value))
    worst_g = max(1, int(load.reference_g - past.worst_g))
    near_g = max(SET_DOWN_G_MIN, BAND_SHARE * abs(past.worst_g))
    back_g = worst_g - missing_g
    set_down = back_g > near_g and explain(back_g, setup.items, int(near_g)).items == 0
    undoubted = past.line == DROP and worst_g >= undoubted_g
    if undoubted and not explain(worst_g, setup.items, load.off_g).is_lift:
        return True
    if explain(missing_g, setup.items, load.off_g).is_lift and not set_down:
        return past.lasted_us >= HANDLING_US
    matters_g = max(1, matters(setup, load.binding))
    return past.lasted_us >= BUMP_US and (past.line == DROP or missing_g >= matters_g)


def _count(missing_g: int, masses_g: Int64s, near_g: float) -> int:
    """Return how few of these masses, at least one, make up what is missing; 0: none do."""
    if len(masses_g) == 0:
        return 0
    if np.abs(masses_g - missing_g).min() <= near_g:
        return 1
    distinct = np.unique(masses_g)
    if len(distinct) == 1:
        count = round(missing_g / max(1, int(distinct[0])))
        made_up = abs(count * int(distinct[0]) - missing_g) <= near_g
        return count if made_up and 1 < count <= len(masses_g) else 0
    some = masses_g[:_PAIRS_OF_MAX]
    rows, others = np.triu_indices(len(some), 1)
    pairs_g = some[rows] + some[others]
    return 2 if bool((np.abs(pairs_g - missing_g) <= near_g).any()) else 0


def _set_down(run: LoadRun, items: Sequence[ItemSetup]) -> bool:
    """Return whether something came back that is lighter, or heavier, than what was lifted."""
    if run.level is None:
        return False
    back_g = run.level.value - run.worst_g
    near_g = max(SET_DOWN_G_MIN, BAND_SHARE * abs(run.worst_g))
    return back_g > near_g and explain(int(back_g), items, int(near_g)).items == 0


def _run_of(setup: LotSetup, memory: LoadMemory, reference_g: int, off_g: int) -> LoadRun:
    """Return the run of too light weights that counts; one without a reading: none does.

    One weight alone counts at once, until the next, when motion came before it or it misses just
    one item: no spike does that.
    """
    drop, loss = memory.drop, memory.loss
    if drop.since is None:
        return loss if loss.found_us is not None else LoadRun()
    if drop.readings >= CONFIRMING_READINGS or drop.moved:
        return drop
    if loss.found_us is not None:
        return loss
    match = explain(int(reference_g - drop.since.value), setup.items, off_g)
    return drop if 1 in (match.items, match.goods) else LoadRun()
