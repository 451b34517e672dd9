"""The routes of facilities, served for real, as borrower and lender call them."""

from uuid import uuid4

import httpx
import pytest

from backend.db import Database
from backend.facility.service import relock
from backend.parties.types import Role
from tests.builders import NOW, bearer, token_for
from tests.integration.backend.facility.lending import (
    BASE_MINOR,
    VALUE_MINOR,
    build_loan,
    steal,
)
from tests.plant import Plant, set_lot_state

pytestmark = pytest.mark.integration


class Desk:
    """A party's HTTP client on one facility."""

    def __init__(self, db: Database, client: httpx.Client, plant: Plant, role: Role) -> None:
        self._client = client
        self._headers = bearer(token_for(db, plant.actors[role]))
        self.facility = f"/api/facilities/{plant.facility_id}"

    def get(self, path: str, **params: object) -> httpx.Response:
        """Read."""
        query = {key: str(value) for key, value in params.items()}
        return self._client.get(path, headers=self._headers, params=query)

    def post(self, path: str, **body: object) -> httpx.Response:
        """Change."""
        return self._client.post(path, headers=self._headers, json=body or None)

    def delete(self, path: str) -> httpx.Response:
        """Remove."""
        return self._client.delete(path, headers=self._headers)


def test_a_loan_over_http(db: Database, client: httpx.Client) -> None:
    """Drawn in two phases, locked by a theft, refused with reasons, repaid under the lock."""
    plant = build_loan(db)
    borrower = Desk(db, client, plant, Role.BORROWER)
    lender = Desk(db, client, plant, Role.LENDER)
    key = str(uuid4())

    asked = borrower.post(f"{borrower.facility}/drawdowns", id=key, amount_minor=1_000_000)
    assert (asked.status_code, asked.json()["state"]) == (201, "requested"), asked.text
    assert lender.post(f"/api/drawdowns/{key}/authorise").json()["state"] == "pending"
    assert borrower.get(borrower.facility).json()["pending_minor"] == 1_000_000
    paid = lender.post(f"/api/drawdowns/{key}/disburse")
    assert (paid.status_code, paid.json()["state"]) == (200, "disbursed"), paid.text
    before = borrower.get(borrower.facility).json()
    with db.working() as conn:
        steal(conn, plant)
    locked = lender.get(lender.facility).json()
    refused = borrower.post(f"{borrower.facility}/drawdowns", id=str(uuid4()), amount_minor=1)
    repaid = borrower.post(f"{borrower.facility}/repayments", id=str(uuid4()), amount_minor=7)

    assert {name: before[name] for name in ("value_minor", "base_minor", "exposure_minor")} == {
        "value_minor": VALUE_MINOR,
        "base_minor": BASE_MINOR,
        "exposure_minor": 1_000_000,
    }
    assert before["availability_minor"] == before["drawable_minor"] == BASE_MINOR - 1_000_000
    assert (before["coverage_bps"], before["line_state"]) == (33_000, "above")
    assert before["locks"] == []
    assert [lock["reason"] for lock in locked["locks"]] == ["QUANTITY_SHORT"]
    assert locked["locks"][0]["opened_by"] == "ingest"
    assert locked["drawable_minor"] == 0
    assert refused.status_code == 409
    error = refused.json()["error"]
    assert error["code"] == "drawdown_refused"
    assert [reason["code"] for reason in error["detail"]["reasons"]] == ["QUANTITY_SHORT"]
    assert (repaid.status_code, repaid.json()["principal_minor"]) == (201, 7)
    states = [each["state"] for each in borrower.get(f"{borrower.facility}/drawdowns").json()]
    assert sorted(states) == ["disbursed", "refused"]
    assert len(lender.get(f"{lender.facility}/repayments").json()) == 1
    happened = [each["what"] for each in lender.get(f"{lender.facility}/events").json()]
    assert happened[:3] == ["repaid", "drawdown_refused", "lock_opened"]


def test_the_valuation_says_what_each_lot_is_worth_and_why(
    db: Database, client: httpx.Client
) -> None:
    """One line a lot, with its price's source, its haircut, and each reason for less."""
    plant = build_loan(db)
    with db.working() as conn:
        set_lot_state(conn, plant.lots["fish"], condition="damaged")
    found = Desk(db, client, plant, Role.LENDER)

    valuation = found.get(f"{found.facility}/valuation").json()

    lots = {lot["name"]: lot for lot in valuation["lots"]}
    assert lots["copper"]["value_minor"] == 2_400_000
    assert lots["copper"]["price_source"] == "test"
    assert "default haircut of 5000 bps" in lots["copper"]["reasons"][0]
    assert lots["fish"]["value_minor"] == 0
    assert any("damaged" in reason for reason in lots["fish"]["reasons"])


