"""LLRP over TLS: only a reader whose certificate is vouched for is believed."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.clock import SystemClock
from tests.integration.gateway.network_reader import (
    EPC_96,
    counts,
    field,
    make_section,
    reading,
    serving,
)
from tests.integration.gateway.support import until
from tests.stream_server import listening


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

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(pump(reader, far_writer))
                tasks.create_task(pump(far_reader, writer))
        finally:
            far_writer.transport.abort()

    async with listening(relay, tls=context) as wrapped_port:
        yield wrapped_port


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
