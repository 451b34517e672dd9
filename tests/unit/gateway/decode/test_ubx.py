"""UBX beside NMEA: positions and what a receiver thinks of its signals."""

import struct
from dataclasses import dataclass

import pytest

from gateway.decode.events import (
    Event,
    Fault,
    FaultWhy,
    Fix,
    GnssIntegrity,
    Jamming,
    Position,
    Spoofing,
)
from gateway.decode.ubx import (
    INTEGRITY_CYCLES_MAX,
    NMEA_EPOCHS_MAX,
    PAYLOAD_BYTES_MAX,
    UbxDecoder,
)
from gateway.decode.ubx import encode_frame as ubx
from gateway.decode.ubx_setup import encode_setup

# The poll of NAV-PVT, byte for byte as u-center sends it.
POLL_PVT = bytes.fromhex("b56201070000 0819")
NMEA_FIX = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"
MON_RF_WARNING = struct.pack("<BBH BBBB8xHHB7x", 0, 1, 0, 0, 2, 2, 1, 100, 5_000, 40)


def sentence(text: bytes) -> bytes:
    """Return the sentence with the checksum that its characters have."""
    body = text[1 : text.index(b"*")]
    total = 0
    for byte in body:
        total ^= byte
    return b"$%s*%02X\r\n" % (body, total)


NO_FIX = sentence(b"$GPGGA,120001.00,,,,,0,00,99.99,,,,,,*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pvt:
    """The fields of NAV-PVT that matter here."""

    moment: tuple[int, int, int, int, int, int] = (2026, 1, 2, 12, 0, 0)
    valid: int = 0x07
    nano_ns: int = 0
    fix_type: int = 3
    flags: int = 0x01
    satellites: int = 9
    lon_e7: int = 40_500_000
    lat_e7: int = 519_500_000
    accuracy_mm: int = 2_500
    speed_mmps: int = 30
    flags3: int = 0
    size: int = 92

    def frame(self) -> bytes:
        """Return the message, cut to its size."""
        payload = struct.pack("<IH5BBIiBBBB", 0, *self.moment, self.valid, 0, self.nano_ns,
                              self.fix_type, self.flags, 0, self.satellites)  # fmt: skip
        payload += struct.pack("<iiiiII", self.lon_e7, self.lat_e7, 0, 0, self.accuracy_mm, 0)
        payload += struct.pack("<12xiiIIHH", self.speed_mmps, 0, 0, 0, 100, self.flags3)
        return ubx(0x01, 0x07, payload.ljust(self.size, b"\0"))


def decode(*chunks: bytes) -> list[Event]:
    """Return everything that a fresh decoder finds."""
    decoder = UbxDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)] + decoder.flush()


def status(spoofing: int) -> bytes:
    """Return a NAV-STATUS."""
    return ubx(0x01, 0x03, struct.pack("<IBBBBII", 0, 3, 0x0D, 0, spoofing << 3, 0, 0))


def mon_hw(jamming: int, indicator: int = 0) -> bytes:
    """Return the MON-HW of an M8."""
    payload = struct.pack("<IIIIHHBBBBI17xB", 0, 0, 0, 0, 90, 4_000, 2, 1, jamming << 2, 0, 0,
                          indicator)  # fmt: skip
    return ubx(0x0A, 0x09, payload.ljust(60, b"\0"))


def test_the_checksum_is_the_published_one() -> None:
    """A poll that every tool sends has the checksum that it has there."""
    assert ubx(0x01, 0x07, b"") == POLL_PVT


def test_the_setup_asks_for_what_is_read() -> None:
    """Known commands byte for byte; each message is asked for in the old way and the new."""
    setup = encode_setup()

    assert bytes.fromhex("b562060103000107011351") in setup  # CFG-MSG: NAV-PVT on this port.
    assert bytes.fromhex("b56206390800f3ac62ad1e030000") in setup  # CFG-ITFM, enabled.
    # CFG-VALSET: CFG-MSGOUT-UBX_SEC_SIG_UART1 in RAM.
    assert bytes.fromhex("b562068a0900" + "00010000" + "3506912001") in setup
    assert setup.count(bytes.fromhex("b5620601")) == 5
    assert setup.count(bytes.fromhex("b562068a")) == 9
    assert decode(setup) == []


def test_a_position() -> None:
    """Time, place, accuracy, speed and satellites come in our units."""
    assert decode(Pvt(nano_ns=-250_000_000).frame()) == [
        Position(
            time_us=1_767_355_199_750_000,
            lat_deg=51.95,
            lon_deg=4.05,
            fix=Fix.THREE_D,
            satellites=9,
            speed_mps=0.03,
            accuracy_m=2.5,
        )
    ]


