"""The newest reading of every channel, and how many came: what an installer wants to see. Pure."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from gateway.reading import Channels, EventReading, Reading, Scalar, Sighting, Sweep
from schemas.quantities import QUALITY_CODES, Quality, Quantity

_QUALITIES = {code: quality for quality, code in QUALITY_CODES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """A reading and when it came, on the clock that only grows."""

    reading: Reading
    heard_s: float


@dataclass(slots=True, kw_only=True)
class _Swept:
    """The newest sweep of whole channels, and how many there were that were all good."""

    sweep: Sweep
    heard_s: float
    good: int = 0


@dataclass(slots=True)
class Latest:
    """The newest reading of each channel of one gateway, journalled or not.

    Bounded by the configuration: it names every sensor.
    """

    _counts: Counter[tuple[str, Quality]] = field(default_factory=Counter[tuple[str, Quality]])
    _swept: dict[Channels, _Swept] = field(default_factory=dict[Channels, _Swept])
    _newest: dict[tuple[str, Quantity | type], Newest] = field(
        default_factory=dict[tuple[str, Quantity | type], Newest]
    )

    @property
    def counts(self) -> Counter[tuple[str, Quality]]:
        """The scalars of each sensor and quality since the start; all else counts as good."""
        counts = self._counts.copy()
        for channels, swept in self._swept.items():
            for sensor, _ in channels.rows:
                counts[sensor, Quality.GOOD] += swept.good
        return counts

    def note_sweep(self, sweep: Sweep, now_s: float) -> None:
        """Remember the readings of ``sweep`` as the newest of their channels."""
        if sweep.index is not None:
            for scalar in _unfold(sweep):
                self.note(scalar, now_s)
            return
        swept = self._swept.get(sweep.channels)
        if swept is None:
            swept = self._swept[sweep.channels] = _Swept(sweep=sweep, heard_s=now_s)
        swept.sweep, swept.heard_s = sweep, now_s
        if not sweep.quality:
            swept.good += 1
            return
        for scalar in _unfold(sweep):
            self._counts[scalar.sensor, scalar.quality] += 1

    def note(self, reading: Reading, now_s: float) -> None:
        """Remember ``reading`` as the newest of its channel."""
        match reading:
            case Scalar():
                channel: Quantity | type = reading.quantity
                self._counts[reading.sensor, reading.quality] += 1
            case Sighting() | EventReading():
                channel = type(reading)
                self._counts[reading.sensor, Quality.GOOD] += 1
        self._newest[reading.sensor, channel] = Newest(reading=reading, heard_s=now_s)

    def of(self, sensor: str) -> list[Newest]:
        """Return the newest reading of each channel of ``sensor``; for all: ``by_sensor``."""
        return self.by_sensor().get(sensor, [])

    def by_sensor(self) -> dict[str, list[Newest]]:
        """Return the newest reading of each channel, by sensor."""
        newest = self._newest.copy()
        for swept in self._swept.values():
            for scalar in _unfold(swept.sweep):
                key = (scalar.sensor, scalar.quantity)
                alone = newest.get(key)
                if alone is None or alone.heard_s <= swept.heard_s:
                    newest[key] = Newest(reading=scalar, heard_s=swept.heard_s)
        sensors: dict[str, list[Newest]] = {}
        for (sensor, _), one in newest.items():
            sensors.setdefault(sensor, []).append(one)
        return sensors

    def forget(self, sensors: Collection[str]) -> None:
        """Forget ``sensors``: they are no longer read."""
        for channels in list(self._swept):
            if any(sensor in sensors for sensor, _ in channels.rows):
                swept = self._swept.pop(channels)
                for sensor, _ in channels.rows:
                    self._counts[sensor, Quality.GOOD] += swept.good
        for key in [key for key in self._newest if key[0] in sensors]:
            del self._newest[key]
        for count in [key for key in self._counts if key[0] in sensors]:
            del self._counts[count]


def _unfold(sweep: Sweep) -> Iterator[Scalar]:
    """Yield the readings of ``sweep`` one by one."""
    rows = sweep.channels.rows
    index = range(len(rows)) if sweep.index is None else sweep.index
    codes = sweep.quality or bytes(len(sweep))
    for i, value, code in zip(index, sweep.values, codes, strict=True):
        yield Scalar(
            sensor=rows[i][0],
            quantity=rows[i][1],
            time_unix_us=sweep.time_unix_us,
            value=value,
            quality=_QUALITIES[code],
        )
