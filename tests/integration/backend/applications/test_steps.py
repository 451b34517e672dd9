"""An application from its opening to its end, and every way in which a step is refused."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import cast
from uuid import uuid4

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from backend.applications.errors import StepIdReusedError, StepRefusedError
from backend.applications.service import expire, fetch_due
from backend.contract_cli import contract_cli
from backend.db import Database
from backend.errors import InvalidError, NotFoundError, PledgewatchError
from backend.facility.types import Allow
from backend.ids import ApplicationId
from backend.parties.types import Role
from backend.party_keys.errors import SignatureRefusedError
from schemas.contract import contract_content_type
from tests.builders import NOW, bearer, make_actor, token_for
from tests.integration.backend.applications.desk import (
    AMOUNT_MINOR,
    LENDABLE_MINOR,
    WAY,
    WHO,
    Desk,
    build_desk,
)
from tests.integration.backend.releases.orders import sign
from tests.plant import insert, set_lot_state

pytestmark = pytest.mark.integration


@pytest.fixture
def desk(db: Database) -> Desk:
    """Goods that are free, and parties with keys."""
    return build_desk(db)


def codes(error: StepRefusedError) -> list[str]:
    """Return the codes of a refusal's reasons."""
    reasons = cast("list[dict[str, object]]", error.detail["reasons"])
    return [str(reason["code"]) for reason in reasons]


def test_eight_stages_lead_from_application_to_release(desk: Desk) -> None:
    """Each step by its party alone; money is drawn once, repaid, and the goods are free again."""
    desk.apply()
    for name in WAY:
        waiting = WHO.get(name, Role.LENDER)
        for role in (Role.LENDER, Role.BORROWER, Role.LOGISTICS):
            view = desk.view(role)
            mine = [chance.step.name for chance in view.chances if not chance.step.side]
            assert (name in mine) is (role is waiting), (name, role)
        desk.do(name)
    view = desk.view(Role.LENDER)
    assert view.application.state == "closed"
    assert [step.step for step in view.steps] == ["apply", *WAY]
    assert [step.number for step in view.steps] == list(range(1, len(WAY) + 2))
    assert {step.step for step in view.steps if step.message} == {"sign", "countersign"}
    with desk.db.working() as conn:
        row = conn.execute(
            "SELECT p.state, f.principal_minor, f.limit_minor, f.state, d.state, pw_pledged(%s),"
            " (SELECT annual_bps FROM facility_rate r WHERE r.facility_id = f.id),"
            " (SELECT count(*) FROM facility_due u WHERE u.facility_id = f.id)"
            " FROM application a JOIN pledge p ON p.id = a.pledge_id"
            " JOIN facility f ON f.id = a.facility_id JOIN drawdown d ON d.id = a.drawdown_id",
            (desk.lot,),
        ).fetchone()
    assert row == ("released", 0, AMOUNT_MINOR, "closed", "disbursed", False, 650, 2)


@pytest.mark.parametrize("name", ["approve", "disburse"])
def test_a_refused_step_leaves_every_table_as_it_was(desk: Desk, name: str) -> None:
    """Out of order, by the wrong party, with wrong values: no row of any table changes."""
    desk.reach(name)
    right = WHO.get(name, Role.LENDER)
    before = desk.rows()
    for other in WAY:
        role = WHO.get(other, Role.LENDER)
        if other != name and other != "draw" and (other, name) != ("certify", "approve"):
            with pytest.raises((StepRefusedError, InvalidError)):
                desk.do(other, role=role, message=desk_message(desk, other))
    for role in {Role.LENDER, Role.BORROWER, Role.LOGISTICS} - {right}:
        with pytest.raises(StepRefusedError) as caught:
            desk.do(name, role=role)
        assert codes(caught.value) == ["WRONG_ACTOR"]
    with pytest.raises(InvalidError):
        desk.do(name, {"unknown": 1})
    assert desk.rows() == before


