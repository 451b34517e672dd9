"""A batch's scalar columns, cut by channel: numpy views, in the order of the envelopes."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from backend.collateral.types import Sample, SensorKey
from backend.ids import ChannelId
from backend.telemetry.types import Floats, Int16s, Int32s, Int64s, ReadingBatch
from schemas.quantities import QUALITY_CODES, Quality, Quantity

GOOD: Final = QUALITY_CODES[Quality.GOOD]
UNSTABLE: Final = QUALITY_CODES[Quality.UNSTABLE]
# Offsets in an envelope have 32 bits: above them, its place in the batch.
_PLACE_SHIFT: Final = 33


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

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Self:
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
        return self.where(self.quality == GOOD)

    def sample(self, index: int) -> Sample:
        """Return one reading."""
        return Sample(
            at_us=int(self.at_us[index]),
            value=float(self.value[index]),
            envelope_number=int(self.number[index]),
            made_us=int(self.made_us[index]),
        )


class SeriesBook:
    """The series of a batch, by sensor and quantity; cut when asked for."""

    def __init__(self, batch: ReadingBatch) -> None:
        columns = batch.scalars
        order = np.argsort(columns.channel, kind="stable")
        channels = columns.channel[order]
        begins = np.flatnonzero(np.diff(channels, prepend=-1))
        ends = np.append(begins[1:], len(channels))
        self._rows: dict[tuple[SensorKey, Quantity], Int64s] = {}
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
            ref = batch.channels[ChannelId(int(channels[begin]))]
            assert ref.quantity is not None, "the codec refuses scalars of nothing"
            self._rows[(ref.gateway, ref.sensor), ref.quantity] = order[begin:end]
        self._columns = columns
        self._made_us = batch.made_us
        self._base_us = base_us(batch)
        self._cut: dict[tuple[SensorKey, Quantity], Series] = {}

    def series(self) -> Collection[tuple[SensorKey, Quantity]]:
        """Return what there are series of."""
        return self._rows

    def get(self, sensor: SensorKey, quantity: Quantity) -> Series | None:
        """Return a sensor's readings of one quantity, None when there are none."""
        key = sensor, quantity
        if key not in self._rows:
            return None
        if key not in self._cut:
            rows, columns = self._rows[key], self._columns
            at_us, envelope = columns.at_us[rows], columns.envelope[rows]
            self._cut[key] = Series(
                place=place_of(envelope, at_us, self._base_us),
                at_us=at_us,
                made_us=self._made_us[envelope],
                number=columns.envelope_number[rows],
                value=columns.value[rows],
                quality=columns.quality[rows],
            )
        return self._cut[key]


def base_us(batch: ReadingBatch) -> Int64s:
    """Return the base time of each envelope."""
    return np.array([row.base_unix_us for row in batch.envelopes], dtype=np.int64)


def place_of(envelope: Int32s, at_us: Int64s, bases_us: Int64s) -> Int64s:
    """Return each reading's place in the batch: by envelope, then by time within it."""
    return (envelope.astype(np.int64) << _PLACE_SHIFT) | (at_us - bases_us[envelope])
