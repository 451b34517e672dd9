"""The serial drivers on real pseudo terminals: scales, receivers and RFID readers."""

import pytest

from gateway.clock import SystemClock
from gateway.config.serial import SerialSection
from gateway.decode.families import family
from gateway.decode.yrm100 import crc16_gen2, encode_inventory_many
from gateway.drivers.rfid import INVENTORIES, read_rfid
from gateway.drivers.serial_line import read_serial_line
from gateway.reading import Scalar, Sighting
from schemas.quantities import Quality, Quantity
from tests.integration.gateway.collected import Batches, collecting, make_section
from tests.integration.gateway.lines import Line
from tests.integration.gateway.support import until

EPC = bytes.fromhex("3074257bf7194e4000001a85")


def serial_line(line: Line, family_name: str) -> Batches:
    """Return the driver of a device that talks by itself."""
    section = make_section(line, family_name)
    return read_serial_line(section, family(family_name).make(), SystemClock())


def tag_notice(epc: bytes = EPC, rssi_dbm: int = -55) -> bytes:
    """Return the frame in which a reader tells of one read (MagicRF M100, 0x22 notice)."""
    pc = (len(epc) // 2) << 11
    air = pc.to_bytes(2, "big") + epc
    parameters = bytes((rssi_dbm & 0xFF,)) + air + crc16_gen2(air).to_bytes(2, "big")
    return frame(0x02, 0x22, parameters)


def frame(kind: int, command: int, parameters: bytes) -> bytes:
    """Return one reader frame."""
    body = bytes((kind, command)) + len(parameters).to_bytes(2, "big") + parameters
    return bytes((0xBB, *body, sum(body) & 0xFF, 0x7E))


async def test_weights_come_as_the_indicator_sends_them() -> None:
    """Stable and moving weights become scalars; an overload becomes a fault, never a weight."""
    with Line() as line:
        async with collecting(serial_line(line, "scale-ad"), line) as got:
            for text in (b"ST,GS,+0012.34kg\r\n", b"US,GS,+0012.30kg\r\n", b"OL,GS,+9999999\r\n"):
                line.send(text)
            await until(lambda: len(got.readings) >= 3)

        weights = [r for r in got.readings if isinstance(r, Scalar)]
        assert [(w.value, w.quality) for w in weights] == [
            (12_340, Quality.GOOD),
            (12_300, Quality.UNSTABLE),
        ]
        assert "overload" in got.faults()


async def test_bytes_may_come_one_by_one() -> None:
    """A line that trickles gives the same weight as one that comes at once."""
    with Line() as line:
        async with collecting(serial_line(line, "scale-ad"), line) as got:
            for byte in b"ST,GS,+0012.34kg\r\n":
                line.send(bytes((byte,)))
            await until(lambda: bool(got.readings))

        assert got.scalars(Quantity.MASS) == [12_340]


async def test_noise_does_not_stop_a_driver() -> None:
    """After any noise the next good line is a weight."""
    with Line() as line:
        async with collecting(serial_line(line, "scale-ad"), line) as got:
            line.send(b"\x00\xff\x7f" * 500 + b"\r\n")
            line.send(b"ST,GS,+0012.34kg\r\n")
            await until(lambda: bool(got.scalars(Quantity.MASS)))

        assert got.error is None


async def test_position_is_told_when_the_epoch_falls_silent() -> None:
    """A fix does not wait for the next second's first sentence; its parts share one time."""
    sentences = (
        b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n"
        b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"
    )
    with Line() as line:
        async with collecting(serial_line(line, "nmea"), line) as got:
            line.send(sentences)
            await until(lambda: len(got.readings) >= 4)

        assert got.scalars(Quantity.LATITUDE) == pytest.approx([48.1173])
        assert got.scalars(Quantity.FIX) == [3.0]
        assert len({r.time_unix_us for r in got.readings}) == 1


async def test_no_fix_is_told_without_a_position() -> None:
    """A receiver that sees nothing says so, and gives no coordinates."""
    with Line() as line:
        async with collecting(serial_line(line, "nmea"), line) as got:
            line.send(b"$GPGGA,123519,,,,,0,00,99.99,,M,,M,,*45\r\n")
            await until(lambda: bool(got.readings))

        assert got.scalars(Quantity.FIX) == [0.0]
        assert got.scalars(Quantity.LATITUDE) == []


async def test_pulled_cable_ends_the_driver_with_a_reason() -> None:
    """A device that is gone is an error that names the port, for the supervisor."""
    line = Line()
    async with collecting(serial_line(line, "scale-ad"), line) as got:
        line.send(b"ST,GS,+0012.34kg\r\n")
        await until(lambda: bool(got.readings))
        line.cut()
        await until(lambda: got.error is not None)

    assert line.path in str(got.error)


async def test_port_that_is_not_there_is_an_error() -> None:
    """A wrong path is told with the path."""
    section = SerialSection(sensor="s", family="scale-ad", port="/dev/serial/by-id/none")
    batches = read_serial_line(section, family("scale-ad").make(), SystemClock())
    async with collecting(batches) as got:
        await until(lambda: got.error is not None)

    assert "/dev/serial/by-id/none" in str(got.error)


def rfid(line: Line, inventory_s: float = 0.1) -> Batches:
    """Return the driver of a reader."""
    section = make_section(line, "rfid-yrm100", inventory_s=inventory_s)
    return read_rfid(section, family("rfid-yrm100").make(), SystemClock())


async def test_reader_is_put_into_inventory() -> None:
    """The driver asks for many inventories as soon as the port is open."""
    asked = bytearray()
    with Line() as line:
        async with collecting(rfid(line), line):

            def has_asked() -> bool:
                asked.extend(line.received())
                return encode_inventory_many(INVENTORIES) in asked

            await until(has_asked)


async def test_every_round_counts_distinct_tags() -> None:
    """Reads come one by one; the round's count says how many tags there were."""
    with Line() as line:
        async with collecting(rfid(line, inventory_s=0.5), line) as got:
            for last in (1, 2, 1, 3, 2):
                line.send(tag_notice(EPC[:-1] + bytes((last,))))
            await until(lambda: bool(got.scalars(Quantity.INVENTORY)))

        sightings = [r for r in got.readings if isinstance(r, Sighting)]
        assert [s.epc[-1] for s in sightings] == [1, 2, 1, 3, 2]
        assert {s.rssi_cdbm for s in sightings} == {-5_500}
        assert got.scalars(Quantity.INVENTORY)[0] == 3


async def test_empty_field_is_a_round_of_zero() -> None:
    """A reader that says that no tag is there proves that it lives."""
    with Line() as line:
        async with collecting(rfid(line), line) as got:
            line.send(frame(0x01, 0xFF, b"\x15"))
            await until(lambda: bool(got.scalars(Quantity.INVENTORY)))

        assert got.scalars(Quantity.INVENTORY)[0] == 0
        assert got.faults() == []


async def test_silent_reader_gives_no_rounds() -> None:
    """A dead reader is not a constant one: without a frame there is no count."""
    with Line() as line:
        async with collecting(rfid(line, inventory_s=0.1), line) as got:
            line.send(tag_notice())
            await until(lambda: len(got.scalars(Quantity.INVENTORY)) == 1)
            line.send(b"\x00" * 10)  # Noise is no sign of life.
            line.send(frame(0x01, 0xFF, b"\x15"))
            await until(lambda: len(got.scalars(Quantity.INVENTORY)) == 2)

        assert got.scalars(Quantity.INVENTORY) == [1, 0]


async def test_forged_air_crc_is_no_sighting() -> None:
    """A tag whose checksum is wrong is a fault."""
    good = bytearray(tag_notice())
    good[8] ^= 0x01
    body = good[1:-2]
    bad = bytes((0xBB, *body, sum(body) & 0xFF, 0x7E))
    with Line() as line:
        async with collecting(rfid(line), line) as got:
            line.send(bad)
            await until(lambda: bool(got.readings))

        assert not any(isinstance(r, Sighting) for r in got.readings)
        assert got.faults()
