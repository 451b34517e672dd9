"""A loan against goods, from the form to the release, by the parties' own logins."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from playwright.sync_api import FilePayload, Page

from backend.db import Database
from backend.parties.types import Role
from tests.browser.conftest import OpenWindow, Window
from tests.browser.live_site import LiveSite, build_live_site
from tests.builders import FixedClock, add_actor
from tests.integration.backend.releases.orders import key_message

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
EPCS: Final = ("30aa00000000000000000001", "30aa00000000000000000002")
CAN_SIGN: Final = """() => crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign"])
  .then(() => true, () => false)"""
PHONE: Final = 320
SEATS: Final = (Role.BORROWER, Role.LENDER, Role.LOGISTICS)


@pytest.fixture
def site(db: Database, clock: FixedClock) -> LiveSite:
    """A quiet, sound site, and somebody who runs the platform."""
    add_actor(db, Role.OPERATOR)
    return build_live_site(db, clock)


def _file(key: Ed25519PrivateKey) -> FilePayload:
    content = f"{key.private_bytes_raw().hex()}\n".encode()
    return {"name": "desk.key", "mimeType": "text/plain", "buffer": content}


def _register_key(page: Page, site: LiveSite, role: Role) -> Ed25519PrivateKey:
    """Register a party's key on the operator's page, as the party's command printed it."""
    key = Ed25519PrivateKey.generate()
    party = site.plant.actors[role].party_id
    form = page.locator("#register form")
    form.get_by_label("Name").fill(f"{role.value} desk")
    ends_at = site.clock.now() + timedelta(days=30)
    form.get_by_label("new-key").fill(key_message(key, party, ends_at))
    form.get_by_role("button", name="Register").click()
    page.wait_for_selector(f"tr >> text={role.value} desk")
    return key


def _apply(window: Window) -> str:
    """Apply with two tonnes of copper for six thousand euros; return the application's path."""
    page = window.open("/applications/new")
    page.locator("select[name=lender]").select_option(label="lender a")
    page.locator("select[name=warehouse]").select_option(label="logistics a")
    page.get_by_label("Amount").fill("6,000.00")
    page.get_by_label("What").first.fill("copper cathodes")
    page.locator("select[name=commodity_id]").first.select_option(label="copper")
    page.get_by_label("Net, kg").first.fill("2,000")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_selector("#stages")
    return page.url.removeprefix(window.base_url)


def _register_lot(window: Window, site: LiveSite) -> None:
    """Register two tagged pallets in the hall, where a reader reads them from now on."""
    page = window.open("/register")
    page.get_by_label("Name", exact=True).fill("cathodes")
    page.locator("select[name=place]").select_option(label="site a / hall")
    page.locator("select[name=owner_party]").select_option(label="borrower a")
    page.locator("select[name=commodity_id]").select_option(label="copper")
    page.locator("select[name=instrument_id]").select_option(value="COPPER-A")
    page.get_by_label("Items").fill(
        "\n".join(f"p{n}, {epc}, 1000, 20" for n, epc in enumerate(EPCS))
    )
    page.get_by_role("button", name="Register").click()
    page.wait_for_selector(".note-good")
    site.added["rfid-a"] = [bytes.fromhex(epc) for epc in EPCS]


def _sign(window: Window, path: str, key: Ed25519PrivateKey, button: str) -> None:
    page = window.open(f"{path}/contract")
    assert "6,000.00 EUR" in page.locator("#text").inner_text()
    page.get_by_label("Your private key's file").set_input_files(_file(key))
    page.get_by_role("button", name=button).click()
    party = page.locator(".who-name").inner_text().replace("-", " ")
    page.wait_for_selector(f"#signatures >> text={party}")


def _do(window: Window, path: str, button: str, then: str) -> Page:
    """Do a step with what its form proposes, and wait for what the application is then."""
    page = window.open(path)
    page.get_by_role("button", name=button, exact=True).click()
    page.wait_for_selector(f".head >> text={then}")
    return page


@dataclass(slots=True, kw_only=True)
class Room:
    """The parties at their own windows, with their keys, around one application."""

    site: LiveSite
    borrower: Window
    lender: Window
    logistics: Window
    keys: dict[Role, Ed25519PrivateKey]
    path: str


