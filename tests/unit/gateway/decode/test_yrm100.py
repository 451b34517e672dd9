"""The YRM100 frames and commands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.decode.events import Event, Fault, FaultWhy, ReaderReply, TagRead
from gateway.decode.yrm100 import (
    INVENTORY_ROUNDS_MAX,
    PARAMETERS_BYTES_MAX,
    crc16_gen2,
    encode_command,
    encode_inventory,
    encode_inventory_many,
    encode_inventory_stop,
    make,
)

# A published capture: RSSI -60 dBm, PC 3000.
CAPTURED = bytes.fromhex("bb02220011c43000e200001d7315016521408fc6b83ec27e")
READ = TagRead(epc=bytes.fromhex("e200001d7315016521408fc6"), rssi_dbm=-60.0, antenna=1, pc=0x3000)


def decode(data: bytes) -> list[Event]:
    """Return everything a fresh decoder finds."""
    decoder = make()
    return decoder.feed(data) + decoder.flush()


def frame(kind: int, command: int, parameters: bytes) -> bytes:
    """Return a frame of the reader."""
    body = bytes((kind, command)) + len(parameters).to_bytes(2, "big") + parameters
    return b"\xbb" + body + bytes((sum(body) & 0xFF,)) + b"\x7e"


def tag(epc: bytes, *, words: int | None = None, crc: int | None = None) -> bytes:
    """Return a tag notification, by default a correct one."""
    pc = ((len(epc) // 2 if words is None else words) << 11).to_bytes(2, "big")
    air = crc16_gen2(pc + epc) if crc is None else crc
    return frame(2, 0x22, b"\xc4" + pc + epc + air.to_bytes(2, "big"))


def test_a_captured_tag() -> None:
    """RSSI is signed, PC and EPC are as the tag sent them."""
    assert decode(CAPTURED) == [READ]


def test_air_crc_of_a_captured_tag() -> None:
    """The CRC is Gen2's, over PC and EPC."""
    assert crc16_gen2(CAPTURED[6:20]) == 0xB83E


@given(st.binary(min_size=2, max_size=62).filter(lambda epc: len(epc) % 2 == 0))
def test_any_epc_may_hold_the_delimiters(epc: bytes) -> None:
    """Frames are cut by length, so BB and 7E inside harm nothing."""
    stream = tag(epc) + CAPTURED
    first, second = decode(stream)

    assert isinstance(first, TagRead)
    assert (first.epc, second) == (epc, READ)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(CAPTURED[:-2] + b"\x00\x7e", FaultWhy.BAD_CHECKSUM, id="frame checksum"),
        pytest.param(tag(b"\xe2\x00" * 6, crc=0), FaultWhy.BAD_CRC, id="air CRC"),
        pytest.param(tag(b"\xe2\x00" * 6, words=5), FaultWhy.BAD_LENGTH, id="PC length"),
        pytest.param(frame(2, 0x22, b"\xc4\x30\x00"), FaultWhy.BAD_LENGTH, id="too short"),
        pytest.param(tag(b""), FaultWhy.BAD_LENGTH, id="no EPC"),
        pytest.param(frame(1, 0xFF, b"\x17"), FaultWhy.READER_ERROR, id="reader error"),
        pytest.param(CAPTURED[:-1], FaultWhy.TRUNCATED, id="cut"),
        pytest.param(b"\xa0\x04\x01\x89", FaultWhy.NOISE, id="another reader family"),
        pytest.param(encode_inventory(), FaultWhy.NOISE, id="echo of a command"),
    ],
)
def test_a_broken_frame_is_one_fault(data: bytes, why: FaultWhy) -> None:
    """Each way of being broken has its name, and none yields a sighting."""
    (event,) = decode(data)

    assert isinstance(event, Fault)
    assert event.why is why


def test_the_frame_after_a_broken_one_is_read() -> None:
    """A false length swallows nothing: the search goes on one byte further."""
    lied = b"\xbb\x02\x22\x00\x40"
    events = decode(lied + CAPTURED * 4)

    assert [event for event in events if isinstance(event, TagRead)] == [READ] * 4


def test_no_tag_in_the_field_is_an_answer() -> None:
    """An empty field is no fault: it shows that the reader lives."""
    assert decode(bytes.fromhex("bb01ff000115167e")) == [
        ReaderReply(command=0xFF, parameters=b"\x15")
    ]


def test_commands() -> None:
    """The three commands a driver needs, byte for byte as in the manual."""
    assert encode_inventory().hex() == "bb00220000227e"
    assert encode_inventory_many(10_000).hex() == "bb00270003222710837e"
    assert encode_inventory_stop().hex() == "bb00280000287e"


@pytest.mark.parametrize("rounds", [0, INVENTORY_ROUNDS_MAX + 1])
def test_rounds_out_of_range_are_refused(rounds: int) -> None:
    """The error names the value and the bound."""
    with pytest.raises(ValueError, match=rf"rounds: {rounds} is not in 1\.\.65535"):
        encode_inventory_many(rounds)


def test_parameters_too_long_are_refused() -> None:
    """The error names the length and the bound."""
    with pytest.raises(ValueError, match="265 bytes, at most 264"):
        encode_command(0x22, bytes(PARAMETERS_BYTES_MAX + 1))