def desk_message(desk: Desk, step: str) -> str | None:
    """Return a signed message for a step that is signed, of whatever there is to sign."""
    role = {"sign": Role.BORROWER, "countersign": Role.LENDER}.get(step)
    return None if role is None else desk.signed(role, b"\x80")


def test_the_same_step_again_is_answered_as_before(desk: Desk) -> None:
    """Once done, whatever has happened since; with another body it is refused."""
    first = desk.apply()
    assert desk.apply().steps == first.steps
    with pytest.raises(StepIdReusedError):
        desk.apply(term_days=91)
    key = uuid4()
    done = desk.do("register", key=key)
    before = desk.rows()
    assert desk.do("register", key=key).steps == done.steps
    with pytest.raises(StepIdReusedError):
        desk.do("refuse", key=key)
    assert desk.rows() == before


def test_goods_are_measured_before_they_are_certified(desk: Desk) -> None:
    """Short goods and stale sensors are named with their numbers; then the certificate stands."""
    desk.reach("certify")
    with desk.db.working() as conn:
        set_lot_state(conn, desk.lot, quantity="short", short_mass_g=1, measured_mass_g=2_999_999)
    with pytest.raises(StepRefusedError) as caught:
        desk.do("certify")
    assert codes(caught.value) == ["QUANTITY"]
    assert "2999999 g are measured of 3000000 g" in caught.value.message
    with desk.db.working() as conn:
        set_lot_state(conn, desk.lot, short_mass_g=0)
    desk.now = NOW + timedelta(minutes=16)
    with pytest.raises(StepRefusedError) as caught:
        desk.do("certify")
    assert codes(caught.value) == ["STALE"]
    desk.now = NOW
    desk.do("certify")
    over = {**desk.values("approve"), "limit_minor": LENDABLE_MINOR + 1}
    with pytest.raises(StepRefusedError) as caught:
        desk.do("approve", over)
    assert codes(caught.value) == ["OVER_ASKED", "OVER_LENDABLE"]


def test_a_signature_must_be_the_partys_valid_and_over_the_contract(desk: Desk) -> None:
    """Other bytes, another's key, a key that is over or revoked: each refused, nothing kept."""
    desk.reach("sign")
    contract = desk.contract()
    other = contract[:-1] + bytes([contract[-1] ^ 1])
    before = desk.rows()
    for payload in (other, b"\x80"):
        with pytest.raises(StepRefusedError) as caught:
            desk.do("sign", message=desk.signed(Role.BORROWER, payload))
        assert codes(caught.value) == ["OTHER_BYTES"]
    stranger = sign(Ed25519PrivateKey.generate(), contract_content_type(), contract).hex()
    for message in (desk.signed(Role.LENDER), stranger):
        with pytest.raises(SignatureRefusedError):
            desk.do("sign", message=message)
    good = bytes.fromhex(desk.signed(Role.BORROWER))
    with pytest.raises(SignatureRefusedError):
        desk.do("sign", message=(good[:-1] + bytes([good[-1] ^ 1])).hex())
    desk.now = NOW + timedelta(days=6)  # The offer stands for seven days, the key is over.
    with pytest.raises(SignatureRefusedError):
        desk.do("sign")
    desk.now = NOW
    assert desk.rows() == before
    desk.do("sign")
    with desk.db.working() as conn:
        conn.execute("RESET ROLE")
        conn.execute(
            "UPDATE party_key SET revoked_at = %s, revoked_by = registered_by WHERE party_id = %s",
            (NOW, desk.actor(Role.LENDER).party_id),
        )
    with pytest.raises(SignatureRefusedError, match="revoked"):
        desk.do("countersign")


