"""Every page under every role: it renders, for its own party only, and a stranger is sent away."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final
from uuid import uuid4

import httpx
import pytest

from backend.db import Database
from backend.parties.types import Role
from tests.builders import PASSWORD, add_actor
from tests.integration.backend.access.everything import Everything, build_everything
from tests.integration.backend.web.sessions import console_client, csrf_token, give_password
from tests.plant import insert, set_lot_state

HTML: Final = {"Accept": "text/html"}
LISTS: Final = (
    "/facilities",
    "/lots",
    "/pledges",
    "/release-orders",
    "/alerts",
    "/alerts?state=all",
    "/floor",
    "/market",
    "/gateways",
    "/sensors",
    "/notifications",
)
INLINE: Final = (" style=", " onclick=", "<script>", "<style")
LOAN: Final = frozenset({Role.LENDER, Role.BORROWER, Role.REGULATOR})
LOTS: Final = LOAN | {Role.LOGISTICS}


@pytest.fixture
def own(db: Database) -> Everything:
    """A plant with a row in every table, whose accounts can log in."""
    with db.working() as conn:
        everything = build_everything(conn, "a")
        set_lot_state(conn, everything.plant.lots["copper"])
    for actor in everything.plant.actors.values():
        give_password(db, actor)
    return everything


@pytest.fixture
def other(db: Database) -> Everything:
    """Another plant, of other parties."""
    with db.working() as conn:
        return build_everything(conn, "b")


@pytest.fixture
def consoles(db: Database, own: Everything, api_url: str) -> Iterator[dict[Role, httpx.Client]]:
    """A browser logged in for each role: accounts of the own plant, and of the platform."""
    with ExitStack() as stack:
        clients: dict[Role, httpx.Client] = {}
        for role in Role:
            known = own.plant.actors.get(role)
            login = (known or add_actor(db, role, login=f"{role}-x")).login
            clients[role] = stack.enter_context(console_client(api_url, login))
        yield clients


def test_every_page_renders_for_every_role(
    consoles: dict[Role, httpx.Client], own: Everything
) -> None:
    """A page is a page or an honest refusal, never an error of ours, and without inline code."""
    pages = [
        *LISTS,
        f"/facilities/{own.plant.facility_id}",
        f"/facilities/{own.plant.facility_id}/base",
        *_of_lot(own),
        "/refused",
        "/register",
    ]
    wrong: dict[tuple[str, Role], object] = {}
    for role, console in consoles.items():
        for page in pages:
            answer = console.get(page)
            if answer.status_code != (200 if _may_see(page, role) else _refusal(page)):
                wrong[page, role] = answer.status_code
            if "default-src 'self'" not in answer.headers["content-security-policy"]:
                wrong[page, role] = "no policy"
            found = [code for code in INLINE if code in answer.text]
            if found:
                wrong[page, role] = found

    assert wrong == {}


def test_nothing_of_another_party_is_shown(
    consoles: dict[Role, httpx.Client], other: Everything
) -> None:
    """What belongs to other parties is neither listed nor found by its id."""
    facility = f"/facilities/{other.plant.facility_id}"
    pages = [facility, f"{facility}/base", *_of_lot(other)]
    secrets = (str(other.plant.lots["copper"]), "facility b", "gw-b")
    for role in (Role.LENDER, Role.BORROWER, Role.LOGISTICS):
        console = consoles[role]
        assert [console.get(page).status_code for page in pages] == [404] * len(pages)
        texts = {page: console.get(page).text for page in LISTS}
        assert [page for page, text in texts.items() if any(s in text for s in secrets)] == []


def test_the_page_itself_asks_for_its_live_part_only(consoles: dict[Role, httpx.Client]) -> None:
    """A refresh by the page's script brings the part that changes, without head and navigation."""
    part = consoles[Role.LENDER].get("/alerts", headers={"HX-Request": "true"})

    assert part.status_code == 200
    assert "<html" not in part.text
    assert "<h1>Alerts</h1>" in part.text


