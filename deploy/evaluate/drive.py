"""Virtual time: hours at a time where nothing is found, down to a second where something is.

Detectors leave the same behind however readings are cut into batches, and whatever began and
ended inside one batch still shows at its end. So a batch of an hour that finds nothing new has
found nothing; one that does is taken back and halved until it is known to the second when. Time
alone also finds things, when a sensor falls silent: the hour is cut where that may be.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from backend.alerts.rules.steps import stream_steps
from backend.alerts.types import AlertKind
from backend.ids import LotId
from deploy.evaluate.alerts import Alert, AlertBook
from deploy.evaluate.backend import Backend, Books
from deploy.evaluate.cuts import Cuts
from deploy.evaluate.reported import Reported, batch_of
from deploy.evaluate.streams import Streams
from deploy.evaluate.tables import Channels, Tags

SECOND_US: Final = 1_000_000
STEP_US: Final = SECOND_US  # No time of detection is known better.
RAISED_KEPT_MAX: Final = 1_000


@dataclass(slots=True)
class Tally:
    """What driving cost and where rules failed."""

    turns: int = 0
    finding: int = 0
    raised: dict[tuple[LotId, str], int] = field(default_factory=dict[tuple[LotId, str], int])


@dataclass(slots=True, kw_only=True)
class Drive:
    """A backend on its way through the months; ``steps_us`` is the longest batch."""

    backend: Backend
    channels: Channels
    tags: Tags
    streams: Streams
    cuts: Cuts
    steps_us: int
    books: Books
    alerts: AlertBook = field(default_factory=AlertBook)
    tally: Tally = field(default_factory=Tally)

    def take(
        self, sites: Collection[str], parts: Sequence[Reported], span: tuple[int, int]
    ) -> None:
        """Take what arrived at some sites in a span of time, and let it pass."""
        after_us, until_us = span
        cuts = {until_us, *range(after_us + self.steps_us, until_us, self.steps_us)}
        cuts |= {cut for part in parts for cut in self.cuts.find(part, after_us, until_us)}
        here_us = after_us
        for cut in sorted(cuts):
            self._bisect(sites, parts, (here_us, cut))
            here_us = cut
        self._resolve(until_us)

    def _bisect(
        self,
        sites: Collection[str],
        parts: Sequence[Reported],
        span: tuple[int, int],
        *,
        finds: bool = False,
    ) -> bool:
        """Take a span at once if it finds nothing or is short, else its parts; return if it does.

        ``finds``: it is known to, because a longer one does and what came before it does not.
        """
        after_us, until_us = span
        middle_us = after_us + (until_us - after_us) // 2 // STEP_US * STEP_US
        divisible = after_us < middle_us < until_us
        known = finds and divisible
        if not known:
            finds = self._take_at_once(sites, parts, span, divisible=divisible)
        if not finds or not divisible:
            return finds
        found = self._bisect(sites, parts, (after_us, middle_us))
        rest = self._bisect(sites, parts, (middle_us, until_us), finds=not found)
        return found or rest

    def _take_at_once(
        self,
        sites: Collection[str],
        parts: Sequence[Reported],
        span: tuple[int, int],
        *,
        divisible: bool,
    ) -> bool:
        """Return whether a span finds anything; what does and is divisible is taken back."""
        after_us, until_us = span
        here = [part.between(after_us, until_us) for part in parts]
        moved = self.streams.advance(here)
        self.books.flagged = moved.flagged
        batch = batch_of(here, self.channels, self.tags)
        turn = self.backend.turn(self.books, sites, batch, until_us)
        self.tally.turns += 1
        finds = turn.finds or bool(moved.faults)
        if finds and divisible:
            self.streams.restore(moved.before)
            return True
        self.books = turn.books
        self.tally.finding += turn.finds
        for lot, error in turn.raised:
            if len(self.tally.raised) < RAISED_KEPT_MAX:
                self.tally.raised[lot, error] = self.tally.raised.get((lot, error), 0) + 1
        self.alerts.take((*turn.steps, *map(stream_steps, moved.faults)), until_us)
        return finds

    def _resolve(self, now_us: int) -> None:
        """Let a person resolve what is over; damage that was dealt with is forgotten."""
        for alert in self.alerts.resolve(now_us):
            if alert.kind is AlertKind.DAMAGE and alert.lot is not None:
                self._unlatch(alert, alert.lot)

    def _unlatch(self, alert: Alert, lot: LotId) -> None:
        kept = self.books.lots[lot]
        quantity = alert.cause.rsplit(":", 1)[-1]
        latches = {
            q: latch for q, latch in kept.memory.get("latches", {}).items() if q != quantity
        }
        memory = {**kept.memory, "latches": latches}
        self.books.lots[lot] = replace(kept, memory=memory)
