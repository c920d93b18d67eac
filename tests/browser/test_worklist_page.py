"""The worklist page in a real browser, without its socket: keys, search, accessibility."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Request, Route

from tests.browser.conftest import until, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

READY = "document.querySelector('#rows a[tabindex=\"0\"]') !== null"


def test_keys_move_open_and_explain(open_page: Any, studies: list[Any]) -> None:
    page = open_page()
    until(page, READY)
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    # A letter acts a moment later: until then it might be a scanner's.
    current = "pk => document.querySelector('tr.is-current')?.dataset.study === String(pk)"
    until(page, current, argument=studies[1].pk)
    page.keyboard.press("k")
    until(page, current, argument=studies[0].pk)
    page.keyboard.press("?")
    until(page, "() => document.getElementById('keys').open")
    page.keyboard.press("Escape")
    assert not page.evaluate("document.getElementById('keys').open")
    page.keyboard.press("/")
    until(page, "() => document.activeElement.id === 'search'")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/studies/{studies[0].pk}/view/**")


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


def test_typed_before_the_scripts_run_is_searched_for(
    open_page: Any, studies: list[Any], live_server: Any
) -> None:
    page = open_page()
    held: list[Route] = []
    page.route("**/worklist.js", lambda route: held.append(route))
    page.goto(live_server.url, wait_until="commit")
    page.fill("#search", "baker")
    while not held:
        page.wait_for_timeout(50)
    held.pop().continue_()
    until(page, "document.querySelectorAll('#rows tr').length === 1")
    page.unroute_all()
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    page.goto(live_server.url)
    until(page, READY)
    assert not [one.url for one in asked if one.method == "POST"]  # nothing typed, nothing asked
