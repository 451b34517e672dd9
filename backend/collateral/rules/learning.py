"""What a reader learns of its tags, and the evidence that one has gone, report by report.

No loop over reports: within a window what was learnt before it holds, so that evidence is a sum
that may not leave its bounds; windows follow on each other, for all tags of a reader at a time.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.collateral.rules.presence_rates import (
    DOUBT_MNAT,
    EVIDENCE_MNAT_MAX,
    GRAVE_MNAT,
    MILLI,
    NEW,
    OLD,
    WINDOW_US,
    WINDOW_US_MAX,
    Learnt,
    levels_of,
    rates_of,
    silence_mnat,
    weaker_mnat,
)
from backend.telemetry.types import Int16s, Int32s, Int64s
from schemas.envelope import RSSI_UNKNOWN

_WIDTH: Final = len(Learnt)
_US_OF_MILLILOOK: Final = 1_000


@dataclass(slots=True, kw_only=True)
class Tags:
    """What is known of tags, one a row; of one that was never read, ``known`` is false."""

    known: NDArray[np.bool_]
    listened_us: Int64s
    effective_us: Int64s
    doubt_mnat: Int64s
    settled_us: Int64s
    peak_mnat: Int64s
    away_from_us: Int64s
    away_until_us: Int64s
    away_arrived_us: Int64s
    learnt: Int64s  # (n, len(Learnt))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """Reports of tags by one reader, by tag and then in order; ``tag`` is a row of ``Tags``.

    ``first`` is the first report of each tag. ``gap_us`` is the listening since the one before, 0
    if there was none.
    """

    tag: NDArray[np.intp]
    first: NDArray[np.intp]
    listened_us: Int64s
    gap_us: Int64s
    made_us: Int64s
    arrived_us: Int64s
    count: Int32s
    rssi_cdbm: Int16s

    @property
    def looks(self) -> Int64s:
        """What each report adds to the looks at its tag, in thousandths."""
        return np.minimum(self.count.astype(np.int64) * MILLI, self.gap_us // _US_OF_MILLILOOK)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    """What each report left behind: of shape (n,)."""

    doubt_mnat: Int64s
    peak_mnat: Int64s  # Just before the report.


def starts(values: NDArray[np.signedinteger]) -> NDArray[np.bool_]:
    """Return where a value differs from the one before it."""
    found = np.ones(len(values), dtype=np.bool_)
    np.not_equal(values[1:], values[:-1], out=found[1:])
    return found


def gaps_us(tags: Tags, tag: NDArray[np.intp], first: NDArray[np.intp], time_us: Int64s) -> Int64s:
    """Return the time from the report before, of the batch or earlier; 0 if there was none."""
    gap_us = time_us.copy()
    gap_us[1:] -= time_us[:-1]
    mine = tag[first]
    before_us = tags.listened_us[mine]
    gap_us[first] = np.where(tags.known[mine], time_us[first] - before_us, 0)
    return gap_us


def learn(tags: Tags, reports: Reports, effective_us: Int64s) -> None:
    """Take reports into what is known of tags.

    Args:
        tags: changed in place.
        reports: of those tags.
        effective_us: the clock of each tag's shelf at each report.
    """
    tag, first = reports.tag, reports.first
    new = tag[first][~tags.known[tag[first]]]
    begin = first[~tags.known[tag[first]]]
    tags.learnt[new, Learnt.WINDOW_US] = WINDOW_US
    tags.learnt[new, Learnt.UNTIL_US] = effective_us[begin] + WINDOW_US
    gap_us = effective_us.copy()
    gap_us[1:] -= effective_us[:-1]
    before_us = tags.effective_us[tag[first]]
    gap_us[first] = np.where(tags.known[tag[first]], effective_us[first] - before_us, 0)
    evidence = _walk(tags, reports, effective_us, gap_us)
    _tell_absences(tags, reports, evidence)
    last = np.append(first[1:], len(tag)) - 1
    mine = tag[first]
    tags.known[mine] = True
    tags.listened_us[mine] = reports.listened_us[last]
    tags.effective_us[mine] = effective_us[last]
    tags.doubt_mnat[mine] = evidence.doubt_mnat[last]


def _walk(tags: Tags, reports: Reports, effective_us: Int64s, gap_us: Int64s) -> _Evidence:
    """Go from window to window of what is learnt; return the evidence at each report."""
    count, tag = len(reports.tag), reports.tag
    doubt, peak = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    found = _Evidence(doubt_mnat=doubt, peak_mnat=peak)
    stops = np.full(len(tags.known), count)
    stops[tag[reports.first]] = np.append(reports.first[1:], count)
    looks = reports.looks
    now_mnat = tags.doubt_mnat.copy()
    rows = np.arange(count)
    while len(rows):
        mine = tag[rows]
        beyond = rows[effective_us[rows] >= tags.learnt[mine, Learnt.UNTIL_US]]
        # Of each tag the first report beyond its window: they come in order.
        beyond = beyond[starts(tag[beyond])]
        over = tag[beyond]
        ends = stops.copy()
        ends[over] = beyond
        within = rows[rows < ends[mine]]
        if len(within):
            _weigh(tags, reports, within, gap_us, found, now_mnat)
            settled = within[doubt[within] < DOUBT_MNAT]
            _add(tags.learnt, reports, settled, looks, gap_us)
        if not len(over):
            break
        _close(tags.learnt, over, effective_us[ends[over]])
        left = ends < stops
        rows = rows[left[mine] & (rows >= ends[mine])]
    return found


def _weigh(
    tags: Tags,
    reports: Reports,
    rows: NDArray[np.intp],
    gap_us: Int64s,
    found: _Evidence,
    now_mnat: Int64s,
) -> None:
    """Work out the evidence at ``rows``, each tag's within one window; kept in ``now_mnat``."""
    tag = reports.tag[rows]
    rates = rates_of(tags.learnt[:, OLD])
    looks, span_us = rates.looks[tag], rates.span_us[tag]
    silent = silence_mnat(looks, span_us, gap_us[rows])
    count = reports.count[rows]
    seen = np.minimum(
        count.astype(np.int64) * MILLI, MILLI + reports.gap_us[rows] // _US_OF_MILLILOOK
    )
    level_cdbm, has_level = levels_of(reports.rssi_cdbm[rows], count)
    usual_cdbm = rates.level_cdbm[tag]
    weaker = weaker_mnat(level_cdbm, usual_cdbm)
    weaker = np.where(has_level & (usual_cdbm != RSSI_UNKNOWN), weaker, 0)
    change = silent - rates.look_mnat[tag] * seen // MILLI + weaker
    begins = np.flatnonzero(starts(tag))
    after = bounded_sums(change, begins, now_mnat[tag[begins]])
    before = np.concatenate(([0], after[:-1]))
    before[begins] = now_mnat[tag[begins]]
    found.doubt_mnat[rows] = after
    unheard_us = gap_us[rows] - rates.dead_us[tag]
    found.peak_mnat[rows] = before + silence_mnat(looks, span_us, unheard_us)
    ends = np.append(begins[1:], len(rows)) - 1
    now_mnat[tag[ends]] = after[ends]


