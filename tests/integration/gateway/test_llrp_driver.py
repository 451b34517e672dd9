"""The LLRP driver against a simulated reader that knows nothing of the gateway's codec."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path

import cbor2

from deploy.ports import free_port
from firmware_sim.clock import SystemClock as SimulatorClock
from firmware_sim.incidents import Kind
from firmware_sim.scenario import parse_scenario
from firmware_sim.site import Options, Site
from gateway.clock import SystemClock
from gateway.config.llrp import AntennaSection
from gateway.decode.llrp_wire import encode_message
from gateway.reading import EventReading
from tests.integration.gateway.network_reader import (
    EPC_96,
    EPC_144,
    counts,
    field,
    make_section,
    reading,
    said,
    serving,
    sightings,
)
from tests.integration.gateway.support import until
from tests.stream_server import listening


async def test_tags_of_all_antennas_come_round_by_round() -> None:
    """EPCs of any length, with antenna, strength and the reader's count of reads."""
    async with (
        serving(field(EPC_96, EPC_144), field(EPC_96)) as (_, port),
        reading(make_section(port)) as got,
    ):
        await until(lambda: len(counts(got.readings)) >= 3)

    seen = sightings(got.readings)
    assert {(s.epc, s.antenna, s.rssi_cdbm) for s in seen} == {
        (EPC_96, 1, -5_600),
        (EPC_144, 1, -5_600),
        (EPC_96, 2, -5_600),
    }
    assert max(s.count for s in seen) >= 2
    assert counts(got.readings)[:3] == [2.0] * 3
    assert said(got.readings) == []


async def test_an_empty_field_is_counted_too() -> None:
    """A reader that sees nothing says so each round: silence would prove nothing."""
    async with serving(field()) as (_, port), reading(make_section(port)) as got:
        await until(lambda: counts(got.readings)[:2] == [0.0, 0.0])


async def test_tags_may_come_each_at_once() -> None:
    """Per tag, sightings come before the round's end."""
    async with (
        serving(field(EPC_96)) as (_, port),
        reading(make_section(port, report_ms=0)) as got,
    ):
        await until(lambda: len(sightings(got.readings)) >= 3)
        assert len(counts(got.readings)) == 0
        await until(lambda: counts(got.readings)[:1] == [1.0])


async def test_only_named_antennas_are_used_and_belong_to_their_sensors() -> None:
    """Antenna 2 looks at a zone of its own; antenna 3 is not asked."""
    other = b"\x01" * 12
    async with serving(field(EPC_96), field(other), field(EPC_144)) as (_, port):
        cold = [AntennaSection(number=2, sensor="cold")]
        async with reading(make_section(port, antennas=[1], antenna=cold)) as got:
            await until(lambda: len(counts(got.readings, "cold")) >= 2)

    assert {(s.sensor, s.epc) for s in sightings(got.readings)} == {
        ("portal", EPC_96),
        ("cold", other),
    }
    assert set(counts(got.readings)) == set(counts(got.readings, "cold")) == {1.0}


async def test_an_antenna_that_does_not_exist_is_refused() -> None:
    """A configuration that the reader cannot fulfil is told, with what it has."""
    async with (
        serving(field()) as (_, port),
        reading(make_section(port, antennas=[1, 2])) as got,
    ):
        await until(lambda: got.error is not None)

    assert "antennas [2] do not exist: it has 1" in str(got.error)


async def test_messages_may_come_byte_by_byte() -> None:
    """However TCP cuts the stream, it is the same."""
    async with serving(field(EPC_96, EPC_144)) as (reader, port):
        reader.whims.one_byte_segments = True
        async with reading(make_section(port)) as got:
            await until(lambda: counts(got.readings)[:2] == [2.0, 2.0], deadline_s=30)


async def test_keepalives_are_acknowledged() -> None:
    """A reader that gets no answer would close the connection."""
    async with serving(field()) as (reader, port), reading(make_section(port)) as got:
        await until(lambda: reader.acknowledged >= 3)

    assert got.error is None


