"""Enrolling at a backend that is older than certificates."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from schemas.topics import partition_of
from tests.integration.gateway.daemons import GATEWAY, gateway, write_config
from tests.integration.gateway.support import FakeBackend

pytestmark = pytest.mark.integration


class _Old(BaseHTTPRequestHandler):
    """Refuses what it does not know, as the api's models do."""

    def do_POST(self) -> None:
        """Answer an enrolment."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "certificate" in asked:
            message = "body.certificate: Extra inputs are not permitted"
            self._answer(422, {"error": {"code": "invalid", "message": message, "detail": {}}})
            return
        login = {"url": "mqtt://127.0.0.1:1883", "username": GATEWAY, "password": "p"}
        key = FakeBackend(GATEWAY).notary.public_key.hex()
        partition = partition_of(GATEWAY)
        self._answer(200, {"backend_key": key, "broker": login, "partition": partition})

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def old_url() -> Iterator[str]:
    """The address of an old backend."""
    with HTTPServer(("127.0.0.1", 0), _Old) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_old_backend_enrols_by_password(old_url: str, tmp_path: Path) -> None:
    """It refuses the request for a certificate by name; the gateway then asks for none."""
    config = write_config(tmp_path, "mqtt://127.0.0.1:1883")
    done = gateway("enrol", old_url, "CODE", "--config", str(config))

    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "state" / "broker.pem").exists()
    kept = json.loads((tmp_path / "state" / "enrolment.json").read_text(encoding="utf-8"))
    assert kept["broker"]["password"] == "p"
    assert kept["backend_url"] == old_url
