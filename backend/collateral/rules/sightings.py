"""Sightings of items by readers, out of a batch of reads: no loop over reads.

Of each item and reader there is one ``Sight``: where and when it was read last, and what was
learnt of how it is read there (``rules.learning``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.collateral.rules.learning import Reports, Tags, gaps_us, learn, starts
from backend.collateral.rules.presence_rates import Learnt
from backend.collateral.rules.sensors import Listening
from backend.collateral.rules.series import numbers_in, place_of
from backend.collateral.rules.shelves import SHELVES_MAX, fold_shelf
from backend.collateral.types import SensorKey, SensorState, Shelf, Sight
from backend.ids import ChannelId, ItemId, LotId
from backend.telemetry.types import (
    EPC_KEY_BYTES,
    Bytes8,
    Epcs,
    Int64s,
    ReadingBatch,
    SightingColumns,
    epc_of,
)

# Sightings of one tag by one reader within this listening time are one run: a tag that is read
# every tenth round, by a gateway that tells of it every five seconds, is not interrupted by it.
STREAK_GAP_US: Final = 30_000_000
STREAK_READS_MAX: Final = 2_000_000_000  # What 32 bits hold: thirty years of reads.
# Sightings no further apart, by our clock, are one stay: too short to be carried to a far site
# and back.
STAY_GAP_US: Final = 600_000_000
_WORDS: Final = -(-EPC_KEY_BYTES // 8)
# Odd, and without a pattern: from the golden ratio in 64 bits.
_MIX: Final = np.array([(0x9E3779B97F4A7C15 * 3**n) % 2**64 for n in range(_WORDS)], np.uint64)
_SHARED: Final = ""  # The shelf of items whose lot is not said.

SightKey = tuple[ItemId, SensorKey]
Shelves = Mapping[str, Shelf]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighted:
    """What a batch leaves behind of items seen in it, and of the shelves of its readers."""

    sights: Mapping[SightKey, Sight] = field(default_factory=lambda: dict[SightKey, Sight]())
    shelves: Mapping[SensorKey, Shelves] = field(
        default_factory=lambda: dict[SensorKey, Shelves]()
    )


def epcs_of(columns: SightingColumns) -> Epcs:
    """Return the distinct EPCs of sightings: those that are known, or sought now."""
    if columns.epcs is not None:
        return columns.epcs
    found, index = distinct(columns.epc)
    return Epcs(distinct=found, index=index)


def fold_sightings(
    batch: ReadingBatch,
    items: Mapping[bytes, ItemId],
    known: Mapping[SightKey, Sight],
    sensors: Mapping[SensorKey, SensorState],
    listening: Mapping[SensorKey, Listening],
    lots: Mapping[ItemId, LotId] | None = None,
) -> Sighted:
    """Return what is known of each registered item by each reader of a batch after it.

    Args:
        batch: the readings.
        items: registered items by EPC; other tags are no concern of ours.
        known: earlier sightings of those items.
        sensors: the readers after the batch, but for their shelves.
        listening: the readers' rounds in the batch; a reader without has not listened on.
        lots: the lot of each item; items of none share a shelf.
    """
    columns = batch.sightings
    epcs = epcs_of(columns)
    index = epcs.index
    ids = [items.get(epc) for epc in epcs.distinct]
    registered = np.array([item is not None for item in ids], dtype=np.bool_)
    rows = np.flatnonzero(registered[index])
    readers = {
        _reader(batch, channel): rows[columns.channel[rows] == channel]
        for channel in numbers_in(columns.channel[rows])
    }
    for reader in listening:
        if sensors[reader].shelves:
            readers.setdefault(reader, rows[:0])
    if not readers:
        return Sighted()
    clock = _Clock(
        bases_us=batch.times.base_us,
        made_us=batch.made_us(columns.envelope, columns.at_us),
        arrived_us=batch.times.arrived_us,
    )
    heard = [
        _in_order(batch, clock, mine, listening.get(reader), sensors[reader].listened_us)
        for reader, mine in readers.items()
    ]
    # All readers at once: a tag is numbered by its reader, then by its EPC.
    rows = np.concatenate([mine for mine, _ in heard])
    number = np.concatenate([index[mine] + n * len(ids) for n, (mine, _) in enumerate(heard)])
    order = _by_number(number, len(ids) * len(heard))
    rows, number = rows[order], number[order]
    begins = starts(number)
    states = [sensors[reader] for reader in readers]
    tags = [divmod(int(each), len(ids)) for each in number[begins].tolist()]
    group = _Group(
        readers=states,
        tags=[(reader, item) for reader, each in tags if (item := ids[each]) is not None],
        tag=np.cumsum(begins) - 1,
        rows=rows,
        listened_us=np.concatenate([listened_us for _, listened_us in heard])[order],
    )
    return group.fold(batch, clock, known, lots or {})


def _in_order(
    batch: ReadingBatch,
    clock: "_Clock",
    mine: NDArray[np.intp],
    rounds: Listening | None,
    before_us: int,
) -> tuple[NDArray[np.intp], Int64s]:
    """Return a reader's rows by their place, and how long it had listened at each."""
    columns = batch.sightings
    place = place_of(columns.envelope[mine], columns.at_us[mine], clock.bases_us)
    by_place = np.argsort(place, kind="stable")
    if rounds is None:
        return mine[by_place], np.full(len(mine), before_us)
    return mine[by_place], rounds.at(place[by_place])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clock:
    """When envelopes begin and arrived, and when each sighting was made."""

    bases_us: Int64s
    made_us: Int64s
    arrived_us: Int64s


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """The last run of a tag's reports; ``whole``: all of the batch's belong to it."""

    began_us: int
    reads: int
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """The sightings of some readers, by reader, tag and then in order.

    ``tag`` indexes ``tags``, each a place in ``readers`` and an item.
    """

    readers: Sequence[SensorState]
    tags: Sequence[tuple[int, ItemId]]
    tag: NDArray[np.intp]
    rows: NDArray[np.intp]
    listened_us: Int64s

    def fold(
        self,
        batch: ReadingBatch,
        clock: _Clock,
        known: Mapping[SightKey, Sight],
        lots: Mapping[ItemId, LotId],
    ) -> Sighted:
        """Return the sights after the batch, and the readers' shelves."""
        columns, rows = batch.sightings, self.rows
        keys = [(item, self.readers[reader].key) for reader, item in self.tags]
        before = [known.get(key) for key in keys]
        tags = tags_of(before)
        first = np.flatnonzero(starts(self.tag))
        reports = Reports(
            tag=self.tag,
            first=first,
            listened_us=self.listened_us,
            gap_us=gaps_us(tags, self.tag, first, self.listened_us),
            made_us=clock.made_us[rows],
            arrived_us=clock.arrived_us[columns.envelope[rows]],
            count=columns.count[rows],
            rssi_cdbm=columns.rssi_cdbm[rows],
        )
        shelves, effective_us = self._see(reports, lots)
        if len(rows) == 0:
            return Sighted(shelves=shelves)
        learn(tags, reports, effective_us)
        streaks = _runs(reports, reports.listened_us, STREAK_GAP_US)
        stays = _runs(reports, reports.made_us, STAY_GAP_US)
        last = np.append(first[1:], len(rows)) - 1
        sights: dict[SightKey, Sight] = {}
        for key, earlier, streak, stay, said, learnt in zip(
            keys,
            before,
            streaks,
            stays,
            _said(batch, reports, tags, rows, last),
            tags.learnt.tolist(),
            strict=True,
        ):
            streak_us, streak_reads = _streak(earlier, streak)
            sights[key] = Sight(
                item_id=key[0],
                reader=key[1],
                streak_us=streak_us,
                streak_reads=streak_reads,
                stay_us=_stay(earlier, stay),
                learnt=tuple(learnt),
                **dict(zip(_SAID, said, strict=True)),
            )
        return Sighted(sights=sights, shelves=shelves)

    def _see(
        self, reports: Reports, lots: Mapping[ItemId, LotId]
    ) -> tuple[dict[SensorKey, Shelves], Int64s]:
        """Return the readers' shelves after the batch, and their clocks at each report."""
        words = {lot: str(lot) for lot in {lots.get(item, _SHARED) for _, item in self.tags}}
        names = [(reader, words[lots.get(item, _SHARED)]) for reader, item in self.tags]
        known = [(n, name) for n, state in enumerate(self.readers) for name in state.shelves]
        wanted = sorted({*names, *known})
        number = {name: place for place, name in enumerate(wanted)}
        shelf = np.array([number[name] for name in names], dtype=np.int64)[reports.tag]
        by_shelf = _by_number(shelf, len(wanted))
        listened_us, looks = reports.listened_us[by_shelf], reports.looks[by_shelf]
        edges = np.searchsorted(shelf[by_shelf], np.arange(len(wanted) + 1)).tolist()
        effective_us = listened_us.copy()
        shelves = [dict(state.shelves) for state in self.readers]
        for (reader, name), begin, end in zip(wanted, edges[:-1], edges[1:], strict=True):
            before = shelves[reader].get(name)
            if before is None and len(shelves[reader]) >= SHELVES_MAX:
                continue
            mine = slice(begin, end)
            until_us = self.readers[reader].listened_us
            after, clock = fold_shelf(before, listened_us[mine], looks[mine], until_us)
            if after is not None and clock is not None:
                shelves[reader][name] = after
                effective_us[mine] = clock.at(listened_us[mine])
        in_order = np.empty_like(effective_us)
        in_order[by_shelf] = effective_us
        keys = [state.key for state in self.readers]
        return dict(zip(keys, shelves, strict=True)), in_order


