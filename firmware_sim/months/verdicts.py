"""When a gateway that looks at a camera's images says that its view was tampered with.

It takes its time, so that a light switch or a lorry means nothing: what an image shows must last.
The verdicts are those of the gateway's own stage, told from the world instead of from pictures.
"""

import random
from dataclasses import dataclass
from typing import Final

from firmware_sim.world import Sight, World

PERSIST_US: Final = 30_000_000  # the gateway's default, and its least
IMAGE_US: Final = 10_000_000  # an image each ten seconds, at no special moment
_TELLING: Final = {
    Sight.MOVED: "moved",
    Sight.BLURRED: "blurry",
}
VERDICTS: Final = ("covered", "moved", "blurry", "dark", "frozen")


def doubts_of(world: World, camera: str) -> frozenset[str]:
    """Return what the images of a camera show to be wrong with its view."""
    sights = world.sights.get(camera, frozenset())
    if Sight.FROZEN in sights:
        return frozenset({"frozen"})  # and nothing of what happened since
    if Sight.DARK in sights:
        return frozenset({"dark"})
    if camera in world.covered:
        return frozenset({"covered"})
    return frozenset(_TELLING[sight] for sight in sights if sight in _TELLING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A verdict that begins to stand, or falls."""

    at_us: int
    what: str
    active: bool


class Verdicts:
    """The verdicts on one camera."""

    def __init__(self, rng: random.Random) -> None:
        """Begin with none."""
        self._rng = rng
        self._active: set[str] = set()
        self._due_us: dict[str, int] = {}

    def look(self, doubts: frozenset[str] | None, begins_us: int, ends_us: int) -> list[Turn]:
        """Return the verdicts that turn in a stretch of time in which the images stay as they are.

        Args:
            doubts: what they show; None: there are none.
            begins_us: where the stretch begins, which is where the last one ended.
            ends_us: where it ends.
        """
        if doubts is None:
            self._due_us.clear()
            return []
        turns: list[Turn] = []
        for what in VERDICTS:
            if (what in doubts) is (what in self._active):
                self._due_us.pop(what, None)
                continue
            if what not in self._due_us:
                wait_us = PERSIST_US + self._rng.randrange(IMAGE_US)
                self._due_us[what] = begins_us + wait_us
            if self._due_us[what] < ends_us:
                active = what in doubts
                (self._active.add if active else self._active.discard)(what)
                turns.append(Turn(at_us=self._due_us.pop(what), what=what, active=active))
        return turns
