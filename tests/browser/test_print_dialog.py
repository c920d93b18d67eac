"""Printing in a browser: from the button to the page in the tray, live, every state accessible."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.agents_site.office import Office
from tests.browser.conftest import until, violations
from tests.servers.cups import CupsSystem
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def front(
    portal: Portal, cups: CupsSystem, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    office = Office(portal, cups, tmp_path_factory.mktemp("front"), "Front_desk")
    office.start()
    yield office
    office.agent.stop()


def test_a_report_from_the_button_to_the_tray(
    front: Office, login: Callable[..., Page], tmp_path: Path
) -> None:
    report = front.report("Seen from the button")
    front.stop()
    page = login("radiologist")
    page.goto(f"{front.portal.stack.base_url}/fixture-report/{report}/")
    page.get_by_role("button", name="Print").press("Enter")
    page.get_by_role("heading", name=f"Print Report {report}").wait_for()
    page.get_by_label("Printer").select_option(f"{front.number}:{front.name}")
    page.get_by_label("Copies").fill("2")
    page.get_by_label("Sides").select_option("Both sides")
    page.screenshot(path=tmp_path / "dialog.png")
    assert violations(page) == []
    page.get_by_role("button", name="Print", exact=True).last.press("Enter")
    row = page.locator("[data-command]").first
    row.get_by_text("Queued").wait_for()
    row.get_by_text("The agent is offline.").wait_for()
    page.screenshot(path=tmp_path / "queued.png")
    assert violations(page) == []
    with front.printer.held():
        front.start()
        row.get_by_text("Printing").wait_for(timeout=60_000)
        page.screenshot(path=tmp_path / "printing.png")
        assert violations(page) == []
        assert front.printer.printed() == []
    row.get_by_text("Printed").wait_for(timeout=60_000)
    chosen = "document.querySelector('[name=printer]').selectedOptions[0].textContent"
    until(page, f"() => !{chosen}.includes('offline')")
    page.screenshot(path=tmp_path / "printed.png")
    assert violations(page) == []
    (text,) = front.printer.printed()
    assert "Seen from the button" in text
    assert front.printer.options()["IPP_COPIES"] == "2"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == f"print-report-{report}"
    assert page.faults == []  # type: ignore[attr-defined]


def test_a_test_page_from_the_agent_s_page(
    front: Office, login: Callable[..., Page], tmp_path: Path
) -> None:
    front.printer.clear()
    page = login("technician")
    page.goto(f"{front.portal.stack.base_url}/agents/{front.number}/")
    until(page, "() => document.querySelector('[data-live=live]') !== null")
    page.get_by_label("Printer").select_option(front.name)
    page.get_by_role("button", name="Print a test page").press("Enter")
    page.get_by_text("The agent is told now:").wait_for()
    newest = page.locator("tr[data-command]").first
    newest.get_by_text("technician").wait_for()
    newest.get_by_text("Printed").wait_for(timeout=60_000)
    page.screenshot(path=tmp_path / "agent.png", full_page=True)
    assert violations(page) == []
    (text,) = front.printer.printed()
    assert "Lightbox PACS: test page" in text
