"""A report's whole way: worklist, next unread, text, key image, signature, paper, RIS, Orthanc,
addendum, referrer. Every other side is the real one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
import urllib3
from playwright.sync_api import Page

from tests.agents_site.office import Office
from tests.agents_site.test_delivery_with_portal import RULE, deliveries
from tests.browser.conftest import PASSWORD, until, violations
from tests.browser.test_report_editor import FINDINGS, IMPRESSION, SAVED, saved, study_id, type_into
from tests.clients.hl7 import Receiver
from tests.servers.child import require
from tests.servers.cups import CupsSystem
from tests.servers.portal import Portal, wait

pytestmark = pytest.mark.browser
DCIODVFY = Path(sys.executable).with_name("dciodvfy")
BASIC_TEXT_SR, ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.88.11", "1.2.840.10008.5.1.4.1.1.104.1"
GRANT = """
from pacs.accounts.models import User
from studies.models import Study, StudyGrant
StudyGrant.objects.create(
    study_id={study}, user=User.objects.get(username="referrer"),
    granted_by=User.objects.get(username="radiologist"))
Study.objects.filter(pk={study}).update(priority=2)
"""


@pytest.fixture(scope="module")
def his(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with Receiver(tmp_path_factory.mktemp("his")) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def office(
    portal: Portal, cups: CupsSystem, his: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    section = f'[[oru]]\nname = "his"\nhost = "127.0.0.1"\nport = {his.port}\n'
    office = Office(portal, cups, tmp_path_factory.mktemp("way"), "Reading_room", section)
    office.start()
    rules = f"""
rule("printer", dict(agent={office.number}, printer={office.name!r}))
place("oru-agent", agent={office.number}, receiver="his")
rule("orthanc", dict(server=OrthancServer.objects.get(site=site, is_enabled=True).pk))
"""
    portal.stack.shell(RULE.format(site=office.site, rules=rules, more=""))
    yield office
    portal.stack.shell(RULE.format(site=office.site, rules="", more=""))
    office.agent.stop()


def from_orthanc(portal: Portal, uid: str, sop_class: str) -> list[bytes]:
    """The files of a SOP class that the site's Orthanc has of a study, oldest first."""
    user, password = portal.stack.orthanc_credentials
    pool = urllib3.PoolManager(headers=urllib3.make_headers(basic_auth=f"{user}:{password}"))
    wanted = {"StudyInstanceUID": uid, "SOPClassUID": sop_class}
    query = {"Level": "Instance", "Query": wanted, "Expand": True}
    found = pool.request("POST", f"{portal.stack.orthanc_url}/tools/find", json=query).json()
    found.sort(key=lambda each: int(each["MainDicomTags"].get("InstanceNumber", 0)))
    files = [
        pool.request("GET", f"{portal.stack.orthanc_url}/instances/{each['ID']}/file").data
        for each in found
    ]
    pool.clear()
    return files


def sign(page: Page, button: str, *, password: bool) -> None:
    """The dialog of signing, every warning answered."""
    dialog = page.locator("#report-dialog")
    dialog.locator("h2").first.wait_for(timeout=30_000)
    assert dialog.get_by_role("button", name=button).is_visible(), dialog.inner_text()
    boxes = dialog.locator("input[type=checkbox]")
    for at in range(boxes.count()):
        boxes.nth(at).check()
    if password:
        dialog.locator("input[name=password]").fill(PASSWORD)
    dialog.get_by_role("button", name=button).press("Enter")
    until(page, "() => !document.getElementById('report-dialog').open", 30)


def all_done(office: Office, report: int) -> bool:
    return {each["state"] for each in deliveries(office, report).values()} == {"done"}


