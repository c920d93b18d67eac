"""Finding reports in a browser: search, report page, versions, priors, attachments, statistics."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from pacs.audit.models import AuditEvent
from reports.attachments.models import Attachment
from reports.models import Report
from studies.models import Study
from tests.browser.conftest import until, violations
from tests.reports.factories_find import PDF, grant, signed

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SIZES = [(1440, 900), (1024, 768)]
LONG = (
    "The heart is normal in size. There is a nodule of 12.3 mm in the right upper lobe, 9 mm"
    " before. No pleural effusion and no pneumothorax. Degenerative changes of the spine."
    " Adrenal glands and the imaged part of the liver are unremarkable."
)


def looked_at(page: Page, folder: Path, name: str) -> None:
    """Accessible at both sizes, nothing wider than the window; pictures for people."""
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(250)
        page.screenshot(path=folder / f"{name}-{width}.png")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.fixture
def told(site: Any, make_study: Any, radiologist: Any) -> dict[str, Any]:
    """A study of Anna Adams with a report of three versions, and an earlier study with another."""
    study = make_study(
        site, patient_name="ADAMS^Anna", patient_birth_date="19610423", patient_sex="F",
        study_description="CT chest with contrast", study_date="20260310",
        study_day=date(2026, 3, 10), accession_number="A1234", reading_state="addended",
    )  # fmt: skip
    prior = make_study(
        site, patient_ref=study.patient_ref, patient_id=study.patient_id,
        patient_name="ADAMS^Anna", study_description="MR head", modalities="MR",
        study_date="20250102", study_day=date(2025, 1, 2), reading_state="final",
    )  # fmt: skip
    first = signed(study, radiologist, LONG.replace("12.3", "13"), kind="preliminary")
    signed(study, radiologist, LONG, report=first.report)
    signed(study, radiologist, "Seen in 2023 as well.", report=first.report, kind="addendum")
    old = signed(prior, radiologist, "Old infarct in the left thalamus.")
    Attachment.objects.create(
        site=site, patient=study.patient_ref, kind="outside_report", title="CT chest, City Clinic",
        text="A nodule of 8 mm.\nFollow-up advised.", dated=date(2024, 6, 1), status="final",
    )  # fmt: skip
    return {"study": study, "prior": prior, "report": first.report, "old": old.report}


def test_search_with_keys(
    open_page: Callable[..., Page], told: dict[str, Any], site: Any, make_study: Any,
    radiologist: Any, tmp_path: Path,
) -> None:  # fmt: skip
    for number in range(30):
        name = f"{('BAKER', 'CLARK', 'DIAZ', 'EVANS')[number % 4]}^P{number}"
        signed(make_study(site, patient_name=name), radiologist, f"Rib {number}. {LONG}")
    page = open_page("/reports/search/")
    looked_at(page, tmp_path, "search-empty")
    page.keyboard.type("nodule -infarct")
    page.keyboard.press("Enter")
    page.locator("mark").first.wait_for()
    assert page.url.endswith("/reports/search/")
    assert "1–25 of 31 reports" in page.locator("#finding-count").inner_text()
    looked_at(page, tmp_path, "search-many")
    page.get_by_role("button", name="Next").click()
    page.get_by_text("26–31 of 31 reports").wait_for()
    page.fill("#q", '"seen in 2023"')
    page.keyboard.press("Enter")
    page.get_by_text("1–1 of 1 report", exact=False).wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/reports/{told['report'].pk}/")
    page.get_by_text("Seen in 2023 as well.").wait_for()


def test_search_that_finds_nothing_or_fails(
    open_page: Callable[..., Page], told: dict[str, Any], tmp_path: Path
) -> None:
    page = open_page("/reports/search/")
    page.fill("#q", "xylophone")
    page.keyboard.press("Enter")
    page.get_by_text("No report says this").wait_for()
    looked_at(page, tmp_path, "search-none")
    page.route("**/reports/search/", lambda route: route.fulfill(status=500, body=""))
    page.keyboard.press("Enter")
    until(page, "!document.getElementById('finding-error').hidden")
    looked_at(page, tmp_path, "search-error")


def test_report_and_versions(
    open_page: Callable[..., Page], told: dict[str, Any], radiologist: Any, tmp_path: Path
) -> None:
    page = open_page(f"/reports/{told['report'].pk}/")
    looked_at(page, tmp_path, "report")
    page.get_by_role("link", name="Compare versions").click()
    page.get_by_label("From").select_option("1")
    page.get_by_label("To").select_option("2")
    page.get_by_role("button", name="Compare").click()
    page.locator("del").first.wait_for()
    looked_at(page, tmp_path, "diff")
    signed(told["study"], radiologist, "-", report=told["report"], kind="withdrawal", reason="x")
    Report.objects.filter(pk=told["report"].pk).update(
        withdrawn_at=timezone.now(), withdrawn_by=radiologist, withdrawn_reason="Wrong patient."
    )
    page.goto(page.url.split("diff")[0])
    page.get_by_text("Wrong patient.").wait_for()
    looked_at(page, tmp_path, "withdrawn")


def test_referrers_list(
    open_page: Callable[..., Page], told: dict[str, Any], referrer: Any, radiologist: Any,
    tmp_path: Path,
) -> None:  # fmt: skip
    page = open_page("/reports/", user=referrer)
    page.get_by_text("No reports yet").wait_for()
    looked_at(page, tmp_path, "list-empty")
    grant(told["study"], referrer, radiologist)
    page.reload()
    until(page, "document.documentElement.dataset.page === 'ready'")
    page.keyboard.press("ArrowDown")
    looked_at(page, tmp_path, "list")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/reports/{told['report'].pk}/")
    assert page.get_by_role("link", name="Statistics").count() == 0


def test_priors_in_the_viewer(
    open_page: Callable[..., Page], told: dict[str, Any], tmp_path: Path
) -> None:
    page = open_page(f"/studies/{told['study'].pk}/view/")
    page.locator(".prior").first.wait_for()
    page.keyboard.press("o")
    assert "MR head" in page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    page.get_by_text("Old infarct in the left thalamus.").wait_for()
    looked_at(page, tmp_path, "priors-report")
    page.keyboard.press("Escape")
    assert page.locator("#beside").is_hidden()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_text("Follow-up advised.").wait_for()
    looked_at(page, tmp_path, "priors-outside")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("v")
    page.wait_for_url(f"**/studies/{told['prior'].pk}/view/")


def test_priors_beside_the_reports_own_window(
    open_page: Callable[..., Page], told: dict[str, Any], tmp_path: Path, make_study: Any,
    other_site: Any, radiologist: Any,
) -> None:  # fmt: skip
    """While writing: one key to the newest prior's report, which stays in sight."""
    make_study(
        other_site, patient_id=told["study"].patient_id, patient_name="ADAMS^Anna",
        study_description="OF ANOTHER SITE",
    )  # fmt: skip
    fresh = make_study(
        told["study"].site, patient_ref=told["study"].patient_ref, patient_name="ADAMS^Anna",
        patient_id=told["study"].patient_id, study_day=date(2026, 4, 1), study_date="20260401",
    )  # fmt: skip
    page = open_page(f"/reports/{fresh.pk}/write/")
    findings = page.locator("[data-section=findings] .section-text")
    findings.wait_for(timeout=60_000)
    # Wide enough: the list stands there, and nothing was read yet.
    until(page, "!document.getElementById('report-priors').hidden")
    assert page.locator("#report-priors-count").inner_text() == "3"
    assert "OF ANOTHER SITE" not in page.locator("#priors-list").inner_text()
    assert page.locator("#beside").is_hidden()
    findings.click()
    page.keyboard.type("Compared ")
    page.keyboard.press("Alt+p")
    page.locator("#beside-text", has_text="nodule of 12.3 mm").wait_for()
    assert "CT chest" in page.evaluate("document.activeElement.textContent")
    page.keyboard.press("ArrowDown")
    page.locator("#beside-text", has_text="Old infarct in the left thalamus.").wait_for()
    page.keyboard.press("ArrowDown")
    page.locator("#beside-text", has_text="Follow-up advised.").wait_for()
    page.keyboard.press("Home")
    page.locator("#beside-text", has_text="nodule of 12.3 mm").wait_for()
    # Read-only; Enter goes into the text, Escape back, and back to where one wrote.
    assert page.locator("#beside :is(input, textarea, button, [contenteditable])").count() == 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "beside"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "option"
    page.keyboard.press("Escape")
    page.keyboard.type("with 2026-03-10.")
    assert "Compared with 2026-03-10." in findings.inner_text()
    page.locator("#beside-text", has_text="nodule of 12.3 mm").wait_for()
    looked_at(page, tmp_path, "priors-own-window")
    page.set_viewport_size({"width": 900, "height": 1000})
    page.screenshot(path=tmp_path / "priors-own-window-900.png")
    # Images open elsewhere: the window keeps its text.
    page.keyboard.press("Alt+p")
    with page.context.expect_page() as opened:
        page.keyboard.press("v")
    opened.value.wait_for_url(f"**/studies/{told['study'].pk}/view/")
    opened.value.close()
    assert page.url.endswith(f"/reports/{fresh.pk}/write/")
    page.keyboard.press("Alt+p")
    assert page.locator("#report-priors").is_hidden()
    assert page.evaluate("document.activeElement.isContentEditable")
    assert not page.evaluate("document.querySelector('#report-dialog').open")
    saw = AuditEvent.objects.filter(action="report.read", actor_id=radiologist.pk)
    assert saw.filter(study_id=told["study"].pk).exists()


