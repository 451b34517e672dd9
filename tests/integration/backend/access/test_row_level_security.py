"""Every table under every role: another party's rows are neither seen nor written."""

from typing import Final

import pytest
from psycopg import errors

from backend.db import Database
from backend.ids import PartyId
from backend.parties.types import Role
from tests.builders import make_actor
from tests.integration.backend.access.attempts import (
    TwoPlants,
    changes,
    count,
    deletes,
    insert_copy_is_refused,
)
from tests.integration.backend.access.everything import (
    READINGS,
    ROWS_OF,
    VIEWS,
    build_everything,
)
from tests.integration.backend.access.money_rows import LOAN_TABLES
from tests.plant import insert

TRADE: Final = (Role.LENDER, Role.BORROWER, Role.LOGISTICS)
ALL: Final = frozenset(Role)
PLANT: Final = frozenset(
    {Role.LENDER, Role.BORROWER, Role.LOGISTICS, Role.OPERATOR, Role.REGULATOR}
)
PLANT_STAFF: Final = frozenset({Role.LOGISTICS, Role.OPERATOR, Role.REGULATOR})
LOTS: Final = frozenset({Role.LENDER, Role.BORROWER, Role.LOGISTICS, Role.REGULATOR})
LOAN: Final = frozenset({Role.LENDER, Role.BORROWER, Role.REGULATOR})
NOBODY: Final[frozenset[Role]] = frozenset()
MARKET: Final = frozenset({Role.LENDER, Role.OPERATOR})

# Who sees rows of the plant that is their own (operators and regulators: of any plant).
SEES: Final[dict[str, frozenset[Role]]] = {
    "account": ALL,
    "alert": LOTS,
    "alert_event": LOTS,
    "alert_evidence": LOTS,
    "api_token": frozenset(TRADE),
    "calendar": ALL,
    "calendar_day": ALL,
    "application": LOTS,
    "application_document": LOTS,
    "application_seat": LOTS,
    "application_step": LOTS,
    "channel": PLANT,
    "commodity": ALL,
    "daily_price": ALL,
    "drawdown": LOAN,
    "enrolment_code": frozenset({Role.OPERATOR}),
    "envelope": frozenset({Role.LOGISTICS, Role.OPERATOR, Role.REGULATOR}),
    "event_reading": NOBODY,
    "facility": LOAN,
    **dict.fromkeys(LOAN_TABLES, LOAN),
    "facility_event": LOAN,
    "facility_lock": LOAN,
    "facility_past": LOAN,
    "facility_policy": LOAN,
    "gateway": PLANT,
    "gateway_attestation": PLANT_STAFF,
    "gateway_certificate": PLANT_STAFF,
    "stream_closed": PLANT_STAFF,
    "gateway_command": PLANT_STAFF,
    "gateway_command_outcome": PLANT_STAFF,
    "gateway_key": PLANT,
    "feed": MARKET | {Role.REGULATOR},
    "grade": ALL,
    "grade_differential": ALL,
    "image": PLANT,
    "image_request": PLANT,
    "instrument": ALL,
    "item": LOTS,
    "item_sighting": NOBODY,  # the detectors' own memory
    "item_state": LOTS,
    "journal_account": LOAN,
    "journal_balance": LOAN,
    "journal_entry": LOAN,
    "journal_transfer": LOAN,
    "settlement_account": LOAN,
    "statement_file": frozenset({Role.OPERATOR, Role.REGULATOR}),
    "settlement_line": LOAN,
    "settlement_event": LOAN,
    "repayment_reversal": LOAN,
    "lot": LOTS,
    "lot_event": LOTS,
    "lot_state": LOTS,
    "lot_valuation": LOAN,
    "notice": LOTS,
    "notice_message": frozenset({*TRADE, Role.REGULATOR}),
    "notice_subscription": frozenset({*TRADE, Role.REGULATOR}),
    "party": ALL,
    "party_key": ALL,
    "pledge": LOTS,  # a keeper of goods: by the application that it accepts them under
    "pledge_lot": LOTS,
    "price": ALL,
    "price_decision": ALL,
    "price_event": ALL,
    "refused_envelope": frozenset({Role.OPERATOR, Role.REGULATOR}),
    "release_event": LOTS,
    "release_item": LOTS,
    "release_order": LOTS,
    "released_item": LOTS,
    "repayment": LOAN,
    "scalar_reading": NOBODY,
    "sensor_binding": PLANT,
    "sensor_state": PLANT,
    "session": NOBODY,
    "sighting_reading": NOBODY,
    "site": PLANT,
    "stock_take": LOTS,
    "stock_take_item": LOTS,
    "stream": PLANT,
    "thinning": PLANT,
    "uplink_held": NOBODY,
    "uplink_inbox": NOBODY,
    "valuation": LOAN,
    "visible_event_reading": PLANT,
    "visible_scalar_reading": PLANT,
    "visible_sighting_reading": PLANT,
    "volatility": ALL,
    "zone": PLANT,
}
# The same for whoever is logged in: names of companies, goods and prices are no secrets here.
PUBLIC: Final = frozenset(
    {"party", "party_key", "commodity", "instrument", "price", "daily_price", "volatility"}
    | {"calendar", "calendar_day", "grade", "grade_differential"}
    | {"price_decision", "price_event"}
)
# Who sees everybody's rows of what it sees at all.
EVERYWHERE: Final = frozenset({Role.OPERATOR, Role.REGULATOR})

