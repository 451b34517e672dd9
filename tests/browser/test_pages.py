"""Pages in a real browser: no complaints, no overflow, names for everything."""

from typing import Final

import pytest

from backend.db import Database
from backend.parties.types import Role
from tests.browser.conftest import OpenWindow
from tests.browser.live_site import LiveSite, build_live_site
from tests.builders import FixedClock, add_actor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
PHONE: Final = 320
# Every field has a label, every image a name, every page one first heading and a language.
FAULTS: Final = """() => {
  const faults = [];
  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (!field.labels.length) faults.push("no label: " + field.name);
  }
  for (const image of document.querySelectorAll("svg:not([aria-hidden]), img")) {
    if (!image.getAttribute("aria-label")) faults.push("no name: " + image.outerHTML.slice(0, 80));
  }
  for (const button of document.querySelectorAll("button, a")) {
    if (!button.textContent.trim()) faults.push("no text: " + button.outerHTML.slice(0, 80));
  }
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  if (!document.documentElement.lang) faults.push("no language");
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  if (new Set(ids).size !== ids.length) faults.push("an id twice");
  return faults;
}"""


@pytest.fixture
def site(db: Database, clock: FixedClock) -> LiveSite:
    """A site from which a pallet was taken."""
    made = build_live_site(db, clock)
    made.take(made.plant.items["copper"][0])
    made.play(12)
    return made


def _pages(site: LiveSite, role: Role) -> list[str]:
    """Return the pages that a role works on."""
    plant = site.plant
    with site.db.working() as conn:
        row = conn.execute("SELECT id FROM alert ORDER BY opened_at LIMIT 1").fetchone()
    assert row is not None
    scale = f"/sensors/{plant.channels['scale-a', 'mass']}"
    lot, alert = f"/lots/{plant.lots['copper']}", f"/alerts/{row[0]}"
    facility = f"/facilities/{plant.facility_id}"
    return {
        Role.LENDER: [
            *("/facilities", facility, "/lots", lot, "/pledges", alert, "/market"),
            *("/release-orders", f"{lot}/release-order"),
        ],
        Role.BORROWER: ["/facilities", facility, "/pledges"],
        Role.LOGISTICS: [
            "/alerts",
            alert,
            "/floor",
            "/lots",
            lot,
            "/register",
            scale,
            f"{lot}/stock-takes",
        ],
        Role.OPERATOR: ["/gateways", "/sensors", scale, "/refused", "/floor", "/alerts"],
        Role.REGULATOR: ["/facilities", facility, lot, alert, "/gateways", "/refused"],
    }[role]


# The innermost elements that reach beyond the screen, but for what scrolls by itself.
WIDEST = """
() => [...document.querySelectorAll("main *")].filter(each =>
  each.getBoundingClientRect().right > innerWidth + 1 && !each.closest(".scroll")
  ).slice(-3).map(each => each.outerHTML.slice(0, 160))
"""


def test_pages_are_sound_on_a_phone(site: LiveSite, open_window: OpenWindow, db: Database) -> None:
    """At 320 pixels nothing overflows, everything has a name, and the browser complains not."""
    known = site.plant.actors
    found: dict[str, object] = {}
    for role in Role:
        login = known[role].login if role in known else add_actor(db, role, login=role.value).login
        window = open_window(login, width=PHONE, height=700)
        for path in _pages(site, role):
            page = window.open(path)
            faults = page.evaluate(FAULTS)
            if page.evaluate("document.documentElement.scrollWidth") > PHONE:
                faults.append(f"wider than the screen: {page.evaluate(WIDEST)}")
            if faults or window.complaints:
                found[f"{role.value} {path}"] = faults + window.complaints

    assert found == {}


def test_a_chart_is_drawn_and_moves(site: LiveSite, open_window: OpenWindow) -> None:
    """A sensor's page shows its readings as a chart and the newest value by itself."""
    window = open_window(site.plant.actors[Role.LOGISTICS].login)
    page = window.open(f"/sensors/{site.plant.channels['scale-a', 'mass']}")
    page.wait_for_selector(".uplot canvas")
    page.wait_for_selector(".figure >> text=2,040 kg")

    site.take(site.plant.items["copper"][1])
    site.play(1)

    page.wait_for_selector(".figure >> text=1,020 kg")
    assert window.complaints == []


def test_the_console_is_used_by_keyboard(site: LiveSite, open_window: OpenWindow) -> None:
    """The first stop is the way past the navigation; the second page is reached by keys alone."""
    page = open_window(site.plant.actors[Role.LOGISTICS].login).open("/alerts")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").startswith("Floor plan"):
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("h1 >> text=Floor plan")
