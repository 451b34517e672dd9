"""The u-blox receiver, against the interface description's offsets."""

import struct

from firmware_sim.devices.gnss_nmea import Fix, encode_second
from firmware_sim.devices.gnss_ubx import (
    Sky,
    Ublox,
    message,
    mon_hw,
    nav_pvt,
    nav_status,
)

NOON = Fix(unix_us=1_767_355_200_250_000, lat_deg=51.95, lon_deg=4.05)
VOID = Fix(unix_us=1_767_355_200_250_000, lat_deg=None, lon_deg=None)


def test_frame_of_a_poll() -> None:
    """The poll of NAV-PVT is the one that every tool sends."""
    assert message(0x01, 0x07, b"").hex() == "b562010700000819"


def test_the_solution_stands_at_its_offsets() -> None:
    """Date, time, fix, place and accuracy are where the table has them."""
    payload = nav_pvt(NOON)[6:-2]

    assert len(payload) == 92
    assert struct.unpack_from("<H5BB", payload, 4) == (2026, 1, 2, 12, 0, 0, 7)
    assert struct.unpack_from("<iBB", payload, 16) == (250_000_000, 3, 1)
    assert struct.unpack_from("<Bii", payload, 23) == (9, 40_500_000, 519_500_000)
    assert struct.unpack_from("<I", payload, 40) == (2_400,)


def test_without_a_fix_nothing_is_claimed() -> None:
    """Fix type 0, the flag off, no satellites."""
    payload = nav_pvt(VOID)[6:-2]

    assert (payload[20], payload[21] & 1, payload[23]) == (0, 0, 0)
    assert nav_status(VOID, Sky())[6 + 4] == 0


def test_what_the_receiver_thinks_of_its_signals() -> None:
    """Jamming stands in MON-HW's flags, spoofing in NAV-STATUS's second."""
    sky = Sky(jamming=3, spoofing=2, cw_indicator=200)

    assert (mon_hw(sky)[6 + 22] >> 2 & 3, mon_hw(sky)[6 + 45]) == (3, 200)
    assert nav_status(NOON, sky)[6 + 7] >> 3 & 3 == 2


# CFG-MSG for NAV-PVT, rate 1, as u-center writes it, and its ACK-ACK.
PVT_ON = bytes.fromhex("b562060103000107011351")
ACK_CFG_MSG = bytes.fromhex("b5620501020006010f38")


def test_sentences_only_until_it_is_told() -> None:
    """As shipped a receiver sends no UBX; what it is told, it acknowledges and does."""
    receiver = Ublox()
    assert receiver.second(NOON) == encode_second(NOON)

    answers = receiver.feed(b"\xb5" + PVT_ON[:4]) + receiver.feed(PVT_ON[4:])

    assert answers == ACK_CFG_MSG
    assert receiver.second(NOON) == encode_second(NOON) + nav_pvt(NOON)
    receiver.feed(message(0x06, 0x01, b"\x01\x07\x00"))
    assert receiver.second(NOON) == encode_second(NOON)


def test_what_it_does_not_know_is_refused() -> None:
    """Messages and commands of later receivers get a NAK with their numbers."""
    receiver = Ublox()

    assert receiver.feed(message(0x06, 0x01, b"\x0a\x38\x01")) == message(5, 0, b"\x06\x01")
    assert receiver.feed(message(0x06, 0x8A, bytes(9))) == message(5, 0, b"\x06\x8a")


def test_jamming_is_unknown_until_the_monitor_is_on() -> None:
    """CFG-ITFM's enable bit turns on what MON-HW tells."""
    receiver = Ublox(Sky(jamming=2))
    receiver.feed(message(0x06, 0x01, b"\x0a\x09\x01"))
    assert receiver.second(NOON).endswith(mon_hw(Sky(jamming=0)))

    receiver.feed(message(0x06, 0x39, bytes.fromhex("f3ac62ad1e030000")))

    assert receiver.second(NOON).endswith(mon_hw(Sky(jamming=2)))
