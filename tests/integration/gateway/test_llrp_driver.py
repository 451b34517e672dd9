"""The LLRP driver against a simulated reader that knows nothing of the gateway's codec."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deploy.ports import free_port
from firmware_sim.clock import SystemClock as SimulatorClock
from firmware_sim.devices.llrp_serve import Field, LlrpReader
from firmware_sim.devices.rfid_yrm100 import TagSeen
from gateway.clock import SystemClock
from gateway.config.llrp import AntennaSection, LlrpSection
from gateway.decode.llrp_wire import encode_message
from gateway.drivers.llrp import read_llrp
from gateway.reading import EventReading, Reading, Scalar, Sighting
from schemas.quantities import EventType
from tests.integration.gateway.support import until
from tests.integration.gateway.test_serial_drivers import Collected, collecting

EPC_96 = bytes.fromhex("3074257bf7194e4000001a85")
EPC_144 = bytes(range(18))


def field(*epcs: bytes) -> Field:
    """Return what an antenna sees in every pass."""
    return lambda: [TagSeen(epc=epc, rssi_dbm=-56.0) for epc in epcs]


@asynccontextmanager
async def serving(*fields: Field) -> AsyncGenerator[tuple[LlrpReader, int]]:
    """Serve a reader with an antenna for each field, numbered from 1."""
    reader = LlrpReader(dict(enumerate(fields, 1)), SimulatorClock())
    port = await reader.listener.open()
    try:
        yield reader, port
    finally:
        await reader.listener.close()


def make_section(port: int, **overrides: Any) -> LlrpSection:  # noqa: ANN401 - any of the fields
    """Return the configuration of a reader with short rounds."""
    values: dict[str, Any] = {
        "sensor": "portal",
        "url": f"tcp://127.0.0.1:{port}",
        "report_ms": 200,
        "keepalive_s": 0.2,
    }
    return LlrpSection(**(values | overrides))


@asynccontextmanager
async def reading(section: LlrpSection) -> AsyncGenerator[Collected]:
    """Run the driver meanwhile."""
    async with collecting(read_llrp(section, SystemClock())) as collected:
        yield collected


def sightings(readings: Sequence[Reading]) -> list[Sighting]:
    """Return the tags that were seen."""
    return [r for r in readings if isinstance(r, Sighting)]


def counts(readings: Sequence[Reading], sensor: str = "portal") -> list[float]:
    """Return one sensor's counts, round by round."""
    return [r.value for r in readings if isinstance(r, Scalar) and r.sensor == sensor]


def said(readings: Sequence[Reading]) -> list[tuple[str, int | None]]:
    """Return what the reader said of itself, and of which antenna."""
    events = [r for r in readings if isinstance(r, EventReading)]
    assert all(r.type is EventType.READER_EVENT for r in events)
    bodies = [cbor2.loads(r.body) for r in events]
    return [(body["what"], body["antenna"]) for body in bodies]


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
    writers: list[asyncio.StreamWriter] = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(data)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        for writer in writers:
            writer.close()


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


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Return a self-signed certificate for the loopback, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "reader")])
    now = datetime.datetime.fromtimestamp(SystemClock().unix_us() / 1e6, datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "reader.crt", folder / "reader.key"
    cert_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert_file, key_file


@asynccontextmanager
async def wrapped(port: int, cert_file: Path, key_file: Path) -> AsyncGenerator[int]:
    """Serve the reader on ``port`` over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while chunk := await source.read(4_096):
            sink.write(chunk)
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pump(reader, far_writer))
            tasks.create_task(pump(far_reader, writer))

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def test_llrp_over_tls(tmp_path: Path) -> None:
    """A reader whose certificate is known is read over TLS."""
    cert_file, key_file = make_certificate(tmp_path)
    async with serving(field(EPC_96)) as (reader, port), wrapped(port, cert_file, key_file) as tls:
        section = make_section(tls, url=f"tls://127.0.0.1:{tls}", ca_file=str(cert_file))
        async with reading(section) as got:
            await until(lambda: counts(got.readings)[:1] == [1.0])
        await until(lambda: not reader.connected)

    assert got.error is None


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    """An unknown certificate ends the connection before anything is said."""
    cert_file, key_file = make_certificate(tmp_path)
    async with serving(field(EPC_96)) as (reader, port), wrapped(port, cert_file, key_file) as tls:
        async with reading(make_section(tls, url=f"tls://127.0.0.1:{tls}")) as got:
            await until(lambda: got.error is not None)

        assert "certificate verify failed" in str(got.error)
        assert not reader.connected
