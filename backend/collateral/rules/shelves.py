"""How well a reader sees a shelf: a clock that slows down while something stands before it.

The tags of one lot share a shelf. The clock advances by a grid of the reader's listened time: in
each cell by the looks at all its tags, against what that shelf gave on average in the hours
before. A blocked shelf so slows the silence of each tag behind it, whatever share of reads still
gets through. All sums are integers, and no cell depends on where a batch was cut.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from backend.collateral.types import Shelf
from backend.telemetry.types import Int64s

CELL_US: Final = 5_000_000  # A gateway's heartbeat: each tag is reported about once in it.
_WINDOW_CELLS: Final = 720  # An hour of listening; then what was learnt is halved.
# What goes by of the clock at least, in thousandths: half of what quality.md lets through a
# blocked shelf, because no two shelves are blocked alike.
FLOOR_MILLI: Final = 50
_HALF_MILLI: Final = 500
SHELVES_MAX: Final = 64  # Of one reader; tags of further lots have its plain clock.
_MILLI: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfClock:
    """A shelf's clock over a batch: ``clock_us`` at the beginning of each cell from ``cell``."""

    cell: int
    clock_us: Int64s

    def at(self, listened_us: Int64s) -> Int64s:
        """Return the clock at times of listening, as if the rest of the cell were seen well."""
        cells, offset_us = np.divmod(listened_us, CELL_US)
        return self.clock_us[cells - self.cell] + offset_us


def fold_shelf(
    shelf: Shelf | None, listened_us: Int64s, looks: Int64s, until_us: int
) -> tuple[Shelf | None, ShelfClock | None]:
    """Return a shelf after more listening, and its clock on the way.

    Args:
        shelf: before it; None: no tag was read there yet.
        listened_us: of each report of its tags, in any order.
        looks: of each report, in thousandths.
        until_us: for how long the reader has listened by now.
    """
    if shelf is None:
        if len(listened_us) == 0:
            return None, None
        cell = int(listened_us.min()) // CELL_US
        shelf = Shelf(clock_us=cell * CELL_US, cell=cell)
    first, last = shelf.cell, max(until_us // CELL_US, shelf.cell)
    count = last - first + 1
    if count == 1:
        after = replace(shelf, looks=shelf.looks + int(looks.sum()))
        return after, ShelfClock(cell=first, clock_us=np.array([shelf.clock_us], dtype=np.int64))
    # Weights are whole and far below 2 ** 53: the sums are exact.
    seen = np.bincount(listened_us // CELL_US - first, weights=looks, minlength=count)
    got = seen.astype(np.int64)
    got[0] += shelf.looks
    clock_us = np.empty(count, dtype=np.int64)
    clock_us[0] = shelf.clock_us
    begin = 0
    while begin < count - 1:
        boundary = ((first + begin) // _WINDOW_CELLS + 1) * _WINDOW_CELLS
        end = min(count - 1, boundary - first)
        before = np.concatenate(([0], np.cumsum(got[begin:end])))
        steps_us = _steps_us(shelf, got[begin:end], before[:-1])
        clock_us[begin + 1 : end + 1] = clock_us[begin] + np.cumsum(steps_us)
        shelf = replace(
            shelf,
            new_looks=shelf.new_looks + int(before[-1]),
            new_cells=shelf.new_cells + end - begin,
        )
        if first + end == boundary:
            shelf = replace(
                shelf,
                old_looks=shelf.old_looks // 2 + shelf.new_looks,
                old_cells=shelf.old_cells // 2 + shelf.new_cells,
                new_looks=0,
                new_cells=0,
            )
        begin = end
    after = replace(shelf, clock_us=int(clock_us[-1]), cell=last, looks=int(got[-1]))
    return after, ShelfClock(cell=first, clock_us=clock_us)


def _steps_us(shelf: Shelf, got: Int64s, before: Int64s) -> Int64s:
    """Return by how much the clock advances in cells, by what was learnt before each."""
    cells = shelf.old_cells + shelf.new_cells + np.arange(len(got))
    looks = shelf.old_looks + shelf.new_looks + before
    milli = got * cells * _MILLI // np.maximum(looks, 1)
    # Half of the tags gone leaves half of the looks; less than that is rather a blocked shelf,
    # and what is left of one says little of any tag behind it.
    milli = np.where(milli < _HALF_MILLI, milli * milli // _HALF_MILLI, milli)
    milli = np.where(cells == 0, _MILLI, np.minimum(np.maximum(milli, FLOOR_MILLI), _MILLI))
    return milli * (CELL_US // _MILLI)
