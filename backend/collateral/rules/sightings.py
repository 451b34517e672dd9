"""Sightings of items by readers, out of a batch of reads: no loop over reads.

Of each item and reader there is one ``Sight``: where and when it was read last, and what was
learnt of how it is read there (``rules.learning``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.collateral.rules.learning import Reports, Tags, gaps_us, learn
from backend.collateral.rules.presence_rates import Learnt
from backend.collateral.rules.sensors import Listening
from backend.collateral.rules.series import place_of
from backend.collateral.rules.shelves import SHELVES_MAX, fold_shelf
from backend.collateral.types import SensorKey, SensorState, Shelf, Sight
from backend.ids import ChannelId, ItemId, LotId
from backend.telemetry.types import EPC_KEY_BYTES, Bytes8, Int64s, ReadingBatch, epc_of

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


def epcs_of(batch: ReadingBatch) -> list[bytes]:
    """Return the distinct EPCs of a batch."""
    return distinct(batch.sightings.epc)[0]


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
    epcs, index = distinct(columns.epc)
    ids = [items.get(epc) for epc in epcs]
    registered = np.array([item is not None for item in ids], dtype=np.bool_)
    rows = np.flatnonzero(registered[index])
    readers = {
        _reader(batch, channel): rows[columns.channel[rows] == channel]
        for channel in np.unique(columns.channel[rows]).tolist()
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
    sights: dict[SightKey, Sight] = {}
    shelves: dict[SensorKey, Shelves] = {}
    for reader, mine in readers.items():
        place = place_of(columns.envelope[mine], columns.at_us[mine], clock.bases_us)
        by_place = np.argsort(place, kind="stable")
        mine, place = mine[by_place], place[by_place]
        heard, state = listening.get(reader), sensors[reader]
        listened_us = np.full(len(mine), state.listened_us) if heard is None else heard.at(place)
        order = _by_number(index[mine], len(ids))
        mine, listened_us = mine[order], listened_us[order]
        starts = np.diff(index[mine], prepend=-1) != 0
        numbers, tag = index[mine[starts]], np.cumsum(starts) - 1
        group = _Group(
            reader=state,
            items=[item for number in numbers.tolist() if (item := ids[int(number)]) is not None],
            tag=tag,
            rows=mine,
            listened_us=listened_us,
        )
        shelves[reader] = group.fold(batch, clock, known, lots or {}, sights)
    return Sighted(sights=sights, shelves=shelves)


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
    """The sightings of one reader, by tag and then in order; ``tag`` indexes ``items``."""

    reader: SensorState
    items: Sequence[ItemId]
    tag: NDArray[np.intp]
    rows: NDArray[np.intp]
    listened_us: Int64s

    def fold(
        self,
        batch: ReadingBatch,
        clock: _Clock,
        known: Mapping[SightKey, Sight],
        lots: Mapping[ItemId, LotId],
        sights: dict[SightKey, Sight],
    ) -> Shelves:
        """Put the sights after the batch into ``sights``; return the reader's shelves."""
        columns, rows = batch.sightings, self.rows
        before = [known.get((item, self.reader.key)) for item in self.items]
        tags = tags_of(before)
        first = np.flatnonzero(np.diff(self.tag, prepend=-1))
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
            return shelves
        learn(tags, reports, effective_us)
        streaks = _runs(reports, reports.listened_us, STREAK_GAP_US)
        stays = _runs(reports, reports.made_us, STAY_GAP_US)
        last = np.append(first[1:], len(rows)) - 1
        for tag, (item, earlier, row) in enumerate(
            zip(self.items, before, last.tolist(), strict=True)
        ):
            streak = _streak(earlier, streaks[tag])
            stay = _stay(earlier, stays[tag])
            sights[item, self.reader.key] = Sight(
                item_id=item,
                reader=self.reader.key,
                seen_us=int(columns.at_us[rows[row]]),
                made_us=int(reports.made_us[row]),
                listened_us=int(tags.listened_us[tag]),
                streak_us=streak.began_us,
                streak_reads=min(streak.reads, STREAK_READS_MAX),
                rssi_cdbm=int(reports.rssi_cdbm[row]),
                envelope_number=int(columns.envelope_number[rows[row]]),
                arrived_us=int(reports.arrived_us[row]),
                effective_us=int(tags.effective_us[tag]),
                doubt_mnat=int(tags.doubt_mnat[tag]),
                settled_us=int(tags.settled_us[tag]),
                peak_mnat=int(tags.peak_mnat[tag]),
                away_from_us=int(tags.away_from_us[tag]),
                away_until_us=int(tags.away_until_us[tag]),
                away_arrived_us=int(tags.away_arrived_us[tag]),
                stay_us=stay.began_us,
                learnt=tuple(tags.learnt[tag].tolist()),
            )
        return shelves

    def _see(self, reports: Reports, lots: Mapping[ItemId, LotId]) -> tuple[Shelves, Int64s]:
        """Return the reader's shelves after the batch, and their clock at each report."""
        names = [str(lots.get(item, _SHARED)) for item in self.items]
        shelves, until_us = dict(self.reader.shelves), self.reader.listened_us
        effective_us, looks = reports.listened_us.copy(), reports.looks
        wanted = sorted({*names, *shelves})
        number = {name: place for place, name in enumerate(wanted)}
        of_tag = np.array([number[name] for name in names], dtype=np.int64)
        shelf = of_tag[reports.tag]
        for name, place in number.items():
            if name not in shelves and len(shelves) >= SHELVES_MAX:
                continue
            mine = np.flatnonzero(shelf == place)
            mine = mine[np.argsort(reports.listened_us[mine], kind="stable")]
            listened_us = reports.listened_us[mine]
            after, clock = fold_shelf(shelves.get(name), listened_us, looks[mine], until_us)
            if after is not None and clock is not None:
                shelves[name] = after
                effective_us[mine] = clock.at(listened_us)
        return shelves, effective_us


