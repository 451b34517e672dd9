"""A batch's scalar columns, sorted by channel and cut: views, in the order of the envelopes."""

from collections.abc import Collection
from dataclasses import dataclass
from math import inf
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from backend.collateral.types import Sample, SensorKey
from backend.ids import ChannelId
from backend.telemetry.types import Floats, Int16s, Int32s, Int64s, ReadingBatch
from schemas.quantities import QUALITY_CODES, Quality, Quantity

GOOD: Final = QUALITY_CODES[Quality.GOOD]
UNSTABLE: Final = QUALITY_CODES[Quality.UNSTABLE]
# Offsets reach 31 days in a digest: above their bits, the message's place in the batch.
_PLACE_SHIFT: Final = 42
_NEVER: Final = -(2**62)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Readings of one channel, of shape (n,). ``place`` orders them within the batch."""

    place: Int64s
    at_us: Int64s
    made_us: Int64s
    number: Int64s
    value: Floats
    quality: Int16s

    def __len__(self) -> int:
        return len(self.place)

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Self:
        """Return the readings chosen."""
        return type(self)(
            place=self.place[chosen],
            at_us=self.at_us[chosen],
            made_us=self.made_us[chosen],
            number=self.number[chosen],
            value=self.value[chosen],
            quality=self.quality[chosen],
        )

    def good(self) -> Self:
        """Return the readings of good quality."""
        good = self.quality == GOOD
        return self if good.all() else self.where(good)

    def sample(self, index: int) -> Sample:
        """Return one reading."""
        return Sample(
            at_us=int(self.at_us[index]),
            value=float(self.value[index]),
            envelope_number=int(self.number[index]),
            made_us=int(self.made_us[index]),
        )

    def samples(self) -> list[Sample]:
        """Return all readings, an object each: for few."""
        return [
            Sample(at_us=at_us, value=value, envelope_number=number, made_us=made_us)
            for at_us, value, number, made_us in zip(
                self.at_us.tolist(),
                self.value.tolist(),
                self.number.tolist(),
                self.made_us.tolist(),
                strict=True,
            )
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The newest usable reading of one channel, and its last good one (None: none is)."""

    at_us: int
    made_us: int
    good: Sample | None


