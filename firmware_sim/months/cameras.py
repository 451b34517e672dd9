"""Cameras over a simulated month, as their gateway tells of them.

Deliberately absent: images, and with them the digests that a heartbeat tells.
"""

from collections.abc import Iterable
from string import ascii_lowercase
from typing import Final

import numpy as np

from firmware_sim.months.course import SECOND_US, Course, beat
from firmware_sim.months.devices import Said
from firmware_sim.months.types import EventBlock, RawEvent
from firmware_sim.months.verdicts import VERDICTS, Verdicts, doubts_of
from firmware_sim.noise import CameraLife, seeded
from firmware_sim.plan import CameraPlan, Scenario
from firmware_sim.world import Item, Sight, World
from schemas.quantities import EventType

STATUS_PERIOD_S: Final = 20.0  # Frigate's is 10 s; a surveillance that waits 30 s needs no more
PERSON_US: Final = 3_000_000  # how long somebody who carries a pallet stays in view
_ONVIF_COVERED: Final = ("dark", "moved")  # as the simulated firmware has it
_BLINDING: Final = frozenset({Sight.MOVED, Sight.BLURRED, Sight.FROZEN, Sight.DARK})
_SCORE: Final = 0.87


class CameraDevice:
    """One camera behind Frigate, with its own firmware's events and verdicts on its images."""

    def __init__(self, plan: CameraPlan, scenario: Scenario, seed: int, begins_us: int) -> None:
        """Begin with a clear view of the goods in place."""
        self.name, self.gateway = plan.name, plan.gateway
        self._plan = plan
        self._begins_us = begins_us
        self._rng = seeded(seed, f"{plan.name}/months")
        self._life = CameraLife(scenario.noise_of(plan.name), seeded(seed, plan.name))
        self._verdicts = Verdicts(seeded(seed, f"{plan.name}/verdicts"))
        self._beat = beat(begins_us, STATUS_PERIOD_S, self._rng.random())
        self._before: World | None = None
        self._pending: list[RawEvent] = []
        self._outages_us: list[tuple[int, int]] = []
        self._tracks: dict[str, tuple[str, int]] = {}  # of lorries, by what brought them

    def sample(self, course: Course) -> Said:
        """Return what is told of the camera in the course."""
        said = Said()
        self._outages_us = [
            (self._micros(start_s), self._micros(end_s))
            for start_s, end_s in self._life.outages.between(
                self._seconds(course.begins_us), self._seconds(course.ends_us)
            )
        ]
        self._tell_life(said, course)
        events = [*self._pending, *self._view(course), *self._people(course)]
        events += self._lorries(course)
        self._pending = [event for event in events if event.at_us >= course.ends_us]
        unplugged = course.stretches(lambda world: self.gateway in world.unplugged)
        dead = [(s.begins_us, s.ends_us) for s in unplugged if s.value]
        said.events += [
            event
            for event in events
            if event.at_us < course.ends_us and not any(a <= event.at_us < b for a, b in dead)
        ]
        return said

    def _seconds(self, at_us: int) -> float:
        return (at_us - self._begins_us) / SECOND_US

    def _micros(self, at_s: float) -> int:
        return self._begins_us + round(at_s * SECOND_US)

    def _tell_life(self, said: Said, course: Course) -> None:
        """Tell again and again whether the camera is online."""
        at_us = self._beat.until(course.ends_us)
        offline = np.zeros(len(at_us), dtype=np.bool_)
        for outage_us in self._outages_us:
            offline[slice(*np.searchsorted(at_us, outage_us))] = True
        heard = np.ones(len(at_us), dtype=np.bool_)
        for stretch in course.stretches(self._cut_off):
            span = slice(*np.searchsorted(at_us, (stretch.begins_us, stretch.ends_us)))
            unplugged, cut = stretch.value
            heard[span] = not unplugged
            if cut:
                offline[span] = True
        online = at_us[heard & ~offline]
        told = [
            (self.name, "online", "detect", online),
            (self.name, "offline", "detect", at_us[heard & offline]),
            (f"{self.name}-image", "online", "snapshot", online),
        ]
        said.repeated += [
            EventBlock(
                sensor=sensor,
                type=EventType.CAMERA_STATUS,
                body={"status": status, "role": role},
                at_us=times_us,
            )
            for sensor, status, role, times_us in told
            if len(times_us)
        ]

    def _cut_off(self, world: World) -> tuple[bool, bool]:
        return self.gateway in world.unplugged, self.name in world.cut_cables

    def _view(self, course: Course) -> Iterable[RawEvent]:
        """Yield what the firmware and the images say of the view."""
        covered: bool | None = self._before and self.name in self._before.covered
        if self._before is None:
            for what in VERDICTS:
                yield self._tamper("image", what, course.begins_us, active=False)
        for stretch in course.stretches(self._shows):
            hidden, doubts = stretch.value
            if hidden is not covered:
                covered = hidden
                for what in _ONVIF_COVERED:
                    yield self._tamper("view", what, stretch.begins_us, active=hidden)
            for turn in self._verdicts.look(doubts, stretch.begins_us, stretch.ends_us):
                yield self._tamper("image", turn.what, turn.at_us, active=turn.active)

    def _shows(self, world: World) -> tuple[bool, frozenset[str] | None]:
        blind = any(self._cut_off(world))
        return self.name in world.covered, None if blind else doubts_of(world, self.name)

    def _tamper(self, part: str, what: str, at_us: int, *, active: bool) -> RawEvent:
        body: dict[str, object] = {"what": what, "active": active}
        sensor = f"{self.name}-{part}"
        return RawEvent(sensor=sensor, at_us=at_us, type=EventType.CAMERA_TAMPER, body=body)

    def _sees(self, world: World, at_us: int) -> bool:
        """Return whether somebody before the camera would be seen."""
        blinded = _BLINDING & world.sights.get(self.name, frozenset())
        hidden = self.name in world.covered or self.name in world.replayed_s
        away = any(begins_us <= at_us < ends_us for begins_us, ends_us in self._outages_us)
        return not (blinded or hidden or away or any(self._cut_off(world)))

    def _people(self, course: Course) -> Iterable[RawEvent]:
        """Yield those who carry pallets: they come, they are seen, they leave."""
        for moment in course.moments:
            before, self._before = self._before, moment.world
            if before is None or before.items is moment.world.items:
                continue
            zones = _carried(before.items, moment.world.items)
            zone = next((zone for zone in self._plan.watches if zone in zones), None)
            if zone is not None and self._sees(moment.world, moment.at_us):
                id_ = self._track_id(moment.at_us)
                yield self._object(id_, "person", zone, (moment.at_us, None))
                yield self._object(id_, "person", zone, (moment.at_us, PERSON_US))

    def _lorries(self, course: Course) -> Iterable[RawEvent]:
        """Yield the lorries that stand in view, whoever sent them."""
        worlds = list(course.spans())
        span_s = self._seconds(course.begins_us), self._seconds(course.ends_us)
        for start_s, end_s in self._life.trucks.between(*span_s):
            key, begins_us, ends_us = f"{start_s}", self._micros(start_s), self._micros(end_s)
            if course.begins_us <= begins_us < course.ends_us:
                world = next(m.world for m, until_us in worlds if begins_us < until_us)
                yield from self._come(key, begins_us, world)
            if course.begins_us <= ends_us < course.ends_us:
                yield from self._leave(key, ends_us)
        for moment, _ in worlds:
            there = Sight.TRUCK in moment.world.sights.get(self.name, frozenset())
            if there and "sent" not in self._tracks:
                yield from self._come("sent", moment.at_us, moment.world)
            if not there:
                yield from self._leave("sent", moment.at_us)

    def _come(self, key: str, at_us: int, world: World) -> Iterable[RawEvent]:
        if self._sees(world, at_us):
            self._tracks[key] = self._track_id(at_us), at_us
            zone = self._plan.watches[0]
            yield self._object(self._tracks[key][0], "truck", zone, (at_us, None))

    def _leave(self, key: str, at_us: int) -> Iterable[RawEvent]:
        if key in self._tracks:
            id_, begins_us = self._tracks.pop(key)
            zone = self._plan.watches[0]
            yield self._object(id_, "truck", zone, (begins_us, at_us - begins_us))

    def _track_id(self, at_us: int) -> str:
        suffix = "".join(self._rng.choices(ascii_lowercase, k=6))
        return f"{at_us / SECOND_US:.6f}-{suffix}"  # as Frigate makes them

    def _object(self, id_: str, label: str, zone: str, life: tuple[int, int | None]) -> RawEvent:
        """Return the event of a track that began, or that ended after some microseconds."""
        begins_us, lasted_us = life
        at_us = begins_us + (lasted_us or 0)
        body: dict[str, object] = {
            "id": id_,
            "phase": "new" if lasted_us is None else "end",
            "label": label,
            "score": _SCORE,
            "zones": [zone] if lasted_us is None else [],
            "entered_zones": [zone],
            "start_unix_us": begins_us,
            "end_unix_us": None if lasted_us is None else at_us,
        }
        return RawEvent(sensor=self.name, at_us=at_us, type=EventType.CAMERA_OBJECT, body=body)


def _carried(before: tuple[Item, ...], after: tuple[Item, ...]) -> set[str]:
    """Return the zones in which somebody handled goods between two worlds."""
    zones: set[str | None] = set()
    for old, new in zip(before, after, strict=True):
        if (old.zone, old.content_g, old.lifted) != (new.zone, new.content_g, new.lifted):
            zones |= {old.zone, new.zone}
    return {zone for zone in zones if zone is not None}