@pytest.mark.parametrize(
    ("pvt", "fix"),
    [
        pytest.param(Pvt(fix_type=2), Fix.TWO_D, id="2D"),
        pytest.param(Pvt(fix_type=4), Fix.THREE_D, id="with dead reckoning"),
        pytest.param(Pvt(size=84), Fix.THREE_D, id="u-blox 7"),
        pytest.param(Pvt(fix_type=0), Fix.NONE, id="none"),
        pytest.param(Pvt(fix_type=1), Fix.NONE, id="dead reckoning only"),
        pytest.param(Pvt(fix_type=5), Fix.NONE, id="time only"),
        pytest.param(Pvt(fix_type=9), Fix.NONE, id="reserved"),
        pytest.param(Pvt(flags=0x00), Fix.NONE, id="not within limits"),
        pytest.param(Pvt(flags3=0x01), Fix.NONE, id="invalid place"),
        pytest.param(Pvt(satellites=2), Fix.NONE, id="too few satellites"),
    ],
)
def test_no_fix_is_never_a_position(pvt: Pvt, fix: Fix) -> None:
    """Coordinates stand only where type, flags and satellites allow it."""
    (position,) = decode(pvt.frame())

    assert isinstance(position, Position)
    assert position.fix is fix
    assert (position.lat_deg is None, position.lon_deg is None) == (fix is Fix.NONE,) * 2


@pytest.mark.parametrize("valid", [0x00, 0x01, 0x02])
def test_a_time_that_the_receiver_doubts_is_none(valid: int) -> None:
    """Date and time must both be valid."""
    (position,) = decode(Pvt(valid=valid).frame())

    assert isinstance(position, Position)
    assert position.time_us is None


def test_a_leap_second_is_the_next_midnight() -> None:
    """The 61st second of a minute is read."""
    (position,) = decode(Pvt(moment=(2016, 12, 31, 23, 59, 60)).frame())

    assert isinstance(position, Position)
    assert position.time_us == 1_483_228_800_000_000


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(Pvt().frame()[:-1] + b"\0", FaultWhy.BAD_CHECKSUM, id="checksum"),
        pytest.param(Pvt().frame()[:50], FaultWhy.TRUNCATED, id="cut"),
        pytest.param(b"\xb5\x62\x01\x07\xff\xff", FaultWhy.BAD_LENGTH, id="length"),
        pytest.param(Pvt(size=90).frame(), FaultWhy.BAD_LENGTH, id="other size"),
        pytest.param(Pvt(moment=(2026, 13, 2, 0, 0, 0)).frame(), FaultWhy.MALFORMED, id="month"),
        pytest.param(Pvt(moment=(1969, 1, 2, 0, 0, 0)).frame(), FaultWhy.MALFORMED, id="year"),
        pytest.param(Pvt(lat_e7=900_000_001).frame(), FaultWhy.MALFORMED, id="latitude"),
        pytest.param(Pvt(lon_e7=-1_800_000_001).frame(), FaultWhy.MALFORMED, id="longitude"),
        pytest.param(ubx(0x01, 0x03, bytes(15)), FaultWhy.BAD_LENGTH, id="NAV-STATUS"),
        pytest.param(ubx(0x0A, 0x09, bytes(61)), FaultWhy.BAD_LENGTH, id="MON-HW"),
        pytest.param(ubx(0x0A, 0x38, b"\0\2\0\0" + bytes(24)), FaultWhy.BAD_LENGTH, id="MON-RF"),
        pytest.param(ubx(0x0A, 0x38, b"\0\0\0\0"), FaultWhy.BAD_LENGTH, id="no block"),
        pytest.param(ubx(0x27, 0x09, b"\2\0\0\1"), FaultWhy.BAD_LENGTH, id="SEC-SIG"),
        pytest.param(ubx(0x27, 0x09, b"\7\0\0\0"), FaultWhy.BAD_LENGTH, id="its version"),
        pytest.param(b"\xb5\x62", FaultWhy.TRUNCATED, id="sync only"),
        pytest.param(b"\xb5", FaultWhy.NOISE, id="half a sync"),
    ],
)
def test_a_broken_frame_is_one_fault(data: bytes, why: FaultWhy) -> None:
    """Each way of being broken has its name, and none yields a position."""
    (event,) = decode(data)

    assert isinstance(event, Fault)
    assert event.why is why


def test_what_is_not_read_is_passed_over() -> None:
    """Other messages, acknowledgements and the longest payload are no news."""
    assert decode(ubx(0x05, 0x01, b"\x06\x01"), ubx(0x02, 0x15, bytes(PAYLOAD_BYTES_MAX))) == []


