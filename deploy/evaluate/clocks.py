"""A gateway's clock and link: what time it believes, and when its envelopes arrive."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from firmware_sim.months.types import ClockError, LinkOutage, SiteRun

Int64s = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayTime:
    """The clock errors and link outages of one gateway, each in order of time."""

    errors: Sequence[ClockError]
    outages: Sequence[LinkOutage]

    @classmethod
    def of(cls, run: SiteRun, gateway: str) -> Self:
        """Return those of one gateway of a site."""
        return cls(
            errors=sorted(
                (e for e in run.clock_errors if e.gateway == gateway), key=lambda e: e.begins_us
            ),
            outages=sorted(
                (o for o in run.outages if o.gateway == gateway), key=lambda o: o.begins_us
            ),
        )

    def wall_us(self, true_us: Int64s) -> Int64s:
        """Return what the gateway's clock shows at these times."""
        shown = true_us.copy()
        for error in self.errors:
            wrong = (true_us >= error.begins_us) & (true_us < error.ends_us)
            if wrong.any():
                passed_us = true_us[wrong] - error.begins_us
                drift_us = (passed_us * error.drift_ppm * 1e-6).astype(np.int64)
                shown[wrong] += error.offset_us + drift_us
        return shown

    def arrival_us(self, sealed_us: Int64s) -> Int64s:
        """Return when envelopes arrive that were sealed at these times."""
        arrives = sealed_us.copy()
        for outage in self.outages:
            held = (arrives >= outage.begins_us) & (arrives < outage.ends_us)
            arrives[held] = outage.ends_us
        return arrives

    def is_free(self, true_us: Int64s) -> NDArray[np.bool_]:
        """Return at which times the clock is set by nobody: after a boot without a network."""
        free = np.zeros(len(true_us), dtype=np.bool_)
        for error in self.errors:
            if error.offset_us:
                free |= (true_us >= error.begins_us) & (true_us < error.ends_us)
        return free
