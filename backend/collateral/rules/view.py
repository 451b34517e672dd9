"""Tampering with what watches: cameras, doors and receivers that say so, and harmless reasons.

A camera's own verdicts come with their persistence already (``gateway.decode.image_view``). Here a
lorry that the camera tells of explains why nothing is seen while it stands there, for so long;
beyond it, or without one, the tampering is told at once, and is critical once it has lasted longer
than anything harmless. Darkness alone is never critical: lights go out. By day it is tampering, by
night the camera merely sees nothing.

The three channels of one camera (its objects, its firmware's events, its images) are known by
their names: ``cam``, ``cam-view``, ``cam-image``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from backend.collateral.rules.detector import Seen
from backend.collateral.rules.sensors import OPEN
from backend.collateral.rules.sun import is_day
from backend.collateral.rules.surveillance import open_since
from backend.collateral.rules.told import is_told, reading
from backend.collateral.types import (
    Binding,
    Fact,
    FactKind,
    LotSetup,
    Purpose,
    Sample,
    SensorState,
    VehicleSpell,
)

_SECOND_US: Final = 1_000_000
# A lorry is in view for a minute. Where the camera tells of lorries and tells of none, a verdict
# needs no more than somebody who walks past; where it does not, more than a lorry.
WATCHED_US: Final = 20 * _SECOND_US
UNWATCHED_US: Final = 90 * _SECOND_US
VEHICLE_US_MAX: Final = 900 * _SECOND_US  # Then a lorry is no reason any more, but a screen.
VEHICLE_LEAD_US: Final = 10 * _SECOND_US  # An object may be told that long after the view.
VEHICLE_TRAIL_US: Final = 45 * _SECOND_US  # A verdict falls after its persistence, and a picture.
OBJECTS_FRESH_US: Final = 60 * _SECOND_US
# A lorry neither freezes nor blurs; a forged signal may be a passing test, and a jammer in a
# passing lorry is gone in minutes.
_LASTING_US: Final[Mapping[str, int]] = {
    "frozen": WATCHED_US,
    "blurry": WATCHED_US,
    "spoofing": 60 * _SECOND_US,
    "jamming": 300 * _SECOND_US,
}
DARK: Final = "dark"
_HIDDEN: Final = frozenset({"covered", "moved", DARK})  # What a lorry can make of a view.
_EXPECTED: Final[Mapping[str, str]] = {
    OPEN: "shut",
    "jamming": "satellites undisturbed",
    "spoofing": "signals of satellites only",
}
SUSPECTED: Final = 0.9
CERTAIN: Final = 0.999
SUSPECTED_LOG_ODDS: Final = 2.2
CERTAIN_LOG_ODDS: Final = 6.9


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What was done to a sensor; ``until_us`` None: it still is."""

    what: str
    since: Sample
    until_us: int | None


def tamper_facts(setup: LotSetup, seen: Seen) -> list[Fact]:
    """Return what was done to a lot's doors, cameras and receivers, and is not explained."""
    facts: list[Fact] = []
    for binding in setup.bindings:
        state = seen.sensors.get(binding.key)
        if state is None:
            continue
        for done in _done(binding, state, seen):
            fact = _fact(setup, binding, done, seen)
            if fact is not None:
                facts.append(fact)
    return facts


def _done(binding: Binding, state: SensorState, seen: Seen) -> list[_Done]:
    """Return each kind of tampering that stands, or ended in what has just come, by name."""
    if binding.purpose is Purpose.DOOR:
        opened = open_since(state)
        if opened is not None:
            return [_Done(what=OPEN, since=opened, until_us=None)]
        if state.opened is None:
            return []  # A release order explains it.
    elif binding.purpose not in (Purpose.CAMERA, Purpose.POSITION):
        return []
    ended = {
        what: _Done(what=what, since=spell.since, until_us=spell.until_us)
        for what, spell in state.spells.items()
        if is_told(spell.arrived_us, seen.since_us, seen.now_us)
    }
    stands = {what: _Done(what=what, since=s, until_us=None) for what, s in state.tampers.items()}
    found = {**ended, **stands}
    return [found[what] for what in sorted(found)]


def _fact(setup: LotSetup, binding: Binding, done: _Done, seen: Seen) -> Fact | None:
    name = f"{binding.gateway}/{binding.sensor}"
    sample, until_us = done.since, seen.now_us if done.until_us is None else done.until_us
    kind, grave = FactKind.TAMPER, False
    if binding.purpose is not Purpose.DOOR:
        from_us, lasting_us = _unexplained(setup, binding, done, seen)
        if until_us < from_us:
            return None
        grave = until_us - from_us >= lasting_us
        if done.what == DARK and not is_day(setup, sample.made_us):
            kind = FactKind.SENSOR_LOST
        if done.what == DARK:
            grave = False
    return Fact(
        key=f"tamper:{name}:{done.what}",
        kind=kind,
        grave=grave,
        text=f"{name} ({binding.purpose.value}): {done.what}",
        evidence=(
            reading(
                binding.key,
                None,
                sample,
                done.what,
                _EXPECTED.get(done.what, "the view that it was put up for"),
                CERTAIN_LOG_ODDS if grave else SUSPECTED_LOG_ODDS,
            ),
        ),
        probability=CERTAIN if grave else SUSPECTED,
        began_us=sample.made_us,
    )


def _unexplained(setup: LotSetup, binding: Binding, done: _Done, seen: Seen) -> tuple[int, int]:
    """Return since when nothing explains a tampering, and how long it must last to be grave."""
    began_us = done.since.made_us
    watchers = _watchers(setup, binding, seen)
    live = any(_tells(state, seen.now_us) for state in watchers)
    lasting_us = _LASTING_US.get(done.what, WATCHED_US if live else UNWATCHED_US)
    if done.what not in _HIDDEN:
        return began_us, lasting_us
    ends_us = [_explains_until(spell, began_us) for s in watchers for spell in s.vehicles]
    return max([began_us, *ends_us]), lasting_us


def _watchers(setup: LotSetup, binding: Binding, seen: Seen) -> list[SensorState]:
    """Return the channels that tell of objects before this very camera."""
    names = [
        other.key
        for other in setup.bound(Purpose.CAMERA)
        if other.gateway == binding.gateway
        and (other.sensor == binding.sensor or binding.sensor.startswith(f"{other.sensor}-"))
    ]
    return [seen.sensors[key] for key in names if key in seen.sensors]


def _tells(state: SensorState, now_us: int) -> bool:
    """Return whether a channel that has told of vehicles before would tell of one now."""
    fresh = state.fresh_us is not None and now_us - state.fresh_us <= OBJECTS_FRESH_US
    return bool(state.vehicles) and state.offline is None and fresh


def _explains_until(spell: VehicleSpell, began_us: int) -> int:
    """Return until when vehicles explain a view that was lost at a time; 0: they do not."""
    most_us = spell.since_us + VEHICLE_US_MAX
    until_us = most_us if spell.ids else min(most_us, spell.last_us + VEHICLE_TRAIL_US)
    if spell.since_us <= began_us + VEHICLE_LEAD_US and began_us <= until_us:
        return until_us
    return 0
