"""Margin calls, charges and the end of a facility on a real database, through the api."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from backend.db import Database
from backend.facility.service import accrue_days, relock
from backend.facility.types import LockReason
from backend.parties.types import Role
from tests.builders import FixedClock, bearer, token_for
from tests.integration.backend.facility.lending import (
    add_price,
    build_loan,
    draw,
    events,
    later,
    open_reasons,
    rows,
)
from tests.plant import Plant, set_lot_state

HOUR_S = 3_600


def api(client: httpx.Client, db: Database, plant: Plant, role: Role) -> httpx.Client:
    """Let the client act for a party."""
    client.headers.update(bearer(token_for(db, plant.actors[role])))
    return client


def tick(db: Database, plant: Plant, price: str, at: datetime) -> None:
    """Store a price of copper (fish is quoted anew too), and relock as the timekeeper does."""
    with db.working() as conn:
        add_price(conn, plant, price, at)
        add_price(conn, plant, "3000", at, lot="fish")
    with db.working() as conn:
        relock(conn, [plant.facility_id], at, opened_by="timekeeper")


def show(clock: FixedClock, at: datetime) -> None:
    """Let the clock show a later time."""
    clock.advance(at - clock.now())


def owe(db: Database, plant: Plant, amount: int = 1_650_000) -> None:
    """Draw all that may be drawn."""
    draw(db, plant, amount)


def test_a_margin_call_goes_from_open_to_liquidatable_to_closed(
    client: httpx.Client, db: Database, clock: FixedClock
) -> None:
    """Opened on a line with what cures it, extended, unmet, in default, recovered, closed."""
    plant = build_loan(db)
    owe(db, plant)
    path = f"/api/facilities/{plant.facility_id}"
    tick(db, plant, "3500", later(10))  # worth 1,950,000 against 1,650,000: 118 %
    lender = api(client, db, plant, Role.LENDER)
    show(clock, later(11))

    def calls() -> list[dict[str, Any]]:
        return lender.get(f"{path}/margin-calls").json()

    (opened,) = calls()
    assert opened["state"] == "open"
    assert (opened["cash_minor"], opened["collateral_minor"]) == (205_556, 277_500)
    assert LockReason.BELOW_CALL_LINE in open_reasons(db, plant.facility_id)
    assert lender.get(path).json()["margin_call_minor"] == 205_556
    early = lender.post(f"{path}/margin-calls/default", json={"reason": "late"})
    assert (early.status_code, early.json()["error"]["code"]) == (409, "call_not_liquidatable")

    page = lender.get(f"/facilities/{plant.facility_id}").text
    assert "Either repay" in page
    assert "2,055.56 EUR" in page

    until = later(72 * HOUR_S)
    extended = lender.post(
        f"{path}/margin-calls/extend",
        json={"deadline_at": until.isoformat(), "reason": "a buyer is found"},
    )
    assert extended.status_code == 200
    assert lender.get(path).json()["cure_by"] == until.isoformat().replace("+00:00", "Z")
    for seconds, price in ((1, "3501"), (2, "3502"), (3, "3503")):
        tick(db, plant, price, until + timedelta(seconds=seconds))
    show(clock, until + timedelta(seconds=4))
    assert calls()[0]["state"] == "liquidatable"
    assert lender.get(path).json()["state"] == "liquidatable"

    failed = lender.post(f"{path}/margin-calls/default", json={"reason": "no answer"})
    assert failed.json()["state"] == "defaulted"
    owing = lender.post(f"{path}/margin-calls/close", json={"reason": "sold"})
    assert owing.json()["error"]["code"] == "call_not_recovered"
    lender.post(f"{path}/repayments", json={"id": str(uuid4()), "amount_minor": 1_650_000})
    closed = lender.post(f"{path}/margin-calls/close", json={"reason": "sold"})
    assert closed.json()["state"] == "closed"
    what = [each for each in events(db, plant) if each.startswith("margin_call")]
    assert what == [
        "margin_call_open",
        "margin_call_open",
        "margin_call_liquidatable",
        "margin_call_defaulted",
        "margin_call_closed",
    ]
    alerts = lender.get("/api/alerts").json()
    assert any("margin call until" in alert["summary"] for alert in alerts)


def agree(lender: httpx.Client, path: str) -> dict[str, str | int]:
    """Set a rate, a fee and dues, each refused or answered as before when sent again."""
    today = later(0).date()
    rate = {
        "from_day": today.isoformat(),
        "day_count": "act/360",
        "annual_bps": 3_600,
        "penalty_bps": 7_200,
    }
    assert lender.post(f"{path}/rates", json=rate).status_code == 201
    assert lender.post(f"{path}/rates", json=rate).json()["error"]["code"] == "rate_set"
    fee = {
        "id": str(uuid4()),
        "kind": "arrangement",
        "name": "arrangement fee",
        "amount_minor": 500,
        "due_on": (today + timedelta(days=30)).isoformat(),
    }
    assert lender.post(f"{path}/charges", json=fee).status_code == 201
    assert lender.post(f"{path}/charges", json=fee).status_code == 201
    assert (
        lender.post(f"{path}/charges", json={**fee, "name": "x"}).json()["error"]["code"]
        == "id_reused"
    )
    dues = [
        {"due_on": (today + timedelta(days=2)).isoformat(), "component": "interest"},
        {
            "due_on": (today + timedelta(days=2)).isoformat(),
            "component": "principal",
            "amount_minor": 100_000,
        },
    ]
    assert lender.post(f"{path}/dues", json={"dues": dues}).status_code == 201
    assert lender.post(f"{path}/dues", json={"dues": dues}).json()["error"]["code"] == "due_set"
    return rate


def test_charges_accrue_fall_due_and_lock_until_they_are_paid(
    client: httpx.Client, db: Database, clock: FixedClock
) -> None:
    """Rate, fee, dues: booked once a day, OVERDUE after the day, lifted by paying, then closed."""
    plant = build_loan(db)
    owe(db, plant, 1_000_000)
    path = f"/api/facilities/{plant.facility_id}"
    lender = api(client, db, plant, Role.LENDER)
    show(clock, later(20))

    rate = agree(lender, path)

    four_days = later(4 * 24 * HOUR_S)
    for _ in range(2):
        with db.working() as conn:
            accrue_days(conn, [plant.facility_id], four_days, "timekeeper")
    show(clock, four_days)
    found = lender.get(path).json()
    # 0.1 % a day for four days on 1,000,000; 0.2 % a day on 102,000 past due, on the last of them.
    assert (found["interest_minor"], found["penalty_minor"]) == (4_000, 204)
    assert found["fees_minor"] == 500
    owed = lender.get(f"{path}/dues").json()
    assert owed["past_due"] == {
        "penalty_minor": 204,
        "fees_minor": 0,
        "interest_minor": 2_000,
        "principal_minor": 100_000,
    }
    assert LockReason.OVERDUE in open_reasons(db, plant.facility_id)
    assert len(lender.get(f"{path}/accruals").json()) == 12
    late_rate = lender.post(f"{path}/rates", json={**rate, "annual_bps": 1})
    assert late_rate.status_code == 422

    paid = {"id": str(uuid4()), "amount_minor": 104_704}
    lender.post(f"{path}/repayments", json=paid)
    assert lender.get(path).json()["past_due_minor"] == 0


def test_what_is_written_off_locks_and_a_facility_closes_for_ever(
    client: httpx.Client, db: Database, clock: FixedClock
) -> None:
    """Nothing owed and nothing pledged: closed; the attempt before is kept as a refusal."""
    plant = build_loan(db)
    owe(db, plant, 900_000)
    path = f"/api/facilities/{plant.facility_id}"
    lender = api(client, db, plant, Role.LENDER)
    show(clock, later(20))

    written = {"id": str(uuid4()), "principal_minor": 900_000, "reason": "insolvent"}
    assert lender.post(f"{path}/write-offs", json=written).status_code == 201
    assert lender.post(f"{path}/write-offs", json=written).status_code == 201
    assert LockReason.MANUAL in open_reasons(db, plant.facility_id)

    refused = lender.post(f"{path}/close", json={"reason": "done"}).json()
    assert [reason["code"] for reason in refused["error"]["detail"]["reasons"]] == ["PLEDGED"]
    assert lender.post(f"/api/pledges/{plant.pledge_id}/release").status_code == 200
    closed = lender.post(f"{path}/close", json={"reason": "done"})
    assert closed.json()["state"] == "closed"
    (kept,) = lender.get(f"{path}/refusals").json()
    assert (kept["action"], kept["reasons"][0]["code"]) == ("close", "PLEDGED")


def test_pledges_leave_only_as_the_facility_can_spare_them(
    client: httpx.Client, db: Database, clock: FixedClock
) -> None:
    """Refused with rule, numbers and evidence; a substitute that adds more is both or neither."""
    plant = build_loan(db)
    owe(db, plant)
    show(clock, later(5))
    lender = api(client, db, plant, Role.LENDER)
    path = f"/api/facilities/{plant.facility_id}"

    refused = lender.post(f"/api/pledges/{plant.pledge_id}/release")

    assert refused.status_code == 409
    codes = [reason["code"] for reason in refused.json()["error"]["detail"]["reasons"]]
    assert codes == ["UNEVALUATED", "BELOW_CALL_LINE", "COVERAGE", "OVER_BASE"]
    assert lender.get("/api/pledges").json()[0]["state"] == "active"
    (kept,) = lender.get(f"{path}/refusals").json()
    assert "On which evidence" in lender.get(f"/facilities/{plant.facility_id}").text
    assert kept["action"] == "release_pledge"
    assert kept["reasons"][3]["numbers"] == {"base_minor": 0, "owed_minor": 1_650_000}
    assert kept["evidence"]["valuation"]["exposure_minor"] == 1_650_000

    where = {"registry": "notice registry", "number": "A-1", "registered_on": "2026-01-01"}
    noted = lender.post(f"/api/pledges/{plant.pledge_id}/registration", json=where)
    assert noted.json()["registry_number"] == "A-1"

    borrower = bearer(token_for(db, plant.actors[Role.BORROWER]))
    same = {
        "lender_party": str(plant.actors[Role.LENDER].party_id),
        "lot_ids": [str(lot) for lot in plant.lots.values()],
    }
    new = lender.post("/api/pledges", json=same, headers=borrower).json()
    swapped = lender.post(
        f"/api/pledges/{plant.pledge_id}/substitute", json={"pledge_id": new["id"]}
    )
    assert [pledge["state"] for pledge in swapped.json()] == ["released", "active"]
    less = lender.post(
        "/api/pledges", json={**same, "lot_ids": same["lot_ids"][:1]}, headers=borrower
    ).json()
    worse = lender.post(f"/api/pledges/{new['id']}/substitute", json={"pledge_id": less["id"]})
    assert worse.status_code == 409
    states = {each["id"]: each["state"] for each in lender.get("/api/pledges").json()}
    assert (states[new["id"]], states[less["id"]]) == ("active", "proposed")


def test_supposing_writes_nothing(client: httpx.Client, db: Database, clock: FixedClock) -> None:
    """Lending lesson 8: every row of the database is what it was, whatever was supposed."""
    plant = build_loan(db)
    owe(db, plant, 800_000)
    show(clock, later(5))
    borrower = api(client, db, plant, Role.BORROWER)
    path = f"/api/facilities/{plant.facility_id}/preview"
    borrower.get(path, params={"amount_minor": 1})
    before = rows(db)

    fallen = borrower.post(path, json={"price_changes": [{"change_bps": -5_000}]}).json()
    asked = {"instrument_id": plant.instruments["copper"], "mass_g": 10_000_000}
    more = borrower.post(path, json={"add_lots": [asked], "draw_minor": 2_000_000}).json()
    less = borrower.post(
        path, json={"release_lots": [str(plant.lots["copper"])], "repay_minor": 100_000}
    ).json()
    wrong = borrower.post(path, json={"release_lots": [str(uuid4())]})

    shown = borrower.get(
        f"/facilities/{plant.facility_id}/suppose", params={"price_percent": "-70", "draw": "1.00"}
    )
    assert "Refused: " in shown.text
    assert "What if" in borrower.get(f"/facilities/{plant.facility_id}").text
    assert rows(db) == before
    assert fallen["then"]["value_minor"] == fallen["now"]["value_minor"] // 2
    assert more["allowed"]
    assert more["then"]["exposure_minor"] == 2_800_000
    assert [reason["code"] for reason in less["reasons"]] == [
        "BELOW_CALL_LINE",
        "COVERAGE",
        "OVER_BASE",
    ]
    assert wrong.status_code == 422


def test_what_a_policy_asks_of_pledges_locks_until_it_is_there(
    client: httpx.Client, db: Database, clock: FixedClock
) -> None:
    """CONTROL_VALUE, REGISTRY_MISSING, DOUBLE_PLEDGE: opened and lifted by the same derivation."""
    plant = build_loan(db)
    with db.working() as conn:
        conn.execute("UPDATE facility SET registry_required = true, control_value_minor = 3000000")
    tick(db, plant, "6000", later(5))
    assert open_reasons(db, plant.facility_id) == {
        LockReason.REGISTRY_MISSING,
        LockReason.CONTROL_VALUE,
    }
    show(clock, later(6))
    lender = api(client, db, plant, Role.LENDER)
    where = {"registry": "notice registry", "number": "A-1", "registered_on": "2026-01-01"}
    lender.post(f"/api/pledges/{plant.pledge_id}/registration", json=where)
    assert open_reasons(db, plant.facility_id) == {LockReason.CONTROL_VALUE}
    tick(db, plant, "8000", later(7))
    assert open_reasons(db, plant.facility_id) == set()

    other = build_loan(db, "b")
    offered = {
        "lender_party": str(other.actors[Role.LENDER].party_id),
        "lot_ids": [str(plant.lots["copper"])],
    }
    borrower = bearer(token_for(db, plant.actors[Role.BORROWER]))
    pledge = lender.post("/api/pledges", json=offered, headers=borrower).json()
    show(clock, later(8))
    tick(db, plant, "8000", later(8))
    assert open_reasons(db, plant.facility_id) == {LockReason.DOUBLE_PLEDGE}
    shown = lender.get(f"/api/facilities/{plant.facility_id}").json()["locks"]
    assert [lock["reason"] for lock in shown] == ["DOUBLE_PLEDGE"]
    second = bearer(token_for(db, other.actors[Role.LENDER]))
    lender.post(f"/api/pledges/{pledge['id']}/reject", headers=second)
    with db.working() as conn:
        set_lot_state(conn, plant.lots["copper"])
    tick(db, plant, "8000", later(9))
    assert open_reasons(db, plant.facility_id) == set()
