"""RFID readers that answer one inventory for each command, on real pseudo terminals."""

from functools import partial

import pytest

from gateway.clock import SystemClock
from gateway.decode.chafon import crc16_chafon, encode_inventory_18, encode_inventory_288
from gateway.decode.families import family
from gateway.decode.ubx_setup import encode_setup
from gateway.decode.yr903 import encode_inventory
from gateway.drivers.rfid import PROTOCOLS, read_rfid
from gateway.drivers.serial_line import read_serial_line
from gateway.reading import Sighting
from schemas.quantities import Quantity
from tests.integration.gateway.collected import Batches, Collected, collecting, make_section
from tests.integration.gateway.lines import Line
from tests.integration.gateway.support import until

EPC = bytes.fromhex("3074257bf7194e4000001a85")
ONE_TAG = b"\x01\x0c" + EPC


def reader(line: Line, name: str) -> Batches:
    """Return the driver of a reader on ``line``."""
    section = make_section(line, name, inventory_s=0.1)
    return read_rfid(section, family(name).make(), SystemClock())


def chafon(status: int, data: bytes = b"") -> bytes:
    """Return a block of a Chafon reader."""
    body = bytes((5 + len(data), 0, 1, status)) + data
    return body + crc16_chafon(body).to_bytes(2, "little")


def yr903(data: bytes) -> bytes:
    """Return a packet of a YR903 reader."""
    body = bytes((0xA0, 3 + len(data), 1, 0x89)) + data
    return body + bytes((-sum(body) & 0xFF,))


async def asked(line: Line, command: bytes) -> None:
    """Wait until the driver has sent ``command``."""
    sent = bytearray()

    def has_asked() -> bool:
        sent.extend(line.received())
        return command in sent

    await until(has_asked)


@pytest.mark.parametrize("name", PROTOCOLS)
async def test_every_reader_is_asked_when_the_port_opens(name: str) -> None:
    """No reader waits for a pause before its first inventory."""
    with Line() as line:
        async with collecting(reader(line, name), line):
            await asked(line, PROTOCOLS[name].starts[0])


async def test_the_next_inventory_follows_the_answer() -> None:
    """The summary that ends one inventory brings the command for the next, and the count."""
    with Line() as line:
        async with collecting(reader(line, "rfid-yr903"), line) as got:
            while len(got.scalars(Quantity.INVENTORY)) < 2:
                await asked(line, encode_inventory())
                line.send(yr903(b"\x18\x30\x00" + EPC + b"\x50"))
                line.send(yr903(b"\x00\x00\x20\x00\x00\x00\x01"))

    assert set(got.scalars(Quantity.INVENTORY)) == {1.0}
    assert {r.rssi_cdbm for r in got.readings if isinstance(r, Sighting)} == {-4_900}


async def test_a_round_is_not_counted_in_halves() -> None:
    """Tags of one inventory that come far apart are one count, made at its end."""
    with Line() as line:
        async with collecting(reader(line, "rfid-chafon"), line) as got:
            reads = 0
            while not got.scalars(Quantity.INVENTORY):
                await asked(line, encode_inventory_18())
                line.send(chafon(0x03, ONE_TAG))
                await until(partial(has_read, got, reads + 1))
                line.send(chafon(0x01, b"\x01\x0c" + EPC[:-1] + b"\x00"))
                reads += 2

    assert set(got.scalars(Quantity.INVENTORY)) == {2.0}


def has_read(got: Collected, count: int) -> bool:
    """Tell whether there were ``count`` reads so far."""
    return sum(isinstance(reading, Sighting) for reading in got.readings) == count


async def test_a_refused_command_is_followed_by_the_other_form() -> None:
    """A UHFReader288 says that the length is wrong, and is then asked in its own way."""
    with Line() as line:
        async with collecting(reader(line, "rfid-chafon"), line) as got:
            await asked(line, encode_inventory_18())
            line.send(chafon(0xFD))
            while not got.scalars(Quantity.INVENTORY):
                await asked(line, encode_inventory_288())
                line.send(chafon(0x01, b"\x01\x00"))

    assert got.scalars(Quantity.INVENTORY)[-1] == 0.0
    assert got.faults() == ["reader_error"]


async def test_noise_that_looks_like_a_long_frame_holds_nothing_back() -> None:
    """A Chafon frame has no start mark: when the line pauses, what came is searched anew."""
    with Line() as line:
        async with collecting(reader(line, "rfid-chafon"), line) as got:
            await asked(line, encode_inventory_18())
            line.send(b"\xf0" + chafon(0x01, ONE_TAG))
            await until(lambda: any(isinstance(r, Sighting) for r in got.readings))

    assert got.faults() == ["truncated"]


async def test_a_reader_that_lost_the_command_is_asked_again() -> None:
    """Silence after a command is not waited out for ever."""
    with Line() as line:
        async with collecting(reader(line, "rfid-yr903"), line):
            await asked(line, encode_inventory())
            await asked(line, encode_inventory())


async def test_a_ublox_receiver_is_told_what_to_say() -> None:
    """The messages that are read are turned on when the port opens."""
    with Line() as line:
        section = make_section(line, "ubx")
        driver = read_serial_line(section, family("ubx").make(), SystemClock())
        async with collecting(driver, line):
            await asked(line, encode_setup())