def bounded_sums(change: Int64s, begins: NDArray[np.intp], start: Int64s) -> Int64s:
    """Return the running sum of each run of changes, kept within 0 and what counts at most.

    Args:
        change: of all runs, one after the other.
        begins: where each run begins.
        start: its sum before.
    """
    lengths = np.diff(np.append(begins, len(change)))
    calm = (np.maximum.reduceat(change, begins) <= 0) & (start <= 0)
    total = np.zeros(len(change), dtype=np.int64)
    if calm.all():
        return total
    # What a stretch of changes does to a sum s is min(max(s + add, least), most); two stretches
    # on each other do the same with other numbers. So stretches double until they reach back.
    busy = np.flatnonzero(np.repeat(~calm, lengths))
    place = (np.arange(len(change)) - np.repeat(begins, lengths))[busy]
    add = change[busy]
    least, most = np.zeros_like(add), np.full_like(add, EVIDENCE_MNAT_MAX)
    reach = 1
    while reach <= place.max():
        row = np.flatnonzero(place >= reach)
        prior = row - reach
        low = np.minimum(np.maximum(least[prior] + add[row], least[row]), most[row])
        high = np.minimum(np.maximum(most[prior] + add[row], least[row]), most[row])
        joined = add[prior] + add[row]
        add[row], least[row], most[row] = joined, low, high
        reach *= 2
    first = np.repeat(start, lengths)[busy]
    total[busy] = np.minimum(np.maximum(first + add, least), most)
    return total


