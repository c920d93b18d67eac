"""The correction desk and the quarantine desk in a browser, on real files."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from pydicom import dcmread
from pydicom.data import get_testdata_file

from studies.corrections.models import Correction
from studies.models import Instance, QuarantinedFile, Study
from studies.orders.intake import PatientFacts, take_patient
from studies.services import ingest
from studies.services.outgoing import dicom_bytes
from tests.browser.conftest import find, runs, until, violations
from tests.dicomweb.asking import ct_file
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser
own_database = pytest.mark.django_db(transaction=True)
SIZES = [(1440, 900), (1024, 768)]


def settled(page: Page, folder: Path, name: str) -> None:
    """Accessible at both sizes, nothing wider than the window."""
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(150)
        page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.fixture
def real(site: Any) -> Study:
    """A real CT with a series more, and a study of another patient."""
    with Path(str(get_testdata_file("CT_small.dcm"))).open("rb") as file:
        result = ingest.store(file, source="orthanc:1", site=site)
    study = Study.objects.get(pk=result.study_id)
    for number in range(1, 13):
        file = ct_file(
            study=study.study_instance_uid,
            series="1.2.3.7",
            instance=f"1.2.3.7.{number}",
            number=number,
            seed=number,
            size=128,
            PatientID=study.patient_id,
            PatientName=study.patient_name,
            SeriesDescription="Localiser",
            SeriesNumber=2,
        )
        ingest.store(BytesIO(file), source="orthanc:1", site=site)
    return study


@own_database
def test_a_technician_corrects_a_study(
    open_page: Callable[..., Page], real: Study, technician: Any, site: Any, tmp_path: Path
) -> None:
    take_patient(
        site,
        PatientFacts(patient_id=real.patient_id, patient_name="قباني^نزار", patient_sex="M"),
        source="hl7",
    )
    page = open_page(f"/studies/{real.pk}/correct/", user=technician)
    settled(page, tmp_path, "desk")
    page.get_by_label("Patient's name").fill("MÜLLER^Jürgen")
    page.get_by_label("Born", exact=True).fill("1999-02-30")
    facts = page.get_by_role("region", name="Patient and study")
    facts.get_by_label("Reason").select_option("typing")
    facts.get_by_role("button", name="Preview…").click()
    page.get_by_role("alert").get_by_text("a date as YYYY-MM-DD").wait_for()
    assert page.get_by_label("Patient's name").input_value() == "MÜLLER^Jürgen"
    settled(page, tmp_path, "desk-problem")
    page.get_by_label("Born", exact=True).fill("1999-02-28")
    facts.get_by_role("button", name="Preview…").press("Enter")
    page.get_by_role("heading", name="Correct facts: is this right?").wait_for()
    settled(page, tmp_path, "confirm")
    assert not Correction.objects.exists()
    page.get_by_role("button", name="Correct facts now").press("Enter")
    page.get_by_role("heading", name="Facts corrected").wait_for()
    settled(page, tmp_path, "correction")
    real.refresh_from_db()
    assert real.patient_name == "MÜLLER^Jürgen"
    image = Instance.objects.select_related("series__study").order_by("id")[0]
    served = dcmread(BytesIO(b"".join(dicom_bytes(image).chunks())))
    assert str(served.PatientName) == "MÜLLER^Jürgen"

    page.goto(page.url.partition("/corrections/")[0] + f"/studies/{real.pk}/correct/")
    page.get_by_text("Single images, to reject").click()
    page.locator("input[name=image]").nth(2).check()
    series = page.get_by_role("region", name="Series")
    series.get_by_label("Reject them").check()
    series.get_by_label("Reason").select_option("quality")
    series.get_by_role("button", name="Preview…").click()
    page.get_by_role("button", name="Reject images now").click()
    page.get_by_role("heading", name="Images rejected").wait_for()
    real.refresh_from_db()
    assert real.number_of_instances == 12
    page.get_by_role("link", name="Take back…").click()
    settled(page, tmp_path, "undo")
    page.get_by_role("button", name="Take back now").click()
    page.get_by_text("Taken back by").wait_for()
    real.refresh_from_db()
    assert real.number_of_instances == 13

    page.locator(".crumbs").get_by_role("link", name="Corrections").click()
    settled(page, tmp_path, "list")
    page.get_by_role("link", name="Proposed by the HIS").click()
    settled(page, tmp_path, "proposals")
    page.get_by_role("link", name="Rejected").click()
    page.get_by_text("Nothing is rejected.").wait_for()
    settled(page, tmp_path, "rejected")
    assert Correction.objects.count() == 2


@own_database
def test_the_reader_is_told(
    open_page: Callable[..., Page], real: Study, technician: Any, tmp_path: Path
) -> None:
    from studies.corrections.services import Why, correct_facts

    Study.objects.filter(pk=real.pk).update(reading_state="final")
    why = Why(technician, "other", "The patient's relatives called: x" + "y" * 400)
    correct_facts(real.pk, 0, {"PatientName": "<b>ROE</b>^Jane", "StudyDescription": "CT"}, why)
    page = open_page(f"/studies/{real.pk}/view/")
    page.get_by_role("link", name="Corrected after signing").click()
    page.get_by_role("heading", name="What was corrected").wait_for()
    settled(page, tmp_path, "notice")


@own_database
def test_quarantine(
    open_page: Callable[..., Page], real: Study, technician: Any, site: Any, tmp_path: Path
) -> None:
    file = ct_file(
        study=real.study_instance_uid,
        instance="1.2.3.99",
        PatientID="WRONG",
        PatientName="<img src=x onerror=alert(1)>",
        size=64,
    )
    ingest.store(BytesIO(file), source="orthanc:1", site=site)
    for number in range(55):
        ingest.store(BytesIO(bytes([number]) * 200), source="upload:2", site=site)
    page = open_page("/quarantine/", user=technician)
    settled(page, tmp_path, "quarantine")
    page.get_by_label("Reason").select_option("other-patient")
    page.get_by_role("button", name="Show").click()
    page.locator("[data-quarantined] a").first.click()
    page.get_by_text("<img src=x onerror=alert(1)>").wait_for()
    settled(page, tmp_path, "file")
    page.get_by_role("button", name="Accept as a correction…").click()
    settled(page, tmp_path, "accept")
    page.get_by_label("Reason").select_option("worklist")
    page.get_by_role("button", name="Accept now").click()
    page.get_by_text("1 image is in the study now").wait_for()
    assert Instance.objects.filter(sop_instance_uid="1.2.3.99", series__study=real).exists()
    page.get_by_role("link", name="All files").click()
    page.locator("[data-quarantined] a").first.click()
    page.get_by_role("button", name="Discard…").click()
    page.get_by_label("Reason").fill("no image")
    settled(page, tmp_path, "discard")
    page.get_by_role("button", name="Discard now").click()
    page.get_by_text("It can be taken back for 30 days.").wait_for()
    assert QuarantinedFile.objects.filter(settled_as="discarded").count() == 1


@own_database
def test_the_bar_of_an_administrator_fits(
    open_page: Callable[..., Page], admin: Any, tmp_path: Path
) -> None:
    page = open_page("/corrections/", user=admin)
    settled(page, tmp_path, "bar")


@own_database
def test_nothing_in_quarantine(
    open_page: Callable[..., Page], technician: Any, tmp_path: Path
) -> None:
    page = open_page("/quarantine/", user=technician)
    settled(page, tmp_path, "empty")


def test_on_the_running_portal(
    portal: Portal, login: Callable[..., Page], series: Any, tmp_path: Path
) -> None:
    """From Orthanc to the desk; the worklist, an open viewer and the quarantine follow by
    themselves."""
    files, uid = series(3, patient_name="Wrong^Wanda", patient_id="DESK-1")
    portal.stack.storescu(files)
    portal.wait_count(uid, 3)
    desk, reader = login("technician"), login("radiologist")
    find(reader, "Wrong, Wanda").click()
    reader.wait_for_url("**/studies/*/view/")
    until(reader, "() => document.documentElement.dataset.viewer === 'ready'", 60)

    find(desk, "Wrong, Wanda").click()
    desk.wait_for_url("**/studies/*/view/")
    desk.get_by_role("link", name="Correct", exact=True).click()
    until(desk, "() => [...document.images].every((i) => i.complete && i.naturalWidth > 0)")
    desk.screenshot(path=tmp_path / "desk.png", full_page=True)
    desk.get_by_label("Patient's name").fill("Right^Renate")
    facts = desk.get_by_role("region", name="Patient and study")
    facts.get_by_label("Reason").select_option("typing")
    facts.get_by_role("button", name="Preview…").click()
    desk.get_by_role("button", name="Correct facts now").click()
    desk.get_by_role("heading", name="Facts corrected").wait_for()

    reader.get_by_role("button", name="This study was corrected - reload").click()
    reader.get_by_role("heading", name="Right, Renate").wait_for()
    until(reader, "() => document.documentElement.dataset.viewer === 'ready'", 60)
    reader.screenshot(path=tmp_path / "viewer.png")
    status, body, _ = portal.request("GET", f"/dicom-web/studies/{uid}/metadata")
    assert status == 200
    names = {row["00100010"]["Value"][0]["Alphabetic"] for row in json.loads(body)}
    assert names == {"Right^Renate"}

    watcher = login("technician")
    watcher.goto(f"{portal.stack.base_url}/quarantine/")
    runs(watcher)
    until(watcher, "() => document.querySelector('[data-live=live]') !== null")
    before = watcher.locator("[data-quarantined]").count()
    late = ct_file(study=uid, instance=f"{uid}.77", PatientID="DESK-2", PatientName="Other^Olga")
    status, _ = portal.upload(late)
    assert status == 202
    watcher.locator("[data-quarantined]").nth(before).wait_for(timeout=30_000)
    assert reader.faults == desk.faults == watcher.faults == []  # type: ignore[attr-defined]


def _proposed(page: Page, name: str) -> None:
    """Up to the second step: what would change is shown."""
    page.get_by_label("Patient's name").fill(name)
    facts = page.get_by_role("region", name="Patient and study")
    facts.get_by_label("Reason").select_option("typing")
    facts.get_by_role("button", name="Preview…").click()
    page.get_by_role("button", name="Correct facts now").wait_for()


def test_two_technicians_while_it_is_receiving(
    portal: Portal, login: Callable[..., Page], series: Any
) -> None:
    """The second is told, and what the modality still sends is taken as the first corrected it."""
    files, uid = series(6, patient_name="Wrong^Twice", patient_id="DESK-3")
    portal.stack.storescu(files[:3])
    portal.wait_count(uid, 3)
    first, second = login("technician"), login("technician")
    for page in (first, second):
        find(page, "Wrong, Twice").click()
        page.wait_for_url("**/studies/*/view/")
        page.get_by_role("link", name="Correct", exact=True).click()
    _proposed(first, "Right^First")
    _proposed(second, "Right^Second")
    first.get_by_role("button", name="Correct facts now").click()
    first.get_by_role("heading", name="Facts corrected").wait_for()
    second.get_by_role("button", name="Correct facts now").click()
    second.get_by_role("alert").first.wait_for()
    assert second.get_by_role("heading", name="Facts corrected").count() == 0
    quarantined = len(portal.quarantine())
    portal.stack.storescu(files[3:])
    portal.wait_count(uid, 6)
    status, body, _ = portal.request("GET", f"/dicom-web/studies/{uid}/metadata")
    assert status == 200
    rows = json.loads(body)
    assert len(rows) == 6
    assert {row["00100010"]["Value"][0]["Alphabetic"] for row in rows} == {"Right^First"}
    assert len(portal.quarantine()) == quarantined
    assert first.faults == second.faults == []  # type: ignore[attr-defined]