# What of a sight is told by columns: fields in the order of the values of _said.
_SAID: Final = (
    "seen_us",
    "made_us",
    "listened_us",
    "rssi_cdbm",
    "envelope_number",
    "arrived_us",
    "effective_us",
    "doubt_mnat",
    "settled_us",
    "peak_mnat",
    "away_from_us",
    "away_until_us",
    "away_arrived_us",
)


def _said(
    batch: ReadingBatch,
    reports: Reports,
    tags: Tags,
    rows: NDArray[np.intp],
    last: NDArray[np.intp],
) -> Iterable[tuple[int, ...]]:
    """Return what of each tag's sight is in columns: of its last report, and what was learnt."""
    columns, row = batch.sightings, rows[last]
    told = (
        columns.at_us[row],
        reports.made_us[last],
        tags.listened_us,
        reports.rssi_cdbm[last],
        columns.envelope_number[row],
        reports.arrived_us[last],
        tags.effective_us,
        tags.doubt_mnat,
        tags.settled_us,
        tags.peak_mnat,
        tags.away_from_us,
        tags.away_until_us,
        tags.away_arrived_us,
    )
    return zip(*(column.tolist() for column in told), strict=True)


# Fields of a sight that are columns of Tags as well.
_KNOWN: Final = ("listened_us", *_SAID[_SAID.index("effective_us") :])
_known: Final = attrgetter(*_KNOWN)