def test_an_offer_that_nobody_signs_expires_by_itself(desk: Desk) -> None:
    """It can not be signed any more; the timekeeper ends it and takes the proposal back."""
    desk.reach("sign")
    desk.now = NOW + timedelta(days=7)
    with pytest.raises(StepRefusedError) as caught:
        desk.do("sign")
    assert codes(caught.value) == ["TOO_LATE"]
    with desk.db.working() as conn:
        assert fetch_due(conn, desk.now - timedelta(seconds=1)) == []
        assert not expire(conn, desk.application, desk.now - timedelta(seconds=1))
        assert fetch_due(conn, desk.now) == [desk.application]
        assert expire(conn, desk.application, desk.now)
        assert fetch_due(conn, desk.now) == []
        assert not expire(conn, desk.application, desk.now)
        state = conn.execute(
            "SELECT p.state FROM pledge p JOIN application a ON a.pledge_id = p.id"
        ).fetchone()
    assert state == ("rejected",)
    last = desk.view(Role.BORROWER).steps[-1]
    assert (last.step, last.actor, last.became) == ("expire", "timekeeper", "expired")


@pytest.mark.parametrize(
    ("before", "step"),
    [
        ("register", "refuse"),
        ("approve", "decline"),
        ("sign", "withdraw"),
        ("accept", "turn_away"),
    ],
)
def test_each_way_out_frees_the_goods(desk: Desk, before: str, step: str) -> None:
    """Refused, declined, withdrawn or turned away: the application ends, no proposal stays."""
    desk.reach(before)
    assert desk.do(step).application.state in desk.view(Role.LENDER).kind.ends
    with desk.db.working() as conn:
        row = conn.execute("SELECT count(*) FROM pledge WHERE state = 'proposed'").fetchone()
    assert row == (0,)


def test_a_drawdown_waits_for_the_lock_to_be_lifted(desk: Desk) -> None:
    """Stolen goods refuse each step of the drawdown; undrawn, the lender gives the goods back."""
    desk.reach("draw")
    with desk.db.working() as conn:
        set_lot_state(conn, desk.lot, custody="missing")
    before = desk.rows()
    with pytest.raises(StepRefusedError) as caught:
        desk.do("draw")
    assert codes(caught.value) == ["QUANTITY_SHORT"]
    assert desk.rows() == before
    with desk.db.working() as conn:
        set_lot_state(conn, desk.lot)
    desk.do("draw")
    with desk.db.working() as conn:
        set_lot_state(conn, desk.lot, custody="missing")
    before = desk.rows()
    with pytest.raises(StepRefusedError):
        desk.do("authorise")
    assert desk.rows() == before
    assert desk.do("unwind").application.state == "closed"


def test_goods_are_not_released_while_anything_is_owed(desk: Desk) -> None:
    """A cent is enough; the last step is offered when it is paid."""
    desk.reach("repay")
    desk.do("repay", {"amount_minor": AMOUNT_MINOR - 1})
    with pytest.raises(StepRefusedError) as caught:
        desk.do("release")
    assert codes(caught.value) == ["OWED"]
    desk.do("repay", {"amount_minor": 1})
    chances = {c.step.name: c.decision for c in desk.view(Role.LENDER).chances}
    assert isinstance(chances["release"], Allow)


def test_a_lot_is_in_one_application_at_a_time(desk: Desk) -> None:
    """Applied with twice, it is registered once."""
    desk.reach("certify")
    first, desk.application = desk.application, ApplicationId(uuid4())
    desk.apply()
    with pytest.raises(StepRefusedError, match=f"is in application {first} already"):
        desk.do("register")


def test_the_profile_tells_what_the_platform_recorded(desk: Desk) -> None:
    """An open critical alert on the borrower's goods costs ten points and is named."""
    desk.reach("certify")
    with desk.db.working() as conn:
        alert = insert(
            conn,
            "alert",
            kind="shortfall",
            severity="critical",
            cause="lot:x",
            lot_id=desk.plant.lots["fish"],
            summary="short",
            opened_at=NOW,
        )
    view = desk.do("certify")
    profile = next(d for d in view.documents if d.kind.value == "profile").content.decode()
    assert str(alert) in profile
    assert '"points":40' in profile
    assert (
        '"explanation":"1 critical alerts on its goods that nobody resolved, -10 each"' in profile
    )


