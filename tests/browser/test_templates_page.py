"""Templates and macros in a browser: found, copied, edited by keyboard, nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from playwright.sync_api import Page

from reports.models import Macro, ReportTemplate
from tests.browser.conftest import until, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SIZES = [(1440, 900), (1024, 768)]


def settled(page: Page) -> None:
    """Accessible at both sizes, and nothing wider than the window."""
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(200)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.fixture
def start_set(radiologist: Any) -> None:
    call_command("load_report_templates", verbosity=0)


def test_a_template_is_found_copied_and_edited_by_keyboard(
    open_page: Callable[..., Page], start_set: None, radiologist: Any
) -> None:
    page = open_page("/reports/templates/")
    settled(page)
    page.keyboard.press("/")
    page.keyboard.type("thyroid")
    until(page, "document.querySelectorAll('.library tbody tr').length === 1")
    page.get_by_role("link", name="Ultrasound thyroid (ACR TI-RADS)").click()
    page.get_by_text("ACR TI-RADS level").first.wait_for()
    settled(page)
    page.get_by_role("button", name="Copy to my own").click()
    page.locator("#template-form").wait_for()
    settled(page)
    until(page, "document.documentElement.dataset.page === 'ready'")
    page.locator("[data-detail=name]").fill("My thyroid")
    findings = page.locator("[data-section][data-key=findings]")
    findings.locator("[data-rich=normal]").click()
    page.keyboard.press("Control+A")
    page.keyboard.type("Normal thyroid.")
    page.keyboard.press("Enter")
    page.keyboard.press("Control+B")
    page.keyboard.type("No nodule.")
    findings.get_by_role("button", name="Add a field").click()
    page.keyboard.type("Doppler")
    added = findings.locator("[data-field]").last
    added.locator("[data-name=kind]").select_option("number")
    added.locator("[data-name=minimum]").fill("much")
    page.keyboard.press("Control+S")
    page.get_by_text("must be a number").wait_for()
    settled(page)
    # The place of the error has the focus; what was written is there still.
    assert page.evaluate("document.activeElement.dataset.name") == "minimum"
    page.keyboard.press("Control+A")
    page.keyboard.type("1,5")
    page.keyboard.press("Control+S")
    page.locator(".template-preview").first.wait_for()
    made = ReportTemplate.objects.get(owner=radiologist)
    assert made.name == "My thyroid"
    body = made.versions.first().body
    section = next(one for one in body["sections"] if one["key"] == "findings")
    assert section["normal"] == "<p>Normal thyroid.</p><p><strong>No nodule.</strong></p>"
    field = section["fields"][-1]
    assert (field["key"], field["minimum"]) == ("doppler", 1.5)
    tirads = next(one for one in body["sections"] if one["key"] == "impression")["fields"][0]
    assert len(tirads["choices"]) == 6


def test_a_macro_is_made_and_deleted(open_page: Callable[..., Page], radiologist: Any) -> None:
    page = open_page("/reports/macros/")
    settled(page)
    page.keyboard.press("n")
    page.locator("#macro-form").wait_for()
    until(page, "document.documentElement.dataset.page === 'ready'")
    page.locator("[data-detail=abbreviation]").fill("nlchest")
    page.locator("[data-rich=html]").click()
    page.keyboard.type("No focal consolidation in this {patient_sex}.")
    settled(page)
    page.keyboard.press("Control+S")
    page.locator(".macro-key", has_text="nlchest").wait_for()
    settled(page)
    assert Macro.objects.get().html == "<p>No focal consolidation in this {patient_sex}.</p>"
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    until(page, "!document.querySelector('.library tbody tr')")
    assert not Macro.objects.exists()


def test_nothing_is_lost_when_saving_fails(open_page: Callable[..., Page], start_set: None) -> None:
    page = open_page("/reports/macros/new/")
    until(page, "document.documentElement.dataset.page === 'ready'")
    page.locator("[data-detail=abbreviation]").fill("x")
    page.locator("[data-rich=html]").click()
    page.keyboard.type("Text of mine")
    page.route("**/reports/macros/new/", lambda route: route.abort())
    page.keyboard.press("Control+S")
    page.get_by_text("The portal cannot be reached").wait_for()
    assert page.locator("[data-rich=html]").inner_text() == "Text of mine"
    page.unroute("**/reports/macros/new/")
    page.keyboard.press("Control+S")
    page.locator(".library tbody tr").first.wait_for()
