"""Sending in a browser: the dialog in the viewer, the list that moves by itself."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import find, runs, until
from tests.servers.orthanc import OrthancServer
from tests.servers.peer import FaultyProxy
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser

MAKE_DESTINATION = """
from studies.sending.models import Destination
from pacs.accounts.models import Site
site = Site.objects.order_by("id").first()
Destination.objects.update_or_create(
    site=site, name={name!r},
    defaults=dict(kind="dicomweb", url={url!r}, authorization={authorization!r},
                  failures=0, next_attempt_at=None))
"""


@pytest.fixture
def slow_peer(portal: Portal, tmp_path: Path) -> Iterator[FaultyProxy]:
    """A DICOMweb server, entered as a destination, that takes a second for each batch."""
    login = base64.b64encode(f"{OrthancServer.user}:{OrthancServer.password}".encode()).decode()
    with OrthancServer(tmp_path / "peer") as peer, FaultyProxy(peer.http_port) as proxy:
        proxy.delay = 1.0
        portal.stack.shell(
            MAKE_DESTINATION.format(
                name="Teaching archive",
                url=f"{proxy.url}/dicom-web",
                authorization=f"Basic {login}",
            )
        )
        yield proxy


def accessible(page: Page) -> None:
    violations = Axe().run(page).response["violations"]
    assert not violations, [(one["id"], one["nodes"][0]["html"]) for one in violations]


def test_from_the_viewer_to_the_list(
    portal: Portal, login: Callable[..., Page], series: Any, slow_peer: FaultyProxy, tmp_path: Path
) -> None:
    files, uid = series(60, patient_name="Pass^Along", patient_id="SEND-1")
    portal.stack.storescu(files)
    portal.wait_count(uid, 60)
    page, watcher = login("technician"), login("radiologist")
    watcher.goto(f"{portal.stack.base_url}/sends/")
    until(watcher, "() => document.querySelector('[data-live=live]') !== null")
    find(page, "Pass, Along").click()
    page.wait_for_url("**/studies/*/view/")
    until(page, "() => document.documentElement.dataset.viewer === 'ready'", 60)

    page.get_by_role("button", name="Send", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Where to").select_option(label="Teaching archive")
    accessible(page)
    dialog.get_by_role("button", name="Send", exact=True).click()
    dialog.get_by_text("It will be sent.").wait_for()

    row = watcher.locator("tr[data-send]", has_text="Pass, Along").first
    row.get_by_text("Sending", exact=True).wait_for(timeout=60_000)
    page.screenshot(path=tmp_path / "dialog.png")
    watcher.screenshot(path=tmp_path / "sending.png")
    accessible(watcher)
    row.get_by_text("60 of 60").wait_for(timeout=60_000)
    row.get_by_text("Sent", exact=True).wait_for(timeout=60_000)
    dialog.locator("li[data-state=done]").wait_for(timeout=60_000)
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "send"
    assert page.faults == watcher.faults == []  # type: ignore[attr-defined]


def test_failing_cancelled_and_tried_again(
    portal: Portal, login: Callable[..., Page], series: Any, slow_peer: FaultyProxy, tmp_path: Path
) -> None:
    slow_peer.delay, slow_peer.fail_next = 0.0, 1000
    files, uid = series(2, patient_name="Never^Arrives", patient_id="SEND-2")
    portal.stack.storescu(files)
    portal.wait_count(uid, 2)
    page = login("technician")
    find(page, "Never, Arrives").click()
    page.wait_for_url("**/studies/*/view/")
    until(page, "() => document.documentElement.dataset.viewer === 'ready'", 60)
    page.get_by_role("button", name="Send", exact=True).press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Where to").select_option(index=0)
    options = dialog.get_by_label("Where to").locator("option").all_inner_texts()
    dialog.get_by_label("Where to").select_option(index=options.index("Teaching archive"))
    dialog.get_by_role("button", name="Send", exact=True).press("Enter")
    dialog.get_by_text("cannot take images now").wait_for(timeout=60_000)
    page.goto(f"{portal.stack.base_url}/sends/")
    runs(page)
    row = page.locator("tr[data-send]", has_text="Never, Arrives").first
    row.get_by_text("It is tried again by itself.").wait_for()
    page.screenshot(path=tmp_path / "failing.png")
    accessible(page)
    row.get_by_role("button", name="Cancel").press("Enter")
    row.get_by_text("Cancelled", exact=True).wait_for()
    slow_peer.heal()
    row.get_by_role("button", name="Try again").press("Enter")
    row.get_by_text("Sent", exact=True).wait_for(timeout=60_000)
    page.get_by_role("link", name="Failed").click()
    page.wait_for_url("**show=failed")
    accessible(page)
    assert page.faults == []  # type: ignore[attr-defined]


def test_referrers_see_no_button(login: Callable[..., Page]) -> None:
    page = login("referrer")
    assert page.get_by_role("link", name="Sends").count() == 0
