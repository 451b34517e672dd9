"""Cameras that give their present image over HTTP: fetched, measured, judged, kept, told.

Every image is a sign of life. Told with their digest, and kept, are those of a heartbeat, those
that a challenge asks for, and those by which a verdict on tampering changes.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Final

import structlog

from gateway.clock import SystemClock
from gateway.config.snapshot import SnapshotSection
from gateway.config.uplink import read_password
from gateway.decode.http_answer import Login
from gateway.decode.image_view import Looked, Tamper, View
from gateway.drivers.convert import event_of
from gateway.drivers.http_get import Target, http_get
from gateway.drivers.picture import NoPictureError, small_grey
from gateway.errors import DeviceError, StateError
from gateway.images.store import ImageStore, Rank
from gateway.reading import Arrival, EventReading
from schemas.image import IMAGE_BYTES_MAX
from schemas.quantities import EventType

GAP_PERIODS_MAX: Final = 3.5  # Images missed beyond this: nothing persisted while nobody looked.
ROLE: Final = "snapshot"

_log = structlog.get_logger()


class SnapshotCamera:
    """One camera; remembers its view between starts of its driver."""

    def __init__(self, config: SnapshotSection, clock: SystemClock, state_dir: Path) -> None:
        """Prepare; nothing is opened yet."""
        self._config = config
        self._clock = clock
        self._store = ImageStore(state_dir, config.sensor, config.keep_bytes_max)
        self._view = View(
            persist_s=config.persist_s,
            gap_s=GAP_PERIODS_MAX * config.every_s,
            number=config.view,
        )
        self._opened = False
        self._keeps = True
        self._told_s: float | None = None
        self._asked = asyncio.Event()

    def freshen(self) -> None:
        """Have an image fetched now, and told: a challenge wants it."""
        self._asked.set()

    async def read(self) -> AsyncGenerator[Sequence[Arrival], None]:
        """Yield what each image says, the first at once.

        Raises:
            DeviceError: The camera cannot be reached, or what it gives is no picture.
        """
        target = await asyncio.to_thread(self._open)
        next_s = self._clock.monotonic_s()
        while True:
            await self._wait(next_s - self._clock.monotonic_s())
            next_s = max(next_s + self._config.every_s, self._clock.monotonic_s())
            challenged = self._asked.is_set()
            image = await self._fetch(target)
            if challenged:
                self._asked.clear()
            time_unix_us = self._clock.unix_us()
            try:
                arrivals = await asyncio.to_thread(self._take, image, challenged, time_unix_us)
            except NoPictureError as error:
                raise DeviceError(f"{self._config.sensor}: {error}") from error
            yield arrivals

    async def _wait(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(max(wait_s, 0.0)):
                await self._asked.wait()
        except TimeoutError:
            return

    async def _fetch(self, target: Target) -> bytes:
        try:
            return await http_get(target)
        except DeviceError as error:
            raise DeviceError(f"{self._config.sensor}: {error}") from error

    def _open(self) -> Target:
        """Look into the folder once, and read secrets as they are now."""
        config = self._config
        if not self._opened:
            try:
                self._store.open()
            except StateError as error:
                self._note_kept(error)
            saved = self._store.load_view()
            if saved and not self._view.restore(saved):
                _log.info("camera_view_new", sensor=config.sensor, view=config.view)
            self._opened = True
        login = None
        if config.username is not None:
            password = read_password(config.password, config.password_file) or ""
            login = Login(username=config.username, password=password)
        tls = None
        if config.url.startswith("https:"):
            try:
                tls = ssl.create_default_context(cafile=config.ca_file)
            except OSError as error:
                raise DeviceError(f"{config.sensor}: ca_file {config.ca_file}: {error}") from error
        return Target(
            url=config.url,
            login=login,
            tls=tls,
            timeout_s=config.timeout_s,
            bytes_max=IMAGE_BYTES_MAX,
        )

    def _take(self, image: bytes, challenged: bool, time_unix_us: int) -> list[Arrival]:
        """Return what is to be reported of an image, which is kept if it is told."""
        now_s = self._clock.monotonic_s()
        digest = sha256(image).digest()
        looked = self._view.look(small_grey(image), digest, now_s)
        rank = self._rank(looked, challenged, now_s)
        told = [
            event_of(
                self._config.sensor,
                EventType.CAMERA_TAMPER,
                {"what": what.value, "active": what in self._view.active},
                time_unix_us,
            )
            for what in Tamper
        ]
        status = event_of(
            self._config.sensor,
            EventType.CAMERA_STATUS,
            {"status": "online", "role": ROLE},
            time_unix_us,
        )
        if rank is None:
            return [[status], *([event] for event in told)]
        self._told_s = now_s
        kept = self._keep(image, rank)
        body = body_of(looked) | {"why": rank.name.lower(), "bytes": len(image), "kept": kept}
        snapshot = event_of(self._config.sensor, EventType.SNAPSHOT, body, time_unix_us)
        changed = [e for what, e in zip(Tamper, told, strict=True) if what in looked.changes]
        same = [e for what, e in zip(Tamper, told, strict=True) if what not in looked.changes]
        # Together: whoever reads of tampering reads at once which image shows it.
        evidence = [_with(event, digest) for event in (*changed, snapshot)]
        return [[status], evidence, *([event] for event in same)]

    def _rank(self, looked: Looked, challenged: bool, now_s: float) -> Rank | None:
        if looked.changes:
            return Rank.TAMPER
        if challenged:
            return Rank.CHALLENGE
        told_s = self._told_s
        due = told_s is None or now_s - told_s >= self._config.heartbeat_s
        return Rank.HEARTBEAT if due else None

    def _keep(self, image: bytes, rank: Rank) -> bool:
        """Keep an image and the view; what the disk refuses is told, and the camera goes on."""
        try:
            self._store.put(image, rank)
            if view := self._view.encode():
                self._store.save_view(view)
        except StateError as error:
            self._note_kept(error)
            return False
        self._note_kept(None)
        return True

    def _note_kept(self, error: StateError | None) -> None:
        """Log that images can no longer be kept, and that they can again; each once."""
        if error is not None and self._keeps:
            _log.error("images_not_kept", sensor=self._config.sensor, error=str(error))
        elif error is None and not self._keeps:
            _log.info("images_kept", sensor=self._config.sensor)
        self._keeps = error is None


def body_of(looked: Looked) -> dict[str, object]:
    """Return the measures of an image as they travel in its event."""
    measures, likeness = looked.measures, looked.likeness
    return {
        "brightness": round(measures.brightness, 1),
        "entropy": round(measures.entropy, 2),
        "edges": round(measures.edges, 4),
        "focus": round(measures.focus, 1),
        "in_place": round(likeness.kept, 3),
        "present": round(likeness.present, 3),
        "sharpness": round(likeness.sharpness, 3),
        "shift_px": None if looked.shift is None else list(looked.shift),
        "doubts": sorted(doubt.value for doubt in looked.doubts),
    }


def _with(event: EventReading, digest: bytes) -> EventReading:
    return replace(event, image_sha256=digest)
