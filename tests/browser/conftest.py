"""Chromium, and a page that someone has logged in to."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.contrib.staticfiles import finders
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from tests.servers.portal import Portal

FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
PASSWORD = "a-long-enough-password"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; a missing one fails."""
    path = shutil.which("chromium")
    assert path, "chromium is not installed: run deploy/local/install-test-servers.sh"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def login(browser: Browser, portal: Portal) -> Iterator[Callable[..., Page]]:
    """`login("radiologist")`: a page at the worklist, in a browser of its own."""
    contexts = []

    def log_in(who: str, width: int = 1440, height: int = 900) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.faults = []  # type: ignore[attr-defined]
        page.on("pageerror", lambda error: page.faults.append(str(error)))  # type: ignore[attr-defined]
        page.on(
            "console",
            lambda message: (
                page.faults.append(message.text)  # type: ignore[attr-defined]
                if "Content Security Policy" in message.text
                else None
            ),
        )
        page.goto(f"{portal.stack.base_url}/login/")
        page.fill("input[name=username]", who)
        page.fill("input[name=password]", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_url(f"{portal.stack.base_url}/")
        return page

    yield log_in
    for context in contexts:
        context.close()


def until(page: Page, expression: str, seconds: float = 30, argument: Any = None) -> Any:
    """Poll a JavaScript expression until it is true: the CSP forbids wait_for_function."""
    deadline = time.monotonic() + seconds
    while True:
        value = page.evaluate(expression, argument)
        if value:
            return value
        assert time.monotonic() < deadline, f"not in {seconds} s: {expression}\n{page.url}"
        page.wait_for_timeout(50)


def runs(page: Page) -> None:
    """Wait for the scripts of a page that are loaded after it: before, forms are sent whole."""
    pages = ("agents", "sends", "deliveries", "finding", "quarantine", "status", "critical")
    names = (*pages, "upload")
    if page.locator(", ".join(f"script[src*='{each}']" for each in names)).count():
        until(page, "() => document.documentElement.dataset.page === 'ready'")


def find(page: Page, name: str) -> Locator:
    """The link of a study that may be on any page of the list: searched for, as people do."""
    page.get_by_placeholder("Name, ID, accession or description").fill(name.partition(",")[0])
    found = page.get_by_role("link", name=name).first
    found.wait_for(timeout=30_000)
    return found


@pytest.fixture(scope="session", autouse=True)
def _front_end() -> Iterator[None]:
    assert finders.find("worklist.js"), "The front end is not built: npm run build in static/"
    with pytest.MonkeyPatch.context() as patch:
        # Playwright's loop runs in this thread; the tests' use of the database is synchronous.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield


@pytest.fixture
def studies(site: Any, make_study: Any) -> list[Any]:
    names = ["ADAMS^Anna", "BAKER^Bo", "قباني^لنزار", "CLARK^Cy"]
    return [
        make_study(site, patient_name=name, search_text=name.replace("^", " ").casefold())
        for name in names
    ]


@pytest.fixture
def open_page(
    browser: Browser, live_server: Any, logged_in: Any, radiologist: Any
) -> Iterator[Callable[..., Page]]:
    """`open_page("/")`: the page as the radiologist sees it, its scripts running, no socket.

    For tests with `django_db(transaction=True)`: the page is served from the test's database.
    """
    context = browser.new_context(viewport={"width": 1440, "height": 900})

    def visit(path: str = "/", user: Any = radiologist) -> Page:
        client = logged_in(user)
        context.add_cookies(
            [
                {
                    "name": settings.SESSION_COOKIE_NAME,
                    "value": client.cookies[settings.SESSION_COOKIE_NAME].value,
                    "url": live_server.url,
                }
            ]
        )
        page = context.new_page()
        page.goto(live_server.url + path)
        runs(page)
        return page

    yield visit
    context.close()


def violations(page: Page) -> list[Any]:
    """What axe finds: rule and targets."""
    return [
        (each["id"], [node["target"] for node in each["nodes"]])
        for each in Axe().run(page).response["violations"]
    ]