class SeriesBook:
    """The series of a batch, by sensor and quantity; cut when asked for."""

    def __init__(self, batch: ReadingBatch) -> None:
        columns = batch.scalars
        self._arrived_us = batch.times.arrived_us
        order = np.argsort(columns.channel, kind="stable")
        channels = columns.channel[order]
        begins = np.flatnonzero(np.diff(channels, prepend=-1))
        ends = np.append(begins, len(channels))[1:]  # Without scalars: none.
        self._rows: dict[tuple[SensorKey, Quantity], slice] = {}
        numbers = channels[begins].tolist()
        for number, begin, end in zip(numbers, begins.tolist(), ends.tolist(), strict=True):
            ref = batch.channels[ChannelId(number)]
            assert ref.quantity is not None, "the codec refuses scalars of nothing"
            self._rows[(ref.gateway, ref.sensor), ref.quantity] = slice(begin, end)
        at_us, envelope = columns.at_us[order], columns.envelope[order]
        self._begins = begins
        self._worst: dict[tuple[SensorKey, Quantity], int] | None = None
        self._quantities: dict[SensorKey, list[Quantity]] | None = None
        self._extremes: dict[tuple[SensorKey, Quantity], tuple[float, float]] | None = None
        self._all = Series(
            place=place_of(envelope, at_us, batch.times.base_us),
            at_us=at_us,
            made_us=batch.made_us(envelope, at_us),
            number=columns.envelope_number[order],
            value=columns.value[order],
            quality=columns.quality[order],
        )

    def series(self) -> Collection[tuple[SensorKey, Quantity]]:
        """Return what there are series of."""
        return self._rows

    def newest(self) -> dict[tuple[SensorKey, Quantity], Newest]:
        """Return the newest readings of every channel that has a usable one: no loop over them."""
        if not self._rows:
            return {}
        every, begins = self._all, self._begins
        usable = every.quality <= UNSTABLE
        made_us = np.where(usable, every.made_us, _NEVER)
        latest_us = np.maximum.reduceat(made_us, begins)
        counts = np.diff(np.append(begins, len(every)))
        at_us = np.where(made_us == np.repeat(latest_us, counts), every.at_us, _NEVER)
        at_us = np.maximum.reduceat(at_us, begins)
        rows = np.where(every.quality == GOOD, np.arange(len(every)), -1)
        good = np.maximum.reduceat(rows, begins)
        last = every.where(good).samples()  # Of a channel without a good one, any: not used.
        return {
            key: Newest(at_us=at, made_us=made, good=None if row < 0 else sample)
            for key, at, made, row, sample in zip(
                self._rows, at_us.tolist(), latest_us.tolist(), good.tolist(), last, strict=True
            )
            if made != _NEVER
        }

    def extremes(self, sensor: SensorKey, quantity: Quantity) -> tuple[float, float] | None:
        """Return the least and greatest good value of a channel; None: it is not in the batch.

        Of a channel without a good value the least is above the greatest.
        """
        if self._extremes is None:
            value, good = self._all.value, self._all.quality == GOOD
            begins = self._begins
            some = len(begins) > 0
            least = np.minimum.reduceat(np.where(good, value, inf), begins) if some else begins
            most = np.maximum.reduceat(np.where(good, value, -inf), begins) if some else begins
            pairs = zip(least.tolist(), most.tolist(), strict=True)
            self._extremes = dict(zip(self._rows, pairs, strict=True))
        return self._extremes.get((sensor, quantity))

    def quantities_of(self, sensor: SensorKey) -> Collection[Quantity]:
        """Return the quantities of which there are series of a sensor."""
        if self._quantities is None:
            self._quantities = {}
            for key, quantity in self._rows:
                self._quantities.setdefault(key, []).append(quantity)
        return self._quantities.get(sensor, ())

    def worst_quality(self, sensor: SensorKey, quantity: Quantity) -> int:
        """Return the worst quality code of a channel of the batch."""
        if self._worst is None:
            codes = np.maximum.reduceat(self._all.quality, self._begins).tolist()
            self._worst = dict(zip(self._rows, codes, strict=True))
        return self._worst[sensor, quantity]

    @property
    def since_us(self) -> int | None:
        """When the first of these readings arrived, by our clock; None: there are none."""
        return int(self._arrived_us.min()) if len(self._arrived_us) else None

    def last_envelopes(self) -> dict[SensorKey, int]:
        """Return the last envelope of the batch with a reading of each sensor."""
        if not self._rows:
            return {}
        last = np.maximum.reduceat(self._all.place, self._begins) >> _PLACE_SHIFT
        found: dict[SensorKey, int] = {}
        for (key, _), envelope in zip(self._rows, last.tolist(), strict=True):
            found[key] = max(envelope, found.get(key, envelope))
        return found

    def arrivals_us(self, place: Int64s) -> Int64s:
        """Return when the envelopes of readings at these places arrived, by our clock."""
        return self._arrived_us[place >> _PLACE_SHIFT]

    def get(self, sensor: SensorKey, quantity: Quantity) -> Series | None:
        """Return a sensor's readings of one quantity, None when there are none; views only."""
        rows = self._rows.get((sensor, quantity))
        return None if rows is None else self._all.where(rows)


def place_of(envelope: Int32s, at_us: Int64s, bases_us: Int64s) -> Int64s:
    """Return each reading's place in the batch: by envelope, then by time within it."""
    return (envelope.astype(np.int64) << _PLACE_SHIFT) | (at_us - bases_us[envelope])


def numbers_in(column: Int32s) -> list[int]:
    """Return the distinct numbers of a column, in order: faster than numpy finds them itself."""
    ordered = np.sort(column)
    first = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    numbers: list[int] = ordered[first].tolist()
    return numbers
