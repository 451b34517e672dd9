"""The YR903 frames and commands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.decode.events import Event, Fault, FaultWhy, ReaderReply, TagRead
from gateway.decode.yr903 import (
    encode_command,
    encode_inventory,
    ends_round,
    make,
)

EPC = bytes.fromhex("e2000016370b01071890a1b2")


def decode(data: bytes) -> list[Event]:
    """Return everything a fresh decoder finds."""
    decoder = make()
    return decoder.feed(data) + decoder.flush()


def frame(command: int, data: bytes) -> bytes:
    """Return a frame of the reader with address 1; its bytes sum to zero."""
    body = bytes((0xA0, len(data) + 3, 1, command)) + data
    return body + bytes((256 - sum(body) % 256 & 0xFF,))


def tag(epc: bytes = EPC, *, words: int | None = None, place: int = 0, rssi: int = 70) -> bytes:
    """Return the answer for one tag, by default a correct one on antenna 1."""
    pc = ((len(epc) // 2 if words is None else words) << 11).to_bytes(2, "big")
    return frame(0x89, bytes((place,)) + pc + epc + bytes((rssi,)))


def test_commands() -> None:
    """One round for every address; all bytes sum to zero."""
    assert encode_inventory().hex() == "a004ff89ffd5"


@pytest.mark.parametrize(
    ("place", "rssi", "antenna", "dbm"),
    [
        (0x00, 98, 1, -31.0),
        (0x03, 31, 4, -98.0),
        (0xFC, 70, 1, -59.0),
        (0x00, 0x80 | 70, 5, -59.0),
        (0x02, 0x80 | 70, 7, -59.0),
    ],
)
def test_a_tag(place: int, rssi: int, antenna: int, dbm: float) -> None:
    """The RSSI is the manual's table; its highest bit counts antennas five to eight."""
    assert decode(tag(place=place, rssi=rssi)) == [
        TagRead(epc=EPC, rssi_dbm=dbm, antenna=antenna, pc=0x3000)
    ]


@given(st.binary(min_size=2, max_size=62).filter(lambda epc: len(epc) % 2 == 0))
def test_any_epc_may_hold_the_head(epc: bytes) -> None:
    """Frames are cut by length, so A0 inside harms nothing, and no length is a summary's."""
    first, second = decode(tag(epc) + tag())

    assert isinstance(first, TagRead)
    assert isinstance(second, TagRead)
    assert (first.epc, second.epc) == (epc, EPC)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(tag()[:-1] + b"\0", FaultWhy.BAD_CHECKSUM, id="checksum"),
        pytest.param(tag(words=5), FaultWhy.BAD_LENGTH, id="PC length"),
        pytest.param(tag(b""), FaultWhy.BAD_LENGTH, id="no EPC"),
        pytest.param(frame(0x89, b""), FaultWhy.BAD_LENGTH, id="no data"),
        pytest.param(frame(0x89, b"\x22"), FaultWhy.READER_ERROR, id="no antenna"),
        pytest.param(frame(0x8A, b"\x01\x22"), FaultWhy.READER_ERROR, id="no second antenna"),
        pytest.param(tag()[:-1], FaultWhy.TRUNCATED, id="cut"),
        pytest.param(b"\xa0\x02\x01\x5d", FaultWhy.NOISE, id="too short"),
        pytest.param(bytes.fromhex("bb01ff000115167e"), FaultWhy.NOISE, id="another family"),
    ],
)
def test_a_broken_frame_is_one_fault(data: bytes, why: FaultWhy) -> None:
    """Each way of being broken has its name, and none yields a sighting."""
    (event,) = decode(data)

    assert isinstance(event, Fault)
    assert event.why is why


@pytest.mark.parametrize("data", [bytes.fromhex("00002100000000"), b"\x36"])
def test_an_empty_field_ends_the_round(data: bytes) -> None:
    """The summary, and the code for no tag, show that the reader lives and is done."""
    (event,) = decode(frame(0x89, data))

    assert event == ReaderReply(command=0x89, parameters=data)
    assert ends_round(event)


def test_other_answers_end_no_round() -> None:
    """The firmware version is a sign of life, a tag is one too; neither ends an inventory."""
    version, read = decode(frame(0x72, b"\x01\x09") + tag())

    assert version == ReaderReply(command=0x72, parameters=b"\x01\x09")
    assert not ends_round(version)
    assert not ends_round(read)


def test_the_frame_after_a_false_length_is_read() -> None:
    """A false length swallows nothing: the search goes on one byte further."""
    events = decode(b"\xa0\x40\x01\x89" + tag() * 4)

    assert sum(isinstance(event, TagRead) for event in events) == 4


def test_data_too_long_are_refused() -> None:
    """The error names the length and the bound."""
    with pytest.raises(ValueError, match="253 bytes, at most 252"):
        encode_command(0x89, bytes(253))