def test_a_preview_over_http_says_what_would_be_said(db: Database, client: httpx.Client) -> None:
    """Allowed up to what is available; one unit more is refused with numbers."""
    plant = build_loan(db)
    borrower = Desk(db, client, plant, Role.BORROWER)

    allowed = borrower.get(f"{borrower.facility}/preview", amount_minor=BASE_MINOR).json()
    refused = borrower.get(f"{borrower.facility}/preview", amount_minor=BASE_MINOR + 1).json()

    assert allowed["allowed"] is True
    assert refused["allowed"] is False
    assert refused["reasons"][0]["code"] == "OVER_BASE"
    assert refused["reasons"][0]["numbers"]["after_minor"] == BASE_MINOR + 1
    assert borrower.get(f"{borrower.facility}/drawdowns").json() == []
    assert borrower.get(f"{borrower.facility}/preview", amount_minor=0).status_code == 422


def test_a_facility_is_opened_locked_and_unlocked_by_its_lender(
    db: Database, client: httpx.Client
) -> None:
    """A new line has no goods behind it, so it is locked; a manual lock is the lender's alone."""
    plant = build_loan(db)
    lender = Desk(db, client, plant, Role.LENDER)
    borrower = Desk(db, client, plant, Role.BORROWER)
    party = str(plant.actors[Role.BORROWER].party_id)
    body = {"borrower_party": party, "currency": "EUR", "limit_minor": 100}

    made = lender.post("/api/facilities", name="second", **body)
    taken = lender.post("/api/facilities", name="second", **body)
    disordered = lender.post("/api/facilities", name="third", call_line_bps=20_000, **body)
    nobody = lender.post(
        "/api/facilities", name="third", **body | {"borrower_party": str(uuid4())}
    )

    assert made.status_code == 201, made.text
    assert [lock["reason"] for lock in made.json()["locks"]] == ["UNEVALUATED"]
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "facility_name_taken")
    assert disordered.status_code == 422
    assert nobody.status_code == 404
    assert len(borrower.get("/api/facilities").json()) == 2
    assert borrower.post("/api/facilities", name="x", **body).status_code == 403
    assert borrower.post(f"{lender.facility}/locks", detail="no").status_code == 403
    locked = lender.post(f"{lender.facility}/locks", detail="audit")
    assert [lock["reason"] for lock in locked.json()["locks"]] == ["MANUAL"]
    lifted = lender.delete(f"{lender.facility}/locks/MANUAL")
    assert (lifted.status_code, lifted.json()["locks"]) == (200, [])
    assert lender.delete(f"{lender.facility}/locks/MANUAL").status_code == 409


def test_a_lock_that_nobody_has_stored_yet_is_shown(db: Database, client: httpx.Client) -> None:
    """What everything known asks for is shown at once, without opener and time."""
    plant = build_loan(db)
    with db.working() as conn:
        set_lot_state(conn, plant.lots["copper"], custody="relocated")
    found = Desk(db, client, plant, Role.LENDER)

    shown = found.get(found.facility).json()["locks"]
    with db.working() as conn:
        relock(conn, [plant.facility_id], NOW, opened_by="timekeeper")
    stored = found.get(found.facility).json()["locks"]

    assert [(lock["reason"], lock["opened_by"]) for lock in shown] == [("RELOCATED", None)]
    assert [(lock["reason"], lock["opened_by"]) for lock in stored] == [
        ("RELOCATED", "timekeeper")
    ]


def test_strangers_find_nothing(db: Database, client: httpx.Client) -> None:
    """Another bank and another borrower see no facility, drawdown or history of these."""
    plant, other = build_loan(db), build_loan(db, "b")
    borrower = Desk(db, client, plant, Role.BORROWER)
    key = str(uuid4())
    borrower.post(f"{borrower.facility}/drawdowns", id=key, amount_minor=5)

    for role in (Role.LENDER, Role.BORROWER):
        stranger = Desk(db, client, other, role)
        for path in ("", "/valuation", "/drawdowns", "/repayments", "/events"):
            assert stranger.get(f"{borrower.facility}{path}").status_code == 404
        paying = stranger.post(f"{borrower.facility}/repayments", id=str(uuid4()), amount_minor=1)
        assert paying.status_code == 404
        assert stranger.post(f"/api/drawdowns/{key}/void").status_code == 404
    assert (
        Desk(db, client, other, Role.LENDER).post(f"/api/drawdowns/{key}/authorise").status_code
        == 404
    )
    assert client.get(borrower.facility).status_code == 401
