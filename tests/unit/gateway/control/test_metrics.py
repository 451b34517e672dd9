"""Metrics are Prometheus text whose labels the configuration bounds."""

import asyncio
import re
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.control.http import REQUEST_BYTES_MAX, MetricsServer
from gateway.control.metrics import metrics_text
from gateway.errors import StateError
from tests.unit.gateway.builders import make_sensor_status, make_status


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return all samples of ``text`` as a Prometheus server reads it."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_figures_are_those_of_the_status() -> None:
    """A reader of the text format finds each figure under its name and labels."""
    read = samples(metrics_text(make_status()))

    def value(name: str, **labels: str) -> float:
        return read[f"pledgewatch_gateway_{name}", frozenset(labels.items())]

    assert value("readings_total", sensor="scale-1", quality="good") == 7
    assert value("sensor_health", sensor="scale-1", state="up") == 1
    assert value("sensor_health", sensor="scale-1", state="silent") == 0
    assert value("sensor_age_seconds", sensor="scale-1") == 0.5
    assert value("driver_restarts_total", driver="scale-1") == 2
    assert value("outbox_readings_emitted_total") == 100
    assert value("outbox_envelopes_unreceipted") == 3
    assert value("uplink_state", state="open") == 1
    assert value("receipt_number") == 9
    assert value("receipts_forged_total") == 1
    assert value("clock_disciplined") == 1


def test_what_is_unknown_is_left_out() -> None:
    """A disk that does not answer, a sensor never heard, no receipt yet: no figure, no zero."""
    status = msgspec.structs.replace(
        make_status(), outbox=None, sensors=[make_sensor_status(age_s=None)]
    )
    names = {name for name, _ in samples(metrics_text(status))}

    assert "pledgewatch_gateway_sensor_age_seconds" not in names
    assert not any("outbox" in name for name in names)


def test_no_free_text_becomes_a_label() -> None:
    """Reasons and errors are never labels: each new text would be a new series for ever."""
    sensor = make_sensor_status(why="reason-of-today")
    text = metrics_text(msgspec.structs.replace(make_status(), sensors=[sensor]))

    assert "reason-of-today" not in text
    labels = set(re.findall(r'(\w+)="', text))
    assert labels == {"sensor", "quality", "state", "driver", "software", "software_sha256"}


async def render() -> str:
    """Return some metrics."""
    return metrics_text(make_status())


@asynccontextmanager
async def serving() -> AsyncGenerator[int]:
    """Serve on a free port meanwhile."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = MetricsServer("127.0.0.1", port, render)
    await server.open()
    try:
        yield port
    finally:
        await server.close()


async def ask(port: int, request: bytes) -> bytes:
    """Send ``request``; return all that comes until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return answer


async def test_metrics_are_served() -> None:
    """A scraper's GET is answered whole, with type and length."""
    async with serving() as port:
        head, _, body = (await ask(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")).partition(
            b"\r\n\r\n"
        )
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"text/plain; version=0.0.4" in head
    assert f"Content-Length: {len(body)}".encode() in head
    assert body.decode() == await render()


@pytest.mark.parametrize(
    ("request_bytes", "answer"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"HTTP/1.1 405"),
        (b"\r\n\r\n", b"HTTP/1.1 404"),
        (b"x" * (REQUEST_BYTES_MAX + 1) + b"\r\n\r\n", b""),
    ],
)
async def test_everything_else_is_refused(request_bytes: bytes, answer: bytes) -> None:
    """Other paths, other methods, noise and floods get a refusal or nothing."""
    async with serving() as port:
        assert (await ask(port, request_bytes)).startswith(answer)


async def test_taken_address_is_told() -> None:
    """A port that another program has is named, with the key to change."""
    async with serving() as port:
        with pytest.raises(StateError, match=r"metrics\.listen: cannot listen on 127\.0\.0\.1"):
            await MetricsServer("127.0.0.1", port, render).open()
