"""GNSS sentences, and how they merge into positions."""

import pytest

from gateway.decode.events import Event, Fault, FaultWhy, Fix, Position
from gateway.decode.nmea import SENTENCE_BYTES_MAX, NmeaDecoder

PLACE = "5157.00000,N,00403.00000,E"


def sentence(body: str) -> bytes:
    """Return a sentence with its checksum."""
    total = 0
    for char in body.encode():
        total ^= char
    return f"${body}*{total:02X}\r\n".encode()


def rmc(time: str, status: str = "A", mode: str = "A", day: str = "020126") -> bytes:
    """Return an RMC sentence at the test place."""
    return sentence(f"GPRMC,{time},{status},{PLACE},10.0,,{day},,,{mode}")


def gga(time: str, quality: str = "1", satellites: str = "08", height: str = "5.0") -> bytes:
    """Return a GGA sentence at the test place."""
    return sentence(f"GNGGA,{time},{PLACE},{quality},{satellites},0.9,{height},M,46.0,M,,")


def gsa(mode: int) -> bytes:
    """Return a GSA sentence."""
    return sentence(f"GNGSA,A,{mode},01,02,03,04,,,,,,,,,1.5,0.9,1.2,1")


def decode(*parts: bytes) -> list[Event]:
    """Return everything a fresh decoder finds."""
    decoder = NmeaDecoder()
    return decoder.feed(b"".join(parts)) + decoder.flush()


def positions(*parts: bytes) -> list[Position]:
    """Return the positions a fresh decoder finds."""
    return [event for event in decode(*parts) if isinstance(event, Position)]


def test_an_epoch_is_one_position() -> None:
    """Time and date, place, fix, speed, HDOP and satellites come from the sentences together."""
    (position,) = positions(rmc("120000.00"), gga("120000.00"), gsa(3))

    assert position.time_us == 1_767_355_200_000_000
    assert (position.lat_deg, position.lon_deg) == (51.95, 4.05)
    assert (position.fix, position.hdop, position.satellites) == (Fix.THREE_D, 0.9, 8)
    assert position.speed_mps == pytest.approx(5.144, abs=1e-3)


def test_south_and_west_are_negative() -> None:
    """The hemisphere gives the sign."""
    (position,) = positions(sentence("GPGLL,3412.00000,S,05830.00000,W,120000.00,A,A"))

    assert (position.lat_deg, position.lon_deg) == (-34.2, -58.5)


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(rmc("120000.00", status="V"), id="RMC void"),
        pytest.param(rmc("120000.00", mode="N"), id="RMC mode N"),
        pytest.param(rmc("120000.00", mode="E"), id="RMC dead reckoning"),
        pytest.param(rmc("120000.00", mode="S"), id="RMC simulator"),
        pytest.param(gga("120000.00", quality="0"), id="GGA quality 0"),
        pytest.param(gga("120000.00", quality="6"), id="GGA estimated"),
        pytest.param(gga("120000.00", quality="8"), id="GGA simulator"),
        pytest.param(gga("120000.00", satellites="02"), id="two satellites"),
        pytest.param(sentence(f"GPGLL,{PLACE},120000.00,V,N"), id="GLL void"),
        pytest.param(sentence(f"GNGNS,120000.00,{PLACE},NNN,08,0.9,5.0,46.0,,,V"), id="GNS none"),
    ],
)
def test_one_sentence_without_a_fix_takes_the_place_from_its_epoch(part: bytes) -> None:
    """A receiver that contradicts itself has no fix."""
    sure = sentence(f"QZGLL,{PLACE},120000.00,A,A")

    for order in ([part, sure], [sure, part]):
        (position,) = positions(*order)
        assert (position.fix, position.lat_deg, position.lon_deg) == (Fix.NONE, None, None)


def test_gsa_without_a_fix_takes_the_place_too() -> None:
    """GSA mode 1 in an epoch means no fix, unless another system's GSA has one."""
    assert positions(rmc("120000.00"), gsa(1))[0].fix is Fix.NONE
    assert positions(rmc("120000.00"), gsa(1), gsa(3))[0].fix is Fix.THREE_D


@pytest.mark.parametrize(
    ("parts", "fix"),
    [
        pytest.param([rmc("120000.00")], Fix.TWO_D, id="RMC alone"),
        pytest.param([gga("120000.00", height="")], Fix.TWO_D, id="GGA without height"),
        pytest.param([gga("120000.00")], Fix.THREE_D, id="GGA with height"),
        pytest.param([rmc("120000.00"), gga("120000.00"), gsa(2)], Fix.TWO_D, id="GSA says 2D"),
    ],
)
def test_two_or_three_dimensions(parts: list[bytes], fix: Fix) -> None:
    """A height or GSA makes the difference."""
    assert [position.fix for position in positions(*parts)] == [fix]