def test_a_form_works_without_script(
    consoles: dict[Role, httpx.Client], own: Everything, db: Database
) -> None:
    """Done leads back to the page, refused is a page with the way back, a code is shown."""
    lender, operator = consoles[Role.LENDER], consoles[Role.OPERATOR]
    path = f"/facilities/{own.plant.facility_id}"
    data = {"csrf_token": csrf_token(lender), "detail": "stocktaking"}

    assert lender.post(f"{path}/lock", data=data).headers["location"] == path
    assert "stocktaking" in lender.get(path).text
    foreign = lender.post(f"{path}/lock", data={"detail": "x"})
    assert foreign.status_code == 403
    assert "<h1>Not allowed</h1>" in foreign.text
    refused = lender.post(f"{path}/lock", data={**data, "detail": " "})
    assert refused.status_code == 422
    assert "detail" in refused.text

    data = {"csrf_token": csrf_token(operator), "replace": "true"}
    code = operator.post("/gateways/gw-a/enrolment-codes", data=data)
    assert "Enrolment code for gw-a: " in code.text


def test_a_gateway_is_registered_and_gets_its_code(
    consoles: dict[Role, httpx.Client], own: Everything
) -> None:
    """Logistics names one at its site, the operator makes its code; a bad name is refused."""
    logistics, operator = consoles[Role.LOGISTICS], consoles[Role.OPERATOR]
    data = {"csrf_token": csrf_token(logistics), "site_id": str(own.plant.site_id)}

    wrong = logistics.post("/gateways", data={**data, "gateway_id": "Gate 7"})
    right = logistics.post("/gateways", data={**data, "gateway_id": "gw-gate-7"})

    assert wrong.status_code == 422
    assert right.headers["location"] == "/gateways"
    assert "gw-gate-7" in logistics.get("/gateways").text
    data = {"csrf_token": csrf_token(operator)}
    code = operator.post("/gateways/gw-gate-7/enrolment-codes", data=data)
    assert "Enrolment code for gw-gate-7: " in code.text


def test_a_form_is_answered_in_the_page(
    consoles: dict[Role, httpx.Client], own: Everything
) -> None:
    """The page's script gets a sentence for beside the form, and word to look again when done."""
    borrower = consoles[Role.BORROWER]
    headers = {"HX-Request": "true", "X-CSRF-Token": csrf_token(borrower)}
    path = f"/facilities/{own.plant.facility_id}/repayments"
    wrong = borrower.post(path, headers=headers, data={"id": str(uuid4()), "amount": "ten"})
    assert wrong.status_code == 422
    assert wrong.text.startswith('<p class="note note-bad"')
    right = borrower.post(path, headers=headers, data={"id": str(uuid4()), "amount": "10"})
    assert right.status_code == 200
    assert right.headers["hx-trigger"] == "pw-done"


def test_goods_are_registered_pledged_and_an_alert_settled(
    consoles: dict[Role, httpx.Client], own: Everything
) -> None:
    """Logistics registers a lot, the borrower proposes it, the lender takes it and answers."""
    logistics, borrower, lender = (
        consoles[role] for role in (Role.LOGISTICS, Role.BORROWER, Role.LENDER)
    )
    lot = {
        "csrf_token": csrf_token(logistics),
        "name": "tin",
        "place": f"{own.plant.site_id}/{own.plant.zones['hall']}",
        "owner_party": str(own.plant.actors[Role.BORROWER].party_id),
        "commodity_id": own.plant.commodities["copper"],
        "instrument_id": own.plant.instruments["copper"],
        "items": "tin 1, 30aa, 1000, 20.5\n\ntin 2, 30ab, 500",
    }
    made = logistics.post("/register", data=lot)
    assert made.status_code == 303, made.text
    lot_id = made.headers["location"].removeprefix("/lots/")
    assert "1,500 kg pledged" in borrower.get(f"/lots/{lot_id}").text

    proposal = {
        "csrf_token": csrf_token(borrower),
        "lender_party": str(own.plant.actors[Role.LENDER].party_id),
        "lot_ids": lot_id,
    }
    assert borrower.post("/pledges", data=proposal).status_code == 303
    token = {"csrf_token": csrf_token(lender)}
    found = re.search(r"/pledges/([0-9a-f-]{36})/accept", lender.get("/pledges").text)
    assert found is not None
    taken = {**token, "facility_id": str(own.plant.facility_id)}
    assert lender.post(f"/pledges/{found[1]}/accept", data=taken).status_code == 303
    assert "tin" in lender.get(f"/facilities/{own.plant.facility_id}").text

    alert = f"/alerts/{own.ids['alerts'][0]}"
    assert lender.post(f"{alert}/acknowledge", data=token).status_code == 303
    assert "acknowledged" in lender.get(alert).text


