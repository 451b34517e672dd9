"""Half hours of a harbour with one incident each, and a backend that follows them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from backend.alerts.rules.steps import stream_steps
from deploy.evaluate.alerts import AlertBook
from deploy.evaluate.backend import Books
from deploy.evaluate.permits import Permits
from deploy.evaluate.reported import Reported, batch_of
from deploy.evaluate.seed_run import Months
from deploy.evaluate.streams import Streams
from firmware_sim.months.script import site_runs
from firmware_sim.months.types import SiteRun

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
RUN_US = 30 * MINUTE_US
BEGINS_MIN = 12  # The incident: after the scales' baselines are known.
LASTS_S = 600.0
LOTS = {"overheat": "fish", "drop": "fish", "drive_off": "lubricant", "pilfer": "aluminium"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A harbour's half hour with one incident, as its gateways told it."""

    run: SiteRun
    months: Months
    parts: tuple[Reported, ...]

    @property
    def begins_us(self) -> int:
        """When it begins."""
        return self.run.begins_us

    def instants(self, step_s: int) -> list[int]:
        """Return the ends of batches of this length."""
        ends_us = self.begins_us + RUN_US
        step_us = step_s * SECOND_US
        return [*range(self.begins_us + step_us, ends_us, step_us), ends_us]


@cache
def story(
    kind: str, seed: int, *, lasts_s: float = LASTS_S, without: tuple[str, ...] = ()
) -> Story:
    """Return the half hour with an incident of a kind; sampled once."""
    harbour = files("firmware_sim.scenarios").joinpath("harbour.toml").read_text(encoding="utf-8")
    incident = (
        f'\n[[incident]]\nkind = "{kind}"\nday = 1\ntime = "00:{BEGINS_MIN}"\n'
        f'lot = "{LOTS.get(kind, "copper")}"\nlasts_min = {lasts_s / 60}\n'
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "harbour.toml"
        path.write_text(harbour.replace('"demo"', '"site"', 1) + incident, encoding="utf-8")
        (run,) = site_runs(str(path), seed=seed, sites=1, days=1, without=without)
    months = Months((run,), steps_us=RUN_US)
    said = months.samplers[0].take(run.begins_us + RUN_US)
    parts = tuple(months.twins[0][raw.gateway].take(raw) for raw in said)
    return Story(run=run, months=months, parts=parts)


def play(
    told: Story,
    instants: Sequence[int],
    restarts: frozenset[int] = frozenset(),
    restarted: Callable[[Books], Books] = replace,
) -> tuple[Books, AlertBook]:
    """Return what a backend knows, and alerted, after batches that end at some instants.

    After the batch that ends at one of ``restarts`` it knows what ``restarted`` returns.
    """
    months = told.months
    drive, backend = months.drive, months.drive.backend
    streams = Streams([part.gateway for part in told.parts])
    permits = Permits((told.run,), months.registered)
    books, alerts = backend.books(), AlertBook()
    sites = [own.site for own in months.registered]
    for span in pairwise((told.begins_us, *instants)):
        permits.apply(books, span)
        here = [part.between(*span) for part in told.parts]
        moved = streams.advance(here)
        books.flagged = moved.flagged
        batch = batch_of(here, drive.channels, drive.tags)
        turn = backend.turn(books, sites, batch, span[1])
        assert turn.raised == (), "the rules can decide"
        alerts.take((*turn.steps, *map(stream_steps, moved.faults)), span[1])
        books = restarted(turn.books) if span[1] in restarts else turn.books
    return books, alerts
