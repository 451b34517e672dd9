"""Virtual time: hours at a time where nothing is found, down to a second where something is.

Detectors leave the same behind however readings are cut into batches, and whatever began and
ended inside one batch still shows at its end. So a batch of an hour that finds nothing new has
found nothing; one that does is taken back and halved until it is known to the second when. Time
alone also finds things, when a sensor falls silent: the hour is cut where that may be.

Sensors and sightings are folded once for all lots of a site. Only a lot that finds something goes
through the hour again, by itself, with what concerns it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

from backend.alerts.rules.steps import stream_steps
from backend.alerts.types import AlertKind
from backend.collateral.types import SensorKey
from backend.ids import GatewayId, LotId
from deploy.evaluate.alerts import Alert, AlertBook
from deploy.evaluate.backend import Backend, Books
from deploy.evaluate.cuts import Cuts
from deploy.evaluate.reported import Reported, batch_of
from deploy.evaluate.shares import Heard, Shares
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
    shares: Shares = field(init=False)

    def __post_init__(self) -> None:
        """Note which sensors concern which lot."""
        self.shares = Shares(self.backend, self.channels, self.tags)

    def take(
        self, sites: Collection[str], parts: Sequence[Reported], span: tuple[int, int]
    ) -> None:
        """Take just what arrived at some sites in a span of time, and let it pass."""
        after_us, until_us = span
        lots = self.backend.lots_of(sites)
        cuts: dict[SensorKey, set[int]] = {}
        for part in parts:
            for key, found in self.cuts.find(part, after_us, until_us).items():
                cuts.setdefault(key, set()).update(found)
        steps = set(range(after_us + self.steps_us, until_us, self.steps_us))
        moved = self.streams.advance(parts)
        if moved.faults:
            # What is wrong with a stream is told of all that its gateway watches: one by one.
            self.streams.restore(moved.before)
            walk = Walk(drive=self, lots=lots, parts=parts, books=self.books, streams=self.streams)
            walk.go(span, steps.union(*cuts.values()))
            self.books = walk.books
        else:
            self.books.flagged = moved.flagged
            own = {lot: steps | self.shares.cuts_of(lot, cuts) for lot in lots}
            self._take_at_once(lots, parts, span, own)
        self._resolve(until_us)

    def _take_at_once(
        self,
        lots: Sequence[LotId],
        parts: Sequence[Reported],
        span: tuple[int, int],
        cuts: Mapping[LotId, set[int]],
    ) -> None:
        """Fold a span at once, and look closer at each lot that finds something in it by itself.

        Args:
            lots: all that the parts may concern.
            parts: what their gateways told in the span.
            span: from when to when.
            cuts: where each lot must be looked at in any case.
        """
        until_us = span[1]
        batch = batch_of(parts, self.channels, self.tags)
        before = self.books
        after, book = self.backend.folded(before, lots, batch)
        around = self.backend.around(after, lots, until_us)
        self.tally.turns += 1
        closer: list[tuple[LotId, bool]] = []
        for lot in lots:
            if cuts[lot]:
                closer.append((lot, False))
                continue
            step, error = self.backend.decide(after, lot, around, book)
            if step.findings:
                closer.append((lot, True))
                continue
            self.note_raised([(lot, error)] if error else [])
            self.alerts.take((step,), until_us)
        heard = {part.gateway: Heard.of(part) for part in parts} if closer else {}
        for lot, finds in closer:
            share = self.shares.of(lot, parts, before.sights[lot])
            own = self.shares.books_of(lot, before)
            walk = Walk(drive=self, lots=[lot], parts=share, books=own, heard=heard)
            walk.go(span, cuts[lot], finds=finds)
            after.lots[lot] = walk.books.lots[lot]
        self.books = after

    def note_raised(self, raised: Iterable[tuple[LotId, str]]) -> None:
        """Count what could not be decided."""
        for lot, error in raised:
            if len(self.tally.raised) < RAISED_KEPT_MAX:
                self.tally.raised[lot, error] = self.tally.raised.get((lot, error), 0) + 1

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


@dataclass(slots=True, kw_only=True)
class Walk:
    """Some lots on their way through a span of time, in steps as small as it takes.

    ``streams``: they are followed as well; None: nothing happens to them. ``heard`` tells when
    gateways were heard if the parts are only the lots' own share.
    """

    drive: Drive
    lots: Sequence[LotId]
    parts: Sequence[Reported]
    books: Books
    streams: Streams | None = None
    heard: Mapping[GatewayId, Heard] = field(default_factory=dict[GatewayId, Heard])

    def go(self, span: tuple[int, int], cuts: Collection[int], *, finds: bool = False) -> None:
        """Go through a span, which is cut there; ``finds``: uncut, it is known to find."""
        edges = [span[0], *sorted(cuts), span[1]]
        for piece in pairwise(edges):
            self._bisect(piece, finds=finds)

    def _bisect(self, span: tuple[int, int], *, finds: bool = False) -> bool:
        """Take a span at once if it finds nothing or is short, else its parts; return if it does.

        ``finds``: it is known to, because a longer one does and what came before it does not.
        """
        after_us, until_us = span
        middle_us = after_us + (until_us - after_us) // 2 // STEP_US * STEP_US
        divisible = after_us < middle_us < until_us
        known = finds and divisible
        if not known:
            finds = self._take(span, divisible=divisible)
        if not finds or not divisible:
            return finds
        found = self._bisect((after_us, middle_us))
        rest = self._bisect((middle_us, until_us), finds=not found)
        return found or rest

    def _take(self, span: tuple[int, int], *, divisible: bool) -> bool:
        """Return whether a span finds anything; what does and is divisible is taken back."""
        drive = self.drive
        here = [part.between(*span) for part in self.parts]
        moved = None if self.streams is None else self.streams.advance(here)
        faults = () if moved is None else moved.faults
        if moved is not None:
            self.books.flagged = moved.flagged
        batch = batch_of(here, drive.channels, drive.tags)
        heard = {
            g: us for g, each in self.heard.items() if (us := each.until(span[1])) is not None
        }
        turn = drive.backend.turn_of(self.books, self.lots, batch, span[1], heard)
        drive.tally.turns += 1
        finds = turn.finds or bool(faults)
        if finds and divisible:
            if self.streams is not None and moved is not None:
                self.streams.restore(moved.before)
            return True
        self.books = turn.books
        drive.tally.finding += turn.finds
        drive.note_raised(turn.raised)
        drive.alerts.take((*turn.steps, *map(stream_steps, faults)), span[1])
        return finds
