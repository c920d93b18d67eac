"""The upload desk in a browser: real files, hostile archives, and a portal that goes away."""

from __future__ import annotations

import shutil
import struct
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from tests.browser.conftest import runs, until, violations
from tests.dicomweb.asking import ct_file
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser
SIZES = [(1440, 900), (1024, 768)]
MARKUP = "<b><i>Bold</i>^Eve<script>"
PHASE = "wanted => document.documentElement.dataset.upload === wanted"


@pytest.fixture
def desk(login: Callable[..., Page], portal: Portal) -> Page:
    """The technician at the desk."""
    page = login("technician")
    page.goto(f"{portal.stack.base_url}/upload/")
    runs(page)
    return page


def settled(page: Page, folder: Path, name: str) -> None:
    """Accessible at both sizes, nothing wider than the window."""
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(150)
        page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def choose_folder(page: Page, folder: Path) -> None:
    page.set_input_files("#upload-folder-input", str(folder))


def at(page: Page, phase: str, seconds: float = 120) -> None:
    until(page, PHASE, seconds, phase)


def texts(page: Page, column: str) -> list[str]:
    found = page.locator(f"#upload-table .upload-row:not(.upload-head) .{column}")
    found.first.wait_for(state="attached")  # rows are drawn with the next frame
    return found.all_inner_texts()


def bomb() -> bytes:
    """A small archive that says to hold 2 GB."""
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(2**20))
    data = bytearray(target.getvalue())
    # PKWARE APPNOTE 4.3.12: the uncompressed size in the central directory.
    struct.pack_into("<I", data, data.rindex(b"PK\x01\x02") + 24, 2**31 - 1)
    return bytes(data)


def folder_of_all_kinds(folder: Path) -> tuple[Path, str]:
    """Two real images, what is no image, a DICOMDIR, and archives; and the study in the archive."""
    disc = folder / "disc"
    disc.mkdir()
    for name in ("CT_small.dcm", "MR_small.dcm"):
        shutil.copy(str(get_testdata_file(name)), disc / name)
    shutil.copy(str(get_testdata_file("DICOMDIR")), disc / "DICOMDIR")
    (disc / "autorun.exe").write_bytes(b"MZ" + bytes(2000))
    (disc / "empty.dcm").write_bytes(b"")
    study = str(generate_uid())
    inner = ct_file(study=study, PatientName=MARKUP, PatientID="Z-9", StudyDescription="x" * 500)
    with zipfile.ZipFile(disc / "climbs.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../../climbed.dcm", inner)
        archive.writestr("/etc/absolute.txt", b"no image")
        archive.writestr("inner.zip", b"PK\x05\x06" + bytes(18))
    (disc / "bomb.zip").write_bytes(bomb())
    return disc, study


def test_a_disc_is_checked_then_sent(desk: Page, portal: Portal, tmp_path: Path) -> None:
    page = desk
    settled(page, tmp_path, "empty")
    disc, study = folder_of_all_kinds(tmp_path)
    posted: list[str] = []
    page.on("request", lambda one: posted.append(one.url) if "dicom/upload" in one.url else None)
    choose_folder(page, disc)
    at(page, "check")
    assert posted == []
    page.get_by_text("These files are of 3 patients.").wait_for()
    people = page.locator("#upload-patients").inner_text()
    assert MARKUP.replace("^", ", ") in people
    assert "CompressedSamples, CT1" in people
    assert "1 series, 1 file" in people
    assert page.locator("#upload-patients").locator("b, i, script").count() == 0
    left = dict(zip(texts(page, "upload-name"), texts(page, "upload-words"), strict=True))
    assert left["disc/autorun.exe"] == "Not a DICOM file."
    assert left["disc/empty.dcm"] == "The file is empty."
    assert "DICOMDIR" in left["disc/DICOMDIR"]
    assert "far more than it should" in left["disc/bomb.zip"]
    assert left["disc/climbs.zip › /etc/absolute.txt"] == "Not a DICOM file."
    assert "within an archive" in left["disc/climbs.zip › inner.zip"]
    settled(page, tmp_path, "check")
    # Several patients: not before somebody has said that they were looked at.
    page.get_by_role("button", name="Send 3 files").press("Enter")
    page.get_by_role("alert").get_by_text("tick the box first").wait_for()
    assert posted == []
    page.get_by_label("I have looked at all 3 patients").check()
    page.get_by_label("As priors").check()
    page.get_by_role("button", name="Send 3 files").press("Enter")
    at(page, "done")
    assert "3 stored" in page.locator("#upload-done").inner_text()
    assert len(posted) == 3
    settled(page, tmp_path, "done")
    portal.wait_count(study, 1)
    ct = dcmread(str(get_testdata_file("CT_small.dcm")), stop_before_pixels=True)
    portal.wait_count(str(ct.StudyInstanceUID), 1)
    states = portal.stack.shell(
        "from studies.models import Study\n"
        f"print(*Study.objects.filter(study_instance_uid={study!r})"
        ".values_list('reading_state', flat=True))"
    )
    assert states.split() == ["not_needed"]
    # Once more: everything is here, nothing is sent.
    page.get_by_role("button", name="Clear").click()
    choose_folder(page, disc)
    at(page, "check")
    page.get_by_label("I have looked at all 3 patients").check()
    page.get_by_role("button", name="Send 3 files").click()
    at(page, "done")
    assert "3 already here" in page.locator("#upload-done").inner_text()
    assert len(posted) == 3
    assert page.faults == []  # type: ignore[attr-defined]


