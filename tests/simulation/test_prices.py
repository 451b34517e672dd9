"""The price feed, against a real HTTP server that may be down, refuse, or forget its token."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware_sim.incidents import Kind
from firmware_sim.prices import FeedTarget
from firmware_sim.site import Options
from tests.simulation.sim_site import free_port, quick_harbour, running, until


@dataclass(slots=True)
class Backend:
    """Accepts quotes with the right token, one request a connection."""

    quotes: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, Any]])
    refused: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one POST."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:])}
        body = json.loads(await reader.readexactly(int(fields["content-length"])))
        if fields.get("authorization") == "Bearer secret":
            self.quotes.append((head[0].split(" ")[1], body))
            writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        else:
            self.refused += 1
            writer.write(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    def values(self, instrument: str) -> list[float]:
        """Return the values posted for ``instrument``."""
        path = f"/api/instruments/{instrument}/prices"
        return [float(body["value"]) for posted, body in self.quotes if posted == path]


@asynccontextmanager
async def serving(backend: Backend, port: int) -> AsyncGenerator[None]:
    """Serve ``backend`` on ``port``."""
    server = await asyncio.start_server(backend.serve, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()


def options(directory: Path, port: int, period_s: float) -> Options:
    """Return a harbour that posts to ``port`` each ``period_s``."""
    target = FeedTarget(
        backend_url=f"http://127.0.0.1:{port}", token_file=directory / "feed.token"
    )
    scenario = quick_harbour(price_period_s=period_s)
    return Options(scenario=scenario, directory=directory, seed=1, feed=target)


async def test_quotes_come_each_period_in_the_agreed_form(tmp_path: Path) -> None:
    """Every instrument is posted again and again, with decimals, currency, unit and UTC time."""
    (tmp_path / "feed.token").write_text("secret\n")
    port, backend = free_port(), Backend()
    async with serving(backend, port), running(options(tmp_path, port, 0.1)):
        await until(lambda: len(backend.values("LUBE")) >= 3, "three rounds")
    path, body = backend.quotes[0]
    assert path == "/api/instruments/LME-CU/prices"
    assert body["value"] == "9650.00"
    assert body["time"].endswith("Z")
    assert {k: body[k] for k in ("currency", "unit", "source")} == {
        "currency": "USD",
        "unit": "TNE",
        "source": "sim",
    }


async def test_price_drop_is_posted_at_once_and_undone(tmp_path: Path) -> None:
    """A fall of 15 % does not wait for the period, nor does its end; others stay."""
    (tmp_path / "feed.token").write_text("secret")
    port, backend = free_port(), Backend()
    async with serving(backend, port), running(options(tmp_path, port, 60.0)) as site:
        await until(lambda: backend.values("LUBE"), "first round")
        incident = await site.start(Kind.PRICE_DROP, "fish")
        await site.shown(incident)
        await until(lambda: backend.values("FISH")[-1] < 3150 * 0.86, "fallen")
        await site.undo(incident)
        await until(lambda: backend.values("FISH")[-1] > 3150 * 0.99, "recovered")
        assert min(backend.values("LME-CU")) > 9650 * 0.99


async def test_feed_outlives_a_backend_that_is_down_and_a_missing_token(tmp_path: Path) -> None:
    """Down, unauthorised, then well: the feed keeps trying and gets through."""
    port, backend = free_port(), Backend()
    async with running(options(tmp_path, port, 60.0)):
        (tmp_path / "feed.token").write_text("stale")
        async with serving(backend, port):
            await until(lambda: backend.refused > 0, "refused")
            (tmp_path / "feed.token").write_text("secret")
            await until(lambda: backend.values("LUBE"), "through")
