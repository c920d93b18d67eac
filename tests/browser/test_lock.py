"""The lock in a browser: covered, silent and lossless, in every window at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import PASSWORD, until, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LOCKED = "() => 'locked' in document.documentElement.dataset && document.querySelector('#lock')"
ASK = "document.dispatchEvent(new CustomEvent('session-back'))"
FREE = "() => !('locked' in document.documentElement.dataset)"


@pytest.fixture
def reader(radiologist: Any) -> Any:
    radiologist.set_password(PASSWORD)
    radiologist.save()
    return radiologist


def lock(page: Page) -> None:
    page.locator(".user-panel").evaluate("panel => { panel.closest('details').open = true }")
    page.get_by_role("button", name="Lock", exact=True).click()
    until(page, LOCKED)


def unlock(page: Page) -> None:
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Password").press("Enter")
    until(page, FREE)


def test_covered_in_all_windows_and_nothing_lost(
    open_page: Callable[..., Page], studies: list[Any], reader: Any, tmp_path: Any
) -> None:
    page = open_page(user=reader)
    page.fill("#search", "ADAMS")
    page.get_by_role("link", name="BAKER").wait_for(state="detached")
    other = page.context.new_page()
    other.goto(f"{page.url.split('/?')[0].rstrip('/')}/studies/{studies[0].pk}/view/")
    until(other, "() => !document.title.startsWith('Locked')")
    title = other.title()
    lock(page)
    until(other, LOCKED)
    for each in (page, other):
        assert each.title() == "Locked · Lightbox PACS"
        tree = each.locator("body").aria_snapshot()
        assert "ADAMS" not in tree
        assert "Password" in tree
        assert "ADAMS" not in each.evaluate("document.body.innerText")
    for width, height in ((1440, 900), (1024, 768)):
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=tmp_path / f"lock-{width}.png")
        assert violations(page) == []
    # Neither Escape nor the page's own keys do anything.
    for key in ("Escape", "Escape", "?", "/", "j"):
        page.keyboard.press(key)
    until(page, LOCKED)
    assert page.locator("#keys[open]").count() == 0
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Unlock").click()
    page.get_by_text("That is not your password.").wait_for()
    unlock(page)
    until(other, FREE)
    assert page.locator("#search").input_value() == "ADAMS"
    assert page.get_by_role("link", name="ADAMS").is_visible()
    assert other.title() == title


def test_an_idle_page_is_announced_then_locked(
    open_page: Callable[..., Page], studies: list[Any], reader: Any, settings: Any
) -> None:
    page = open_page(user=reader)
    settings.SESSION_IDLE_SECONDS = 100
    page.evaluate(ASK)
    page.get_by_text("This page will be locked in").wait_for()
    settings.SESSION_IDLE_SECONDS = 0
    page.evaluate(ASK)
    until(page, LOCKED)
    assert page.locator("#session-warning").is_hidden()
    settings.SESSION_IDLE_SECONDS = 900
    # The portal says by itself when somebody else's window has unlocked it.
    page.evaluate(ASK)
    until(page, FREE)


def test_a_reload_stays_locked(
    open_page: Callable[..., Page], studies: list[Any], reader: Any
) -> None:
    page = open_page(user=reader)
    lock(page)
    page.reload()
    page.get_by_role("heading", name="Locked").wait_for()
    assert "ADAMS" not in page.content()
    assert violations(page) == []
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Unlock").click()
    page.get_by_role("link", name="ADAMS").wait_for()


def test_logout_from_the_lock(
    open_page: Callable[..., Page], studies: list[Any], reader: Any
) -> None:
    page = open_page(user=reader)
    other = page.context.new_page()
    other.goto(page.url)
    lock(page)
    until(other, LOCKED)
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login/**")
    other.wait_for_url("**/login/**")