def test_from_the_second_epoch_on_a_position_comes_with_its_last_sentence() -> None:
    """Once the cycle is known, nothing waits for the next epoch."""
    decoder = NmeaDecoder()
    first = decoder.feed(rmc("120000.00") + gga("120000.00"))
    second = decoder.feed(rmc("120001.00"))
    third = decoder.feed(gga("120001.00"))

    assert (len(first), len(second), len(third)) == (0, 1, 1)
    assert decoder.flush() == []


def test_a_repeated_epoch_is_not_news() -> None:
    """A receiver that resends its last epoch for ever falls silent here."""
    assert len(positions(*[rmc("120000.00")] * 5)) == 1


def test_midnight_without_a_date_is_the_next_day() -> None:
    """GGA crosses midnight before the next RMC tells the date."""
    *_, before, after = positions(rmc("235958.00"), gga("235959.00"), gga("000000.00"))

    assert before.time_us is not None
    assert after.time_us == before.time_us + 1_000_000


def test_without_any_date_there_is_no_time() -> None:
    """A time of day alone is no time."""
    assert positions(gga("120000.00"))[0].time_us is None


def test_a_void_fix_lends_no_date() -> None:
    """Receivers make dates up while they search."""
    none, _ = positions(rmc("120000.00", status="V", day="161206"), gga("120001.00"))

    assert none.time_us is None


def test_zda_gives_the_date_and_gst_the_accuracy() -> None:
    """The full date of ZDA counts; GST's two errors are one distance."""
    zda = sentence("GPZDA,120000.00,02,01,2026,00,00")
    gst = sentence("GPGST,120000.00,1.0,,,,3.0,4.0,5.0")
    (position,) = positions(gga("120000.00"), zda, gst)

    assert (position.time_us, position.accuracy_m) == (1_767_355_200_000_000, 5.0)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"$GPGLL,5157.0,N,00403.0,E,120000,A\r\n", FaultWhy.NO_CHECKSUM, id="none"),
        pytest.param(rmc("120000.00")[:-4] + b"00\r\n", FaultWhy.BAD_CHECKSUM, id="wrong"),
        pytest.param(rmc("120000.00")[:-3] + b"\r\n", FaultWhy.MALFORMED, id="half"),
        pytest.param(rmc("250000.00"), FaultWhy.MALFORMED, id="hour 25"),
        pytest.param(rmc("1200005"), FaultWhy.MALFORMED, id="seven digits of time"),
        pytest.param(
            sentence("GPZDA,235960.00,31,12,9999,00,00"), FaultWhy.MALFORMED, id="year 9999"
        ),
        pytest.param(rmc("120000.00", day="310226"), FaultWhy.MALFORMED, id="31 February"),
        pytest.param(
            sentence("GPGLL,9957.0,N,00403.0,E,120000,A,A"), FaultWhy.MALFORMED, id="latitude 99"
        ),
        pytest.param(
            sentence("GPGLL,5177.0,N,00403.0,E,120000,A,A"), FaultWhy.MALFORMED, id="minute 77"
        ),
        pytest.param(sentence("GPRMC,120000.00,A"), FaultWhy.MALFORMED, id="fields missing"),
        pytest.param(b"$" + b"A" * SENTENCE_BYTES_MAX, FaultWhy.TOO_LONG, id="endless"),
        pytest.param(b"$GPRMC,12\xff0000", FaultWhy.NOISE, id="binary"),
    ],
)
def test_a_broken_sentence_is_a_fault(data: bytes, why: FaultWhy) -> None:
    """Each way of being broken has its name, and none yields a position."""
    first, *rest = decode(data)

    assert isinstance(first, Fault)
    assert first.why is why
    assert not any(isinstance(event, Position) for event in rest)


def test_spliced_sentences_are_told_apart() -> None:
    """A sentence starts at its dollar sign, wherever that stands."""
    spliced = gsa(3).rstrip() + rmc("120000.00")[:20] + rmc("120000.00")

    assert [position.fix for position in positions(spliced)] == [Fix.THREE_D]


def test_nuls_are_padding() -> None:
    """NULs between and inside sentences change nothing."""
    padded = b"\0\0" + rmc("120000.00").replace(b",A,", b",\0\0A,", 1) + b"\0\0"

    assert decode(padded) == decode(rmc("120000.00"))


@pytest.mark.parametrize("talker", ["GP", "GN", "GL", "GA", "GB", "BD"])
def test_every_satellite_system_talks(talker: str) -> None:
    """The talker does not matter, as long as it is a satellite system."""
    assert len(positions(sentence(f"{talker}GLL,{PLACE},120000.00,A,A"))) == 1


@pytest.mark.parametrize(
    "body", ["PUBX,00,1", "SNRSTAT,1,1,-1", "ECRMC,120000.00,A", "GPGSV,1,1,00"]
)
def test_other_sentences_are_passed_over(body: str) -> None:
    """What is no statement on the position is neither a position nor a fault."""
    assert decode(sentence(body)) == []