def test_two_who_sign_at_once_sign_once(desk: Desk) -> None:
    """Of two threads with different ids one is done, the other is out of order."""
    desk.reach("countersign")
    message, outcomes = desk.signed(Role.LENDER), list[str]()

    def countersign() -> None:
        try:
            desk.do("countersign", message=message)
        except PledgewatchError as error:
            outcomes.append(error.code)
        else:
            outcomes.append("done")

    threads = [threading.Thread(target=countersign) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["done", "step_refused"]


def test_the_routes_say_what_is_next_and_why_not(desk: Desk, client: httpx.Client) -> None:
    """Over HTTP: kinds, the list that waits, a refusal with its reasons, the contract in words."""
    desk.reach("sign")
    path = f"/api/applications/{desk.application}"
    lender, borrower = (
        bearer(token_for(desk.db, desk.actor(role))) for role in (Role.LENDER, Role.BORROWER)
    )
    assert client.get("/api/application-kinds", headers=lender).json()[0]["name"] == "movable"
    waiting = client.get("/api/applications?waiting=true", headers=borrower).json()
    assert [each["id"] for each in waiting] == [str(desk.application)]
    assert client.get("/api/applications?waiting=true", headers=lender).json() == []
    body = {"id": str(uuid4()), "step": "countersign", "message": "00"}
    refused = client.post(f"{path}/steps", json=body, headers=lender)
    assert refused.status_code == 409
    assert refused.json()["error"]["detail"]["reasons"][0]["code"] == "OUT_OF_ORDER"
    document = client.get(f"{path}/documents/contract", headers=lender).json()
    assert bytes.fromhex(document["content"]) == desk.contract()
    assert any("10,000.00 EUR" in line for line in document["words"])
    body = {"id": str(uuid4()), "step": "sign", "message": desk.signed(Role.BORROWER)}
    signed = client.post(f"{path}/steps", json=body, headers=borrower)
    assert (signed.status_code, signed.json()["state"]) == (200, "signed")
    assert signed.json()["steps"][-1]["message"] == body["message"]


def test_a_contract_is_read_and_signed_on_another_machine(desk: Desk, tmp_path: Path) -> None:
    """What the terminal signs the platform takes; it shows the words, and checks a signature."""
    desk.reach("sign")
    contract, key = tmp_path / "contract.hex", tmp_path / "desk.key"
    contract.write_text(desk.contract().hex(), encoding="ascii")
    key.write_text(desk.keys[Role.BORROWER].private_bytes_raw().hex(), encoding="ascii")
    key.chmod(0o600)
    run = CliRunner().invoke
    shown = run(contract_cli, ["show", str(contract)])
    assert "10,000.00 EUR" in shown.stdout
    signed = run(contract_cli, ["sign", "--key", str(key), str(contract)])
    message = signed.stdout.splitlines()[-1]
    assert desk.do("sign", message=message).application.state == "signed"
    kept = tmp_path / "signed.hex"
    kept.write_text(message, encoding="ascii")
    public_keys = [k.public_key().public_bytes_raw().hex() for k in desk.keys.values()]
    checked = [
        run(contract_cli, ["verify", "--public-key", public_key, str(kept)]).exit_code
        for public_key in public_keys
    ]
    assert checked == [1, 0]
    contract.write_text("00", encoding="ascii")
    assert run(contract_cli, ["sign", "--key", str(key), str(contract)]).exit_code == 2


def test_a_stranger_sees_nothing_of_it(desk: Desk) -> None:
    """Another lender is told that there is no such application."""
    desk.reach("sign")
    with desk.db.working() as conn:
        party = insert(conn, "party", name="other bank")
    desk.plant.actors[Role.LENDER] = make_actor(Role.LENDER, party_id=party)
    with pytest.raises(NotFoundError):
        desk.do("decline")
