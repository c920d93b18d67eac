"""What people see when nothing is there or something fails is as accessible as the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import until, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SIZES = [(1440, 900), (1024, 768)]
sizes = pytest.mark.parametrize("size", SIZES, ids=["1440", "1024"])


def settled(page: Page, size: tuple[int, int]) -> None:
    """Accessible, and nothing wider than the window."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.wait_for_timeout(300)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@sizes
def test_login(browser: Browser, live_server: Any, db: None, size: tuple[int, int]) -> None:
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"{live_server.url}/login/")
        settled(page, size)
        page.fill("input[name=username]", "nobody")
        page.fill("input[name=password]", "wrong-as-can-be")
        page.click("button[type=submit]")
        page.get_by_role("alert").first.wait_for()
        settled(page, size)
    finally:
        context.close()


@sizes
def test_offline_banner(
    open_page: Callable[..., Page], studies: list[Any], size: tuple[int, int]
) -> None:
    page = open_page()
    until(page, "!document.getElementById('offline').hidden", 60)
    settled(page, size)


@sizes
def test_session_warning(
    open_page: Callable[..., Page], studies: list[Any], settings: Any, size: tuple[int, int]
) -> None:
    settings.SESSION_IDLE_SECONDS = 100
    page = open_page()
    until(page, "!document.getElementById('session-warning').hidden")
    settled(page, size)


@sizes
def test_empty_list(open_page: Callable[..., Page], admin: Any, size: tuple[int, int]) -> None:
    page = open_page(user=admin)
    page.get_by_text("No studies yet").wait_for()
    settled(page, size)


@sizes
def test_no_match(
    open_page: Callable[..., Page], studies: list[Any], size: tuple[int, int]
) -> None:
    page = open_page()
    page.fill("#search", "nobody of this name")
    page.get_by_text("No study matches these filters").wait_for()
    settled(page, size)


@sizes
def test_failing_list(
    open_page: Callable[..., Page], studies: list[Any], size: tuple[int, int]
) -> None:
    page = open_page()
    page.route("**/worklist/table/", lambda route: route.fulfill(status=500, body=""))
    page.fill("#search", "adams")
    until(page, "!document.getElementById('list-error').hidden")
    settled(page, size)


@sizes
def test_rows_with_buttons(
    open_page: Callable[..., Page], technician: Any, studies: list[Any], size: tuple[int, int]
) -> None:
    for study, (arrival, expected) in zip(
        studies,
        [("complete", None), ("quiet", 60), ("receiving", 60), ("quiet", None)],
        strict=True,
    ):
        study.arrival, study.expected_instances, study.number_of_instances = arrival, expected, 12
        study.save()
    page = open_page(user=technician)
    settled(page, size)
    for wide in ("document.getElementById('scroller')",):
        assert page.evaluate(f"{wide}.scrollWidth <= {wide}.clientWidth")
    # No word of the column is cut off.
    assert page.evaluate(
        "[...document.querySelectorAll('.c-arrival .mark > span')]"
        ".every((each) => each.scrollWidth <= each.clientWidth)"
    )