async def test_keepalives_that_stop_end_the_connection() -> None:
    """Three periods of silence are enough, although tags still come; then it connects anew."""
    async with serving(field(EPC_96)) as (reader, port):
        async with reading(make_section(port)) as got:
            await until(lambda: bool(counts(got.readings)))
            reader.whims.keepalives = False
            await until(lambda: got.error is not None)
        assert "no keepalive for 0.6 s" in str(got.error)

        reader.whims.keepalives = True
        await until(lambda: not reader.connected)
        async with reading(make_section(port)) as again:
            await until(lambda: bool(counts(again.readings)))
        assert again.error is None


async def test_a_reset_connection_is_told_and_taken_up_again() -> None:
    """A reader that lost its power is set up from the beginning when it is back."""
    async with serving(field(EPC_96)) as (reader, port):
        for _ in range(3):
            async with reading(make_section(port)) as got:
                await until(lambda got=got: bool(counts(got.readings)))
                reader.drop()
                await until(lambda got=got: got.error is not None)
            await until(lambda: not reader.connected)
            assert counts(got.readings)[-1] == 1.0


async def test_a_lost_antenna_is_told_and_its_sensor_no_longer_counts() -> None:
    """Without its antenna a sensor is blind, which is not the same as an empty field."""
    async with serving(field(EPC_96), field(EPC_96)) as (reader, port):
        cold = [AntennaSection(number=2, sensor="cold")]
        async with reading(make_section(port, antennas=[1], antenna=cold)) as got:
            await until(lambda: len(counts(got.readings, "cold")) >= 2)
            await reader.plug(2, connected=False)
            await until(lambda: ("antenna_disconnected", 2) in said(got.readings))
            blind = len(counts(got.readings, "cold"))
            rounds = len(counts(got.readings))
            await until(lambda: len(counts(got.readings)) >= rounds + 3)
            assert len(counts(got.readings, "cold")) == blind

            await reader.plug(2, connected=True)
            await until(lambda: ("antenna_connected", 2) in said(got.readings))
            await until(lambda: len(counts(got.readings, "cold")) > blind)


async def test_an_antenna_missing_from_the_start_is_told() -> None:
    """Whoever connects learns what was unplugged while nobody listened."""
    async with serving(field(EPC_96), field()) as (reader, port):
        reader.unplugged.add(2)
        async with reading(make_section(port, antennas=[1, 2])) as got:
            await until(lambda: len(sightings(got.readings)) >= 2)

    assert said(got.readings) == [("antenna_disconnected", 2)]
    assert counts(got.readings) == []


async def test_a_reader_that_does_not_know_its_antennas_is_read() -> None:
    """What it refuses to say is no reason to go without its tags."""
    async with serving(field(EPC_96)) as (reader, port):
        reader.whims.mute_about_antennas = True
        async with reading(make_section(port, antennas=[1])) as got:
            await until(lambda: counts(got.readings)[:1] == [1.0])

    assert got.error is None


async def test_exceptions_and_overflows_are_told() -> None:
    """What went wrong in the reader reaches the journal."""
    async with serving(field()) as (reader, port), reading(make_section(port)) as got:
        await until(lambda: bool(counts(got.readings)))
        await reader.complain("too hot", antenna=1)
        await reader.overflow()
        await until(lambda: len(said(got.readings)) >= 2)

    assert said(got.readings) == [("reader_exception", 1), ("buffer_overflow", None)]


async def test_the_offset_of_the_readers_clock_is_told_and_sightings_keep_ours() -> None:
    """A reader without NTP is found out; its clock stamps nothing of ours."""
    async with serving(field(EPC_96)) as (reader, port):
        reader.whims.clock_skew_us = -3_600_000_000
        before_us = SystemClock().unix_us()
        async with reading(make_section(port)) as got:
            await until(lambda: ("clock_offset", None) in said(got.readings))
            reader.whims.clock_skew_us = 0
            await until(lambda: said(got.readings).count(("clock_offset", None)) >= 2)
        after_us = SystemClock().unix_us()

    offsets = [
        cbor2.loads(r.body)["offset_us"] for r in got.readings if isinstance(r, EventReading)
    ]
    assert abs(offsets[0] + 3_600_000_000) < 1_000_000
    assert abs(offsets[1]) < 1_000_000
    assert all(before_us <= s.time_unix_us <= after_us for s in sightings(got.readings))


