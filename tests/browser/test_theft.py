"""A theft as bank and warehouse see it: by itself, at once, with the lock."""

from typing import Final

import pytest

from backend.clock import SystemClock
from backend.db import Database
from backend.parties.types import Role
from tests.browser.conftest import OpenWindow
from tests.browser.live_site import LiveSite, build_live_site
from tests.builders import FixedClock

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
SEEN_S_MAX: Final = 5.0  # Of a busy machine; the goal is one second.


@pytest.fixture
def site(db: Database, clock: FixedClock) -> LiveSite:
    """A quiet, sound site."""
    return build_live_site(db, clock)


def test_bank_and_warehouse_see_a_theft_arrive(site: LiveSite, open_window: OpenWindow) -> None:
    """The facility's page locks and the alert appears, neither page being loaded again.

    Two pallets go: one alone may hang on a fork for a while, which locks and is a warning.
    """
    actors = site.plant.actors
    bank = open_window(actors[Role.LENDER].login).open(f"/facilities/{site.plant.facility_id}")
    logistics = open_window(actors[Role.LOGISTICS].login).open("/alerts")
    bank.wait_for_selector("h1 ~ p >> text=open to draw")
    assert logistics.locator("tr.row-bad").count() == 0
    for page in (bank, logistics):
        page.evaluate("window.loadedOnce = true")

    for item in site.plant.items["copper"][:2]:
        site.take(item)
    site.play(3)
    committed_s = SystemClock().monotonic_s()
    bank.wait_for_selector("#locks >> text=Goods missing or short")
    seen_s = SystemClock().monotonic_s() - committed_s
    logistics.wait_for_selector("tr.row-bad >> text=Shortfall")

    assert seen_s < SEEN_S_MAX
    assert bank.locator("#locks").get_by_text("QUANTITY_SHORT").is_visible()
    assert "0.00 EUR" in bank.locator(".kpi-bad").inner_text()
    for page in (bank, logistics):
        assert page.evaluate("window.loadedOnce") is True
    logistics.get_by_role("link", name="Shortfall").first.click()
    logistics.wait_for_selector("#evidence >> text=gw-a/scale-a")


def test_a_locked_facility_refuses_in_words_and_takes_money_back(
    site: LiveSite, open_window: OpenWindow
) -> None:
    """A borrower reads beside the form why nothing can be drawn; repaying is taken."""
    site.take(site.plant.items["copper"][0])
    site.play(3)
    window = open_window(site.plant.actors[Role.BORROWER].login)
    page = window.open(f"/facilities/{site.plant.facility_id}")

    draw = page.locator("form", has_text="Request a drawdown")
    draw.get_by_label("Amount").fill("1,000.00")
    draw.get_by_role("button", name="Request").click()
    draw.locator(".note-bad").wait_for()
    assert "Goods missing or short" in draw.locator(".note-bad").inner_text()
    page.wait_for_selector("#drawdowns td >> text=refused")

    repay = page.locator("form", has_text="Repay")
    repay.get_by_label("Amount").fill("250")
    repay.get_by_role("button", name="Repay").click()
    repay.locator(".note-good").wait_for()
    page.wait_for_selector("#repayments td >> text=250.00")


def test_a_drawdown_goes_from_request_to_payment(site: LiveSite, open_window: OpenWindow) -> None:
    """Borrower asks, bank sees it come in, authorises and pays; the borrower sees it paid."""
    path = f"/facilities/{site.plant.facility_id}"
    bank = open_window(site.plant.actors[Role.LENDER].login).open(path)
    borrower = open_window(site.plant.actors[Role.BORROWER].login).open(path)
    bank.on("dialog", lambda dialog: dialog.accept())

    form = borrower.locator("form", has_text="Request a drawdown")
    form.get_by_label("Amount").fill("1,000.00")
    form.get_by_role("button", name="Request").click()
    bank.get_by_role("button", name="Authorise").click()
    bank.get_by_role("button", name="Disburse").click()

    borrower.wait_for_selector("#drawdowns td >> text=disbursed")
    assert "1,000.00 EUR" in borrower.locator(".kpis").inner_text()
