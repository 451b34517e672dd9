"""How often a reader reads a tag, and how surprising it is that it does not; in whole numbers.

Evidence is counted in thousandths of a nat, rates in *looks*: a read counts for no more than the
time since the one before it in seconds, so that twenty reads of one second are one look. All sums
are integers: whatever way readings are cut into batches, they come out the same.

A tag that is read ``r`` times in ``t`` seconds of listening is silent for ``x`` more by chance
``(t / (t + x)) ** r``: reads by a Poisson process of unknown rate. A reader that misses by rounds
misses less often than that.
"""

from dataclasses import dataclass
from enum import IntEnum, auto
from math import expm1, floor, log1p
from operator import add
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.telemetry.types import Int16s, Int32s, Int64s
from schemas.envelope import RSSI_UNKNOWN

LOOK_US: Final = 1_000_000  # Reads within a second share their fate: one look.
MILLI: Final = 1_000
# Before it is watched a tag counts as read once in a second.
PRIOR_LOOKS: Final = 1_000
PRIOR_SPAN_US: Final = 1_000_000
# A tag that has moved out of its place is still read across now and then: quality.md has 2 % of
# rounds, at 12 dB less. A reading's level has a standard deviation of 3 dB; what is not known of
# the way that a report picks the best of several makes it 4.
CROSS_LOOKS_PER_S: Final = 0.02
CROSS_LOSS_CDB: Final = 1_200
_LEVEL_MNAT_PER_CDB: Final = 7.5  # 12 dB / (4 dB) ** 2, in thousandths of a nat.
LEVEL_MNAT_MAX: Final = 4_500
_LEVELS_MIN: Final = 3  # Before it has so many, a tag has no level of its own.
_READ_MNAT: Final = (700, 3_800)  # What one look counts for at least and at most.
# A tag is more likely gone than there beyond this; then what is read of it teaches nothing.
DOUBT_MNAT: Final = 12_000
GRAVE_MNAT: Final = 18_500  # One in 1e8.
_EXP_MAX: Final = 20.0  # More silence than that is for ever.
EVIDENCE_MNAT_MAX: Final = 24_000  # A few looks bring back what was away for a year.
# What is learnt is halved at the end of a window: of 8 s at first, then twice as long, to an hour.
WINDOW_US: Final = 8_000_000
WINDOW_US_MAX: Final = 3_600_000_000
# Until a tag has been reported so often, its gateway is taken to tell of it every 5 s only.
REPORTS_MIN: Final = 3
HEARTBEAT_US: Final = 5_000_000
# By how much the best of n reads lies above their mean, sd 3 dB: order statistics of the normal.
_BEST_CDB: Final = np.array([0, 0, 169, 254, 309, 349, 380, 406, 427, 446, 462], dtype=np.int64)


class Learnt(IntEnum):
    """What is where in ``Sight.learnt``; OLD is halved at the end of a window, NEW begins there.

    UNTIL_US is on the reader's effective clock. LOOKS are thousandths, LEVEL a sum over LEVELS.
    """

    UNTIL_US = 0
    WINDOW_US = auto()
    OLD_LOOKS = auto()
    OLD_SPAN_US = auto()
    OLD_REPORTS = auto()
    OLD_LEVEL_CDBM = auto()
    OLD_LEVELS = auto()
    NEW_LOOKS = auto()
    NEW_SPAN_US = auto()
    NEW_REPORTS = auto()
    NEW_LEVEL_CDBM = auto()
    NEW_LEVELS = auto()


