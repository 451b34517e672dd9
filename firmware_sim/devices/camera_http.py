"""An IP camera that gives its present image over HTTP: ``GET /snapshot.jpg``.

Source: RFC 9110 and RFC 9112; one request a connection, as cheap cameras do.
"""

import asyncio
from typing import Final

from firmware_sim.devices.listener import Listener
from firmware_sim.devices.scene import Scene, meeting, view_of
from firmware_sim.incidents import snapshot_of
from firmware_sim.noise import CameraLife, Surroundings
from firmware_sim.plan import CameraPlan
from firmware_sim.plant import Plant

PATH: Final = "/snapshot.jpg"
REQUEST_BYTES_MAX: Final = 8_192
REQUEST_S_MAX: Final = 5.0
CONNECTIONS_MAX: Final = 4


class HttpCamera:
    """One camera's web server."""

    def __init__(
        self, plan: CameraPlan, plant: Plant, seed: int, life: CameraLife | None = None
    ) -> None:
        """Prepare; nothing listens yet. ``life`` is what it meets without anybody's doing."""
        self._life = life
        self._began_s = plant.clock.steady_s()
        self._plan = plan
        self._plant = plant
        self._scene = Scene(seed, plan.name)
        self.listener = Listener(self._serve, CONNECTIONS_MAX)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (met := self._met()) is not None and met.offline:
            return
        async with asyncio.timeout(REQUEST_S_MAX):
            request = await reader.readuntil(b"\r\n\r\n")
            method, path, *_ = request[:REQUEST_BYTES_MAX].decode("latin-1").split(" ", 2)
            if method != "GET" or path != PATH:
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                return
            world = self._plant.world
            view = view_of(world, self._plan.name, self._plan.watches)
            image = self._scene.shoot(view if met is None else meeting(view, met))
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nConnection: close\r\n"
                b"Content-Length: %d\r\n\r\n" % len(image)
            )
            writer.write(image)
            await writer.drain()
        device = snapshot_of(self._plan.name)
        self._plant.wrote(device, world, unix_us=self._plant.clock.unix_us())
        writer.write_eof()
        async with asyncio.timeout(REQUEST_S_MAX):
            await reader.read()  # until the other end has it all: closing aborts

    def _met(self) -> Surroundings | None:
        if self._life is None:
            return None
        return self._life.at(self._plant.clock.steady_s() - self._began_s)
