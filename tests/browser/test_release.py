"""A release order from the form to the goods that leave by it, signed in the browser."""

from datetime import timedelta
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playwright.sync_api import FilePayload, Page

from backend.db import Database
from backend.parties.types import Role
from schemas.keys import key_id_of
from tests.browser.conftest import OpenWindow
from tests.browser.live_site import LiveSite, build_live_site
from tests.builders import FixedClock
from tests.plant import insert

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
PHONE: Final = 320
LEFT_S_MAX: Final = 60  # Played: until the readers' silence is beyond doubt.
CAN_SIGN: Final = """() => crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign"])
  .then(() => true, () => false)"""
NO_ED25519: Final = """
  const subtle = crypto.subtle.constructor.prototype;
  subtle.generateKey = () => Promise.reject(new DOMException("none", "NotSupportedError"));
"""


@pytest.fixture
def site(db: Database, clock: FixedClock) -> LiveSite:
    """A quiet, sound site."""
    return build_live_site(db, clock)


@pytest.fixture
def key(site: LiveSite) -> Ed25519PrivateKey:
    """The lender's key, registered."""
    made = Ed25519PrivateKey.generate()
    public_key, lender = made.public_key().public_bytes_raw(), site.plant.actors[Role.LENDER]
    with site.db.working() as conn:
        insert(
            conn,
            "party_key",
            key_id=key_id_of(public_key),
            public_key=public_key,
            party_id=lender.party_id,
            name="desk",
            registered_at=site.clock.now(),
            registered_by=lender.account_id,
            valid_until=site.clock.now() + timedelta(days=1),
        )
    return made


def _pem(key: Ed25519PrivateKey) -> FilePayload:
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {"name": "desk.pem", "mimeType": "text/plain", "buffer": content}


def _hex(key: Ed25519PrivateKey) -> FilePayload:
    content = f"{key.private_bytes_raw().hex()}\n".encode()
    return {"name": "desk.key", "mimeType": "text/plain", "buffer": content}


def _draft(page: Page) -> None:
    """Ask for one pallet, whichever goes first, to leave the site."""
    page.get_by_label("net mass in kg").fill("1000")
    page.get_by_role("button", name="Check").click()
    page.wait_for_selector("#to-sign")


def test_an_order_is_signed_in_the_browser_and_what_leaves_by_it_alarms_nobody(
    site: LiveSite, open_window: OpenWindow, key: Ed25519PrivateKey
) -> None:
    """Another's key is refused in the page, the bank's signs; what goes by it alarms nobody."""
    window = open_window(site.plant.actors[Role.LENDER].login)
    page = window.open(f"/lots/{site.plant.lots['copper']}/release-order")
    if not page.evaluate(CAN_SIGN):
        pytest.skip("this browser has no Ed25519 in WebCrypto")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.post_data or ""))
    _draft(page)
    picked = page.get_by_label("Your private key's file")

    picked.set_input_files(_pem(Ed25519PrivateKey.generate()))
    page.get_by_role("button", name="Sign and issue").click()
    page.wait_for_selector("#sign .note-bad >> text=none of those that sign for you")
    picked.set_input_files(_pem(key))
    page.get_by_role("button", name="Sign and issue").click()
    page.wait_for_selector("text=signature verified")

    seed = key.private_bytes_raw().hex()
    assert not any(seed in body or "PRIVATE KEY" in body for body in sent)
    order = page.url
    page.goto(order.rsplit("/", 1)[0])
    assert page.locator("tr >> text=up to 1,000 kg").count() == 1
    site.take(site.plant.items["copper"][0])
    site.play(LEFT_S_MAX)
    page.goto(order)
    page.wait_for_selector(".figure >> text=1 item, 1,000 kg")
    assert window.open("/alerts?state=all").locator("tr.row-bad").count() == 0
    assert window.complaints == []


def test_a_browser_without_ed25519_names_the_command(
    site: LiveSite, open_window: OpenWindow, key: Ed25519PrivateKey
) -> None:
    """The page says what is missing and which command signs instead; nothing is sent."""
    page = open_window(site.plant.actors[Role.LENDER].login).page
    page.add_init_script(NO_ED25519)
    page.goto(f"{page.url.rsplit('/', 1)[0]}/lots/{site.plant.lots['copper']}/release-order")
    _draft(page)

    page.get_by_label("Your private key's file").set_input_files(_hex(key))
    page.get_by_role("button", name="Sign and issue").click()

    page.wait_for_selector("#sign .note-bad >> text=python -m backend release sign")
    with site.db.working() as conn:
        assert conn.execute("SELECT count(*) FROM release_order").fetchone() == (0,)


def test_a_key_file_of_the_command_line_signs_too(
    site: LiveSite, open_window: OpenWindow, key: Ed25519PrivateKey
) -> None:
    """The file that ``release new-key`` writes is taken as it is; a phone is wide enough."""
    window = open_window(site.plant.actors[Role.LENDER].login, width=PHONE, height=700)
    page = window.open(f"/lots/{site.plant.lots['copper']}/release-order")
    if not page.evaluate(CAN_SIGN):
        pytest.skip("this browser has no Ed25519 in WebCrypto")
    _draft(page)
    page.get_by_text("Sign elsewhere").click()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE
    page.get_by_label("Your private key's file").set_input_files(_hex(key))
    page.get_by_role("button", name="Sign and issue").click()
    page.wait_for_selector("text=signature verified")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE
    assert window.complaints == []