OLD: Final = slice(Learnt.OLD_LOOKS, Learnt.OLD_LEVELS + 1)
NEW: Final = slice(Learnt.NEW_LOOKS, Learnt.NEW_LEVELS + 1)
_LOOKS, _SPAN_US, _REPORTS, _LEVEL_CDBM, _LEVELS = range(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What is known of how a reader reads a tag that is there; ``level_cdbm`` None: nothing.

    ``dead_us`` is for how long its gateway holds reads back after it told of one.
    """

    looks: int
    span_us: int
    dead_us: int
    level_cdbm: int | None

    @property
    def per_s(self) -> float:
        """Looks a second."""
        return self.looks / MILLI / (self.span_us / 1_000_000)

    def silence_nats(self, silent_us: int) -> float:
        """Return the evidence in so much effective listening without a report."""
        listened_us = max(0, silent_us - self.dead_us)
        return self.looks / MILLI * log1p(listened_us / self.span_us)

    def silence_us(self, nats: float) -> int:
        """Return how much effective listening without a report gives so much evidence."""
        return self.dead_us + int(self.span_us * expm1(min(nats * MILLI / self.looks, _EXP_MAX)))


def rate_of(learnt: tuple[int, ...]) -> Rate:
    """Return what is known by what was learnt; of nothing, what is known before."""
    looks, span_us, reports, level_cdbm, levels = 0, 0, 0, 0, 0
    if learnt:
        # As rates_of, but one tag at a time is faster without arrays.
        looks, span_us, reports, level_cdbm, levels = map(add, learnt[OLD], learnt[NEW])
    dead_us = HEARTBEAT_US
    if reports >= REPORTS_MIN:
        dead_us = max(span_us // reports - span_us * MILLI // max(looks, 1), 0)
    return Rate(
        looks=looks + PRIOR_LOOKS,
        span_us=max(span_us, 0) + PRIOR_SPAN_US,
        dead_us=dead_us,
        level_cdbm=level_cdbm // levels if levels >= _LEVELS_MIN else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The same of many tags; all of shape (n,). A level of RSSI_UNKNOWN is none."""

    looks: Int64s
    span_us: Int64s
    dead_us: Int64s
    level_cdbm: Int64s
    look_mnat: Int64s  # What a look counts for against having gone.


def rates_of(sums: Int64s) -> Rates:
    """Return the rates of tags by their sums (n, 5), in the order of ``Learnt``."""
    looks = sums[:, _LOOKS] + PRIOR_LOOKS
    span_us = np.maximum(sums[:, _SPAN_US], 0) + PRIOR_SPAN_US
    reports, levels = sums[:, _REPORTS], sums[:, _LEVELS]
    # Between two reports lie the time that reads are held back and the wait for the next read.
    seldom_us = sums[:, _SPAN_US] // np.maximum(reports, 1)
    wait_us = sums[:, _SPAN_US] * MILLI // np.maximum(sums[:, _LOOKS], 1)
    dead_us = np.where(reports < REPORTS_MIN, HEARTBEAT_US, np.maximum(seldom_us - wait_us, 0))
    level_cdbm = np.where(
        levels < _LEVELS_MIN, RSSI_UNKNOWN, sums[:, _LEVEL_CDBM] // np.maximum(levels, 1)
    )
    per_s = looks * (1_000_000 / MILLI) / span_us
    worth = np.floor(np.log(per_s / CROSS_LOOKS_PER_S) * MILLI).astype(np.int64)
    return Rates(
        looks=looks,
        span_us=span_us,
        dead_us=dead_us,
        level_cdbm=level_cdbm,
        look_mnat=np.minimum(np.maximum(worth, _READ_MNAT[0]), _READ_MNAT[1]),
    )


def silence_mnat(looks: Int64s, span_us: Int64s, silent_us: Int64s) -> Int64s:
    """Return the evidence in effective listening without a read, never more than counts."""
    nats = looks / MILLI * np.log1p(np.maximum(silent_us, 0) / span_us)
    return np.minimum(np.floor(nats * MILLI), EVIDENCE_MNAT_MAX).astype(np.int64)


def levels_of(rssi_cdbm: Int16s, count: Int32s) -> tuple[Int64s, NDArray[np.bool_]]:
    """Return the mean level behind the best of ``count`` reads, and where one is known."""
    best = _BEST_CDB[np.minimum(count, len(_BEST_CDB) - 1)]
    return rssi_cdbm.astype(np.int64) - best, rssi_cdbm != RSSI_UNKNOWN


def weaker_nats(level_cdbm: int, usual_cdbm: int) -> float:
    """Return the evidence in one level for being read across rather than in its place."""
    nats = floor(-_LEVEL_MNAT_PER_CDB * (level_cdbm - usual_cdbm + CROSS_LOSS_CDB // 2))
    return min(max(nats, -LEVEL_MNAT_MAX), LEVEL_MNAT_MAX) / MILLI


def weaker_mnat(level_cdbm: Int64s, usual_cdbm: Int64s) -> Int64s:
    """Return the evidence in a level for being read across rather than in its place."""
    nats = -_LEVEL_MNAT_PER_CDB * (level_cdbm - usual_cdbm + CROSS_LOSS_CDB // 2)
    bounded = np.minimum(np.maximum(np.floor(nats), -LEVEL_MNAT_MAX), LEVEL_MNAT_MAX)
    return bounded.astype(np.int64)
