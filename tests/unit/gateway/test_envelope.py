"""Readings become the columns of an envelope, and come back unchanged."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.envelope import (
    Link,
    SealLimits,
    build_envelope,
    build_sealable,
    count_fitting,
    entry_bytes,
    take_readings,
)
from gateway.reading import (
    Entry,
    EventReading,
    Reading,
    Scalar,
    Sighting,
    count_readings,
)
from gateway.signing import new_signer
from schemas.cose import decode_sign1
from schemas.envelope import (
    ENVELOPE_BYTES_MAX,
    GENESIS_HASH,
    SENSORS_MAX,
    SPAN_US_MAX,
    Envelope,
    decode_envelope,
    encode_sensor_rows,
)
from schemas.quantities import QUALITY_CODES, EventType
from tests.unit.gateway.builders import (
    ENTRIES,
    READINGS,
    T0_UNIX_US,
    make_channels,
    make_event,
    make_scalar,
    make_segment,
    make_sighting,
    make_sweep,
    unfold,
)

LINK = Link(number=1, previous_sha256=GENESIS_HASH, readings_before=0)
SIGNER = new_signer()


def travel(readings: Sequence[Entry]) -> Envelope:
    """Return the envelope of ``readings`` as a reader gets it."""
    envelope = build_envelope("gw-test", LINK, make_segment(), readings)
    message = SIGNER.sign_envelope(envelope)
    return decode_envelope(decode_sign1(message, bytes_max=ENVELOPE_BYTES_MAX))


def unpack(envelope: Envelope) -> Iterator[Reading]:
    """Yield the readings in ``envelope``, kind by kind."""
    qualities = {code: quality for quality, code in QUALITY_CODES.items()}
    s, g, e = envelope.scalars, envelope.sightings, envelope.events
    base = envelope.base_unix_us
    for row in range(len(s)):
        sensor, quantity = envelope.sensors[s.sensor[row]]
        assert quantity is not None
        yield Scalar(
            sensor=sensor,
            quantity=quantity,
            time_unix_us=base + s.offset_us[row],
            value=s.value[row],
            quality=qualities[s.quality[row]],
        )
    start = 0
    for row in range(len(g)):
        end = start + g.epc_length[row]
        yield Sighting(
            sensor=envelope.sensors[g.sensor[row]][0],
            time_unix_us=base + g.offset_us[row],
            epc=g.epcs[start:end],
            antenna=g.antenna[row],
            rssi_cdbm=g.rssi_cdbm[row],
            count=g.count[row],
        )
        start = end
    for row in range(len(e)):
        yield EventReading(
            sensor=envelope.sensors[e.sensor[row]][0],
            time_unix_us=base + e.offset_us[row],
            type=e.type[row],
            body=e.body[row],
            image_sha256=e.image_sha256[row],
        )


@given(st.lists(READINGS, min_size=1, max_size=40))
def test_readings_travel_unchanged(readings: list[Reading]) -> None:
    """What goes in comes out: every field of every reading, in order within its kind."""
    ordered = sorted(
        readings, key=lambda r: (isinstance(r, EventReading), isinstance(r, Sighting))
    )

    assert list(unpack(travel(readings))) == ordered


@given(st.lists(READINGS, min_size=1, max_size=60), st.integers(1, 70))
def test_as_many_readings_as_fit_are_taken(readings: list[Reading], readings_max: int) -> None:
    """The count is at least one, never beyond the limit, and all that fits."""
    count = count_fitting(readings, SealLimits(readings_max=readings_max))

    assert count == min(len(readings), readings_max)


@given(st.lists(st.integers(0, 4_000), min_size=1, max_size=60), st.integers(8_192, 262_144))
def test_envelope_keeps_the_byte_limit(lengths: list[int], bytes_max: int) -> None:
    """An envelope of what fits is never longer than the limit, unless one reading alone is."""
    readings: list[Reading] = [
        make_event(EventType.FAULT, {"why": "noise", "bytes": bytes(length)}) for length in lengths
    ]
    count = count_fitting(readings, SealLimits(bytes_max=bytes_max))
    envelope = build_envelope("gw-test", LINK, make_segment(), readings[:count])

    assert count >= 1
    assert len(SIGNER.sign_envelope(envelope)) <= bytes_max


def test_envelope_ends_where_offsets_would_overflow() -> None:
    """Readings further apart than 32 bits of microseconds go into two envelopes."""
    late = T0_UNIX_US + SPAN_US_MAX + 1
    readings = [make_scalar(), make_scalar(time_unix_us=late)]

    assert count_fitting(readings, SealLimits()) == 1
    assert count_fitting([*readings[:1], make_scalar(time_unix_us=late - 1)], SealLimits()) == 2


def test_nothing_fits_of_nothing() -> None:
    """No readings, no envelope."""
    assert count_fitting([], SealLimits()) == 0


def test_base_time_is_the_earliest_and_is_told_on_both_clocks() -> None:
    """Offsets count from the earliest reading, whose time since boot goes along."""
    envelope = travel([make_scalar(time_unix_us=T0_UNIX_US + 5), make_sighting()])

    assert envelope.base_unix_us == T0_UNIX_US
    assert envelope.clock.monotonic_us == 3_600_000_000


def test_time_since_boot_is_never_negative() -> None:
    """A reading stamped just before a forward step was noticed does not break the envelope."""
    segment = make_segment(offset_us=T0_UNIX_US + 1)
    envelope = build_envelope("gw-test", LINK, segment, [make_scalar()])

    assert envelope.clock.monotonic_us == 0


@pytest.mark.parametrize("count", [65_535, 65_536, 1_000_000])
def test_counts_beyond_their_column_are_capped(count: int) -> None:
    """A tag read more often than the column can say is not refused."""
    assert travel([make_sighting(count=count)]).sightings.count[0] == 65_535


@given(st.lists(ENTRIES, min_size=1, max_size=12))
def test_sweeps_travel_as_the_readings_that_they_are(entries: list[Entry]) -> None:
    """A sweep in an envelope is the same as its readings one by one, in the same order."""
    ordered = sorted(
        unfold(entries), key=lambda r: (isinstance(r, EventReading), isinstance(r, Sighting))
    )

    assert list(unpack(travel(entries))) == ordered


@given(st.lists(ENTRIES, min_size=1, max_size=12))
def test_kept_rows_are_the_table_that_would_be_encoded(entries: list[Entry]) -> None:
    """What blocks of registers keep of their encoding gives the same bytes as their names do."""
    built = build_sealable("gw-test", LINK, make_segment(), entries)

    assert built.sensor_rows == encode_sensor_rows(built.envelope.sensors)


@given(st.lists(ENTRIES, min_size=1, max_size=12), st.integers(1, 100))
def test_sweep_is_cut_where_the_envelope_is_full(entries: list[Entry], readings_max: int) -> None:
    """Envelope after envelope of what fits holds every reading once, in order."""
    limits = SealLimits(readings_max=readings_max)
    told: list[Reading] = []
    left = list(entries)
    while left:
        taken, rest = take_readings(left, count_fitting(left, limits))
        assert 1 <= count_readings(taken) <= readings_max
        told += unfold(taken)
        left = ([] if rest is None else [rest]) + left[len(taken) :]

    assert told == unfold(entries)


def test_table_of_sensors_is_never_longer_than_the_format_allows() -> None:
    """A block of more channels than the table takes goes into it in part, and no other with it."""
    first, second = make_channels(SENSORS_MAX + 90, "a"), make_channels(100, "b")
    entries = [
        make_sweep([1.0] * (SENSORS_MAX + 90), channels=first),
        make_sweep([1.0] * 100, channels=second),
    ]
    taken, rest = take_readings(entries, count_fitting(entries, SealLimits(readings_max=8_192)))

    assert len(travel(taken).sensors) == SENSORS_MAX
    assert rest is not None
    assert len(rest) == 90


def test_sweep_is_not_cut_for_what_is_left_of_an_envelope() -> None:
    """A second block whose channels are too many for the table begins the next envelope."""
    entries = [
        make_sweep([1.0] * (SENSORS_MAX - 10), channels=make_channels(SENSORS_MAX - 10, "a")),
        make_sweep([1.0] * 100, channels=make_channels(100, "b")),
    ]
    taken, rest = take_readings(entries, count_fitting(entries, SealLimits(readings_max=8_192)))

    assert taken == entries[:1]
    assert rest is None


@given(st.lists(ENTRIES, min_size=1, max_size=12), st.integers(8_192, 16_384))
def test_sweeps_keep_the_byte_limit(entries: list[Entry], bytes_max: int) -> None:
    """An envelope of many sweeps is never longer than the limit."""
    many = entries * 12
    count = count_fitting(many, SealLimits(bytes_max=bytes_max, readings_max=8_192))
    taken, _ = take_readings(many, count)
    envelope = build_envelope("gw-test", LINK, make_segment(), taken)

    assert len(SIGNER.sign_envelope(envelope)) <= bytes_max
    assert sum(map(entry_bytes, taken)) < bytes_max
