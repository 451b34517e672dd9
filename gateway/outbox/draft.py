"""The next envelope, out of what is journalled; what no envelope can hold is found alone. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from gateway.envelope import (
    FRAME_BYTES_MAX,
    Link,
    SealLimits,
    build_sealable,
    count_fitting,
    entry_bytes,
    take_readings,
)
from gateway.outbox.bounds import Fault, find_fault
from gateway.reading import ClockSegment, Entry, Sweep
from schemas.envelope import EPC_BYTES_MAX, NUMBER_MAX, SPAN_US_MAX, Envelope
from schemas.quantities import QUALITY_CODES, Quality

_ERRORS = (ArithmeticError, TypeError, ValueError)  # Of a field that its column cannot hold.


class UnsealableError(Exception):
    """The oldest journalled entry fits no envelope; no other is looked at before it is gone."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(str(fault))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An envelope of the first ``taken`` entries but for the ``rest`` of the last.

    ``sensor_rows`` is the encoding of its sensor table.
    """

    envelope: Envelope
    sensor_rows: bytes
    taken: int
    rest: Sweep | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a draft's envelope is to stand, and what it may need: ``room_bytes`` of the file."""

    gateway: str
    link: Link
    segment: ClockSegment
    limits: SealLimits
    room_bytes: int


def draft_envelope(place: Place, entries: Sequence[Entry]) -> Draft | None:
    """Return the envelope that holds the oldest of ``entries``; None: the file has no room for it.

    Raises:
        UnsealableError: No envelope can hold the first of them.
    """
    try:
        draft = _draft(place, entries)
        if draft is None or _is_sound(draft.envelope):
            return draft
    except _ERRORS:
        pass
    for position, entry in enumerate(entries):
        fault = find_fault(entry) or _try_alone(place, entry)
        if fault is not None:
            if not position:
                raise UnsealableError(fault)
            return _draft(place, entries[:position])
    return _draft(place, entries[:1])  # Each for itself can be held, but not together.


def _is_sound(envelope: Envelope) -> bool:
    """Tell whether what the columns can hold, but an envelope must not, is not there.

    Rows of an older program may hold it. Names and bodies were checked when they were made.
    """
    scalars = envelope.scalars
    if not 0 <= envelope.base_unix_us <= NUMBER_MAX - SPAN_US_MAX:
        return False
    if max(envelope.sightings.epc_length, default=0) > EPC_BYTES_MAX:
        return False
    # NaN and infinity are for readings that are marked bad.
    return isfinite(sum(scalars.value)) or all(
        isfinite(value) or quality == QUALITY_CODES[Quality.BAD]
        for value, quality in zip(scalars.value, scalars.quality, strict=True)
    )


def _draft(place: Place, entries: Sequence[Entry]) -> Draft | None:
    fitting = count_fitting(entries, place.limits)
    taken, rest = take_readings(entries, fitting)
    if FRAME_BYTES_MAX + sum([entry_bytes(e) for e in taken]) >= place.room_bytes:
        return None
    built = build_sealable(place.gateway, place.link, place.segment, taken)
    return Draft(
        envelope=built.envelope, sensor_rows=built.sensor_rows, taken=len(taken), rest=rest
    )


def _try_alone(place: Place, entry: Entry) -> Fault | None:
    try:
        _draft(place, [entry])
    except _ERRORS as error:
        sensor = "" if isinstance(entry, Sweep) else entry.sensor
        return Fault(sensor=sensor, field="row", value=str(error), bound="as an envelope holds it")
    return None
