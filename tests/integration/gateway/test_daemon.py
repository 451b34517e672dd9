"""The whole daemon as its own process: enrolled, fed over a serial line, killed, and read out."""

import asyncio
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import cbor2
import pytest

from deploy.broker import BrokerKind, EmbeddedBroker
from schemas.quantities import EventType
from schemas.topics import partition_of
from tests.integration.gateway.daemons import (
    GATEWAY,
    daemon,
    gateway,
    scale_section,
    write_config,
)
from tests.integration.gateway.lines import Line
from tests.integration.gateway.support import FakeBackend, until

USERS = {"backend": "b-secret", GATEWAY: "g-secret"}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own."""
    with EmbeddedBroker(tmp_path / "broker", USERS, kind=BrokerKind.AMQTT) as running:
        yield running


def write_scale_config(folder: Path, port: str, url: str) -> Path:
    """Write the configuration of a gateway with one scale."""
    return write_config(folder, url, scale_section("scale-1", port, "late_s = 1.0"))


class Enroller(HTTPServer):
    """Answers enrolment as the backend's API does; ``code`` is good once."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), EnrolHandler)
        self.answer = answer
        self.code = "ONE-TIME"
        self.asked: list[dict[str, Any]] = []


class EnrolHandler(BaseHTTPRequestHandler):
    """One request to enrol."""

    def do_POST(self) -> None:
        """Take the code and give the answer."""
        server = self.server
        assert isinstance(server, Enroller)
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        good = self.path == "/api/enrol" and asked["code"] == server.code
        if good:
            server.asked.append(asked)
            server.code = ""
        body = json.dumps(server.answer if good else {"detail": "code_unknown"}).encode()
        self.send_response(200 if good else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def enroller(broker: EmbeddedBroker) -> Iterator[tuple[Enroller, FakeBackend]]:
    """An enrolment service, and the backend whose key it gives out."""
    backend = FakeBackend(GATEWAY)
    server = Enroller(
        {
            "backend_key": backend.notary.public_key.hex(),
            "broker": {"url": broker.url, "username": GATEWAY, "password": USERS[GATEWAY]},
            "partition": partition_of(GATEWAY),
        }
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server, backend
    server.shutdown()
    thread.join()
    server.server_close()


def enrol(server: Enroller, config: Path) -> subprocess.CompletedProcess[str]:
    """Enrol the gateway of ``config`` with the one-time code."""
    url = f"http://127.0.0.1:{server.server_port}"
    return gateway("enrol", url, "ONE-TIME", "--config", str(config))


def outbox(config: Path) -> dict[str, Any]:
    """Return what the outbox command says."""
    done = gateway("outbox", "--config", str(config))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def events(backend: FakeBackend, kind: EventType) -> list[dict[str, Any]]:
    """Return the bodies of all events of one type that the backend holds."""
    return [
        cbor2.loads(body)
        for envelope in backend.envelopes
        for event, body in zip(envelope.events.type, envelope.events.body, strict=True)
        if event is kind
    ]


@pytest.mark.slow
@pytest.mark.timeout(90)
async def test_daemon_killed_and_cut_off_delivers_every_weight_once(
    broker: EmbeddedBroker, enroller: tuple[Enroller, FakeBackend], tmp_path: Path
) -> None:
    """Enrol, weigh, kill -9, start again, pull the cable, stop: readings sent = readings held."""
    server, backend = enroller
    with Line() as line:
        config = write_scale_config(tmp_path, line.path, broker.url)
        done = await asyncio.to_thread(enrol, server, config)
        assert done.returncode == 0, done.stderr
        backend.gateway_key = bytes.fromhex(server.asked[0]["public_key"])
        login = {"username": "backend", "password": USERS["backend"]}

        def weights() -> list[float]:
            return [value for _, value in backend.scalars("scale-1")]

        async with backend.serving(broker.port, **login):
            async with daemon(config) as process:
                await until(lambda: line.is_open)
                for kilograms in range(5):
                    line.send(b"ST,GS,+%07.2fkg\r\n" % kilograms)
                await until(lambda: len(weights()) == 5)
                process.kill()
                await process.wait()
                line.rearm()
            async with daemon(config):
                await until(lambda: len(events(backend, EventType.GATEWAY_START)) == 2)
                await until(lambda: line.is_open)
                line.send(b"ST,GS,+0099.00kg\r\n")
                await until(lambda: 99_000.0 in weights())
                line.cut()
                await until(lambda: "late" in [b["state"] for b in health(backend)[-1:]])
        assert weights() == [0.0, 1_000.0, 2_000.0, 3_000.0, 4_000.0, 99_000.0]
        assert backend.forks == backend.gaps == 0

        stats = await asyncio.to_thread(outbox, config)
        assert stats["emitted"] == stats["sealed_readings"] == backend.readings
        assert stats["head_number"] == backend.number


def health(backend: FakeBackend) -> list[dict[str, Any]]:
    """Return the health events that the backend holds."""
    return events(backend, EventType.HEALTH)


def test_code_is_good_once(enroller: tuple[Enroller, FakeBackend], tmp_path: Path) -> None:
    """A second enrolment with the same code is refused, with the backend's reason."""
    server, _ = enroller
    config = write_scale_config(tmp_path, "/dev/null", "mqtt://127.0.0.1:1")
    assert enrol(server, config).returncode == 0
    again = enrol(server, config)

    assert again.returncode == 1
    assert "refused with 404" in again.stderr
    assert "code_unknown" in again.stderr
    assert (tmp_path / "state" / "enrolment.json").stat().st_mode & 0o777 == 0o600


def test_key_is_made_once_and_shown(tmp_path: Path) -> None:
    """Keygen and pubkey print the same 64 hex digits, run after run."""
    config = write_scale_config(tmp_path, "/dev/null", "mqtt://127.0.0.1:1")
    first = gateway("keygen", "--config", str(config))
    second = gateway("pubkey", "--config", str(config))

    assert first.returncode == second.returncode == 0
    assert first.stdout == second.stdout
    assert len(bytes.fromhex(first.stdout.strip())) == 32


def test_gateway_that_is_not_enrolled_says_so(tmp_path: Path) -> None:
    """Without a backend's key nothing starts, and the message says what to do."""
    config = write_scale_config(tmp_path, "/dev/null", "mqtt://127.0.0.1:1")
    done = gateway("run", "--config", str(config))

    assert done.returncode == 3
    assert "uplink.backend_key is None, must be given here or by `gateway enrol`" in done.stderr


def test_check_names_what_is_wrong(tmp_path: Path) -> None:
    """Check ends with code 3 and one line: file, key, value, bound."""
    config = write_scale_config(tmp_path, "/dev/null", "mqtt://127.0.0.1:1")
    assert gateway("check", "--config", str(config)).returncode == 0
    config.write_text(config.read_text("utf-8").replace("scale-ad", "scale-zz"), "utf-8")
    done = gateway("check", "--config", str(config))

    assert done.returncode == 3
    assert "serial[0].family is 'scale-zz', must be one of" in done.stderr


def test_capture_is_decoded_to_json_lines(tmp_path: Path) -> None:
    """Decode prints one JSON object a line; an unknown family is refused by name."""
    capture = tmp_path / "capture.bin"
    capture.write_bytes(b"ST,GS,+0012.34kg\r\n")
    done = gateway("decode", "--family", "scale-ad", str(capture))

    (line,) = [json.loads(text) for text in done.stdout.splitlines()]
    assert (line["kind"], line["mass_g"], line["stable"]) == ("weight", 12_340, True)
    refused = gateway("decode", "--family", "scale-zz", str(capture))
    assert refused.returncode == 1
    assert "scale-zz" in refused.stderr
    assert "scale-ad" in gateway("decode", "--list").stdout


def test_registers_are_laid_out_in_every_order() -> None:
    """Probe modbus shows the same bytes in all types and word orders."""
    done = gateway("probe", "modbus", "--hex", "0012 d687")

    assert "int32    ABCD  1234567" in done.stdout
    assert gateway("probe", "modbus", "--hex", "zz").returncode == 1