def tags_of(before: Sequence[Sight | None]) -> Tags:
    """Return what is known of tags by their last sights, as columns."""

    def column(name: str) -> Int64s:
        values = [0 if sight is None else getattr(sight, name) for sight in before]
        return np.array(values, dtype=np.int64)

    nothing = (0,) * len(Learnt)
    learnt = [nothing if sight is None else sight.learnt or nothing for sight in before]
    return Tags(
        known=np.array([bool(s is not None and s.learnt) for s in before], dtype=np.bool_),
        listened_us=column("listened_us"),
        effective_us=column("effective_us"),
        doubt_mnat=column("doubt_mnat"),
        settled_us=column("settled_us"),
        peak_mnat=column("peak_mnat"),
        away_from_us=column("away_from_us"),
        away_until_us=column("away_until_us"),
        away_arrived_us=column("away_arrived_us"),
        learnt=np.array(learnt, dtype=np.int64).reshape(len(before), len(Learnt)),
    )


def _streak(before: Sight | None, run: _Run) -> _Run:
    """Let a run that an earlier batch began go on, when the gap is none; in listened time."""
    if before is None or not run.whole or run.began_us - before.listened_us > STREAK_GAP_US:
        return run
    return replace(run, began_us=before.streak_us, reads=before.streak_reads + run.reads)


def _stay(before: Sight | None, run: _Run) -> _Run:
    """Let a stay go on; by our clock."""
    if before is None or not run.whole or run.began_us - before.made_us > STAY_GAP_US:
        return run
    return replace(run, began_us=before.stay_us or before.made_us)


def _runs(reports: Reports, time_us: Int64s, gap_us: int) -> list[_Run]:
    """Return the last run of each tag in the batch: no two reports further apart than the gap."""
    first, count = reports.first, reports.count
    starts = np.diff(time_us, prepend=0) > gap_us
    starts[first] = True
    begins = np.maximum.accumulate(np.where(starts, np.arange(len(time_us)), 0))
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