def test_no_priors_beside_the_reports_own_window(
    open_page: Callable[..., Page], study: Study, tmp_path: Path
) -> None:
    page = open_page(f"/reports/{study.pk}/write/")
    page.locator("[data-section=findings] .section-text").wait_for(timeout=60_000)
    page.locator("#report-priors").wait_for(state="hidden")
    page.locator("[data-section=findings] .section-text").click()
    page.keyboard.press("Alt+p")
    page.get_by_text("No priors of this patient here.").wait_for()
    assert page.evaluate("document.activeElement.isContentEditable")
    page.locator("#report-priors-close").click()
    assert page.locator("#report-priors").is_hidden()


def test_attachments_dropped_and_removed(
    open_page: Callable[..., Page], told: dict[str, Any], tmp_path: Path
) -> None:
    page = open_page(f"/studies/{told['study'].pk}/view/")
    page.get_by_role("button", name="Attachments").click()
    page.get_by_text("Nothing is attached to this study.").wait_for()
    transfer = page.evaluate_handle(
        """(text) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([text], "requisition.pdf", {type: "application/pdf"}));
            return transfer;
        }""",
        PDF.decode(),
    )
    page.dispatch_event("[data-drop]", "drop", {"dataTransfer": transfer})
    page.get_by_text("requisition.pdf is ready to be attached.").wait_for()
    looked_at(page, tmp_path, "attachments")
    page.get_by_role("button", name="Attach", exact=True).click()
    page.locator("[data-attachment]").wait_for()
    looked_at(page, tmp_path, "attachments-one")
    page.locator("details summary").click()
    page.get_by_label("Why").fill("Belongs to another study")
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_text("Nothing is attached to this study.").wait_for()
    row = Attachment.objects.get(source="upload")
    assert row.removed_reason == "Belongs to another study"


