"""Navigation, files, paths and what waits for a page."""

import pytest

from backend.parties.types import Role
from backend.web.console import safe_path, static_url
from backend.web.events import RESET, Subscriber
from backend.web.navigation import SIMULATES, links_of
from backend.web.static_files import load_files


@pytest.mark.parametrize("role", list(Role))
def test_every_role_has_a_first_page(role: Role) -> None:
    """Each role is offered pages; the simulator only who may use it, and only where it is."""
    paths = [link.path for link in links_of(role, simulator=True)]
    assert paths
    assert ("/simulator" in paths) == (role in SIMULATES)
    assert "/simulator" not in [link.path for link in links_of(role, simulator=False)]


def test_a_stranger_is_offered_nothing() -> None:
    """Without a role there are no links."""
    assert links_of(None, simulator=True) == ()


@pytest.mark.parametrize(
    "path", [None, "", "lots", "https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere"]
)
def test_a_login_leads_to_no_other_site(path: str | None) -> None:
    """Only paths of our own are gone on to."""
    assert safe_path(path) == "/"


def test_files_are_named_with_their_content() -> None:
    """An address changes with the content; only scripts, styles and images are files."""
    files = load_files()
    assert static_url("live.js").endswith(files["live.js"].digest)
    assert {"console.css", "vendor/htmx.min.js", "vendor/uPlot.iife.min.js"} <= files.keys()
    assert not any("LICENSE" in name or ".." in name for name in files)


async def test_a_slow_page_is_told_each_table_once() -> None:
    """However many changes came, a page that takes late gets each name once, then nothing."""
    subscriber = Subscriber()
    for _ in range(1_000):
        subscriber.put("alert")
        subscriber.put("facility")
    subscriber.put(RESET)

    assert await subscriber.take(1.0) == {"alert", "facility", RESET}
    assert await subscriber.take(0.01) == frozenset()
