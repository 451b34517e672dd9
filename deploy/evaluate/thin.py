"""Report by exception over months of one channel at once: the rules of gateway.drivers.report.

A test holds this equal to the gateway's own ``Reporter``, reading by reading. What follows a
reported reading is found for all readings by whole-column comparisons, at most as many as a
heartbeat has readings; then one walk along the reported ones remains.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.drivers.report import RSSI_CDBM_MOVED_MIN
from schemas.envelope import RSSI_UNKNOWN

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_OPEN: Final = -1
_DOUBLINGS: Final = 3  # Of a link's reach.


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was told last of an arrival's channels, one value each; ``time_s`` by the reader."""

    time_s: float
    values: tuple[float, ...]
    qualities: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldTag:
    """What was told last of a tag, and what was held back since."""

    time_s: float
    rssi_cdbm: int
    held: int
    best_cdbm: int


def thin_arrivals(
    time_s: Floats,
    values: tuple[Floats, ...],
    qualities: tuple[NDArray[np.uint8], ...],
    deadbands: tuple[float | None, ...],
    heartbeat_s: float,
    told: Told | None,
) -> tuple[Ints, Told | None]:
    """Return which arrivals are reported; the readings of one go together.

    Args:
        time_s: of each arrival, on the clock that heartbeats are counted by.
        values: a column a channel.
        qualities: likewise.
        deadbands: of each channel; None: it never causes a report.
        heartbeat_s: after which a fresh reading is told again.
        told: what was told last before these; None: nothing.
    """
    if len(time_s) == 0:
        return np.empty(0, dtype=np.int64), told
    if told is not None:
        time_s = np.concatenate(([told.time_s], time_s))
        values = tuple(
            np.concatenate(([v], col)) for v, col in zip(told.values, values, strict=True)
        )
        qualities = tuple(
            np.concatenate((np.array([q], dtype=np.uint8), col))
            for q, col in zip(told.qualities, qualities, strict=True)
        )

    def moved(step: int) -> Bools:
        news = np.zeros(len(time_s) - step, dtype=np.bool_)
        for value, quality, deadband in zip(values, qualities, deadbands, strict=True):
            if deadband is None:
                continue
            if deadband <= 0:
                news |= value[step:] != value[:-step]
            else:
                news |= np.abs(value[step:] - value[:-step]) > deadband
            news |= quality[step:] != quality[:-step]
        return news

    chosen = _walk(_next(time_s, heartbeat_s, moved), begins=told is None)
    if len(chosen) == 0:
        return chosen, told
    last = int(chosen[-1])
    after = Told(
        time_s=float(time_s[last]),
        values=tuple(float(col[last]) for col in values),
        qualities=tuple(int(col[last]) for col in qualities),
    )
    return chosen - (told is not None), after


def thin_reads(
    time_s: Floats,
    rssi_cdbm: NDArray[np.int16],
    heartbeat_s: float,
    told: ToldTag | None,
) -> tuple[Ints, Ints, Ints, ToldTag]:
    """Return which reads of one tag become sightings, their counts and best RSSI.

    At least one read. Each sighting counts the reads since the last, itself among them.
    """
    rssi = rssi_cdbm.astype(np.int32)
    if told is not None:
        time_s = np.concatenate(([told.time_s], time_s))
        rssi = np.concatenate((np.array([told.rssi_cdbm], dtype=np.int32), rssi))
    some_unknown = bool((rssi == RSSI_UNKNOWN).any())

    def moved(step: int) -> Bools:
        later, before = rssi[step:], rssi[:-step]
        if not some_unknown:
            return np.abs(later - before) >= RSSI_CDBM_MOVED_MIN
        unknown = (later == RSSI_UNKNOWN) | (before == RSSI_UNKNOWN)
        return np.where(unknown, later != before, np.abs(later - before) >= RSSI_CDBM_MOVED_MIN)

    chosen = _walk(_next(time_s, heartbeat_s, moved), begins=told is None)
    first = 0 if told is None else 1
    held, best = (0, RSSI_UNKNOWN) if told is None else (told.held, told.best_cdbm)
    reads = rssi[first:]
    chosen = chosen - first
    if len(chosen) == 0:
        assert told is not None, "the first read of a tag is told"
        after = ToldTag(
            time_s=told.time_s,
            rssi_cdbm=told.rssi_cdbm,
            held=held + len(reads),
            best_cdbm=max(best, int(reads.max())),
        )
        return chosen, chosen, chosen, after
    counts = np.diff(chosen, prepend=-1)
    counts[0] += held
    begins = np.concatenate(([0], chosen[:-1] + 1))
    bests = np.maximum.reduceat(reads[: chosen[-1] + 1], begins)
    bests[0] = max(int(bests[0]), best)
    rest = reads[chosen[-1] + 1 :]
    after = ToldTag(
        time_s=float(time_s[chosen[-1] + first]),
        rssi_cdbm=int(reads[chosen[-1]]),
        held=len(rest),
        best_cdbm=int(rest.max()) if len(rest) else RSSI_UNKNOWN,
    )
    return chosen, counts, bests, after


def _next(time_s: Floats, heartbeat_s: float, moved: Callable[[int], Bools]) -> Ints:
    """Return, for each reading, the first that would be reported after it; -1: none here."""
    count = len(time_s)
    following = np.full(count, _OPEN, dtype=np.int64)
    places = np.arange(count)
    for step in range(1, count):
        head = following[:-step]
        due = time_s[step:] - time_s[:-step] >= heartbeat_s
        found = (head == _OPEN) & (due | moved(step))
        head[found] = places[step:][found]
        if not (head == _OPEN).any():
            break
    return following


def _walk(following: Ints, *, begins: bool) -> Ints:
    """Return the reported readings: from the first, or from what was told before it.

    Every eighth is found by links that lead eight on; those between follow from them, all at once.
    """
    end = len(following)
    link = np.append(np.where(following == _OPEN, end, following), end)
    far = link
    for _ in range(_DOUBLINGS):
        far = far[far]
    strides: list[int] = []
    links, note = far.tolist(), strides.append
    place = 0
    while place < end:
        note(place)
        place = links[place]
    rows = [np.array(strides, dtype=np.int64)]
    for _ in range((1 << _DOUBLINGS) - 1):
        rows.append(link[rows[-1]])
    chosen = np.stack(rows, axis=1).ravel()
    chosen = chosen[: int(np.searchsorted(chosen, end))]
    return chosen if begins else chosen[1:]
