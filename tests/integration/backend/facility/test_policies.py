"""Policies of a facility: versions that are in force at once, and never changed."""

import dataclasses

import psycopg
import pytest

from backend.db import Database
from backend.facility.service import policies
from backend.facility.service.facilities import preview_drawdown
from backend.facility.service.standings import assess_one
from backend.facility.types import Allow, Standing
from backend.money import Minor
from backend.parties.types import Role
from backend.valuation.store import load_policies, load_valuation
from backend.valuation.types import DeductionCode, LendingPolicy
from tests.builders import NOW
from tests.integration.backend.facility.lending import (
    BASE_MINOR,
    VALUE_MINOR,
    build_loan,
    relocked,
)
from tests.plant import Plant
from tests.unit.backend.facility.facts import make_policy


def put(db: Database, plant: Plant, policy: LendingPolicy) -> Standing:
    """Set a policy as the lender."""
    actor = plant.actors[Role.LENDER]
    with db.acting(actor) as conn:
        return policies.set_policy(conn, actor, plant.facility_id, policy, "a test", NOW)


def test_a_policy_is_in_force_at_once_and_every_deduction_is_a_line(db: Database) -> None:
    """A limit per commodity and reserves come off the base that was there without them."""
    plant = build_loan(db)
    before = relocked(db, plant).valuation

    after = put(db, plant, make_policy(commodity_bps_max=6_000, reserve_bps=1_000)).valuation

    assert (before.policy_version, before.base_minor) == (0, BASE_MINOR)
    assert (before.base.gross_minor, before.value_minor) == (VALUE_MINOR, VALUE_MINOR)
    codes = [line.code for line in after.base.lines]
    assert codes == [
        DeductionCode.HAIRCUT,
        DeductionCode.HAIRCUT,
        DeductionCode.COMMODITY_SHARE,
        DeductionCode.RESERVE_SHARE,
    ]
    assert after.base.gross_minor - sum(each.amount_minor for each in after.base.lines) == (
        after.base_minor
    )
    assert after.policy_version == 1
    assert after.value_minor == before.value_minor
    assert after.base_minor < before.base_minor
    with db.acting(plant.actors[Role.BORROWER]) as conn:
        seen = assess_one(conn, plant.facility_id, NOW)
    assert seen.valuation == after


def test_versions_count_up_and_the_facility_follows_the_newest(db: Database) -> None:
    """Horizon, reserve and time to live of the facility itself are the newest version's."""
    plant = build_loan(db)
    put(db, plant, make_policy(ttl_s=30))
    last = put(
        db,
        plant,
        make_policy(ttl_s=90, reserve_minor=7, liquidation_horizon_days=40, commodities=("x",)),
    )

    facility = last.holding.facility
    assert (facility.valuation_ttl_s, facility.reserve_minor) == (90, 7)
    assert facility.liquidation_horizon_days == 40
    assert last.valuation.base_minor == 0
    with db.acting(plant.actors[Role.LENDER]) as conn:
        _, versions = policies.list_policies(conn, plant.facility_id)
        assert [each.policy.version for each in versions] == [2, 1]
        assert versions[0].set_by == f"api:{plant.actors[Role.LENDER].login}"
        in_force = load_policies(conn, [plant.facility_id])[plant.facility_id]
    assert in_force == dataclasses.replace(versions[0].policy, version=2)


def test_what_was_stored_is_what_was_computed(db: Database) -> None:
    """A stored valuation comes back whole: lines, evidence, inputs."""
    plant = build_loan(db)
    standing = put(db, plant, make_policy(stock_take_age_s_max=3_600, warehouse_bps_max=5_000))
    newest = standing.holding.newest
    assert newest is not None

    with db.working() as conn:
        stored = load_valuation(conn, newest.id)

    assert stored is not None
    assert stored == standing.valuation
    assert {line.code for line in stored.base.lines} == {DeductionCode.STOCK_TAKE}


@pytest.mark.parametrize("table", ["valuation", "lot_valuation", "facility_policy"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET complete = false", "DELETE FROM {}"])
def test_nobody_changes_what_was_valued_or_set(db: Database, table: str, verb: str) -> None:
    """Neither the worker nor the tables' owner: the database refuses update and delete."""
    plant = build_loan(db)
    put(db, plant, make_policy())
    statement = verb.replace("complete = false", "why = 'x'") if "policy" in table else verb

    with pytest.raises(psycopg.errors.InsufficientPrivilege), db.working() as conn:
        conn.execute(statement.format(table).encode())
    with db.connect() as owner, pytest.raises(psycopg.errors.InsufficientPrivilege) as refused:
        owner.execute(statement.format(table).encode())
    assert "never changed" in str(refused.value)


def test_a_preview_can_write_nothing(db: Database) -> None:
    """It is answered in a transaction in which the database refuses every write."""
    plant = build_loan(db)

    with db.reading() as conn:
        standing, decision = preview_drawdown(conn, plant.facility_id, Minor(BASE_MINOR), NOW)

    assert isinstance(decision, Allow)
    assert standing.position.availability_minor == BASE_MINOR