@pytest.fixture
def room(site: LiveSite, open_window: OpenWindow) -> Room:
    """Everybody is logged in, two keys are registered, the borrower has applied."""
    borrower, lender, logistics = (
        open_window(site.plant.actors[role].login, height=1_000) for role in SEATS
    )
    if not borrower.page.evaluate(CAN_SIGN):
        pytest.skip("this browser has no Ed25519 in WebCrypto")
    keys_page = open_window("operator").open("/keys")
    return Room(
        site=site,
        borrower=borrower,
        lender=lender,
        logistics=logistics,
        keys={role: _register_key(keys_page, site, role) for role in SEATS[:2]},
        path=_apply(borrower),
    )


def _certify(room: Room) -> None:
    """Stages 2 and 3: the goods are registered and measured, their value is certified."""
    waiting = room.logistics.open("/applications")
    waiting.locator("#waiting tr >> text=Register the goods").wait_for()
    assert room.lender.open(room.path).locator(".next").count() == 0
    _register_lot(room.logistics, room.site)
    page = room.logistics.open(room.path)
    page.get_by_label("cathodes").check()
    page.get_by_role("button", name="Register the goods").click()
    page.wait_for_selector(".head >> text=registered")
    page = room.borrower.open(room.path)
    page.wait_for_selector(".next >> text=not measured yet")
    room.site.play(10)
    page.get_by_role("button", name="Measure, certify").click()
    page.wait_for_selector("#certificate >> text=8,000.00")
    assert "rating C" in page.locator("#profile").inner_text()


def _conclude(room: Room) -> None:
    """Stages 4 to 6: the bank decides, both sign in their browsers, the goods are accepted."""
    _do(room.lender, room.path, "Approve and draw up the contract", "contract offered")
    _sign(room.borrower, room.path, room.keys[Role.BORROWER], "Sign the contract")
    _sign(room.lender, room.path, room.keys[Role.LENDER], "Countersign the contract")
    assert room.lender.page.locator("#signatures >> text=signature verified").count() == 2
    _do(room.logistics, room.path, "Accept the goods into custody", "goods accepted")


def _draw_and_repay(room: Room) -> None:
    """Stages 7 and 8 up to the last step: the money goes out, and comes back."""
    page = room.borrower.open(room.path)
    assert page.locator("#step-draw").get_by_label("Amount").input_value() == "6,000.00"
    page.get_by_role("button", name="Ask for the money").click()
    page.wait_for_selector(".head >> text=money asked for")
    _do(room.lender, room.path, "Authorise the drawdown", "money promised")
    page = _do(room.lender, room.path, "Pay out", "paid out")
    page.wait_for_selector("#step-release .against >> text=must be 0")
    page = room.borrower.open(room.path)
    assert page.locator("#step-repay").get_by_label("Amount").input_value() == "6,000.00"
    page.get_by_role("button", name="Repay").click()
    page.locator("#step-repay >> text=nothing is owed any more").wait_for()


def _check_phone(room: Room) -> None:
    """Every page of it is as wide as a small phone, and no wider."""
    page = room.borrower.page
    page.set_viewport_size({"width": PHONE, "height": 700})
    for path in (
        room.path,
        f"{room.path}/contract",
        "/applications",
        "/applications/new",
        "/keys",
    ):
        room.borrower.open(path)
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE, path


def test_a_loan_goes_from_application_to_released_goods(room: Room) -> None:
    """Eight stages, each done on its party's own page; nobody is offered another's step."""
    _certify(room)
    _conclude(room)
    _draw_and_repay(room)
    room.lender.open("/applications").locator("#waiting tr >> text=release the goods").wait_for()
    _do(room.lender, room.path, "Release the goods and close", "repaid and released")

    room.borrower.page.wait_for_selector(".head >> text=repaid and released")
    assert room.borrower.page.locator(".stage-done").count() == 8
    _check_phone(room)
    for window in (room.borrower, room.lender, room.logistics):
        assert window.complaints == []
    with room.site.db.working() as conn:
        row = conn.execute(
            "SELECT p.state, f.principal_minor FROM application a"
            " JOIN pledge p ON p.id = a.pledge_id JOIN facility f ON f.id = a.facility_id"
        ).fetchone()
    assert row == ("released", 0)
