"""Keys, mouse buttons and windows of one's own: set up by hand, then used."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import until, violations
from tests.browser.test_viewer_tools import Reader, ct, reader  # noqa: F401
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser

READY = "() => document.documentElement.dataset.page === 'ready'"
CELL = "() => window.lightbox.getCells()[0]"
ROW = "tr:has(th:text-is('{}'))"


def setup(portal: Portal, page: Page) -> None:
    page.goto(f"{portal.stack.base_url}/preferences/viewer/")
    until(page, READY)


def give(page: Page, action: str, key: str) -> None:
    page.locator(ROW.format(action)).get_by_role("button", name=f"Add a key for {action}").click()
    page.keyboard.press(key)


def told(page: Page) -> str:
    return page.locator("#preferences-answer").inner_text()


def kept(page: Page) -> None:
    page.get_by_role("button", name="Keep", exact=True).click()
    until(page, "() => document.getElementById('preferences-answer').innerText === 'Kept.'")


def test_a_key_and_a_button_are_changed_and_used(
    reader: Callable[..., Reader],  # noqa: F811
    portal: Portal,
) -> None:
    dataset = ct()
    at = reader("Preferences", [dataset])
    viewer = at.page
    page = viewer.context.new_page()
    setup(portal, page)
    assert violations(page) == []

    give(page, "Invert", "z")
    assert told(page) == "Z is already Zoom. Take it away there first."
    give(page, "Invert", "Control+k")
    assert told(page) == "Combinations with Ctrl belong to the browser."
    page.get_by_role("button", name="Take Z away from Zoom").click()
    page.get_by_role("button", name="Take I away from Invert").click()
    give(page, "Invert", "z")
    page.get_by_label("Right button").select_option("pan")
    assert told(page) == "Middle button is already Pan."
    page.get_by_label("Middle button").select_option("scroll")
    page.get_by_label("Right button").select_option("pan")
    kept(page)

    # The viewer that is open beside has taken it up.
    assert "Z" in viewer.locator("#invert kbd").inner_text()
    assert viewer.locator("#invert").get_attribute("aria-keyshortcuts") == "Z"
    at.press("z")
    until(viewer, "() => document.querySelector('#invert').ariaPressed === 'true'")
    assert viewer.locator("[data-mode=zoom]").get_attribute("aria-pressed") == "false"
    before = viewer.evaluate(CELL)["view"]
    viewer.mouse.move(*at.place((64, 64)))
    viewer.mouse.down(button="right")
    viewer.mouse.move(*at.place((84, 64)), steps=4)
    viewer.mouse.up(button="right")
    after = viewer.evaluate(CELL)["view"]
    assert after["zoom"] == pytest.approx(before["zoom"])
    assert after["pan"][0] - before["pan"][0] > 10

    # The help says it, also after a reload.
    at.open(dataset)
    viewer.keyboard.press("?")
    rows = viewer.locator("#keys-table tr")
    inverting = rows.filter(has_text="Invert grey values")
    assert inverting.locator("kbd").all_inner_texts() == ["Z"]
    assert rows.filter(has_text="Pan, scroll").count() == 1
    assert viewer.get_by_role("link", name="Change keys and buttons").is_visible()
    viewer.keyboard.press("Escape")

    # As usual again.
    page.get_by_role("button", name="As usual, all of it").click()
    until(page, "() => document.getElementById('preferences-answer').innerText.includes('again')")
    at.press("i")
    until(viewer, "() => document.querySelector('#invert').ariaPressed === 'true'")
    assert not viewer.faults  # type: ignore[attr-defined]


def test_a_window_is_kept_chosen_by_key_and_removed(
    reader: Callable[..., Reader],  # noqa: F811
    portal: Portal,
) -> None:
    dataset = ct()
    at = reader("Window", [dataset])
    page = at.page
    page.evaluate("() => window.lightbox.setWindow({lower: 10, upper: 209})")
    page.locator("[data-menu=window-menu]").click()
    page.get_by_label("Name of the window").fill("Test soft")
    page.get_by_role("button", name="Keep", exact=True).click()
    row = page.locator(".own-window").filter(has_text="Test soft")
    row.wait_for()
    assert "W 200 L 110" in row.inner_text().replace("\n", " ")
    assert violations(page) == []
    page.keyboard.press("Escape")

    other = page.context.new_page()
    setup(portal, other)
    assert "CT W 200 L 110 HU" in " ".join(
        other.locator("#preference-windows").inner_text().split()
    )
    give(other, "Your window 1", "F11")
    kept(other)

    at.press("r")
    until(page, "() => window.lightbox.getWindow().upper === 239")
    at.press("F11")
    until(page, "() => window.lightbox.getWindow().upper === 209")
    assert page.evaluate("() => window.lightbox.getWindow().lower") == 10

    page.locator("[data-menu=window-menu]").click()
    page.get_by_role("button", name="Remove Test soft").click()
    row.wait_for(state="detached")
    other.get_by_role("button", name="As usual, all of it").click()
    until(other, "() => document.getElementById('preferences-answer').innerText.includes('again')")
    assert not page.faults  # type: ignore[attr-defined]


def test_what_cannot_be_read_falls_back_with_a_notice(
    reader: Callable[..., Reader],  # noqa: F811
    portal: Portal,
) -> None:
    portal.stack.shell(
        "from pacs.accounts.models import User;"
        "from studies.models import ViewerPreferences;"
        "ViewerPreferences.objects.update_or_create("
        "user=User.objects.get(username='radiologist'), defaults={'keys': {'cine': 7}})"
    )
    try:
        at = reader("Broken", [ct()])
        # It is said for a while as the page begins.
        at.page.reload(wait_until="commit")
        at.page.locator("#marking-status", has_text="the usual ones are used").wait_for()
        until(at.page, "() => document.documentElement.dataset.viewer === 'ready'", 60)
        at.press("i")
        until(at.page, "() => document.querySelector('#invert').ariaPressed === 'true'")
        page = at.page.context.new_page()
        setup(portal, page)
        assert page.locator("#preferences-broken").is_visible()
    finally:
        portal.stack.shell(
            "from studies.models import ViewerPreferences; ViewerPreferences.objects.all().delete()"
        )
