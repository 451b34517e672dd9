"""``python -m backend stress``: what the live book would be after a shock. Nothing is written.

Everything is read in one read-only transaction, as of one moment. A shock changes what is known of
prices, warehouses and obligors; value, base, lines and locks then follow from the product's own
rules.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, TypeVar
from uuid import UUID

import typer

from backend.clock import SystemClock
from backend.db import Conn, Database
from backend.errors import InvalidError, RefusedError
from backend.facility.rules.standing import decide_standing
from backend.facility.service.holdings import load_holdings
from backend.facility.store import facilities
from backend.facility.types import Holding, Standing
from backend.ids import PartyId, SiteId
from backend.risk_cli.scenarios import apply_scenario, standard_scenarios
from backend.terminal import reported, settings_here

Key = TypeVar("Key", SiteId, PartyId)

CHUNK_FACILITIES: Final = 500  # Read at once: a book of any size then fits.
COLUMNS: Final[tuple[str, ...]] = (
    "scenario",
    "facility",
    "currency",
    "coverage_bps_before",
    "coverage_bps_after",
    "base_minor_before",
    "base_minor_after",
    "availability_minor_before",
    "availability_minor_after",
    "line_before",
    "line_after",
    "locks_opened",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One facility before and after one scenario."""

    scenario: str
    before: Standing
    after: Standing

    @property
    def locks_opened(self) -> list[str]:
        """The locks that would open, in order."""
        held = {lock.reason for lock in self.before.locks}
        return [lock.reason.value for lock in self.after.locks if lock.reason not in held]

    def row(self) -> Sequence[str | int | None]:
        """Return it as a line of the file, in the order of ``COLUMNS``."""
        before, after = self.before, self.after
        return (
            self.scenario,
            before.holding.facility.name,
            before.holding.facility.currency,
            before.valuation.coverage_bps,
            after.valuation.coverage_bps,
            before.valuation.base_minor,
            after.valuation.base_minor,
            before.position.availability_minor,
            after.position.availability_minor,
            before.line.state.value,
            after.line.state.value,
            " ".join(self.locks_opened),
        )


def stress(
    fall_bps: Annotated[
        int, typer.Option(min=1, max=10_000, help="By how much every price falls.")
    ] = 3_000,
    warehouse: Annotated[
        UUID | None, typer.Option(help="Site that goes dark. Default: with the most value.")
    ] = None,
    obligor: Annotated[
        UUID | None, typer.Option(help="Party whose goods are gone. Default: of the most value.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write it as CSV, too.")] = None,
) -> None:
    """Say what each facility would be after shocks to the live book; writes nothing to it."""
    with reported():
        settings, now = settings_here(), SystemClock().now()
        with Database(settings.database_url) as db, db.reading() as conn:
            outcomes = run_stress(
                conn,
                now,
                fall_bps=fall_bps,
                site=None if warehouse is None else SiteId(warehouse),
                party=None if obligor is None else PartyId(obligor),
            )
        typer.echo(table_of(outcomes))
        if out is not None:
            try:
                with out.open("w", encoding="utf-8", newline="") as file:
                    writer = csv.writer(file)
                    writer.writerow(COLUMNS)
                    writer.writerows(outcome.row() for outcome in outcomes)
            except OSError as error:
                raise InvalidError("out", str(out), f"a file to write to: {error}") from error


def run_stress(
    conn: Conn, now: datetime, *, fall_bps: int, site: SiteId | None, party: PartyId | None
) -> Sequence[Outcome]:
    """Return every facility before and after each scenario, by scenario.

    Raises:
        RefusedError: There is no facility.
        InvalidError: The warehouse or the obligor has nothing that is pledged.
    """
    before = [decide_standing(holding, now) for holding in _holdings(conn, now)]
    if not before:
        raise RefusedError("no_book", "there is no open facility")
    sites, parties = _values(before)
    site = _chosen("warehouse", site, sites)
    party = _chosen("obligor", party, parties)
    return [
        Outcome(
            scenario=scenario.name,
            before=each,
            after=decide_standing(apply_scenario(each.holding, scenario), now),
        )
        for scenario in standard_scenarios(fall_bps, site, party)
        for each in before
    ]


def _holdings(conn: Conn, now: datetime) -> Iterator[Holding]:
    ids = facilities.facilities_open(conn)
    for start in range(0, len(ids), CHUNK_FACILITIES):
        yield from load_holdings(conn, ids[start : start + CHUNK_FACILITIES], now)


def _values(
    standings: Sequence[Standing],
) -> tuple[Mapping[SiteId, int], Mapping[PartyId, int]]:
    """Return what is pledged in each warehouse and by each owner, in minor units alike.

    Currencies are added up as if they were one: it only chooses where the shock is greatest.
    """
    sites: dict[SiteId, int] = {}
    parties: dict[PartyId, int] = {}
    for standing in standings:
        for lot in standing.valuation.lots:
            if lot.site_id is not None:
                sites[lot.site_id] = sites.get(lot.site_id, 0) + lot.value_minor
            if lot.owner_party is not None:
                parties[lot.owner_party] = parties.get(lot.owner_party, 0) + lot.value_minor
    return sites, parties


def _chosen(field: str, asked: Key | None, values: Mapping[Key, int]) -> Key | None:
    """Return what was asked for, or where most of the value is; None: nothing is pledged."""
    if asked is not None:
        if asked not in values:
            raise InvalidError(field, str(asked), "one with pledged goods")
        return asked
    return max(values, key=lambda key: (values[key], str(key)), default=None)


def table_of(outcomes: Sequence[Outcome]) -> str:
    """Return the outcomes as text, a block for each scenario."""
    lines: list[str] = []
    for name in dict.fromkeys(outcome.scenario for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.scenario == name]
        locked = sum(1 for outcome in own if outcome.locks_opened)
        lines += [f"{name}: {len(own)} facilities, {locked} with locks that would open", ""]
        rows = [("facility", "coverage", "base", "availability", "line", "locks that open")]
        rows += [_cells(outcome) for outcome in own]
        widths = [max(len(row[at]) for row in rows) for at in range(6)]
        lines += [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        lines.append("")
    return "\n".join(lines).rstrip()


def _cells(outcome: Outcome) -> tuple[str, str, str, str, str, str]:
    before, after = outcome.before, outcome.after
    return (
        before.holding.facility.name,
        f"{_share(before.valuation.coverage_bps)} -> {_share(after.valuation.coverage_bps)}",
        f"{before.valuation.base_minor} -> {after.valuation.base_minor}",
        f"{before.position.availability_minor} -> {after.position.availability_minor}",
        f"{before.line.state.value} -> {after.line.state.value}",
        " ".join(outcome.locks_opened) or "-",
    )


def _share(bps: int | None) -> str:
    return "-" if bps is None else f"{bps / 10_000:.2f}"
