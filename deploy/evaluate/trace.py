"""One case in full: what was true, what happened, what the lot's detectors said around it."""

from collections.abc import Iterator
from typing import Final

from rich.console import Console

from backend.collateral.rules.lot import evaluate
from backend.collateral.types import Fact
from backend.ids import LotId
from deploy.evaluate.backend import registered_now
from deploy.evaluate.options import OptionError, Options
from deploy.evaluate.seed_run import HOUR_US, Months
from deploy.evaluate.table import moment
from firmware_sim.months.script import site_runs
from firmware_sim.months.types import Label, SiteRun

AROUND_US: Final = 900_000_000  # Shown before a case begins, and after it.
STEP_US: Final = 1_000_000
LONGEST_US: Final = 4 * HOUR_US


def print_case(console: Console, options: Options) -> None:
    """Print the case that ``options.only`` names, second by second where something changes.

    Raises:
        OptionError: There is no such case in that run.
    """
    assert options.only is not None, "the caller looked"
    seed, site, name = options.only
    runs = site_runs(
        options.scenario,
        seed=seed,
        sites=options.sites,
        days=options.days,
        without=options.without,
    )
    run, label = _case(runs, site, name)
    months = Months(runs, steps_us=HOUR_US)
    place = runs.index(run)
    own = months.registered[place]
    lots = [own.lot_named(lot) for lot in dict.fromkeys((label.lot, *label.lots)) if lot]
    begins_us = max(run.begins_us, (label.begins_us - AROUND_US) // STEP_US * STEP_US)
    ends_us = min(run.ends_us, label.ends_us + AROUND_US, begins_us + LONGEST_US)
    console.print(f"{label.kind} at {site}: {label.truth}", markup=False)
    for line in sorted(_lines_of(run, label, begins_us, ends_us)):
        console.print(line, markup=False, highlight=False)
    if begins_us > run.begins_us:
        months.reach(begins_us)
    known: dict[LotId, str] = {}
    for now_us in range(begins_us + STEP_US, ends_us, STEP_US):
        months.advance(now_us)
        for lot in lots:
            said = "\n".join(_said(months, lot, now_us))
            if said != known.get(lot, ""):
                known[lot] = said
                console.print(
                    f"{moment(now_us)} {own.names[lot]}: {said or 'nothing is wrong'}",
                    markup=False,
                    highlight=False,
                )


def _case(runs: tuple[SiteRun, ...], site: str, name: str) -> tuple[SiteRun, Label]:
    run = next((each for each in runs if each.scenario.site == site), None)
    if run is None:
        names = ", ".join(each.scenario.site for each in runs)
        raise OptionError("ONLY", site, f"one of the sites {names}")
    label = next((each for each in run.labels if each.id == name), None)
    if label is None:
        names = ", ".join(each.id for each in run.labels)
        raise OptionError("ONLY", name, f"one of the labels {names}")
    return run, label


def _lines_of(run: SiteRun, label: Label, begins_us: int, ends_us: int) -> Iterator[str]:
    yield f"{moment(label.begins_us)} it begins; harms: {', '.join(label.harms)}"
    yield f"{moment(label.ends_us)} it ends"
    for happening in run.happenings:
        if begins_us <= happening.at_us <= ends_us:
            yield f"{moment(happening.at_us)} true: {happening.what}"
    for outage in run.outages:
        if outage.begins_us < ends_us and outage.ends_us > begins_us:
            yield f"{moment(outage.begins_us)} link of {outage.gateway} is out"
            yield f"{moment(outage.ends_us)} link of {outage.gateway} is back"
    for order in run.orders:
        if order.from_us < ends_us and order.until_us > begins_us and order.lot in label.lots:
            yield f"{moment(order.from_us)} window of {order.id} of {order.lot} begins"
            yield f"{moment(order.until_us)} window of {order.id} of {order.lot} ends"


def _said(months: Months, lot: LotId, now_us: int) -> Iterator[str]:
    backend, books = months.drive.backend, months.drive.books
    site = backend.sites[backend.site_of[lot]]
    row, items = registered_now(site, lot, books.lots[lot])
    around = backend.around(books, [lot], now_us)
    found = evaluate(row, items, site.bindings[lot], around, None)
    for fact in found.decision.facts:
        yield from _told(fact)


def _told(fact: Fact) -> Iterator[str]:
    severity = "CRITICAL" if fact.grave else "warning"
    yield f"  {severity} {fact.key}: {fact.text} (p {fact.probability:.4f})"
    for each in fact.evidence:
        weighed = "" if each.log_odds is None else f" {each.log_odds:+.1f} nats"
        yield f"      {each.sensor}: {each.text}{weighed}"
