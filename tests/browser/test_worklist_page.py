"""The worklist page in a real browser, without its socket: keys, search, accessibility."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.contrib.staticfiles import finders
from playwright.sync_api import Browser, Page, Request

from tests.browser.conftest import until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

READY = "document.querySelector('#rows a[tabindex=\"0\"]') !== null"


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
    """`open_page("/")`: the page as the radiologist sees it, its scripts running."""
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
        return page

    yield visit
    context.close()


def violations(page: Page) -> list[Any]:
    return [
        (each["id"], [node["target"] for node in each["nodes"]])
        for each in Axe().run(page).response["violations"]
    ]


def test_keys_move_open_and_explain(open_page: Any, studies: list[Any]) -> None:
    page = open_page()
    until(page, READY)
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.querySelector('tr.is-current').dataset.study") == str(
        studies[1].pk
    )
    page.keyboard.press("k")
    page.keyboard.press("?")
    assert page.evaluate("document.getElementById('keys').open")
    page.keyboard.press("Escape")
    assert not page.evaluate("document.getElementById('keys').open")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.press("ArrowDown")
    with page.expect_request(lambda request: f"/studies/{studies[0].pk}/view/" in request.url):
        page.keyboard.press("Enter")


def test_search_narrows_and_never_shows_in_a_url(open_page: Any, studies: list[Any]) -> None:
    page = open_page()
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    until(page, READY)
    page.fill("#search", "baker")
    until(page, "document.querySelectorAll('#rows tr').length === 1")
    page.select_option("select[name=state]", "all")
    until(page, "location.search === '?state=all'")
    until(page, "document.querySelectorAll('#rows tr').length === 1")
    page.click("th.c-patient a")
    until(page, "location.search.includes('sort=patient')")
    assert page.evaluate("document.querySelectorAll('#rows tr').length") == 1
    assert asked
    assert not [request.url for request in asked if "baker" in request.url.lower()]
    assert "baker" not in page.url
    kept = page.evaluate("JSON.stringify([localStorage, sessionStorage, history.state])").lower()
    assert "baker" not in kept
    assert "<tr" not in kept


def test_says_that_it_is_not_live(open_page: Any, studies: list[Any]) -> None:
    page = open_page()
    until(
        page, "['reconnecting', 'offline'].includes(document.getElementById('live').dataset.live)"
    )


def test_a_failed_request_is_said_and_repeated(open_page: Any, studies: list[Any]) -> None:
    page = open_page()
    until(page, READY)
    page.route("**/worklist/table/", lambda route: route.fulfill(status=500, body=""))
    page.fill("#search", "adams")
    until(page, "!document.getElementById('list-error').hidden")
    assert page.evaluate("document.querySelectorAll('#rows tr').length") == len(studies)
    page.unroute("**/worklist/table/")
    page.click("#list-retry")
    until(page, "document.querySelectorAll('#rows tr').length === 1")
    assert page.evaluate("document.getElementById('list-error').hidden")


def test_a_session_that_is_over_leads_to_the_login(open_page: Any, studies: list[Any]) -> None:
    page = open_page()
    until(page, READY)
    page.context.clear_cookies()
    page.fill("#search", "adams")
    page.wait_for_url("**/login/**")


@pytest.mark.parametrize("size", [(1440, 900), (1024, 768)])
def test_accessible_and_within_the_window(
    open_page: Any, studies: list[Any], size: tuple[int, int]
) -> None:
    page = open_page()
    page.set_viewport_size({"width": size[0], "height": size[1]})
    until(page, READY)
    assert violations(page) == []
    for wide in ("document.documentElement", "document.getElementById('scroller')"):
        assert page.evaluate(f"{wide}.scrollWidth <= {wide}.clientWidth")
    assert page.evaluate("document.querySelector('#rows tr').offsetHeight") in (32, 33)
    page.click("summary:has-text('Any modality')")
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert violations(page) == []


def test_blank_and_quarantine_are_accessible(open_page: Any, technician: Any) -> None:
    page = open_page(user=technician)
    assert violations(page) == []
    assert violations(open_page("/quarantine/", user=technician)) == []