async def test_a_second_client_is_refused_and_the_first_is_told() -> None:
    """One reader, one client: who comes second learns why, who was first learns of it."""
    async with serving(field(EPC_96)) as (_, port), reading(make_section(port)) as first:
        await until(lambda: bool(counts(first.readings)))
        async with reading(make_section(port)) as second:
            await until(lambda: second.error is not None)
        await until(lambda: ("other_client", None) in said(first.readings))
        rounds = len(counts(first.readings))
        await until(lambda: len(counts(first.readings)) >= rounds + 2)

    assert "refuses the connection: another client is connected already" in str(second.error)
    assert second.readings == []
    assert first.error is None


async def test_leaving_frees_the_reader_at_once() -> None:
    """A gateway that stops takes leave, so that the next one is not refused."""
    async with serving(field()) as (reader, port):
        for _ in range(3):
            async with reading(make_section(port)) as got:
                await until(lambda got=got: bool(counts(got.readings)))
            await until(lambda: not reader.connected)
            assert got.error is None


async def test_a_reader_that_is_not_there() -> None:
    """A refused connection names the address."""
    port = free_port()
    async with reading(make_section(port)) as got:
        await until(lambda: got.error is not None)

    assert f"portal: cannot connect to tcp://127.0.0.1:{port}" in str(got.error)


@asynccontextmanager
async def answering(data: bytes) -> AsyncGenerator[int]:
    """Serve ``data`` to whoever connects, and nothing else."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        while await reader.read(4_096):
            pass

    async with listening(serve) as port:
        yield port


async def test_what_is_no_reader_is_named() -> None:
    """Another service on the port is told by its first bytes."""
    async with answering(b"SSH-2.0-OpenSSH_9.2p1\r\n") as port, reading(make_section(port)) as got:
        await until(lambda: got.error is not None)

    assert "not LLRP (malformed): 5353482d322e302d4f70" in str(got.error)


async def test_a_reader_that_does_not_greet_is_an_error() -> None:
    """Its first word must be whether it takes the client."""
    keepalive = encode_message(62, 1)
    async with answering(keepalive) as port, reading(make_section(port)) as got:
        await until(lambda: got.error is not None)

    assert "expected a connection attempt, got ReaderMessage" in str(got.error)


ONE_READER = """
[[reader]]
name = "net-a"
gateway = "gw-north"
zone = "hall-a"
form = "llrp"
device = "portal"
antenna = 1
[[reader]]
name = "net-b"
gateway = "gw-north"
zone = "hall-b"
form = "llrp"
device = "portal"
antenna = 2
"""


async def test_a_site_has_network_readers(tmp_path: Path) -> None:
    """A pallet that is taken from its hall is missing from the antenna's next count."""
    harbour = resources.files("firmware_sim.scenarios").joinpath("harbour.toml").read_text()
    scenario = parse_scenario((harbour + ONE_READER).encode())
    site = Site(Options(scenario=scenario, directory=tmp_path, seed=1), SimulatorClock())
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(site.run(stop))
        await until((tmp_path / "ports.json").exists)
        port = json.loads((tmp_path / "ports.json").read_text())["llrp"]["portal"]
        antennas = [
            AntennaSection(number=1, sensor="net-a"),
            AntennaSection(number=2, sensor="net-b"),
        ]
        async with reading(make_section(port, antenna=antennas)) as got:
            await until(lambda: 10.0 in counts(got.readings, "net-a"))
            await until(lambda: 8.0 in counts(got.readings, "net-b"))
            incident = site.plant.start(Kind.TAKE_PALLET, "copper")
            book = site.plant.book
            await until(lambda: book.get(incident.id).first_bytes_unix_us is not None)
            shown = len(counts(got.readings, "net-a"))  # A tag may also be missed by chance.
            await until(lambda: 9.0 in counts(got.readings, "net-a")[shown:])
            label = book.get(incident.id)
        stop.set()

    assert label.first_bytes_unix_us is not None
    assert label.first_bytes_unix_us >= label.started_unix_us