_PLATFORM: Final = frozenset({Role.OPERATOR})
# Who may add a row that concerns other parties than its own; nobody where a table is missing.
ADDS_FOR_OTHERS: Final[dict[str, frozenset[Role]]] = {
    "party": _PLATFORM,
    "party_key": _PLATFORM,
    "account": _PLATFORM,
    "site": _PLATFORM,
    "zone": _PLATFORM,
    "gateway": _PLATFORM,
    "enrolment_code": _PLATFORM,
    "gateway_command": _PLATFORM,
    "sensor_binding": _PLATFORM,
    "statement_file": _PLATFORM,
    "commodity": MARKET,
}
# Who may change rows that concern other parties than its own.
CHANGES_OF_OTHERS: Final[dict[str, frozenset[Role]]] = {
    "account": _PLATFORM,  # a new password, an end
    "gateway": _PLATFORM,
    "gateway_certificate": _PLATFORM,  # its end
}


@pytest.fixture
def plants(db: Database) -> TwoPlants:
    """Both plants with rows in every table."""
    with db.working() as conn:
        own, other = build_everything(conn, "a"), build_everything(conn, "b")
        party_id = PartyId(insert(conn, "party", name="platform"))
    return TwoPlants(
        own=own,
        other=other,
        operator=make_actor(Role.OPERATOR, party_id=party_id),
        regulator=make_actor(Role.REGULATOR, party_id=party_id),
    )


def test_every_table_is_accounted_for(db: Database) -> None:
    """A table or view that these tests do not know fails here, not in production."""
    with db.working() as conn:
        rows = conn.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT relispartition"
        ).fetchall()
    names = {str(name) for (name,) in rows} - {"alembic_version"}
    assert names == set(ROWS_OF) == set(SEES)


def test_every_table_is_under_row_level_security(db: Database) -> None:
    """Row-level security is on everywhere but on readings, of which the api is granted nothing."""
    with db.working() as conn:
        rows = conn.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition AND NOT relrowsecurity"
        ).fetchall()
        partitions = conn.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relispartition AND relkind = 'r'"
            " AND has_table_privilege('pledgewatch_api', oid, 'SELECT, INSERT, UPDATE, DELETE')"
        ).fetchall()
        version = conn.execute(
            "SELECT has_table_privilege('pledgewatch_api', 'alembic_version', 'SELECT')"
        ).fetchone()
    assert {str(name) for (name,) in rows} == READINGS | {"alembic_version"}
    assert partitions == []
    assert version == (False,)


def test_every_table_has_rows_of_both_plants(db: Database, plants: TwoPlants) -> None:
    """What is empty would prove nothing below."""
    empty: list[str] = []
    with db.working() as conn:
        for table in sorted(ROWS_OF.keys() - VIEWS):
            for everything in (plants.own, plants.other):
                if count(conn, table, everything) == 0:
                    empty.append(f"{table} {everything.plant.name}")
    assert empty == []


