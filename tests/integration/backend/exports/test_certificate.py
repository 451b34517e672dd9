"""Certificates over HTTP and at the terminal: their forms, their seal, and what breaks it."""

import csv
import io
import json
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from backend.__main__ import cli
from backend.config import Settings
from backend.db import Database
from backend.exports import service
from backend.exports.errors import SealBrokenError
from backend.exports.rules.content import canonical, digest_of
from backend.exports.types import Form
from backend.keys import BackendKey
from backend.parties.types import Role
from tests.builders import bearer, token_for
from tests.integration.backend.facility.lending import build_loan, draw, repay, steal
from tests.plant import Plant

pytestmark = pytest.mark.integration
KEY = BackendKey(bytes(range(32)))


def certificates(db: Database, plant: Plant) -> dict[Form, bytes]:
    """Return the certificate of now in each form."""
    with db.acting(plant.actors[Role.LENDER]) as conn:
        statement = service.load_statement(conn, plant.facility_id, None)
    return {form: service.write_certificate(statement, form, KEY) for form in Form}


@pytest.fixture
def plant(db: Database) -> Plant:
    """A loan with goods, one lot of which was stolen."""
    plant = build_loan(db)
    draw(db, plant, 123_456)
    with db.working() as conn:
        conn.execute(
            "UPDATE party SET name = '\N{CJK UNIFIED IDEOGRAPH-4E2D}\N{CJK UNIFIED IDEOGRAPH-884C}"
            " =2+2' WHERE id = %s",
            [plant.actors[Role.LENDER].party_id],
        )
        steal(conn, plant)
    return plant


def test_three_forms_say_one_thing_under_one_seal(db: Database, plant: Plant) -> None:
    """PDF, CSV and JSON share the content's digest; each verifies, and only with the key."""
    made = certificates(db, plant)
    seals = {form: service.verify_certificate(made[form], KEY.public_key) for form in Form}
    assert {seal.form for seal in seals.values()} == set(Form)
    assert len({seal.content_sha256 for seal in seals.values()}) == 1
    content = json.loads(made[Form.JSON])["content"]
    assert digest_of(content) == seals[Form.PDF].content_sha256
    assert content["owed"]["principal_minor"] == 123_456
    rows = list(csv.DictReader(io.StringIO(made[Form.CSV].decode())))
    base = {row["code"]: row for row in rows if row["section"] == "base"}
    assert int(base["DRAWABLE"]["amount_minor"]) == 0
    assert base["PRINCIPAL"]["amount"] == "-1234.56"
    for data in made.values():
        with pytest.raises(SealBrokenError):
            service.verify_certificate(data, BackendKey(bytes(32)).public_key)


@pytest.mark.parametrize("form", list(Form))
def test_no_byte_can_be_changed(db: Database, plant: Plant, form: Form) -> None:
    """Flipped anywhere, cut, lengthened, or sealed with another document's seal: it is refused."""
    data = certificates(db, plant)[form]
    step = max(1, len(data) // 60)
    broken = [
        data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        for place in range(0, len(data), step)
    ]
    repay(db, plant, 56)
    other = certificates(db, plant)[form]
    markers = {Form.PDF: b"%pledgewatch-seal ", Form.CSV: b"\r\nseal,", Form.JSON: b',"seal":'}
    marker = markers[form]
    swapped = data.rpartition(marker)[0] + b"".join(other.rpartition(marker)[1:])
    for bad in (*broken, swapped, data[:-1], data + b"x", data * 2, b"", b"%PDF-1.4", b"seal,x"):
        with pytest.raises(SealBrokenError):
            service.verify_certificate(bad, KEY.public_key)


def test_a_certificate_of_then_is_the_same_bytes_for_ever(
    db: Database, plant: Plant, client: httpx.Client, settings: Settings, tmp_path: Path
) -> None:
    """Asked again with its time, after more has happened, it is what was downloaded then."""
    token = token_for(db, plant.actors[Role.LENDER])
    path = f"/api/facilities/{plant.facility_id}"
    shown = client.get(f"{path}/base", headers=bearer(token)).raise_for_status().json()
    at = {"at": shown["content"]["as_of"]}

    def download(form: Form) -> bytes:
        url = f"{path}/certificate.{form.value}"
        answer = client.get(url, params=at, headers=bearer(token)).raise_for_status()
        assert f".{form.value}" in answer.headers["content-disposition"]
        return answer.content

    first = {form: download(form) for form in Form}
    repay(db, plant, 100)
    assert {form: download(form) for form in Form} == first
    again = client.get(f"{path}/base", params=at, headers=bearer(token)).json()
    assert again == shown
    assert canonical(json.loads(first[Form.JSON])["content"]) == canonical(shown["content"])

    key = client.get("/api/certificate-key", headers=bearer(token)).json()["public_key"]
    file = tmp_path / "base.pdf"
    file.write_bytes(first[Form.PDF])
    good = CliRunner().invoke(cli, ["certificate", "verify", str(file), "--key", key])
    assert good.exit_code == 0, good.output
    assert shown["content_sha256"] in good.output
    assert BackendKey.load(settings.state_dir).public_key.hex() == key
    file.write_bytes(first[Form.PDF].replace(b"facility", b"Facility", 1))
    bad = CliRunner().invoke(cli, ["certificate", "verify", str(file), "--key", key])
    assert bad.exit_code == 1
    assert "seal_broken" in bad.output


def test_wrong_wishes_are_refused(db: Database, plant: Plant, client: httpx.Client) -> None:
    """No such form, a moment without its zone, one to come, one before the first: 404 or 422."""
    headers = bearer(token_for(db, plant.actors[Role.BORROWER]))
    base = f"/api/facilities/{plant.facility_id}"
    asked = {
        f"{base}/certificate.docx": 422,
        f"{base}/base?at=2026-11-22T12:00:00": 422,
        f"{base}/base?at=2126-11-22T12:00:00Z": 422,
        f"{base}/base?at=2000-11-22T12:00:00Z": 404,
        f"{base}/base": 200,
    }
    found = {url: client.get(url, headers=headers).status_code for url in asked}
    assert found == asked