def test_sentences_beside_frames() -> None:
    """Frames and sentences may follow each other without a line end between them."""
    events = decode(NO_FIX[:-2] + status(1) + b"$GPTXT,x*00\r\n")

    assert [type(event) for event in events] == [Fault, Position, GnssIntegrity]
    assert decode(NO_FIX + ubx(0x05, 0x01, b"\x06\x01") + NO_FIX[:5]) != []


def test_one_epoch_is_one_position() -> None:
    """While NAV-PVT comes, the same fix from sentences is not told again."""
    events = decode((NMEA_FIX + Pvt().frame()) * 3)

    assert [e.accuracy_m for e in events if isinstance(e, Position)][-2:] == [2.5, 2.5]
    assert sum(e.hdop is not None for e in events if isinstance(e, Position)) <= 1


def test_sentences_count_again_when_nav_pvt_ends() -> None:
    """A receiver that was told to stop NAV-PVT is still read."""
    epochs = [
        NMEA_FIX.replace(b"123519", b"%06d" % (120000 + i)) for i in range(NMEA_EPOCHS_MAX + 3)
    ]
    sentences = [sentence(epoch) for epoch in epochs]
    positions = [e for e in decode(Pvt().frame(), *sentences) if isinstance(e, Position)]

    assert len(positions) == 1 + 3


def test_a_false_length_swallows_no_frame() -> None:
    """The search goes on behind the sync characters of what was no frame."""
    lied = b"\xb5\x62\x01\x07\x40\x00"
    positions = [e for e in decode(lied + Pvt().frame() * 3) if isinstance(e, Position)]

    assert len(positions) == 3


def integrity(*frames: bytes) -> list[GnssIntegrity]:
    """Return what the frames say of the signals."""
    return [event for event in decode(*frames) if isinstance(event, GnssIntegrity)]


@pytest.mark.parametrize(
    ("frame", "jamming", "spoofing"),
    [
        (status(0), Jamming.UNKNOWN, Spoofing.UNKNOWN),
        (status(1), Jamming.UNKNOWN, Spoofing.NONE),
        (status(2), Jamming.UNKNOWN, Spoofing.INDICATED),
        (status(3), Jamming.UNKNOWN, Spoofing.MULTIPLE),
        (mon_hw(0), Jamming.UNKNOWN, Spoofing.UNKNOWN),
        (mon_hw(1), Jamming.OK, Spoofing.UNKNOWN),
        (mon_hw(3), Jamming.CRITICAL, Spoofing.UNKNOWN),
        (ubx(0x0A, 0x38, MON_RF_WARNING), Jamming.WARNING, Spoofing.UNKNOWN),
        (ubx(0x27, 0x09, b"\1\0\0\0\3\0\0\0\3\0\0\0"), Jamming.OK, Spoofing.NONE),
        (ubx(0x27, 0x09, b"\1\0\0\0\6\0\0\0\6\0\0\0"), Jamming.UNKNOWN, Spoofing.UNKNOWN),
        (ubx(0x27, 0x09, b"\2\x2d\0\1" + bytes(4)), Jamming.WARNING, Spoofing.INDICATED),
        (ubx(0x27, 0x09, b"\3\x7b\0\0"), Jamming.OK, Spoofing.UNKNOWN),
    ],
)
def test_each_message_says_its_part(frame: bytes, jamming: Jamming, spoofing: Spoofing) -> None:
    """A state is told where the receiver looks for it, and unknown where it does not."""
    (event,) = integrity(frame)

    assert (event.jamming, event.spoofing) == (jamming, spoofing)


def test_a_cycle_is_one_event_with_the_worst() -> None:
    """Several messages of one cycle make one event; nothing flaps between cycles."""
    cycle = mon_hw(1, indicator=12) + status(1)

    assert (
        integrity(cycle * 3)
        == [GnssIntegrity(jamming=Jamming.OK, spoofing=Spoofing.NONE, cw_indicator=12)] * 3
    )
    (event,) = integrity(mon_hw(1) + ubx(0x0A, 0x38, MON_RF_WARNING))
    assert event.jamming is Jamming.WARNING


def test_messages_at_different_rates_do_not_flap() -> None:
    """What comes each fifth cycle only is kept in between, and forgotten when it ends."""
    events = integrity((mon_hw(1) + status(1) * 5) * 4)
    assert {event.jamming for event in events} == {Jamming.OK}

    events = integrity(mon_hw(3) + status(1) * (INTEGRITY_CYCLES_MAX + 3))
    assert (events[0].jamming, events[-1].jamming) == (Jamming.CRITICAL, Jamming.UNKNOWN)
