"""The dialogs of signing and of critical results: by keyboard, accessible, at two sizes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from pacs.accounts.models import Membership, Role, User
from reports.critical import services as critical
from reports.models import Report, ReportState, ReportVersion
from reports.signing import services as signing
from studies.models import ReadingState, Study
from tests.browser.conftest import until, violations
from tests.conftest import person
from tests.reports.signing.conftest import written

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SIZES = [(1440, 900), (1024, 768)]
PASSWORD = "a-long-enough-password"


def looked_at(page: Page, name: str) -> None:
    """Accessible and not wider than the window, at both sizes; kept as pictures where asked."""
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(250)
        if folder := os.environ.get("LIGHTBOX_SCREENSHOTS"):
            page.screenshot(path=str(Path(folder) / f"{name}-{width}.png"))
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.fixture
def doubtful(site: Any, radiologist: User, make_study: Any) -> Report:
    """A draft on the left knee that speaks of the right one."""
    study = make_study(
        site,
        patient_name="DOE^Jane",
        patient_id="123456",
        patient_sex="F",
        study_description="XR knee left 2 views",
        modalities="CR",
        reader=radiologist,
        claimed_at=timezone.now(),
        reading_state=ReadingState.DRAFT,
    )
    return Report.objects.create(
        site=site,
        study=study,
        author=radiologist,
        saved_by=radiologist,
        content=written("<p>Effusion of the right knee, ___ mm.</p>", "<p>Effusion.</p>"),
    )


def test_signing_by_keyboard(open_page: Callable[..., Page], doubtful: Report) -> None:
    page = open_page(f"/reports/{doubtful.study_id}/write/")
    page.get_by_text("Effusion of the right knee").wait_for()
    page.get_by_text("Effusion of the right knee").click()
    page.keyboard.press("Control+Enter")
    dialog = page.locator("#report-dialog")
    dialog.get_by_text("names only the right side").wait_for()
    looked_at(page, "sign-dialog")
    # The first warning has the focus; each is answered by Space, the password typed, Enter signs.
    until(page, "document.activeElement.type === 'checkbox'")
    page.keyboard.press("Enter")
    assert not ReportVersion.objects.exists()
    boxes = dialog.locator("input[type=checkbox]")
    assert boxes.count() == 2
    dialog.locator("input[name=password]").fill("wrong-one")
    page.keyboard.press("Enter")
    dialog.get_by_text("That is not your password").wait_for()
    looked_at(page, "sign-wrong-password")
    for at in range(2):
        boxes.nth(at).focus()
        page.keyboard.press("Space")
    dialog.locator("input[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    until(page, "!document.getElementById('report-dialog').open")
    doubtful.refresh_from_db()
    assert doubtful.state == ReportState.FINAL
    page.get_by_role("button", name="Addendum").wait_for()
    looked_at(page, "signed-panel")
    page.get_by_role("button", name="Withdraw").click()
    dialog.get_by_text("This cannot be taken back").wait_for()
    looked_at(page, "withdraw-dialog")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Critical result").click()
    dialog.get_by_label("What was found").fill("Tension pneumothorax")
    looked_at(page, "critical-dialog")
    page.keyboard.press("Tab")
    dialog.get_by_role("button", name="Mark critical").click()
    dialog.get_by_text("Telephone, and record").wait_for()
    looked_at(page, "critical-marked")


def test_a_residents_addendum_is_signed_by_another(
    open_page: Callable[..., Page], doubtful: Report, radiologist: User, site: Any
) -> None:
    resident = person("resident", site, Role.RADIOLOGIST, first_name="Rita", last_name="Resident")
    Membership.objects.filter(user=resident).update(needs_cosignature=True)
    doubtful.content = written("<p>Effusion of the left knee.</p>", "<p>Effusion.</p>")
    doubtful.save()
    signing.sign(doubtful.pk, radiologist, kind="final", revision=1)
    report = signing.start_addendum(doubtful.pk, resident)
    page = open_page(f"/reports/{doubtful.study_id}/write/", resident)
    page.locator("[data-section=addendum] .section-text").click()
    page.keyboard.type("Left knee compared with May: unchanged.")
    page.keyboard.press("Control+Enter")
    dialog = page.locator("#report-dialog")
    dialog.get_by_text("shown to nobody outside").wait_for()
    looked_at(page, "addendum-resident")
    dialog.locator("input[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_text("waits for a second signature").first.wait_for()
    page.get_by_role("button", name="Change the addendum").wait_for()
    assert page.get_by_role("button", name="Sign as second radiologist").count() == 0
    assert ReportVersion.objects.filter(report=report.pk).count() == 1
    page = open_page("/reports/")
    looked_at(page, "addendum-waiting-list")
    page.get_by_role("region", name="Waiting for your signature").get_by_role("link").click()
    page.get_by_text("compared with May: unchanged").wait_for()
    page.get_by_role("button", name="Sign as second radiologist").wait_for()
    looked_at(page, "addendum-waiting")
    page.get_by_role("button", name="Sign as second radiologist").click()
    dialog = page.locator("#report-dialog")
    dialog.locator("input[name=password]").fill(PASSWORD)
    looked_at(page, "addendum-second")
    dialog.get_by_role("button", name="Sign addendum").click()
    until(page, "!document.getElementById('report-dialog').open")
    version = ReportVersion.objects.get(report=report.pk, number=2)
    assert (version.kind, version.signer, version.cosigner) == ("addendum", resident, radiologist)


def test_critical_pages(
    open_page: Callable[..., Page], doubtful: Report, radiologist: User, referrer: User
) -> None:
    study = Study.objects.get(pk=doubtful.study_id)
    page = open_page("/critical/")
    page.get_by_text("Nothing waits").wait_for()
    looked_at(page, "critical-empty")
    result = critical.mark(
        study,
        radiologist,
        finding="Tension pneumothorax on the left with shift of the mediastinum",
        level=0,
        recipient=referrer,
    )
    critical.mark(study, radiologist, finding="Nodule of 9 mm, follow-up", level=2)
    page.goto(page.url)
    page.get_by_text("Tension pneumothorax").wait_for()
    looked_at(page, "critical-list")
    page.goto(f"{page.url}{result.pk}/")
    page.get_by_text("Record a telephone call").wait_for()
    looked_at(page, "critical-result")
    page.get_by_label("Who was told").fill("Dr. Ward, ICU")
    page.get_by_label("What was read back").fill("Tension pneumothorax left, chest tube now")
    page.get_by_role("button", name="Record").click()
    page.get_by_text("by telephone, Dr. Ward").wait_for()
    looked_at(page, "critical-acknowledged")
