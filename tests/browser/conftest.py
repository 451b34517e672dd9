"""A real Chromium against the served application; skipped where none is installed."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.builders import PASSWORD

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS: Final = (
    "--headless=new",
    "--no-sandbox",  # Tests may run as root, where Chromium's sandbox refuses to.
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WAIT_MS_MAX: Final = 10_000  # For anything to show on two busy cores.


@dataclass(slots=True, kw_only=True)
class Window:
    """A page of a logged-in browser, and what its console complained about."""

    page: Page
    base_url: str
    complaints: list[str] = field(default_factory=lambda: list[str]())

    def open(self, path: str) -> Page:
        """Go to a page and wait until it is live."""
        self.page.goto(f"{self.base_url}{path}")
        self.page.wait_for_selector("#link-state[data-state=live]")
        return self.page


OpenWindow = Callable[..., Window]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser without a window; a module's own, because Playwright's loop runs while it does."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"no Chromium here: none of {', '.join(NAMES)} is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def open_window(chromium: Browser, api_url: str) -> Iterator[OpenWindow]:
    """Open a window of its own session, logged in by the page."""
    contexts: list[BrowserContext] = []

    def opened(login: str, *, width: int = 1280, height: int = 900) -> Window:
        context = chromium.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        context.set_default_timeout(WAIT_MS_MAX)
        window = Window(page=context.new_page(), base_url=api_url)
        window.page.on("console", lambda message: _note(window, message))
        window.page.on("pageerror", lambda error: window.complaints.append(str(error)))
        window.page.goto(f"{api_url}/login")
        window.page.get_by_label("Login").fill(login)
        window.page.get_by_label("Password").fill(PASSWORD)
        window.page.get_by_role("button", name="Log in").click()
        window.page.wait_for_selector("nav[aria-label=Main]")
        return window

    yield opened
    for context in contexts:
        context.close()


def _note(window: Window, message: ConsoleMessage) -> None:
    if message.type in ("error", "warning"):
        window.complaints.append(message.text)
