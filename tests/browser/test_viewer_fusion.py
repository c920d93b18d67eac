"""PET over CT planes: a hot spot of another grid lies on the right pixel, with the right SUV."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from itertools import chain
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.browser.conftest import find, until, violations
from tests.browser.test_viewer_planes import settled
from tests.dicom import bodies
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser

SPOT = np.array([16.0, -10.0, 9.0])
WEIGHT, DOSE, HALF_LIFE, WAITED = 70.0, 3.5e8, 6586.2, 3600.0
FACTOR = WEIGHT * 1000 / (DOSE * 2 ** (-WAITED / HALF_LIFE))
HOT, WARM = 8.0, 1.0  # SUV


def away(x: Any, y: Any, z: Any) -> Any:
    return np.sqrt((x - SPOT[0]) ** 2 + (y - SPOT[1]) ** 2 + (z - SPOT[2]) ** 2)


def nodule(x: Any, y: Any, z: Any) -> Any:
    return np.where(away(x, y, z) <= 4, 300, 0)


def uptake(x: Any, y: Any, z: Any) -> Any:
    return np.where(away(x, y, z) <= 10, HOT, WARM) / FACTOR


def dose() -> dict[str, Any]:
    item = Dataset()
    item.RadionuclideTotalDose, item.RadionuclideHalfLife = DOSE, HALF_LIFE
    item.RadiopharmaceuticalStartTime = "090000"
    return {
        "Units": "BQML", "DecayCorrection": "START", "CorrectedImage": ["ATTN", "DECY"],
        "PatientWeight": WEIGHT, "RadiopharmaceuticalInformationSequence": [item],
        "SeriesDate": "20260102", "SeriesTime": "100000",
        "AcquisitionDate": "20260102", "AcquisitionTime": "100000",
    }  # fmt: skip


def both(name: str, *, same_place: bool = True) -> Any:
    """CT, and a PET of coarser voxels whose slices lie elsewhere."""
    frame = generate_uid()
    common = {
        "PatientName": f"{name}^Fusion", "PatientID": name.upper(),
        "StudyInstanceUID": generate_uid(),
    }  # fmt: skip
    return chain(
        bodies.series(
            nodule, size=(64, 64, 40), mm=(1.25, 1.25, 1.5), SeriesNumber=1,
            FrameOfReferenceUID=frame, WindowCenter=50, WindowWidth=400, **common,
        ),
        bodies.series(
            uptake, size=(22, 21, 19), mm=(4.1, 4.1, 3.3), SeriesNumber=2, Modality="PT",
            SOPClassUID="1.2.840.10008.5.1.4.1.1.128", slope=0.9, intercept=0,
            FrameOfReferenceUID=frame if same_place else generate_uid(),
            SeriesDescription="PET AC", **common, **dose(),
        ),
    )  # fmt: skip


@pytest.fixture
def planes(portal: Portal, login: Callable[..., Page]) -> Callable[..., Page]:
    def open_planes(name: str, **options: Any) -> Page:
        counts: dict[str, int] = {}
        for dataset in both(name, **options):
            file = BytesIO()
            dataset.save_as(file, enforce_file_format=True)
            status, answer = portal.upload(file.getvalue())
            assert status in {200, 201}, answer
            counts[dataset.StudyInstanceUID] = counts.get(dataset.StudyInstanceUID, 0) + 1
        for study, count in counts.items():
            portal.wait_count(study, count)
        page = login("radiologist", 1440, 900)
        find(page, f"{name}, Fusion").click()
        page.wait_for_url("**/studies/*/view/")
        until(page, "() => document.documentElement.dataset.viewer === 'ready'", 60)
        page.keyboard.press("m")
        until(page, "() => document.querySelector('.volume')?.dataset.whole === 'true'", 60)
        return page

    return open_planes


def lay(page: Page) -> None:
    choice = page.get_by_label("PET over the planes")
    choice.select_option(label=choice.locator("option").nth(1).inner_text())
    until(page, "() => document.querySelector('.volume-fusion')?.dataset.whole === 'true'", 60)
    # The highest value of Hot Iron is white: this has the spot in a colour.
    page.get_by_label("Window of the PET, highest value").fill("12")
    settled(page)


def at(page: Page, view: str, place: Any) -> tuple[float, float]:
    x, y = page.evaluate(
        "([view, place]) => window.lightbox.getPlanes().toScreen(view, place)",
        [view, [float(value) for value in place]],
    )
    return x, y


def go(page: Page) -> None:
    """The crosshairs onto the spot."""
    for view in ("axial", "coronal"):
        x, y = at(page, view, SPOT)
        page.locator(f"[data-view={view}]").click(position={"x": x, "y": y})
        settled(page)
    found = page.evaluate("() => window.lightbox.getPlanes().place()")
    assert np.abs(np.array(found) - SPOT).max() < 0.8


# The middle of what is coloured, and the colours at a place, in CSS pixels of the view.
COLOURED = """view => {
  const canvas = document.querySelector(`[data-view="${view}"] canvas`);
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  let [x, y, count] = [0, 0, 0];
  for (let at = 0; at < width * height; at += 1)
    if (data[4 * at] - data[4 * at + 2] > 60) {
      x += at % width; y += Math.floor(at / width); count += 1;
    }
  const scale = canvas.clientWidth / width;
  return [(x / count + 0.5) * scale, (y / count + 0.5) * scale, count * scale * scale];
}"""
PIXEL = """([view, x, y]) => {
  const canvas = document.querySelector(`[data-view="${view}"] canvas`);
  const scale = canvas.width / canvas.clientWidth;
  return [...canvas.getContext("2d").getImageData(x * scale, y * scale, 1, 1).data].slice(0, 3);
}"""


def pixel(page: Page, view: str, place: Any) -> list[int]:
    return list(page.evaluate(PIXEL, [view, *at(page, view, place)]))


def test_a_hot_spot_lies_on_its_ct_pixel_with_its_suv(planes: Callable[..., Page]) -> None:
    page = planes("Hotspot")
    lay(page)
    go(page)
    for view in ("axial", "coronal", "sagittal"):
        x, y, area = page.evaluate(COLOURED, view)
        wanted = at(page, view, SPOT)
        mm = (
            10 / np.hypot(*(np.array(at(page, view, SPOT + 10 / 3**0.5)) - wanted)) * (2 / 3) ** 0.5
        )
        assert np.hypot(x - wanted[0], y - wanted[1]) * mm < 1.2, view
        # As large as it is, give or take a voxel of the PET.
        assert abs(np.sqrt(area / np.pi) * mm - 10) < 2.2, view
        r, g, b = pixel(page, view, SPOT)
        assert r > g > b, (view, r, g, b)
        value, above = page.evaluate(
            "([view, point]) => { const planes = window.lightbox.getPlanes();"
            " return [planes.valueAt(view, point), planes.overAt(view, point)]; }",
            [view, wanted],
        )
        assert abs(value - 300) < 1
        assert above * FACTOR == pytest.approx(HOT, rel=1e-3)
    # The numbers at the pointer.
    x, y = at(page, "axial", SPOT)
    page.locator("[data-view=axial]").hover(position={"x": x, "y": y})
    words = page.locator("[data-view=axial] .corner-bottom-right").inner_text()
    assert words.split("\n") == ["300 HU", "SUVbw 8 g/ml"]
    x, y = at(page, "axial", SPOT * [-1, -1, 1])
    page.locator("[data-view=axial]").hover(position={"x": x, "y": y})
    words = page.locator("[data-view=axial] .corner-bottom-right").inner_text()
    assert words.split("\n") == ["0 HU", "SUVbw 1 g/ml"]
    assert violations(page) == []
    assert not page.faults  # type: ignore[attr-defined]


def test_window_opacity_colours_and_beside(planes: Callable[..., Page]) -> None:
    page = planes("Fuseset")
    lay(page)
    go(page)
    near = np.array([SPOT[0], SPOT[1] + 7, SPOT[2]])  # beside the nodule, within the uptake
    hot = pixel(page, "axial", near)
    assert hot[0] - hot[2] > 60
    # From SUV 9 on nothing is coloured.
    page.get_by_label("Window of the PET, highest value").fill("20")
    page.get_by_label("Window of the PET, lowest value").fill("9")
    r, g, b = pixel(page, "axial", near)
    assert r == g == b
    page.get_by_label("Window of the PET, lowest value").fill("0")
    page.get_by_label("Window of the PET, highest value").fill("8")
    assert "PET 0 to 8 SUV" in page.locator("[data-view=axial]").inner_text()
    page.get_by_label("Colours of the PET").select_option("viridis")
    r, g, b = pixel(page, "axial", near)
    assert g > b
    assert r > b
    page.locator("[data-view=axial]").focus()
    for _ in range(6):
        page.keyboard.press("[")
    r, g, b = pixel(page, "axial", near)
    assert r == g == b, "at no opacity the CT alone"
    # The PET alone beside it, at the same place and scale.
    page.keyboard.press("b")
    until(
        page,
        "() => document.querySelector('[data-view=axial-over]').dataset.pictures > 0", 20,
    )  # fmt: skip
    settled(page)
    a, b = at(page, "axial", near), at(page, "axial-over", near)
    assert np.hypot(a[0] - b[0], a[1] - b[1]) < 1.5
    dark = pixel(page, "axial-over", near)
    assert max(dark) < 100, "high is dark: this near to its edge the voxels are mixed"
    assert min(pixel(page, "axial-over", near * [-1, -1, 1])) > 200
    # Crosshairs of the one move those of the other.
    x, y = at(page, "axial-over", [-20, 15, SPOT[2]])
    page.locator("[data-view=axial-over]").click(position={"x": x, "y": y})
    found = page.evaluate("() => window.lightbox.getPlanes().place()")
    assert np.abs(np.array(found[:2]) - [-20, 15]).max() < 1
    assert not page.faults  # type: ignore[attr-defined]


def test_another_frame_of_reference_is_refused_in_words(planes: Callable[..., Page]) -> None:
    page = planes("Elsewhere", same_place=False)
    choice = page.get_by_label("PET over the planes")
    choice.select_option(label=choice.locator("option").nth(1).inner_text())
    words = "Not laid over. It was taken in another frame of reference"
    until(page, "words => document.body.innerText.includes(words)", 30, words)
    settled(page)
    assert choice.input_value() == ""
    r, g, b = pixel(page, "axial", [0, 0, 0])
    assert r == g == b
    assert page.get_by_label("Opacity of the PET in percent").is_hidden()
