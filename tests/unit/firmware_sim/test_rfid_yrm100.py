"""The YRM100 reader, against captured and published frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.devices.rfid import TagSeen
from firmware_sim.devices.rfid_yrm100 import (
    COMMAND_BYTES_MAX,
    ErrorCode,
    FrameType,
    Yrm100,
    error,
    frame,
    gen2_crc16,
    notice,
)

SINGLE = bytes.fromhex("BB00220000227E")
MULTI_10000 = bytes.fromhex("BB00270003222710837E")
STOP = bytes.fromhex("BB00280000287E")
STOPPED = bytes.fromhex("BB01280001002A7E")
NO_TAG = bytes.fromhex("BB01FF000115167E")
COMMAND_ERROR = bytes.fromhex("BB01FF000117187E")
TAG = TagSeen(epc=bytes.fromhex("e200001d7315016521408fc6"), rssi_dbm=-60.0)
CAPTURED_NOTICE = bytes.fromhex("bb02220011c43000e200001d7315016521408fc6b83ec27e")


def test_notice_is_the_captured_frame() -> None:
    """The notice of a captured tag is the captured frame, byte for byte."""
    assert notice(TAG) == CAPTURED_NOTICE


@pytest.mark.parametrize(
    ("pc_epc", "crc"),
    [
        ("3000e200001d7315016521408fc6", 0xB83E),
        ("3400e200471bb0006013044509d0", 0x9582),
        ("340030751FEB705C5904E3D50D70", 0x3A76),
    ],
)
def test_gen2_crc_of_captured_tags(pc_epc: str, crc: int) -> None:
    """The air CRC over PC and EPC is the one that captured tags sent."""
    assert gen2_crc16(bytes.fromhex(pc_epc)) == crc


def test_published_frames() -> None:
    """Commands and error replies are those of the vendor's manual."""
    assert frame(FrameType.COMMAND, 0x22) == SINGLE
    assert frame(FrameType.COMMAND, 0x27, bytes.fromhex("222710")) == MULTI_10000
    assert frame(FrameType.COMMAND, 0x28) == STOP
    assert error(ErrorCode.NO_TAG) == NO_TAG


def test_silent_until_commanded() -> None:
    """A reader that nobody asked reports nothing."""
    assert Yrm100(autostart=False).round([TAG], 1.0) == b""


def test_configured_reader_polls_from_the_start() -> None:
    """A module configured to start by itself reports without a command."""
    assert Yrm100(autostart=True).round([TAG], 1.0) == CAPTURED_NOTICE


def test_single_inventory_answers_once() -> None:
    """0x22 reports one round, then the reader is quiet."""
    module = Yrm100(autostart=False)

    assert module.feed(SINGLE) == b""
    assert module.round([TAG], 1.0) == CAPTURED_NOTICE
    assert module.round([TAG], 1.0) == b""


def test_a_round_without_tags_says_so() -> None:
    """A poll that finds nothing is answered with error 0x15."""
    module = Yrm100(autostart=False)
    module.feed(SINGLE)

    assert module.round([], 1.0) == NO_TAG


def test_multi_inventory_runs_until_its_polls_are_used_up() -> None:
    """0x27 counts polls of the air interface, fifty a second."""
    module = Yrm100(autostart=False)
    module.feed(frame(FrameType.COMMAND, 0x27, b"\x22\x00\x64"))  # 100 polls

    assert [bool(module.round([TAG], 1.0)) for _ in range(3)] == [True, True, False]


def test_stop_is_acknowledged_and_obeyed() -> None:
    """0x28 is answered with success and ends the polling."""
    module = Yrm100(autostart=False)
    module.feed(MULTI_10000)

    assert module.feed(STOP) == STOPPED
    assert not module.polling


def test_unknown_command_is_refused() -> None:
    """A well-formed command that the reader does not know is answered with error 0x17."""
    assert Yrm100(autostart=False).feed(frame(FrameType.COMMAND, 0x39)) == COMMAND_ERROR


def test_a_new_host_finds_the_reader_idle() -> None:
    """What the last host asked for dies with it."""
    module = Yrm100(autostart=False)
    module.feed(MULTI_10000)
    module.power_cycle()

    assert not module.polling


@given(st.binary(max_size=200), st.integers(1, 9))
def test_noise_never_deafens_the_reader(noise: bytes, cut: int) -> None:
    """After any noise a command is obeyed at the latest when repeated, however it is cut."""
    module = Yrm100(autostart=False)
    module.feed(noise)
    for _ in range(1 + COMMAND_BYTES_MAX // len(STOP)):
        module.feed(STOP)
    sent = b"".join(module.feed(part) for part in (MULTI_10000[:cut], MULTI_10000[cut:]))

    assert module.polling
    assert sent == b""


@given(st.binary(min_size=2, max_size=62).filter(lambda epc: len(epc) % 2 == 0))
def test_notice_carries_any_epc(epc: bytes) -> None:
    """Length, PC word and both checksums fit EPCs of every length, delimiters inside too."""
    sent = notice(TagSeen(epc=epc, rssi_dbm=-48.6))
    parameters = sent[5:-2]

    assert sent[0] == 0xBB
    assert sent[-1] == 0x7E
    assert int.from_bytes(sent[3:5], "big") == len(parameters)
    assert sum(sent[1:-2]) & 0xFF == sent[-2]
    assert int.from_bytes(parameters[:1], "big", signed=True) == -49
    assert parameters[1] >> 3 == len(epc) // 2
    assert parameters[3:-2] == epc
    assert gen2_crc16(parameters[1:-2]) == int.from_bytes(parameters[-2:], "big")
