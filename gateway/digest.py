"""Thin a run of envelopes, or of digests, into one digest. Pure: no key, no clock, no file.

Of each channel's scalars the first, last, least and greatest good one stay, and the first and
last of each other quality; events and sightings stay as they are. Thinning what was thinned keeps
the same of the originals, so a run may be thinned again and again.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.envelope import FRAME_BYTES_MAX
from schemas.digest import DIGEST_BYTES_MAX, KEPT_MAX, SPAN_US_MAX, Digest
from schemas.envelope import SENSORS_MAX, Clock, Envelope, Events, Scalars, Sightings
from schemas.quantities import QUALITY_CODES, EventType, Quality, Quantity

SENSOR_ROW_BYTES: Final = 4  # CBOR heads of a sensor row; its texts come on top.
SCALAR_BYTES: Final = 2 + 8 + 8 + 1
SIGHTING_BYTES: Final = 2 + 8 + 1 + 1 + 2 + 2
EVENT_BYTES: Final = 2 + 8 + 24 + 3 + 34  # Type name, head of the body, digest of an image.
_GOOD: Final = QUALITY_CODES[Quality.GOOD]
_KEPT_OF_GOOD: Final = 4
_KEPT_OF_OTHERS: Final = 2
_PART_SHIFT: Final = 16  # A message holds fewer readings than that has bits for.

SensorRow = tuple[str, Quantity | None]
Row = tuple[int, int, float]  # Its place in the run, when it was made, what it says.


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One message of a run; ``sha256`` is what the message after it names."""

    message: Envelope | Digest
    sha256: bytes


@dataclass(slots=True)
class _Kept:
    """What is kept of one channel and quality."""

    first: Row
    last: Row
    least: Row
    greatest: Row
    seen: int


def thin_run(parts: Sequence[Part]) -> tuple[Digest, int] | None:
    """Return the digest of as many of the first ``parts`` as fit one, and how many that are.

    ``parts`` follow on each other without a gap. None: not even the first one fits.
    """
    run = _Run()
    for part in parts:
        if not run.add(part):
            break
    if not run.parts:
        return None
    return run.digest(), len(run.parts)


def first_number(message: Envelope | Digest) -> int:
    """Return the number of the first envelope that a message stands for."""
    return message.first_number if isinstance(message, Digest) else message.number


