"""Every page under every role: it renders, for its own party only, and a stranger is sent away."""

from collections.abc import Iterator
from typing import Final

import httpx
import pytest

from backend.db import Database
from backend.parties.types import Role
from tests.builders import PASSWORD, add_actor, set_lot_state
from tests.integration.backend.access.everything import Everything, build_everything
from tests.integration.backend.web.sessions import console_client, give_password

HTML: Final = {"Accept": "text/html"}
LISTS: Final = (
    "/facilities",
    "/lots",
    "/pledges",
    "/alerts",
    "/alerts?state=all",
    "/floor",
    "/market",
    "/gateways",
    "/sensors",
)
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


@pytest.fixture(params=list(Role))
def role(request: pytest.FixtureRequest) -> Role:
    """Each role in turn."""
    return Role(request.param)


@pytest.fixture
def console(db: Database, own: Everything, role: Role, api_url: str) -> Iterator[httpx.Client]:
    """A browser logged in as an account of the own plant, or of the platform."""
    if role in own.plant.actors:
        login = own.plant.actors[role].login
    else:
        login = add_actor(db, role, login=f"{role}-x").login
    with console_client(api_url, login) as client:
        yield client


def test_every_page_renders_for_every_role(
    console: httpx.Client, own: Everything, role: Role
) -> None:
    """A page is a page or an honest refusal, and never another's data or an error of ours."""
    pages = [*LISTS, f"/facilities/{own.plant.facility_id}", *_of_lot(own), "/refused"]

    answers = {page: console.get(page).status_code for page in pages}

    for page, status in answers.items():
        assert status == (200 if _may_see(page, role) else _refusal(page)), (page, role)


def test_nothing_of_another_party_is_shown(
    console: httpx.Client, own: Everything, other: Everything, role: Role
) -> None:
    """What belongs to other parties is neither listed nor found by its id."""
    if role in (Role.OPERATOR, Role.REGULATOR):
        pytest.skip("they see everybody's")
    pages = [f"/facilities/{other.plant.facility_id}", *_of_lot(other)]

    assert [console.get(page).status_code for page in pages] == [404] * len(pages)
    for page in LISTS:
        text = console.get(page).text
        assert str(other.plant.lots["copper"]) not in text
        assert "facility b" not in text
        assert "gw-b" not in text


def test_the_page_itself_asks_for_its_live_part_only(console: httpx.Client) -> None:
    """A refresh by the page's script brings the part that changes, without head and navigation."""
    part = console.get("/alerts", headers={"HX-Request": "true"})

    assert part.status_code == 200
    assert "<html" not in part.text
    assert "<h1>Alerts</h1>" in part.text


def test_pages_hold_no_inline_script_or_style(console: httpx.Client, own: Everything) -> None:
    """The policy forbids inline code, and no page relies on it."""
    for page in [*LISTS, *_of_lot(own)]:
        answer = console.get(page)
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert " style=" not in answer.text
        assert " onclick=" not in answer.text
        assert "<script>" not in answer.text
        assert "<style" not in answer.text


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
        f"/alerts/{everything.ids['alerts'][0]}",
        f"/sensors/{everything.plant.channels['scale-a', 'mass']}",
    ]


def _may_see(page: str, role: Role) -> bool:
    if page == "/refused":
        return role in (Role.OPERATOR, Role.REGULATOR)
    if page.startswith("/facilities/"):
        return role in LOAN
    if page.startswith(("/lots/", "/alerts/")):
        return role in LOTS
    return True


def _refusal(page: str) -> int:
    return 403 if page == "/refused" else 404