def test_statistics_plots(
    open_page: Callable[..., Page], site: Any, make_study: Any, radiologist: Any, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    for number in range(60):
        received = now - timedelta(days=number % 28, hours=number % 9 + 2)
        study: Study = make_study(
            site, received_at=received, modalities=("CT", "MR", "CR")[number % 3],
            priority=number % 3, reading_state="unread" if number % 5 == 0 else "final",
        )  # fmt: skip
        if number % 5:
            signed(study, radiologist, "x", at=received + timedelta(minutes=20 + number * 7))
    page = open_page("/statistics/")
    until(page, "document.documentElement.dataset.page === 'ready'")
    assert page.locator("canvas").count() == 2
    looked_at(page, tmp_path, "statistics")
    # Something is drawn: the plots are not blank.
    assert page.evaluate(
        "[...document.querySelectorAll('canvas')].every((each) => {"
        " const { data } = each.getContext('2d').getImageData(0, 0, each.width, each.height);"
        " return new Set(data).size > 20; })"
    )
    with page.expect_download() as download:
        page.get_by_role("link", name="Turnaround as CSV").click()
    assert "radiologist" in Path(download.value.path()).read_text()
    page.goto(page.url + "?from=2020-01-01&to=2020-01-05")
    until(page, "document.documentElement.dataset.page === 'ready'")
    looked_at(page, tmp_path, "statistics-empty")
