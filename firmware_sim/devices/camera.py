"""The site's cameras as one Frigate and their ONVIF firmware, on the site's MQTT broker.

Nothing is queued while the broker is away: on return the present state is published afresh, as the
retained topics of both sources are. Deliberately absent: images, which ``camera_http`` gives.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from string import ascii_lowercase
from typing import Final

import aiomqtt
import structlog

from firmware_sim.clock import raise_if_cancelled
from firmware_sim.devices.camera_events import (
    AVAILABLE_TOPIC,
    Publication,
    Track,
    available,
    cover_events,
    status,
    track_event,
    track_id,
)
from firmware_sim.incidents import PALLET_KINDS, Incident
from firmware_sim.noise import CameraLife, Surroundings
from firmware_sim.plan import CameraPlan, Scenario
from firmware_sim.plant import Plant
from firmware_sim.world import World

STATUS_PERIOD_S = 10.0  # Frigate's camera watchdog looks this often
RETRY_S: Final = (0.2, 5.0)  # first and longest pause before the broker is tried again
PUBLISH_TIMEOUT_S = 5.0
TRACK_S = 3.0  # how long somebody stays in view
TRACKS_MAX = 16  # beyond this an operator's clicking is not worth following

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerLogin:
    """How to reach the site's broker."""

    host: str
    port: int
    user: str | None = None
    password: str | None = None


class Cameras:
    """All cameras of the site behind one MQTT session."""

    def __init__(
        self,
        scenario: Scenario,
        login: BrokerLogin,
        plant: Plant,
        rng: Random,
        lives: Mapping[str, CameraLife],
    ) -> None:
        """Publish for the scenario's cameras over ``login``; ``lives``: what they meet."""
        self._lives = lives
        self._began_s = plant.clock.steady_s()
        self._lorries: dict[str, Track] = {}
        self._plans = scenario.cameras
        self._scenario = scenario
        self._login = login
        self._plant = plant
        self._rng = rng
        self._followed: set[str] = {incident.id for incident in plant.book.all()}
        self._tracks: dict[str, Track] = {}

    async def run(self) -> None:
        """Stay connected and publish until cancelled."""
        pause_s, away = RETRY_S[0], False
        while True:
            try:
                async with self._client() as client, asyncio.TaskGroup() as group:
                    if away:
                        _log.info("cameras_broker_back", port=self._login.port)
                    pause_s, away = RETRY_S[0], False
                    group.create_task(_until_lost(client))
                    await self._session(client)
            except* aiomqtt.MqttError as excs:
                if not away:
                    why = str(excs.exceptions[0])
                    _log.warning("cameras_broker_lost", port=self._login.port, why=why)
                away = True
            raise_if_cancelled()
            await asyncio.sleep(pause_s)
            pause_s = min(RETRY_S[1], pause_s * 2)

    def _client(self) -> aiomqtt.Client:
        return aiomqtt.Client(
            self._login.host,
            self._login.port,
            username=self._login.user,
            password=self._login.password,
            identifier=f"frigate-{self._scenario.site}",
            will=aiomqtt.Will(AVAILABLE_TOPIC, b"offline", qos=1, retain=True),
            timeout=PUBLISH_TIMEOUT_S,
            keepalive=20,
        )

    async def _session(self, client: aiomqtt.Client) -> None:
        world = self._plant.world
        await self._publish(client, available("online"))
        for plan in self._plans:
            await self._say_cover(client, plan, world)
        covered, next_status_s = world.covered, 0.0
        while True:
            if self._plant.clock.steady_s() >= next_status_s:
                for plan in self._plans:
                    met = self._met(plan)
                    state = "offline" if met is not None and met.offline else "online"
                    await self._publish(client, status(plan.camera, "detect", state))
                    await self._follow_lorry(client, plan, met)
                next_status_s = self._plant.clock.steady_s() + STATUS_PERIOD_S
            await self._follow(client)
            world = await self._next(world.revision, next_status_s)
            for plan in self._plans:
                if (plan.name in world.covered) != (plan.name in covered):
                    await self._say_cover(client, plan, world)
            covered = world.covered

    async def _next(self, revision: int, next_status_s: float) -> World:
        wait_s = next_status_s - self._plant.clock.steady_s()
        if self._tracks:
            wait_s = min(wait_s, 1.0)
        try:
            async with asyncio.timeout(max(0.0, wait_s)):
                return await self._plant.changed_since(revision)
        except TimeoutError:
            return self._plant.world

    async def _say_cover(self, client: aiomqtt.Client, plan: CameraPlan, world: World) -> None:
        covered, unix_us = plan.name in world.covered, self._plant.clock.unix_us()
        for event in cover_events(plan.camera, covered=covered, unix_us=unix_us):
            await self._publish(client, event)
        self._plant.wrote(plan.name, world, unix_us=unix_us)

    async def _follow(self, client: aiomqtt.Client) -> None:
        """Tell of the people who carry pallets: they come, they are seen, they leave."""
        now_us = self._plant.clock.unix_us()
        for incident_id, track in list(self._tracks.items()):
            ended = now_us - track.start_unix_us > TRACK_S * 1e6
            await self._publish(client, track_event(track, "end" if ended else "update", now_us))
            if ended:
                del self._tracks[incident_id]
        for incident in self._plant.book.active():
            if incident.id in self._followed or len(self._tracks) >= TRACKS_MAX:
                continue
            self._followed.add(incident.id)
            if (track := self._track(incident)) is not None:
                self._tracks[incident.id] = track
                await self._publish(client, track_event(track, "new", track.start_unix_us))

    def _met(self, plan: CameraPlan) -> Surroundings | None:
        life = self._lives.get(plan.name)
        return None if life is None else life.at(self._plant.clock.steady_s() - self._began_s)

    async def _follow_lorry(
        self, client: aiomqtt.Client, plan: CameraPlan, met: Surroundings | None
    ) -> None:
        """Tell of a lorry that comes by itself, as it is seen, and as it leaves."""
        covered = plan.name in self._plant.world.covered
        there = met is not None and met.truck and not met.offline and not covered
        now_us = self._plant.clock.unix_us()
        if there and plan.name not in self._lorries:
            track = self._lorries[plan.name] = self._new(plan, "truck", plan.watches[0])
            await self._publish(client, track_event(track, "new", track.start_unix_us))
        elif not there and plan.name in self._lorries:
            track = self._lorries.pop(plan.name)
            await self._publish(client, track_event(track, "end", now_us))

    def _track(self, incident: Incident) -> Track | None:
        if incident.kind not in PALLET_KINDS or incident.lot is None:
            return None
        zone = self._scenario.lot(incident.lot).zone
        plan = next((plan for plan in self._plans if zone in plan.watches), None)
        if plan is None or plan.name in self._plant.world.covered:
            return None
        return self._new(plan, "person", zone)

    def _new(self, plan: CameraPlan, label: str, zone: str) -> Track:
        suffix = "".join(self._rng.choices(ascii_lowercase, k=6))
        start_us = self._plant.clock.unix_us()
        return Track(
            id=track_id(start_us, suffix),
            camera=plan.camera,
            label=label,
            zone=zone,
            start_unix_us=start_us,
        )

    async def _publish(self, client: aiomqtt.Client, message: Publication) -> None:
        await client.publish(
            message.topic, message.payload, qos=message.qos, retain=message.retain
        )
        raise_if_cancelled()


async def _until_lost(client: aiomqtt.Client) -> None:
    """Wait until the broker is gone; nothing is subscribed, so that no message comes before."""
    async for _ in client.messages:
        pass
