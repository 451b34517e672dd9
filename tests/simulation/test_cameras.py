"""The cameras, on a real MQTT broker that comes and goes."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt

from firmware_sim.devices.camera import BrokerLogin
from firmware_sim.incidents import Kind
from firmware_sim.site import Options
from tests.simulation.sim_site import Running, broker, free_port, quick_harbour, running, until

DARK = "cam-dock/onvif-ej/VideoSource/ImageTooDark/ImagingService/&VideoSource_1"
SCENE = "cam-dock/onvif-ej/VideoSource/GlobalSceneChange/ImagingService/&VideoSource_1"


class Listener:
    """A subscriber to everything, in order of arrival."""

    def __init__(self) -> None:
        """Have heard nothing yet."""
        self.heard: list[tuple[str, str]] = []

    async def run(self, port: int) -> None:
        """Listen until cancelled."""
        async with aiomqtt.Client("127.0.0.1", port, identifier="listener") as client:
            await client.subscribe("#", qos=1)
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                self.heard.append((str(message.topic), message.payload.decode()))

    def state(self, topic: str) -> bool | None:
        """Return the last state that ``topic`` told, None before the first."""
        told = [json.loads(payload) for heard, payload in self.heard if heard == topic]
        return told[-1]["Data"]["State"] if told else None

    def tracks(self) -> list[dict[str, Any]]:
        """Return Frigate's events so far."""
        return [json.loads(payload) for topic, payload in self.heard if topic == "frigate/events"]


@asynccontextmanager
async def listened(port: int) -> AsyncGenerator[Listener]:
    """Run a listener on the broker at ``port``."""
    listener = Listener()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(listener.run(port))
        try:
            yield listener
        finally:
            task.cancel()


def options(directory: Path, port: int) -> Options:
    """Return a quick harbour on the broker at ``port``."""
    login = BrokerLogin(host="127.0.0.1", port=port)
    return Options(scenario=quick_harbour(), directory=directory, seed=1, broker=login)


async def covered_and_freed(site: Running, listener: Listener) -> None:
    """Cover the dock's camera, see both events, free it, see both withdrawn."""
    await until(lambda: listener.state(SCENE) is False, "initial state")
    incident = await site.start(Kind.COVER_CAMERA, "copper")
    await until(lambda: listener.state(DARK) and listener.state(SCENE), "covered")
    await site.shown(incident)
    await site.undo(incident)
    await until(lambda: listener.state(DARK) is False and listener.state(SCENE) is False, "free")


async def test_frigate_is_online_and_covering_is_told_and_withdrawn(tmp_path: Path) -> None:
    """Availability, status and both ONVIF property events arrive at a subscriber."""
    port = free_port()
    async with broker(port), listened(port) as listener, running(options(tmp_path, port)) as site:
        await until(lambda: ("frigate/available", "online") in listener.heard, "available")
        await until(
            lambda: ("frigate/cam-yard/status/detect", "online") in listener.heard, "status"
        )
        await covered_and_freed(site, listener)


async def test_somebody_is_seen_where_a_pallet_is_taken(tmp_path: Path) -> None:
    """Taking a pallet brings a person into view of the camera there, who leaves again."""
    port = free_port()
    async with broker(port), listened(port) as listener, running(options(tmp_path, port)) as site:
        await until(lambda: listener.state(SCENE) is False, "initial state")
        await site.start(Kind.TAKE_PALLET, "copper")
        await until(lambda: [e for e in listener.tracks() if e["type"] == "end"], "seen and gone")
        kinds = [event["type"] for event in listener.tracks()]
        ids = {event["after"]["id"] for event in listener.tracks()}
        assert kinds[0] == "new"
        assert len(ids) == 1
        assert listener.tracks()[0]["after"]["current_zones"] == ["hall-a"]


async def test_cameras_survive_a_broker_that_comes_late_and_restarts(tmp_path: Path) -> None:
    """Without a broker the site runs; each time one appears the present state is told."""
    port = free_port()
    async with running(options(tmp_path, port)) as site:
        async with broker(port), listened(port) as listener:
            await covered_and_freed(site, listener)
        incident = await site.start(Kind.COVER_CAMERA, "copper")
        async with broker(port), listened(port) as listener:
            await until(lambda: listener.state(SCENE), "told on return")
            await site.shown(incident)
