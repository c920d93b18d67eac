"""Reports on the screen, and the page behind the QR code: accessible, and they fit."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from reports.letterhead.models import Letterhead
from reports.models import VersionKind
from tests.browser.conftest import violations
from tests.reports import factories_output as made

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SIZES = [(1440, 900), (1024, 768)]


def settled(page: Page, name: str) -> None:
    """Accessible at every size, and nothing wider than the window."""
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(200)
        if folder := os.environ.get("PACS_SCREENSHOTS"):
            page.screenshot(path=f"{folder}/{name}-{width}.png")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.fixture
def signed(study: Any, radiologist: Any, site: Any) -> Any:
    Letterhead.objects.create(site=site, address="Street 1\n10115 Berlin")
    return made.version(
        study,
        radiologist,
        key_images=[made.key_image(site.pk, made.png(number), number) for number in (1, 2)],
        measurements=[made.measurement()],
    )


def test_a_report(open_page: Callable[..., Page], signed: Any, radiologist: Any) -> None:
    page = open_page(f"/reports/versions/{signed.pk}/")
    pictures = page.locator(".doc-image img")
    assert pictures.count() == 2
    assert pictures.first.evaluate("image => image.complete && image.naturalWidth") == 1024
    settled(page, "document")
    withdrawal = made.version(
        signed.report.study,
        radiologist,
        report=signed.report,
        kind=VersionKind.WITHDRAWAL,
        sections={},
        reason="Wrong patient",
    )
    page = open_page(f"/reports/versions/{withdrawal.pk}/")
    page.get_by_text("This report was withdrawn.").wait_for()
    settled(page, "withdrawn")


def test_the_page_that_verifies(browser: Browser, live_server: Any, signed: Any) -> None:
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"{live_server.url}/reports/verify/{signed.verification}/")
        page.get_by_role("heading", name="Valid").wait_for()
        settled(page, "verify")
        page.set_input_files(
            "#pdf", {"name": "x.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-"}
        )
        page.get_by_role("button", name="Compare", exact=True).click()
        page.get_by_role("status").wait_for()
        settled(page, "compared")
        page.goto(f"{live_server.url}/reports/verify/forged/")
        page.get_by_role("heading", name="Not known").wait_for()
        settled(page, "unknown")
    finally:
        context.close()
