"""The readers that answer one inventory for each command, against published frames."""

import pytest

from firmware_sim.devices.rfid import Reader, TagSeen
from firmware_sim.devices.rfid_chafon import Chafon, Model, Status, block, crc16
from firmware_sim.devices.rfid_yr903 import PUBLIC, Yr903, check, packet, tag_reply

# The V3.7 manual's own rule, applied by hand: A0 + 04 + FF + 89 + FF = 32Bh.
YR903_INVENTORY = bytes.fromhex("a004ff89ffd5")
CHAFON_INVENTORY = bytes.fromhex("04ff011bb4")
# wabson/chafon-rfid, tests: captures of a UHFReader18 and of a UHFReader288.
CAPTURED_18 = bytes.fromhex("13000103010c49440000000000000a000334a5fb")
CAPTURED_288 = bytes.fromhex("1500010301010c0000000000000000000003136bb1a5")
CAPTURED_END = bytes.fromhex("0700010101001e4b")
TAG = TagSeen(epc=bytes.fromhex("000000000000000000000313"), rssi_dbm=-59.0)


def test_a_chafon_block_is_the_captured_one() -> None:
    """Blocks have the length and CRC that captured readers sent."""
    data_18 = bytes.fromhex("010c49440000000000000a000334")
    data_288 = bytes.fromhex("01010c0000000000000000000003136b")

    assert block(0x01, Status.MORE, data_18) == CAPTURED_18
    assert block(0x01, Status.MORE, data_288) == CAPTURED_288
    assert block(0x01, Status.DONE, b"\x01\x00") == CAPTURED_END


def test_a_yr903_packet_sums_to_zero() -> None:
    """The check complements the sum, and a read carries the table's RSSI."""
    assert check(YR903_INVENTORY[:-1]) == YR903_INVENTORY[-1]
    reply = tag_reply(TAG, antenna=5)

    assert sum(reply) % 256 == 0
    assert (reply[1], reply[4] & 3, reply[-2]) == (len(reply) - 2, 1, 128 + 70)


@pytest.mark.parametrize(
    ("reader", "command"),
    [
        (Yr903(), YR903_INVENTORY),
        (Chafon(Model.UHFREADER18), CHAFON_INVENTORY),
    ],
    ids=["yr903", "chafon-18"],
)
def test_a_command_is_one_round(reader: Reader, command: bytes) -> None:
    """Silent until asked, then one round; what arrives in pieces or noise is understood."""
    assert reader.round([TAG], 1.0) == b""
    assert reader.feed(b"\x00" + command[:2]) == b""
    assert not reader.polling
    reader.feed(command[2:])
    assert reader.polling
    assert TAG.epc in reader.round([TAG], 1.0)
    assert not reader.polling
    reader.feed(command)
    reader.power_cycle()
    assert not reader.polling


def test_an_empty_field_is_answered() -> None:
    """No tag is a summary, a status or a count of zero, never silence."""
    yr903, old, new = Yr903(), Chafon(Model.UHFREADER18), Chafon(Model.UHFREADER288)
    yr903.feed(YR903_INVENTORY)
    old.feed(CHAFON_INVENTORY)
    body = bytes.fromhex("06ff010400")
    new.feed(body[:1] + body[1:] + crc16(body).to_bytes(2, "little"))

    assert yr903.round([], 1.0) == packet(0x89, bytes(7))
    assert old.round([], 1.0) == block(0x01, Status.NO_TAG)
    assert new.round([], 1.0) == CAPTURED_END


def test_other_commands_are_refused() -> None:
    """The version is told; what these readers do not do has the manual's code."""
    version = bytes((0xA0, 3, PUBLIC, 0x72))
    beep = bytes((0xA0, 4, PUBLIC, 0x7A, 2))
    info = bytes.fromhex("04ff21")

    assert Yr903().feed(version + bytes((check(version),))) == packet(0x72, b"\x07\x09")
    assert Yr903().feed(beep + bytes((check(beep),))) == packet(0x7A, b"\x11")
    asked = info + crc16(info).to_bytes(2, "little")
    assert Chafon(Model.UHFREADER18).feed(asked) == block(0x21, Status.ILLEGAL)
    assert Chafon(Model.UHFREADER288).feed(CHAFON_INVENTORY) == block(1, Status.LENGTH_WRONG)


def test_many_tags_fill_several_blocks() -> None:
    """A block's length is one byte: tags go on in the next, and the last says done."""
    reader = Chafon(Model.UHFREADER18)
    reader.feed(CHAFON_INVENTORY)
    tags = [TagSeen(epc=bytes((n,)) * 12, rssi_dbm=-60.0) for n in range(40)]
    sent = reader.round(tags, 1.0)
    statuses: list[int] = []
    while sent:
        size = sent[0] + 1
        statuses.append(sent[3])
        sent = sent[size:]

    assert statuses == [Status.MORE, Status.MORE, Status.DONE]