@pytest.mark.parametrize("role", list(Role))
def test_a_role_sees_its_own_rows_and_no_others(
    db: Database, plants: TwoPlants, role: Role
) -> None:
    """Each table shows each role what the matrix says, and nothing of another party."""
    wrong: list[str] = []
    with db.acting(plants.actor(role)) as conn:
        for table, roles in SEES.items():
            sees = role in roles
            expected_other = sees and (table in PUBLIC or role in EVERYWHERE)
            own, other = count(conn, table, plants.own), count(conn, table, plants.other)
            if (own > 0, other > 0) != (sees, expected_other):
                wrong.append(f"{table}: {own} own rows, {other} of others")
    assert wrong == []


@pytest.mark.parametrize("role", ["auth", "enrol", ""])
def test_who_is_not_logged_in_sees_no_business(db: Database, plants: TwoPlants, role: str) -> None:
    """The login sees accounts, enrolment sees gateways; without a role there is nothing."""
    allowed = {
        "auth": PUBLIC | {"account", "session", "api_token"},
        "enrol": PUBLIC
        | {"gateway", "gateway_certificate", "gateway_key", "enrolment_code", "stream"},
        "": frozenset[str](),
    }[role]
    with db.auth() as conn:
        conn.execute("SELECT set_config('pw.role', %s, true)", [role])
        seen = {table for table in SEES if count(conn, table, plants.other)}
    assert seen == allowed


@pytest.mark.parametrize("role", list(Role))
def test_a_role_adds_nothing_of_others(db: Database, plants: TwoPlants, role: Role) -> None:
    """A row that concerns another party is refused by the policy, whatever the handler thinks."""
    wrong: list[str] = []
    for table in sorted(ROWS_OF.keys() - VIEWS):
        allowed = role in ADDS_FOR_OTHERS.get(table, NOBODY)
        refused = insert_copy_is_refused(db, plants, table, role)
        if refused == allowed:
            wrong.append(f"{table}: {'refused' if refused else 'let through'}")
    assert wrong == []


@pytest.mark.parametrize("role", list(Role))
def test_a_role_changes_nothing_of_others(db: Database, plants: TwoPlants, role: Role) -> None:
    """No column of another party's row is changed, and no row of anybody is deleted."""
    wrong: list[str] = []
    for table in ROWS_OF:
        allowed = role in CHANGES_OF_OTHERS.get(table, NOBODY)
        if changes(db, plants, table, role) != allowed:
            wrong.append(f"UPDATE {table}")
        if deletes(db, plants, table, role):
            wrong.append(f"DELETE {table}")
    assert wrong == []


def test_a_regulator_writes_nothing_at_all(db: Database, plants: TwoPlants) -> None:
    """Not of others and not of its own: reading is all."""
    own = TwoPlants(
        own=plants.other, other=plants.own, operator=plants.operator, regulator=plants.regulator
    )
    for both in (plants, own):
        wrong = [
            table
            for table in ROWS_OF.keys() - VIEWS
            if not insert_copy_is_refused(db, both, table, Role.REGULATOR)
            or changes(db, both, table, Role.REGULATOR)
            or deletes(db, both, table, Role.REGULATOR)
        ]
        assert wrong == []


def test_a_regulator_adds_no_token_of_its_own(db: Database) -> None:
    """Even its own account's rows are not its to write."""
    with db.working() as conn:
        party_id = PartyId(insert(conn, "party", name="supervisor"))
        account_id = insert(
            conn, "account", party_id=party_id, login="supervisor", role="regulator"
        )
    actor = make_actor(Role.REGULATOR, party_id=party_id, account_id=account_id)
    values = {
        "account_id": account_id,
        "name": "x",
        "token_sha256": bytes(32),
        "created_at": "now",
    }
    with db.acting(actor) as conn, pytest.raises(errors.InsufficientPrivilege), conn.transaction():
        conn.execute(
            "INSERT INTO api_token (account_id, name, token_sha256, created_at)"
            " VALUES (%(account_id)s, %(name)s, %(token_sha256)s, %(created_at)s)",
            values,
        )
