"""The last sighting of each item by each reader, out of a batch of reads: no loop over reads."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.collateral.rules.sensors import Listening
from backend.collateral.rules.series import base_us, place_of
from backend.collateral.types import SensorKey, SensorState, Sight
from backend.ids import ChannelId, ItemId
from backend.telemetry.types import EPC_KEY_BYTES, Bytes8, Int64s, ReadingBatch, epc_of

# Sightings of one tag by one reader within this listening time are one run: above a gateway's
# heartbeat of five seconds and a round.
STREAK_GAP_US: Final = 8_000_000
STREAK_READS_MAX: Final = 1_000  # Nothing asks for more than a few.

SightKey = tuple[ItemId, SensorKey]


def epcs_of(batch: ReadingBatch) -> list[bytes]:
    """Return the distinct EPCs of a batch."""
    return [epc_of(key) for key in np.unique(_keys(batch.sightings.epc)).tolist()]


def fold_sightings(
    batch: ReadingBatch,
    items: Mapping[bytes, ItemId],
    known: Mapping[SightKey, Sight],
    sensors: Mapping[SensorKey, SensorState],
    listening: Mapping[SensorKey, Listening],
) -> dict[SightKey, Sight]:
    """Return the last sighting of each registered item by each reader in a batch.

    Args:
        batch: the readings.
        items: registered items by EPC; other tags are no concern of ours.
        known: earlier sightings of those items.
        sensors: the readers after the batch.
        listening: the readers' rounds in the batch; a reader without has not listened on.
    """
    columns = batch.sightings
    epcs, index = np.unique(_keys(columns.epc), return_inverse=True)
    ids = [items.get(epc_of(key)) for key in epcs.tolist()]
    registered = np.array([item is not None for item in ids], dtype=np.bool_)
    rows = np.flatnonzero(registered[index])
    if len(rows) == 0:
        return {}
    bases_us, made_us = base_us(batch), batch.made_us(columns.envelope, columns.at_us)
    sights: dict[SightKey, Sight] = {}
    for channel in np.unique(columns.channel[rows]).tolist():
        ref = batch.channels[ChannelId(channel)]
        reader = ref.gateway, ref.sensor
        mine = rows[columns.channel[rows] == channel]
        place = place_of(columns.envelope[mine], columns.at_us[mine], bases_us)
        by_place = np.argsort(place, kind="stable")
        mine, place = mine[by_place], place[by_place]
        heard = listening.get(reader)
        listened_us = (
            np.full(len(mine), sensors[reader].listened_us) if heard is None else heard.at(place)
        )
        order = np.argsort(index[mine], kind="stable")
        mine, listened_us = mine[order], listened_us[order]
        for first, begin, last, reads in _runs(index[mine], listened_us, columns.count[mine]):
            item = ids[int(index[mine[last]])]
            assert item is not None
            row = mine[last]
            sight = Sight(
                item_id=item,
                reader=reader,
                seen_us=int(columns.at_us[row]),
                made_us=int(made_us[row]),
                listened_us=int(listened_us[last]),
                streak_us=int(listened_us[begin]),
                streak_reads=min(reads, STREAK_READS_MAX),
                rssi_cdbm=int(columns.rssi_cdbm[row]),
                envelope_number=int(columns.envelope_number[row]),
            )
            before = known.get((item, reader))
            if begin == first and before is not None:
                sight = _join(before, sight, int(listened_us[first]))
            sights[item, reader] = sight
    return sights


def _join(before: Sight, sight: Sight, first_us: int) -> Sight:
    """Let a run that an earlier batch began go on, when the gap is none."""
    if first_us - before.listened_us > STREAK_GAP_US:
        return sight
    reads = min(before.streak_reads + sight.streak_reads, STREAK_READS_MAX)
    return replace(sight, streak_us=before.streak_us, streak_reads=reads)


def _runs(
    tag: NDArray[np.intp], listened_us: Int64s, count: NDArray[np.int32]
) -> list[tuple[int, int, int, int]]:
    """Return, for each tag, its first row, where its last run begins, its last row, and reads.

    Rows are sorted by tag and, within one, by time.
    """
    rows = np.arange(len(tag))
    starts = np.diff(tag, prepend=-1) != 0
    gaps = starts | (np.diff(listened_us, prepend=0) > STREAK_GAP_US)
    begins = np.maximum.accumulate(np.where(gaps, rows, 0))
    first = np.flatnonzero(starts)
    last = np.append(first[1:], len(tag)) - 1
    begin = begins[last]
    total = np.cumsum(count, dtype=np.int64)
    reads = total[last] - total[begin] + count[begin]
    return list(zip(first.tolist(), begin.tolist(), last.tolist(), reads.tolist(), strict=True))


def _keys(epc: Bytes8) -> NDArray[np.bytes_]:
    return np.ascontiguousarray(epc).view(f"S{EPC_KEY_BYTES}").reshape(len(epc))