def test_from_the_worklist_to_the_referrer(
    office: Office,
    his: Receiver,
    login: Callable[..., Page],
    series: Callable[..., Any],
    tmp_path: Path,
) -> None:
    portal = office.portal
    office.printer.clear()
    refused_before = portal.quarantine()
    files, uid = series(3, size=128, patient_name="Wholeway^Wilma", patient_id="WAY-1")
    portal.stack.storescu(files)
    portal.wait_count(uid, 3)
    study = study_id(portal, uid)
    portal.stack.shell(
        "from studies.models import Study\n"
        "Study.objects.filter(priority=0).update(priority=1)\n"
        f"Study.objects.filter(pk={study}).update(priority=0)"
    )

    # Next unread: STAT comes first. The report stands open beside the images.
    page = login("radiologist")
    until(page, "() => document.querySelector('[data-live=live]') !== null")
    page.keyboard.press("r")
    page.wait_for_url(f"**/studies/{study}/view/?report=1")
    page.locator(FINDINGS).wait_for(timeout=60_000)
    until(page, SAVED)
    until(page, "() => document.documentElement.dataset.viewer === 'ready'", 60)

    # A template that fits, its normal report, words of one's own, and a key image.
    assert "CT" in page.locator("#report-template").inner_text()
    page.locator(FINDINGS).click()
    page.keyboard.press("Alt+n")
    page.get_by_label("Intravenous contrast medium").select_option(index=1)
    type_into(page, FINDINGS, " A nodule of 8 mm in the upper lobe.")
    type_into(page, IMPRESSION, " Pulmonary nodule of 8 mm, follow-up in three months.")
    page.locator(".thumb[aria-selected=true]").focus()
    page.keyboard.press("k")
    until(page, "() => document.querySelectorAll('.left-row').length === 1")
    page.locator(FINDINGS).click()
    page.keyboard.press("Control+s")
    saved(page)
    page.screenshot(path=tmp_path / "written.png")

    page.keyboard.press("Control+Enter")
    sign(page, "Sign final", password=True)
    page.get_by_role("button", name="Addendum").wait_for()
    page.screenshot(path=tmp_path / "signed.png")
    assert violations(page) == []
    state = json.loads(portal.request("GET", f"/api/studies/{study}/report/")[1])
    report = int(state["report"])

    # On paper, at the RIS, and in the site's Orthanc, valid and readable by others.
    try:
        wait(lambda: all_done(office, report), 90, "all delivered", portal)
    except AssertionError as late:
        late.add_note(json.dumps(deliveries(office, report), indent=1))
        raise
    (text,) = office.printer.printed()
    words = " ".join(text.split())
    assert "Wholeway, Wilma" in words
    assert "Pulmonary nodule of 8 mm, follow-up in three months." in words
    said = his.child.tail(2000)
    assert "Pulmonary nodule of 8 mm" in said
    assert deliveries(office, report)["oru-agent"]["progress"] == "Acknowledged AA"
    (structured,) = from_orthanc(portal, uid, BASIC_TEXT_SR)
    (tmp_path / "report.dcm").write_bytes(structured)
    checked = subprocess.run(
        [DCIODVFY, tmp_path / "report.dcm"], capture_output=True, text=True, timeout=60
    )
    lines = (checked.stdout + checked.stderr).splitlines()
    assert lines
    assert [line for line in lines if line.startswith("Error")] == []
    dump = subprocess.run(
        [require("dsrdump"), "+U8", "+Pl", tmp_path / "report.dcm"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "follow-up in three months" in dump.stdout
    (wrapped,) = from_orthanc(portal, uid, ENCAPSULATED_PDF)
    (tmp_path / "pdf.dcm").write_bytes(wrapped)
    subprocess.run(
        [require("dcm2pdf"), tmp_path / "pdf.dcm", tmp_path / "report.pdf"], timeout=60, check=True
    )
    served = page.context.request.get(f"{portal.stack.base_url}/reports/{report}/pdf/")
    assert served.status == 200
    assert (tmp_path / "report.pdf").read_bytes() == served.body()
    assert str(pydicom.dcmread(tmp_path / "pdf.dcm").PatientID) == "WAY-1"
    assert portal.count(uid) > 3
    assert portal.quarantine() == refused_before

    # Nobody changes it; what is to be said is added.
    page.get_by_role("button", name="Addendum").press("Enter")
    addendum = "[data-section=addendum] .section-text"
    page.locator(addendum).wait_for(timeout=30_000)
    type_into(page, addendum, "In retrospect already there in 2023.")
    page.keyboard.press("Control+s")
    saved(page)
    page.keyboard.press("Control+Enter")
    sign(page, "Sign addendum", password=False)
    wait(
        lambda: len(from_orthanc(portal, uid, BASIC_TEXT_SR)) == 2 and all_done(office, report),
        90,
        "the addendum is delivered",
        portal,
    )

    # The referrer sees it once the study is granted, and not before.
    referrer = login("referrer")
    gone = referrer.goto(f"{portal.stack.base_url}/reports/{report}/")
    assert gone is not None
    assert gone.status == 404
    portal.stack.shell(GRANT.format(study=study))
    referrer.goto(f"{portal.stack.base_url}/reports/")
    referrer.get_by_role("link", name="Wholeway, Wilma").click()
    referrer.get_by_text("In retrospect already there in 2023.").first.wait_for()
    referrer.get_by_text("Pulmonary nodule of 8 mm").first.wait_for()
    referrer.screenshot(path=tmp_path / "referrer.png")
    assert violations(referrer) == []
    assert not page.faults  # type: ignore[attr-defined]
    verified = portal.stack.manage("verify_reports")
    assert "wrong" not in verified.lower() or "0 wrong" in verified.lower()