def test_a_stranger_lands_on_the_login(own: Everything, api_url: str) -> None:
    """Without a session a page leads to the login, and a page's script is told to go there."""
    with httpx.Client(base_url=api_url, headers=HTML) as stranger:
        for page in [*LISTS, f"/facilities/{own.plant.facility_id}", "/"]:
            answer = stranger.get(page)
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/login")
        refresh = stranger.get("/alerts", headers={"HX-Request": "true"})
        assert refresh.status_code == 401
        assert refresh.headers["hx-redirect"] == "/login"
        assert stranger.get("/events", headers={"Accept": "*/*"}).status_code == 401


def test_a_login_goes_on_to_the_page_that_was_asked_for(own: Everything, api_url: str) -> None:
    """Right words open the page, wrong ones say so, and no foreign address is followed."""
    login = own.plant.actors[Role.LENDER].login
    with httpx.Client(base_url=api_url, headers=HTML) as browser:
        wrong = browser.post("/login", data={"login": login, "password": "no"})
        assert wrong.status_code == 401
        assert "Wrong login or password" in wrong.text
        words = {"login": login, "password": PASSWORD}
        away = browser.post("/login?next=//elsewhere.example", data=words)
        assert away.headers["location"] == "/"
        right = browser.post("/login?next=/alerts", data=words)
        assert (right.status_code, right.headers["location"]) == (303, "/alerts")


def _of_lot(everything: Everything) -> list[str]:
    return [
        f"/lots/{everything.plant.lots['copper']}",
        f"/lots/{everything.plant.lots['copper']}/stock-takes",
        f"/release-orders/{everything.ids['orders'][0]}",
        f"/stock-takes/{everything.ids['stock_takes'][0]}",
        f"/alerts/{everything.ids['alerts'][0]}",
        f"/sensors/{everything.plant.channels['scale-a', 'mass']}",
    ]


def _may_see(page: str, role: Role) -> bool:
    if page == "/refused":
        return role in (Role.OPERATOR, Role.REGULATOR)
    if page == "/register":
        return role is Role.LOGISTICS
    if page.startswith("/facilities/"):
        return role in LOAN
    if page.startswith(("/lots/", "/alerts/", "/release-orders/", "/stock-takes/")):
        return role in LOTS
    return True


def _refusal(page: str) -> int:
    return 403 if page in ("/refused", "/register") else 404


def test_only_lots_that_back_nothing_are_offered_to_pledge(
    db: Database, consoles: dict[Role, httpx.Client], own: Everything
) -> None:
    """A lot under an active pledge is not to be chosen again; one just registered is."""
    plant = own.plant
    with db.working() as conn:
        free = insert(
            conn,
            "lot",
            name="tin",
            site_id=plant.site_id,
            zone_id=plant.zones["hall"],
            owner_party=plant.actors[Role.BORROWER].party_id,
            commodity_id=plant.commodities["copper"],
            instrument_id=plant.instruments["copper"],
            pledged_mass_g=1_000_000,
        )
    page = consoles[Role.BORROWER].get("/pledges").text
    assert re.findall(r'name="lot_ids" value="([0-9a-f-]{36})"', page) == [str(free)]
