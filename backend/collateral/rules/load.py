"""Weight: what a lot should weigh, and whether its scale says that it weighs less."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from backend.collateral.rules.series import Series
from backend.collateral.types import Binding, ItemSetup, LoadRun, LotSetup
from backend.telemetry.types import Int64s

# One reading too light is reason enough to lock, two of them to be sure: an impossible spike an
# hour is what a load cell gives.
CONFIRMING_READINGS: Final = 2
STEP_G_MIN: Final = 1_000  # A measured mass is told in steps, so that noise does not revalue it.


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a scale says of a lot; ``measured_mass_g`` is net and a lower bound."""

    run: LoadRun
    measured_mass_g: int
    short_mass_g: int

    @property
    def short(self) -> bool:
        """Whether it weighs too little."""
        return self.run.since is not None

    @property
    def confirmed(self) -> bool:
        """Whether that is beyond a single reading."""
        return self.run.readings >= CONFIRMING_READINGS


def expected_net_g(setup: LotSetup) -> int:
    """Return what the goods should weigh: all that is registered, and no less than is pledged."""
    return max(setup.pledged_mass_g, sum(item.net_mass_g for item in setup.items))


def threshold_g(setup: LotSetup, binding: Binding) -> int:
    """Return the gross weight below which goods are missing from a scale."""
    tare_g = binding.tare_mass_g + sum(item.tare_mass_g for item in setup.items)
    return expected_net_g(setup) + tare_g - binding.tolerance_mass_g


def fold_load(run: LoadRun, weights: Series, least_g: int | Int64s) -> LoadRun:
    """Return the run of too light weights after more of them.

    Args:
        run: before them.
        weights: readings of good quality, gross.
        least_g: what the scale must show, at all times or at each.
    """
    count = len(weights)
    if count == 0:
        return run
    enough = np.flatnonzero(weights.value >= least_g)
    begin = int(enough[-1]) + 1 if len(enough) else 0
    if begin == count:
        return LoadRun()
    readings = count - begin
    if begin == 0 and run.since is not None:
        return LoadRun(since=run.since, readings=min(run.readings + readings, CONFIRMING_READINGS))
    return LoadRun(since=weights.sample(begin), readings=min(readings, CONFIRMING_READINGS))


def decide_load(
    setup: LotSetup, binding: Binding, run: LoadRun, gross_g: float, there: tuple[ItemSetup, ...]
) -> Load:
    """Return what a gross weight means for a lot.

    Args:
        setup: the lot.
        binding: its scale.
        run: the run of too light weights.
        gross_g: the last stable weight.
        there: the items that are not known to be gone; their tare is on the scale.
    """
    tare_g = binding.tare_mass_g + sum(item.tare_mass_g for item in there)
    if run.since is None:
        # All that is known is that it is not below the threshold.
        measured_g = expected_net_g(setup) - binding.tolerance_mass_g
        return Load(run=run, measured_mass_g=max(0, measured_g), short_mass_g=0)
    step_g = max(STEP_G_MIN, binding.tolerance_mass_g // 4)
    net_g = max(0, int(gross_g) - tare_g)
    measured_g = max(0, net_g - binding.tolerance_mass_g) // step_g * step_g
    short_g = max(0, expected_net_g(setup) - net_g) // step_g * step_g
    return Load(run=run, measured_mass_g=measured_g, short_mass_g=max(short_g, 1))