def test_a_contradiction_is_said_and_goes_to_quarantine(desk: Page, portal: Portal) -> None:
    study = str(generate_uid())
    assert portal.upload(ct_file(study=study, PatientID="Q-1"))[0] == 201
    wrong = ct_file(study=study, PatientID="Q-2", PatientName="ROE^Richard")
    file = {"name": "wrong.dcm", "mimeType": "application/dicom", "buffer": wrong}
    desk.set_input_files("#upload-files-input", [file])
    at(desk, "check")
    desk.get_by_text("What is sent goes to quarantine").wait_for()
    desk.get_by_label("I have read the warning").check()
    desk.get_by_role("button", name="Send 1 file").click()
    at(desk, "done")
    assert "1 in quarantine" in desk.locator("#upload-done").inner_text()
    assert texts(desk, "upload-words")[0]


def test_what_is_no_image_is_left_out(desk: Page, tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    for number in range(5):
        (folder / f"<b>{number}&amp;.txt").write_text("a letter")
    choose_folder(desk, folder)
    at(desk, "check")
    desk.get_by_text("Nothing to send, 5 files left out.").wait_for()
    assert set(texts(desk, "upload-result")) == {"left out"}
    assert desk.locator("#upload-table b").count() == 0
    assert desk.locator("#upload-send").is_hidden()


PAUSE_EARLY = """() => new Promise((done) => {
  const watch = setInterval(() => {
    if (document.getElementById("upload-bar").value < 0.1) return;
    clearInterval(watch);
    document.getElementById("upload-pause").click();
    done();
  }, 5);
})"""


def study_on_disk(folder: Path, count: int, size: int = 16) -> str:
    folder.mkdir()
    study, series = str(generate_uid()), str(generate_uid())
    for number in range(count):
        data = ct_file(study=study, series=series, number=number, seed=number, size=size)
        (folder / f"{number:05}.dcm").write_bytes(data)
    return study


def test_a_portal_that_goes_away_in_the_middle(desk: Page, portal: Portal, tmp_path: Path) -> None:
    page = desk
    count = 150
    study = study_on_disk(tmp_path / "series", count, size=256)
    choose_folder(page, tmp_path / "series")
    at(page, "check")
    page.get_by_role("button", name=f"Send {count} files").click()
    page.evaluate(PAUSE_EARLY)
    page.get_by_text("Paused.").wait_for()
    old = portal.stack.kill("web")
    page.get_by_role("button", name="Go on").click()
    portal.stack.wait_restarted("web", old, 120)
    portal.stack.wait_healthy(120)
    at(page, "done", 120)
    done = page.locator("#upload-done").inner_text()
    assert "not sent" not in done
    portal.wait_count(study, count)
    assert set(portal.archived()) >= {
        str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)
        for path in (tmp_path / "series").iterdir()
    }


def test_a_reload_in_the_middle(desk: Page, portal: Portal, tmp_path: Path) -> None:
    page = desk
    count = 120
    study = study_on_disk(tmp_path / "series", count, size=256)
    choose_folder(page, tmp_path / "series")
    at(page, "check")
    page.get_by_role("button", name=f"Send {count} files").click()
    page.evaluate(PAUSE_EARLY)
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    runs(page)
    page.get_by_text("what arrived is not sent again").wait_for()
    arrived = portal.count(study)
    assert 0 < arrived < count
    posted: list[str] = []
    page.on("request", lambda one: posted.append(one.url) if "dicom/upload" in one.url else None)
    choose_folder(page, tmp_path / "series")
    at(page, "check")
    page.get_by_role("button", name=f"Send {count} files").click()
    at(page, "done", 120)
    portal.wait_count(study, count)
    assert len(posted) <= count - arrived
    assert "already here" in page.locator("#upload-done").inner_text()
    assert page.locator("#upload-unfinished").is_hidden()


FRAMES = """() => {
  window.frames_drawn = 0;
  const tick = () => { window.frames_drawn += 1; requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
}"""


def test_twenty_thousand_files(desk: Page, tmp_path: Path) -> None:
    page = desk
    count = 20_000
    place = "1.2.826.0.1.3680043.10.9.1.00000"
    head = ct_file(study=str(generate_uid()), instance=place)
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(count):
        uid = f"1.2.826.0.1.3680043.10.9.1.{10000 + number}".encode()
        (folder / f"{number:05}").write_bytes(head.replace(place.encode(), uid))
    page.evaluate(FRAMES)
    choose_folder(page, folder)
    at(page, "check", 150)
    page.get_by_text("20,000 files of 1 patient ready.").wait_for()
    assert page.get_by_role("button", name="Send 20,000 files").is_visible()
    assert page.locator("#upload-table [role=row]").count() < 60
    assert page.locator("#upload-table [role=table]").get_attribute("aria-rowcount") == "20001"
    page.locator("#upload-table").evaluate("box => box.scrollTo(0, box.scrollHeight)")
    page.locator("#upload-table [aria-rowindex='20001']").wait_for()
    # Read in one piece there would be a frame or two.
    assert page.evaluate("window.frames_drawn") > 20
    page.get_by_role("button", name="Send 20,000 files").click()
    until(page, "() => document.getElementById('upload-numbers').textContent.startsWith('1')")
    page.get_by_role("button", name="Stop").click()
    at(page, "check")
    page.get_by_text("Stopped:").wait_for()


def test_others_are_not_offered_it(login: Callable[..., Page], portal: Portal) -> None:
    page = login("radiologist")
    assert page.get_by_role("link", name="Upload").count() == 0
    answer: Any = page.goto(f"{portal.stack.base_url}/upload/")
    assert answer.status == 404
