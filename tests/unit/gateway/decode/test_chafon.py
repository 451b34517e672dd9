"""The Chafon frames and commands."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.decode.chafon import (
    crc16_chafon,
    encode_command,
    encode_inventory_18,
    encode_inventory_288,
    ends_round,
    make,
)
from gateway.decode.events import Event, Fault, FaultWhy, ReaderReply, TagRead

# Published captures: two tags of a UHFReader18; one of a UHFReader288, on antenna 3.
TWO_TAGS = bytes.fromhex("20000103020c0000000000000000000003130c0000000000000000000003149ac9")
THIRD_ANTENNA = bytes.fromhex("1500010304010c49440000000000000a0003346425c0")
EPCS = st.lists(
    st.binary(min_size=2, max_size=24).filter(lambda epc: len(epc) % 2 == 0),
    min_size=1,
    max_size=8,
)


def decode(data: bytes) -> list[Event]:
    """Return everything a fresh decoder finds."""
    decoder = make()
    return decoder.feed(data) + decoder.flush()


def frame(status: int, data: bytes, *, command: int = 0x01) -> bytes:
    """Return a frame of the reader with address 0, its CRC computed bit by bit."""
    body = bytes((len(data) + 5, 0, command, status)) + data
    return body + slow_crc(body).to_bytes(2, "little")


def slow_crc(data: bytes) -> int:
    """Return the CRC as the manual's own listing computes it."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 if crc & 1 else crc >> 1
    return crc


def tags_18(epcs: Sequence[bytes]) -> bytes:
    """Return what a UHFReader18 says of tags."""
    return bytes((len(epcs),)) + b"".join(bytes((len(epc),)) + epc for epc in epcs)


def tags_288(epcs: Sequence[bytes], antenna: int, rssi: int = 0x6B) -> bytes:
    """Return what a UHFReader288 says of tags that one antenna saw."""
    blocks = (bytes((len(epc),)) + epc + bytes((rssi,)) for epc in epcs)
    return bytes((1 << antenna - 1, len(epcs))) + b"".join(blocks)


@given(st.binary(max_size=300))
def test_the_crc_is_the_manuals(data: bytes) -> None:
    """The fast CRC agrees with the manual's listing."""
    assert crc16_chafon(data) == slow_crc(data)


def test_commands() -> None:
    """The short command is the one that a UHFReader18's manual prints."""
    assert encode_inventory_18().hex() == "04ff011bb4"
    assert encode_inventory_288()[:-2].hex() == "0dff0104000100000000" + "8005"


def test_captured_tags() -> None:
    """All tags of a frame are read, with the antenna where it is named."""
    first, second = decode(TWO_TAGS)
    (third,) = decode(THIRD_ANTENNA)

    assert isinstance(first, TagRead)
    assert isinstance(second, TagRead)
    assert (first.epc[-2:].hex(), second.epc[-2:].hex()) == ("0313", "0314")
    assert third == TagRead(
        epc=bytes.fromhex("49440000000000000a000334"), rssi_dbm=None, antenna=3, pc=None
    )


@given(epcs=EPCS)
def test_the_older_form_is_never_taken_for_the_newer(epcs: list[bytes]) -> None:
    """Whatever the EPCs, lengths add up in one form only."""
    found = [e.epc for e in decode(frame(0x03, tags_18(epcs))) if isinstance(e, TagRead)]

    assert found == epcs


@given(epcs=EPCS, antenna=st.integers(1, 8), rssi=st.integers(0, 255))
def test_the_newer_form_is_never_taken_for_the_older(
    epcs: list[bytes], antenna: int, rssi: int
) -> None:
    """Whatever the EPCs and the RSSI, antenna and tags are what was sent."""
    reads = [
        e for e in decode(frame(0x03, tags_288(epcs, antenna, rssi))) if isinstance(e, TagRead)
    ]

    assert [(read.epc, read.antenna) for read in reads] == [(epc, antenna) for epc in epcs]


@pytest.mark.parametrize("status", [0x01, 0x02, 0x04])
def test_the_last_frame_ends_the_round(status: int) -> None:
    """Done, timed out and out of memory end an inventory, with or without tags."""
    for data in (b"", b"\0", tags_288([], 1), tags_18([b"\xe2\x00"])):
        *_, last = decode(frame(status, data))
        assert last == ReaderReply(command=0x01, parameters=bytes((status,)))
        assert ends_round(last)


def test_more_frames_to_come_end_no_round() -> None:
    """Status 3 says that further frames follow."""
    assert not any(ends_round(event) for event in decode(TWO_TAGS))


def test_no_tag_is_an_answer() -> None:
    """An empty field is no fault: it shows that the reader lives."""
    (event,) = decode(frame(0xFB, b""))

    assert event == ReaderReply(command=0x01, parameters=b"\xfb")
    assert ends_round(event)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(TWO_TAGS[:-1] + b"\0", FaultWhy.BAD_CRC, id="CRC"),
        pytest.param(TWO_TAGS[:-1], FaultWhy.TRUNCATED, id="cut"),
        pytest.param(frame(0xFD, b""), FaultWhy.READER_ERROR, id="length wrong"),
        pytest.param(frame(0xF8, b""), FaultWhy.READER_ERROR, id="antenna"),
        pytest.param(frame(0x03, b"\1\3\1\2\3"), FaultWhy.BAD_LENGTH, id="odd EPC"),
        pytest.param(frame(0x03, b"\1\4\1\2"), FaultWhy.BAD_LENGTH, id="EPC cut"),
        pytest.param(frame(0x03, b"\3\1\2\1\2\7"), FaultWhy.BAD_LENGTH, id="two antennas"),
        pytest.param(frame(0x03, b"\1\2\1\2\0\0\0"), FaultWhy.BAD_LENGTH, id="too much"),
        pytest.param(b"\0\1\2\3\4", FaultWhy.NOISE, id="no length"),
    ],
)
def test_a_broken_frame_is_one_fault(data: bytes, why: FaultWhy) -> None:
    """Each way of being broken has its name, and none yields a sighting."""
    (event,) = decode(data)

    assert isinstance(event, Fault)
    assert event.why is why


def test_the_frame_after_a_false_length_is_read() -> None:
    """A false length swallows nothing: the search goes on one byte further."""
    events = decode(b"\x60" + TWO_TAGS * 4)

    assert sum(isinstance(event, TagRead) for event in events) == 8


def test_data_too_long_are_refused() -> None:
    """The error names the length and the bound."""
    with pytest.raises(ValueError, match="252 bytes, at most 251"):
        encode_command(0x01, bytes(252))
