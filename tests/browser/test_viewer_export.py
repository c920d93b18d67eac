"""Pictures of a viewport and the export page, by real clicks: what is in the files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page
from pydicom import dcmread

from tests.browser.conftest import until, violations
from tests.browser.test_viewer_tools import Reader, ct, reader, ultrasound  # noqa: F401
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser

CHUNKS = {b"IHDR", b"sRGB", b"IDAT", b"IEND", b"gAMA", b"pHYs"}
SHOWN = """() => {
  const canvas = document.querySelector('.cell.is-active [data-viewport] canvas');
  const {width, height} = canvas;
  const copy = new OffscreenCanvas(width, height).getContext('2d');
  copy.drawImage(canvas, 0, 0);
  const [left, top] = [Math.floor(width / 2) - 100, Math.floor(height / 2) - 100];
  const middle = copy.getImageData(left, top, 200, 200);
  return {width, height, middle: [...middle.data].filter((_, at) => at % 4 === 0)};
}"""


def open_dialog(page: Page) -> None:
    page.get_by_role("button", name="Export", exact=True).click()
    until(page, "() => document.getElementById('picture').open")


def saved(page: Page, folder: Path) -> tuple[str, bytes]:
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save", exact=True).click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path.name, path.read_bytes()


def chunks_of(png: bytes) -> set[bytes]:
    found, at = set(), 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        found.add(png[at + 4 : at + 8])
        at += 12 + length
    return found


def middle_of(data: bytes, shown: dict[str, Any]) -> Any:
    image = Image.open(io.BytesIO(data)).convert("L")
    assert image.size == (shown["width"], shown["height"])
    left, top = shown["width"] // 2 - 100, shown["height"] // 2 - 100
    return np.array(image.crop((left, top, left + 200, top + 200)), dtype=int).ravel()


def corner_of(data: bytes) -> int:
    """How many bright pixels there are where the patient's name would stand."""
    image = Image.open(io.BytesIO(data)).convert("L").crop((0, 0, 240, 24))
    return int((np.array(image) > 150).sum())


def test_pictures_with_and_without_names(
    reader: Callable[..., Reader],  # noqa: F811
    portal: Portal,
    tmp_path: Path,
) -> None:
    at = reader("Picture", [ct(BurnedInAnnotation="NO")])
    page = at.page
    until(page, f"() => ({SHOWN})().middle.some(Boolean)")
    shown = page.evaluate(SHOWN)
    open_dialog(page)
    assert violations(page) == []
    name, png = saved(page, tmp_path)
    assert name.startswith(f"picture-study-{at.study}-series-1-image-")
    assert chunks_of(png) <= CHUNKS
    assert np.abs(middle_of(png, shown) - shown["middle"]).max() == 0
    assert corner_of(png) > 50
    assert not page.locator("#picture").evaluate("dialog => dialog.open")

    open_dialog(page)
    page.get_by_label("Nothing that names anybody").check()
    assert page.get_by_label("Measurements that are on the screen").is_disabled()
    page.get_by_label("JPEG").check()
    name, jpeg = saved(page, tmp_path)
    assert name.startswith("picture-")
    assert "study" not in name
    assert corner_of(jpeg) == 0
    assert b"Exif" not in jpeg
    assert b"\xff\xfe" not in jpeg[:200]
    assert np.abs(middle_of(jpeg, shown) - shown["middle"]).mean() < 4

    said = portal.stack.shell(
        "from pacs.audit.models import AuditEvent;"
        f"print([e.detail['deidentified'] for e in AuditEvent.objects.filter("
        f"study_id={at.study}, action='picture.exported').order_by('id')])"
    )
    assert "[False, True]" in said
    assert not page.faults  # type: ignore[attr-defined]


def test_words_that_may_be_burned_in_are_asked_about(
    reader: Callable[..., Reader],  # noqa: F811
    tmp_path: Path,
) -> None:
    at = reader("Burned", [ct(ImageType=["ORIGINAL", "PRIMARY"]), ultrasound()])
    page = at.page
    open_dialog(page)
    page.get_by_label("Nothing that names anybody").check()
    looked = page.locator("[data-part=looked]")
    assert looked.is_hidden()
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("does not say that no words are burned into it").wait_for()
    looked.get_by_role("checkbox").check()
    page.get_by_label("Nothing that names anybody").check()
    name, _ = saved(page, tmp_path)
    assert name.endswith(".png")


def test_the_export_page(
    reader: Callable[..., Reader],  # noqa: F811
    portal: Portal,
    tmp_path: Path,
) -> None:
    at = reader("Exported", [ct(BurnedInAnnotation="NO"), ultrasound()])
    page = at.page
    open_dialog(page)
    page.get_by_role("link", name="The whole study").click()
    page.get_by_text("1 of 2").first.wait_for()
    assert violations(page) == []
    assert "1: a secondary capture" in page.locator(".export-reasons").inner_text()
    found: dict[str, zipfile.ZipFile] = {}
    for words in ("Download with names", "Download without names"):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=words).click()
        path = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(path)
        found[words] = zipfile.ZipFile(path)
        assert found[words].testzip() is None
    whole, copy = found.values()
    assert whole.namelist()[:2] == ["DICOMDIR", "README.TXT"]
    assert len(whole.namelist()) == 4
    assert copy.namelist() == ["series-001/00001.dcm", "LEFT-OUT.TXT"]
    image = dcmread(io.BytesIO(copy.read("series-001/00001.dcm")))
    assert image.PatientIdentityRemoved == "YES"
    assert "Exported" not in str(image)
    assert not page.faults  # type: ignore[attr-defined]


def test_a_picture_is_printed_alone(
    reader: Callable[..., Reader],  # noqa: F811
    tmp_path: Path,
) -> None:
    """What the browser would put on paper, as a PDF, while its print dialog is open."""
    at = reader("Printed", [ct()])
    page = at.page
    page.evaluate("""() => { window.print = () => {
        window.printed = {
          class: document.documentElement.className,
          picture: document.querySelector('.print-picture').naturalWidth,
        };
    }; }""")
    open_dialog(page)
    page.get_by_role("button", name="Print", exact=True).click()
    until(page, "() => window.printed")
    printed = page.evaluate("() => window.printed")
    assert "prints-picture" in printed["class"]
    assert printed["picture"] == page.evaluate(SHOWN)["width"]
    assert page.locator(".print-picture").count() == 0
    assert not page.faults  # type: ignore[attr-defined]