def tags_of(before: Sequence[Sight | None]) -> Tags:
    """Return what is known of tags by their last sights, as columns."""
    blank = (0,) * len(_KNOWN)
    told = [blank if sight is None else _known(sight) for sight in before]
    columns = np.array(told, dtype=np.int64).reshape(len(before), len(_KNOWN)).T
    nothing = (0,) * len(Learnt)
    learnt = [nothing if sight is None else sight.learnt or nothing for sight in before]
    return Tags(
        known=np.array([bool(s is not None and s.learnt) for s in before], dtype=np.bool_),
        **{name: column.copy() for name, column in zip(_KNOWN, columns, strict=True)},
        learnt=np.array(learnt, dtype=np.int64).reshape(len(before), len(Learnt)),
    )


def _streak(before: Sight | None, run: _Run) -> tuple[int, int]:
    """Return since when a tag is read without a gap, and its reads; in listened time."""
    if before is None or not run.whole or run.began_us - before.listened_us > STREAK_GAP_US:
        return run.began_us, min(run.reads, STREAK_READS_MAX)
    return before.streak_us, min(before.streak_reads + run.reads, STREAK_READS_MAX)


def _stay(before: Sight | None, run: _Run) -> int:
    """Return since when a tag stays, an earlier batch considered; by our clock."""
    if before is None or not run.whole or run.began_us - before.made_us > STAY_GAP_US:
        return run.began_us
    return before.stay_us or before.made_us


def _runs(reports: Reports, time_us: Int64s, gap_us: int) -> list[_Run]:
    """Return the last run of each tag in the batch: no two reports further apart than the gap."""
    first, count = reports.first, reports.count
    apart = np.ones(len(time_us), dtype=np.bool_)
    np.greater(time_us[1:] - time_us[:-1], gap_us, out=apart[1:])
    apart[first] = True
    begins = np.maximum.accumulate(np.where(apart, np.arange(len(time_us)), 0))
    last = np.append(first[1:], len(time_us)) - 1
    begin = begins[last]
    total = np.cumsum(count, dtype=np.int64)
    reads = total[last] - total[begin] + count[begin]
    return [
        _Run(began_us=began_us, reads=read, whole=whole)
        for began_us, read, whole in zip(
            time_us[begin].tolist(), reads.tolist(), (begin == first).tolist(), strict=True
        )
    ]


def _reader(batch: ReadingBatch, channel: int) -> SensorKey:
    ref = batch.channels[ChannelId(channel)]
    return ref.gateway, ref.sensor


def distinct(epc: Bytes8) -> tuple[list[bytes], NDArray[np.intp]]:
    """Return the distinct EPCs among EPC keys (n, EPC_KEY_BYTES), and which of them each is."""
    words = np.zeros((len(epc), _WORDS), dtype=np.uint64)
    words.view(np.uint8)[:, :EPC_KEY_BYTES] = epc
    # One number a key, that is sorted much faster; should two keys have the same, the slow way.
    mixed = (words * _MIX).sum(axis=1, dtype=np.uint64)
    _, first, index = np.unique(mixed, return_index=True, return_inverse=True)
    if (words[first][index] != words).any():
        whole = words.view(f"S{_WORDS * words.itemsize}").reshape(len(epc))
        _, first, index = np.unique(whole, return_index=True, return_inverse=True)
    return [epc_of(epc[row].tobytes()) for row in first.tolist()], index


def _by_number(number: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Return the stable order of small numbers: numpy sorts 16 bits by radix."""
    small = number.astype(np.uint16) if count <= 1 << 16 else number
    return np.argsort(small, kind="stable")
