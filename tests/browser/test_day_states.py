"""The worklist with 10,000 rows, and the upload page in each of its states.

Accessible at both sizes, nothing wider than the window; a picture of each for who wants to look.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route
from pydicom.uid import generate_uid

from benchmarks.fill import fill
from studies.appearance.services import choose
from studies.tables import WorklistTable
from tests.browser.conftest import until
from tests.browser.test_upload_page import at, choose_folder, desk, settled, study_on_disk
from tests.dicomweb.asking import ct_file

__all__ = ["desk"]
pytestmark = pytest.mark.browser
own_database = pytest.mark.django_db(transaction=True)
ROWS = "count => document.querySelectorAll('#rows > tr').length === count"


@own_database
def test_ten_thousand_rows(
    open_page: Callable[..., Page], site: Any, technician: Any, radiologist: Any, tmp_path: Path
) -> None:
    fill(10_000, site)
    page = open_page("/?state=all", user=technician)
    until(page, ROWS, argument=50)
    assert "1–50 of 10,000" in page.inner_text("#list-count")
    settled(page, tmp_path, "ten-thousand")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("p")
    page.locator("#preview h2").wait_for()
    settled(page, tmp_path, "ten-thousand-preview")
    choose(radiologist, [*WorklistTable.base_columns], "compact")
    page = open_page("/?state=all&page=200", user=radiologist)
    until(page, ROWS, argument=50)
    assert "9,951–10,000 of 10,000" in page.inner_text("#list-count")
    settled(page, tmp_path, "all-columns")
    page.keyboard.press("v")
    page.get_by_role("heading", name="Columns and density").wait_for()
    settled(page, tmp_path, "dialog")


def test_the_upload_page_running_and_failing(desk: Page, tmp_path: Path) -> None:
    page = desk
    study_on_disk(tmp_path / "series", 60)
    choose_folder(page, tmp_path / "series")
    at(page, "check")
    waiting: list[Route] = []
    page.route("**/api/dicom/upload", lambda route: waiting.append(route))
    page.get_by_role("button", name="Send 60 files").click()
    until(page, "() => document.querySelectorAll('#upload-table .upload-row').length > 4")
    while len(waiting) < 4:
        page.wait_for_timeout(20)
    settled(page, tmp_path, "upload-running")
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("Paused.").wait_for()
    settled(page, tmp_path, "upload-paused")
    # The portal is away.
    for route in waiting:
        route.abort()
    page.unroute("**/api/dicom/upload")
    page.route("**/api/dicom/upload", lambda route: route.abort())
    page.route("**/api/upload/check/", lambda route: route.abort())
    page.get_by_role("button", name="Go on").click()
    page.get_by_text("The portal cannot be reached.").wait_for()
    settled(page, tmp_path, "upload-away")
    # It refuses to go on.
    page.unroute("**/api/upload/check/")
    page.unroute("**/api/dicom/upload")
    page.route("**/api/dicom/upload", lambda route: route.fulfill(status=403, body="{}"))
    page.get_by_text("does not let you send to this site any more").wait_for(timeout=60_000)
    settled(page, tmp_path, "upload-refused")
    page.unroute("**/api/dicom/upload")
    page.get_by_role("button", name="Go on").click()
    at(page, "done")
    assert "60 stored" in page.locator("#upload-done").inner_text()
    settled(page, tmp_path, "upload-done")
    assert page.faults == []  # type: ignore[attr-defined]


def test_the_upload_page_with_trouble(desk: Page, tmp_path: Path) -> None:
    page = desk
    folder = tmp_path / "mixed"
    folder.mkdir()
    study = str(generate_uid())
    for number in range(6):
        data = ct_file(
            study=study,
            number=number,
            seed=number,
            PatientName="قباني^نزار" if number < 3 else "BARTHOLOMAEUS-SCHWARZENBERG^" + "X" * 30,
            PatientID="RTL-1" if number < 3 else "RTL-2",
            PatientBirthDate="",
            SpecificCharacterSet="ISO_IR 192",
            StudyDescription="d" * 64,
        )
        (folder / f"{number}.dcm").write_bytes(data)
    (folder / "letter.txt").write_text("no image")
    choose_folder(page, folder)
    at(page, "check")
    settled(page, tmp_path, "upload-warned")
    page.locator("#upload-agree").check()
    page.route(
        "**/api/dicom/upload",
        lambda route: (
            route.fulfill(status=413, body="{}")
            if len(route.request.post_data_buffer or b"") % 2
            else route.continue_()
        ),
    )
    page.get_by_role("button", name="Send 6 files").click()
    at(page, "done")
    settled(page, tmp_path, "upload-trouble")