def _add(
    learnt: Int64s, reports: Reports, rows: NDArray[np.intp], looks: Int64s, gap_us: Int64s
) -> None:
    """Add reports to what their tags' windows learn; sums are whole and far below 2 ** 53."""
    tag, size = reports.tag[rows], len(learnt)
    level_cdbm, has_level = levels_of(reports.rssi_cdbm[rows], reports.count[rows])
    for column, values in (
        (Learnt.NEW_LOOKS, looks[rows]),
        (Learnt.NEW_SPAN_US, gap_us[rows]),
        (Learnt.NEW_REPORTS, np.ones(len(rows))),
        (Learnt.NEW_LEVEL_CDBM, np.where(has_level, level_cdbm, 0)),
        (Learnt.NEW_LEVELS, has_level),
    ):
        learnt[:, column] += np.bincount(tag, weights=values, minlength=size).astype(np.int64)


def _close(learnt: Int64s, tags: NDArray[np.intp], effective_us: Int64s) -> None:
    """End the windows of tags at the reports that lie beyond them."""
    window_us = np.minimum(learnt[tags, Learnt.WINDOW_US] * 2, WINDOW_US_MAX)
    old, new = learnt[tags, OLD], learnt[tags, NEW]
    learnt[tags, OLD] = old // 2 + new
    learnt[tags, NEW] = 0
    learnt[tags, Learnt.WINDOW_US] = window_us
    learnt[tags, Learnt.UNTIL_US] = effective_us + window_us


def _tell_absences(tags: Tags, reports: Reports, evidence: _Evidence) -> None:
    """Note of each tag the last absence beyond doubt that ended, and one that goes on."""
    tag, first = reports.tag, reports.first
    mine = tag[first]
    settled = evidence.doubt_mnat < DOUBT_MNAT
    peak = evidence.peak_mnat.copy()
    peak[first] = np.maximum(peak[first], tags.peak_mnat[mine])
    # A block is what follows on a settled report up to and with the next.
    opening = np.concatenate(([True], settled[:-1]))
    opening[first] = True
    begins = np.flatnonzero(opening)
    ends = np.append(begins[1:], len(tag)) - 1
    most = np.maximum.reduceat(peak, begins)
    opens = np.isin(begins, first)
    from_us = np.where(opens, tags.settled_us[tag[begins]], reports.made_us[begins - 1])
    over = np.flatnonzero(settled[ends] & (most >= GRAVE_MNAT) & (from_us != 0))
    # Assigned in order: the last one of each tag stays.
    tags.away_from_us[tag[begins[over]]] = from_us[over]
    tags.away_until_us[tag[begins[over]]] = reports.made_us[ends[over]]
    tags.away_arrived_us[tag[begins[over]]] = reports.arrived_us[ends[over]]
    tags.peak_mnat[mine] = 0
    open_ = np.flatnonzero(~settled[ends])
    tags.peak_mnat[tag[begins[open_]]] = most[open_]
    rows = np.flatnonzero(settled)
    tags.settled_us[tag[rows]] = reports.made_us[rows]
