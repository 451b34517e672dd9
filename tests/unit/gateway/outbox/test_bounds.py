"""What no envelope can hold is found before it is journalled, by field, value and bound."""

import pytest
from hypothesis import given

from gateway.envelope import Link, SealLimits
from gateway.outbox.bounds import find_fault
from gateway.outbox.draft import Place, UnsealableError, draft_envelope
from gateway.reading import Entry, EventReading
from gateway.signing import new_signer
from schemas.cose import decode_sign1
from schemas.envelope import ENVELOPE_BYTES_MAX, GENESIS_HASH, decode_envelope
from schemas.quantities import EventType, Quality
from tests.unit.gateway.builders import (
    ENTRIES,
    GATEWAY,
    T0_UNIX_US,
    make_event,
    make_scalar,
    make_segment,
    make_sighting,
    make_sweep,
)

SIGNER = new_signer()
PLACE = Place(
    gateway=GATEWAY,
    link=Link(number=1, previous_sha256=GENESIS_HASH, readings_before=0),
    segment=make_segment(),
    limits=SealLimits(),
    room_bytes=ENVELOPE_BYTES_MAX,
)
UNSOUND: list[tuple[str, Entry]] = [
    ("antenna", make_sighting(antenna=300)),
    ("antenna", make_sighting(antenna=-1)),
    ("rssi_cdbm", make_sighting(rssi_cdbm=40_000)),
    ("count", make_sighting(count=-1)),
    ("epc length", make_sighting(epc=bytes(63))),
    ("sensor", make_sighting(sensor="Dock 1")),
    ("value", make_scalar(value=float("nan"))),
    ("value", make_scalar(value=10**400)),
    ("value", make_scalar(value=float("inf"), quality=Quality.UNSTABLE)),
    ("time_unix_us", make_scalar(time_unix_us=-1)),
    ("time_unix_us", make_event(time_unix_us=2**63)),
    (
        "body",
        EventReading(sensor="a", time_unix_us=T0_UNIX_US, type=EventType.FAULT, body=b"\xff"),
    ),
    ("image_sha256", make_event(image_sha256=b"short")),
    ("value", make_sweep([1.0, float("inf")])),
    ("readings", make_sweep([])),
    ("quality", make_sweep([1.0], quality=b"\x09")),
]
# What a column takes as it is; such readings are refused when they are put.
HELD = {"sensor", "body", "image_sha256", "readings", "quality", "count"}


@pytest.mark.parametrize(("field", "entry"), UNSOUND)
def test_field_out_of_bounds_is_named(field: str, entry: Entry) -> None:
    """The fault names the field, its value and what it must be."""
    fault = find_fault(entry)

    assert fault is not None
    assert fault.field == field
    assert f"{field} is {fault.value}, must be {fault.bound}" in str(fault)


@given(ENTRIES)
def test_what_has_no_fault_can_be_sealed_and_is_understood(entry: Entry) -> None:
    """The bounds are those of the envelope: no more is refused, and no less."""
    assert find_fault(entry) is None
    draft = draft_envelope(PLACE, [entry])

    assert draft is not None
    message = SIGNER.sign_envelope(draft.envelope)
    assert decode_envelope(decode_sign1(message, bytes_max=ENVELOPE_BYTES_MAX)).readings


@pytest.mark.parametrize(("field", "entry"), [each for each in UNSOUND if each[0] not in HELD])
def test_unsound_entry_is_found_alone(field: str, entry: Entry) -> None:
    """What stands before it is drafted without it; at the front it is named."""
    before = [make_scalar(), make_sighting()]
    draft = draft_envelope(PLACE, [*before, entry, make_scalar()])
    assert draft is not None
    assert draft.taken == len(before)
    with pytest.raises(UnsealableError, match=field):
        draft_envelope(PLACE, [entry, make_scalar()])


def test_bad_reading_without_a_number_is_sound() -> None:
    """A register that could not be read has no number, and is told all the same."""
    entry = make_scalar(value=float("nan"), quality=Quality.BAD)

    assert find_fault(entry) is None
    assert draft_envelope(PLACE, [entry]) is not None
