"""The stress run over a live book: it says what would be, and writes nothing."""

import csv
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from backend.__main__ import cli
from backend.db import Database
from backend.facility.types import LineState
from backend.ids import PartyId, SiteId
from backend.parties.types import Role
from backend.risk_cli.stress import Outcome, run_stress
from tests.builders import NOW
from tests.integration.backend.facility.lending import (
    BASE_MINOR,
    authorise,
    build_loan,
    disburse,
    request,
)

TABLES = ("valuation", "lot_valuation", "facility_lock", "facility_event", "alert", "drawdown")


def run(db: Database, fall_bps: int = 3_000) -> dict[str, Outcome]:
    """Run the scenarios over a book of one facility."""
    with db.reading() as conn:
        outcomes = run_stress(conn, NOW, fall_bps=fall_bps, site=None, party=None)
    return {outcome.scenario: outcome for outcome in outcomes}


def count_rows(db: Database) -> list[int]:
    """Count what a stress run must leave as it is."""
    with db.working() as conn:
        found = [conn.execute(f"SELECT count(*) FROM {each}".encode()) for each in TABLES]
        return [row[0] for cursor in found if (row := cursor.fetchone()) is not None]


def test_each_scenario_says_what_would_be_and_nothing_is_written(db: Database) -> None:
    """A drawn facility: prices fall, the warehouse goes dark, its owner's goods are gone."""
    plant = build_loan(db)
    drawn = authorise(db, plant, request(db, plant, BASE_MINOR - 1_000).id)
    disburse(db, plant, drawn.id)
    rows = count_rows(db)

    found = run(db)

    assert list(found) == ["prices -30 %", "warehouse dark", "obligor gone", "combined"]
    fall, dark, gone = (found[name] for name in list(found)[:3])
    assert fall.after.valuation.value_minor == fall.before.valuation.value_minor * 7 // 10
    assert fall.after.position.availability_minor < 0 < fall.before.position.availability_minor
    assert fall.before.line.state is LineState.ABOVE
    assert fall.after.line.state is not LineState.ABOVE
    assert dark.locks_opened == ["SENSOR_LOST"]
    assert gone.after.valuation.base_minor == 0
    assert "QUANTITY_SHORT" in gone.locks_opened
    assert found["combined"].after.position.availability_minor <= min(
        each.after.position.availability_minor for each in (fall, dark, gone)
    )
    assert count_rows(db) == rows


def test_the_transaction_itself_can_write_nothing(db: Database) -> None:
    """Not even a mistake of ours could change the book."""
    plant = build_loan(db)

    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), db.reading() as conn:
        conn.execute("UPDATE facility SET name = 'x' WHERE id = %s", [plant.facility_id])


def test_a_warehouse_or_obligor_without_goods_is_refused_by_name(db: Database) -> None:
    """Asked for a shock that changes nothing, it says so."""
    plant = build_loan(db)
    lender = plant.actors[Role.LENDER].party_id

    with pytest.raises(Exception, match="obligor is"), db.reading() as conn:
        run_stress(conn, NOW, fall_bps=1, site=None, party=PartyId(lender))
    with pytest.raises(Exception, match="warehouse is"), db.reading() as conn:
        run_stress(conn, NOW, fall_bps=1, site=SiteId(lender), party=None)


def test_the_command_prints_a_table_and_writes_a_file(
    db: Database, db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an officer runs it, against the database of the environment."""
    build_loan(db)
    monkeypatch.setenv("PLEDGEWATCH_DATABASE_URL", db_url)
    file = tmp_path / "stress.csv"

    result = CliRunner().invoke(cli, ["stress", "--fall-bps", "2500", "--out", str(file)])

    assert result.exit_code == 0, result.output
    assert "prices -25 %: 1 facilities" in result.output
    with file.open(encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["scenario"] for row in rows][1:3] == ["warehouse dark", "obligor gone"]
    assert int(rows[0]["base_minor_after"]) <= int(rows[0]["base_minor_before"])