@dataclass(slots=True)
class _Run:
    """A run that grows part by part, for as long as it fits one digest."""

    parts: list[Part] = field(default_factory=lambda: list[Part]())
    table: dict[SensorRow, int] = field(default_factory=lambda: dict[SensorRow, int]())
    kept: dict[tuple[int, int], _Kept] = field(
        default_factory=lambda: dict[tuple[int, int], _Kept]()
    )
    rows: int = 0  # At most so many are kept: one row may be first and least.
    bytes: int = FRAME_BYTES_MAX
    first_us: int = 0
    last_us: int = 0

    def add(self, part: Part) -> bool:
        """Take ``part`` in, if it fits; tell whether it did."""
        message = part.message
        if self.parts and _offset_us(message) != _offset_us(self.parts[0].message):
            return False
        new = [row for row in message.sensors if row not in self.table]
        begin = min(self.first_us, message.base_unix_us) if self.parts else message.base_unix_us
        last_us = max(self.last_us, message.base_unix_us + _span_us(message))
        found = self._scalars_of(message)
        scalars = sum([self._growth(row, quality, kept) for (row, quality), kept in found.items()])
        rows = self.rows + scalars + len(message.sightings) + len(message.events)
        size = self.bytes + scalars * SCALAR_BYTES + _bytes_of(message, new)
        if (
            rows > KEPT_MAX
            or size > DIGEST_BYTES_MAX
            or len(self.table) + len(new) > SENSORS_MAX
            or last_us - begin > SPAN_US_MAX
        ):
            return False
        for row in new:
            self.table[row] = len(self.table)
        for (row, quality), kept in found.items():
            self._merge((self.table[row], quality), kept)
        self.parts.append(part)
        self.rows, self.bytes, self.first_us, self.last_us = rows, size, begin, last_us
        return True

    def digest(self) -> Digest:
        """Return the digest of all parts."""
        first, last = self.parts[0].message, self.parts[-1]
        clock = first.clock
        return Digest(
            gateway=first.gateway,
            first_number=first_number(first),
            number=last.message.number,
            previous_sha256=first.previous_sha256,
            last_sha256=last.sha256,
            readings_before=first.readings_before,
            readings=sum([part.message.readings for part in self.parts]),
            base_unix_us=self.first_us,
            clock=Clock(
                state=clock.state,
                boot_id=clock.boot_id,
                monotonic_us=max(clock.monotonic_us + self.first_us - first.base_unix_us, 0),
            ),
            sensors=tuple(self.table),
            scalars=self._scalars(),
            sightings=self._sightings(),
            events=self._events(),
        )

    def _scalars_of(self, message: Envelope | Digest) -> dict[tuple[SensorRow, int], _Kept]:
        """Return what a message alone would leave of each channel and quality."""
        columns, base_us = message.scalars, message.base_unix_us
        place = len(self.parts) << _PART_SHIFT
        found: dict[tuple[int, int], _Kept] = {}
        rows = zip(columns.sensor, columns.offset_us, columns.value, columns.quality, strict=True)
        for sensor, offset_us, value, quality in rows:
            row = (place, base_us + offset_us, value)
            place += 1
            known = found.get((sensor, quality))
            if known is None:
                found[sensor, quality] = _Kept(row, row, row, row, 1)
                continue
            known.last = row
            known.seen += 1
            if value < known.least[2]:
                known.least = row
            elif value > known.greatest[2]:
                known.greatest = row
        return {(message.sensors[sensor], q): kept for (sensor, q), kept in found.items()}

    def _growth(self, row: SensorRow, quality: int, kept: _Kept) -> int:
        limit = _limit(quality)
        index = self.table.get(row)
        known = None if index is None else self.kept.get((index, quality))
        before = 0 if known is None else known.seen
        return min(before + kept.seen, limit) - min(before, limit)

    def _merge(self, key: tuple[int, int], new: _Kept) -> None:
        known = self.kept.get(key)
        if known is None:
            self.kept[key] = new
            return
        known.last = new.last
        known.seen += new.seen
        if new.least[2] < known.least[2]:
            known.least = new.least
        if new.greatest[2] > known.greatest[2]:
            known.greatest = new.greatest

    def _scalars(self) -> Scalars:
        chosen: dict[int, tuple[int, int, Row]] = {}
        for (sensor, quality), kept in self.kept.items():
            rows = [kept.first, kept.last]
            if quality == _GOOD:
                rows += [kept.least, kept.greatest]
            for row in rows:
                chosen[row[0]] = sensor, quality, row
        ordered = [chosen[place] for place in sorted(chosen)]
        return Scalars(
            sensor=memoryview(array("H", [sensor for sensor, _, _ in ordered])),
            offset_us=memoryview(array("Q", [row[1] - self.first_us for _, _, row in ordered])),
            value=memoryview(array("d", [row[2] for _, _, row in ordered])),
            quality=memoryview(array("B", [quality for _, quality, _ in ordered])),
        )

    def _sightings(self) -> Sightings:
        groups = [part.message.sightings for part in self.parts]
        return Sightings(
            sensor=self._sensors(groups),
            offset_us=self._offsets(groups),
            epc_length=_joined("B", [group.epc_length for group in groups]),
            epcs=b"".join([group.epcs for group in groups]),
            antenna=_joined("B", [group.antenna for group in groups]),
            rssi_cdbm=_joined("h", [group.rssi_cdbm for group in groups]),
            count=_joined("H", [group.count for group in groups]),
        )

    def _events(self) -> Events:
        groups = [part.message.events for part in self.parts]
        types: list[EventType] = [kind for group in groups for kind in group.type]
        return Events(
            sensor=self._sensors(groups),
            offset_us=self._offsets(groups),
            type=types,
            body=[body for group in groups for body in group.body],
            image_sha256=[digest for group in groups for digest in group.image_sha256],
        )

    def _sensors(self, groups: Sequence[Sightings | Events]) -> memoryview:
        column = array("H")
        for part, group in zip(self.parts, groups, strict=True):
            rows = part.message.sensors
            column.extend([self.table[rows[index]] for index in group.sensor])
        return memoryview(column)

    def _offsets(self, groups: Sequence[Sightings | Events]) -> memoryview:
        column = array("Q")
        for part, group in zip(self.parts, groups, strict=True):
            shift_us = part.message.base_unix_us - self.first_us
            column.extend([shift_us + offset_us for offset_us in group.offset_us])
        return memoryview(column)


def _limit(quality: int) -> int:
    return _KEPT_OF_GOOD if quality == _GOOD else _KEPT_OF_OTHERS


def _offset_us(message: Envelope | Digest) -> tuple[int, bytes, int]:
    """Return what is the same within one segment of the gateway's clock."""
    clock = message.clock
    return int(clock.state), clock.boot_id, message.base_unix_us - clock.monotonic_us


def _span_us(message: Envelope | Digest) -> int:
    groups = (message.scalars, message.sightings, message.events)
    return max([max(group.offset_us, default=0) for group in groups])


def _bytes_of(message: Envelope | Digest, new: Sequence[SensorRow]) -> int:
    """Return about what a message brings besides scalars: all of it stays."""
    events = message.events
    return (
        sum([SENSOR_ROW_BYTES + len(name) + len(quantity or "") for name, quantity in new])
        + SIGHTING_BYTES * len(message.sightings)
        + len(message.sightings.epcs)
        + EVENT_BYTES * len(events)
        + sum([len(body) for body in events.body])
    )


def _joined(code: Literal["B", "H", "h"], columns: Sequence[memoryview]) -> memoryview:
    return memoryview(b"".join(columns)).cast(code)
