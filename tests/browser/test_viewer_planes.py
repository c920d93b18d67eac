"""Planes through a series (MPR) by mouse and keys, against the body that it was made of."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page
from pydicom.uid import generate_uid

from tests.browser.conftest import find, until, violations
from tests.dicom import bodies, greys
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser

SIZE, SLICES = 48, 30
MM = (1.5, 1.5, 3.0)


def body(x: Any, y: Any, z: Any) -> Any:
    """Another value in each octant, and rising along each axis. Patient's left, back, head: +."""
    octant = 400 * (x > 0) + 200 * (y > 0) + 100 * (z > 0)
    return np.rint(500 + 2 * x + 3 * y + 1 * z + octant)


def send(portal: Portal, name: str, *, skip: int | None = None, feet_first: bool = False) -> None:
    """A transverse series of the body; `feet_first`: prone, its rows and columns the other way."""
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    sign = -1 if feet_first else 1
    places = (np.arange(SIZE) - (SIZE - 1) / 2) * MM[0] * sign
    x, y = np.meshgrid(places, places)
    count = 0
    for number in range(SLICES):
        if number == skip:
            continue
        z = (number - (SLICES - 1) / 2) * MM[2]
        dataset = greys.image(
            body(x, y, z).astype(np.uint16), BitsStored=16,
            SOPClassUID="1.2.840.10008.5.1.4.1.1.2", Modality="CT",
            PatientName=f"{name}^Planes", PatientID=name.upper(),
            StudyInstanceUID=study, SeriesInstanceUID=series, FrameOfReferenceUID=frame,
            InstanceNumber=SLICES - number, PixelSpacing=[MM[1], MM[0]], SliceThickness=MM[2],
            ImageOrientationPatient=[sign, 0, 0, 0, sign, 0],
            ImagePositionPatient=[float(places[0]), float(places[0]), float(z)],
            RescaleSlope=1, RescaleIntercept=-1000, WindowCenter=0, WindowWidth=2400,
        )  # fmt: skip
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        file = BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        status, answer = portal.upload(file.getvalue())
        assert status in {200, 201}, answer
        count += 1
    portal.wait_count(study, count)


@pytest.fixture
def opened(portal: Portal, login: Callable[..., Page]) -> Callable[..., Page]:
    def open_series(name: str, **options: Any) -> Page:
        send(portal, name, **options)
        page = login("radiologist", 1440, 900)
        find(page, f"{name}, Planes").click()
        page.wait_for_url("**/studies/*/view/")
        until(page, "() => document.documentElement.dataset.viewer === 'ready'", 60)
        page.keyboard.press("m")
        return page

    return open_series


LAID_OUT = """() => ["axial", "coronal", "sagittal"].every((view) =>
  window.lightbox.getPlanes().toScreen(view, [0, 0, 0]).every(Number.isFinite))"""


SHARP = """() => [...document.querySelectorAll(".volume [data-view]")].every(
  (view) => !view.offsetParent || view.dataset.sharp === "true")"""


def settled(page: Page) -> None:
    """Every plane shows the newest picture, as sharp as it gets."""
    page.wait_for_timeout(50)
    until(page, SHARP, 60)


def whole(page: Page) -> None:
    until(page, "() => document.querySelector('.volume')?.dataset.whole === 'true'", 60)
    until(page, LAID_OUT, 30)
    settled(page)


def at(page: Page, view: str, place: list[float]) -> tuple[float, float]:
    """Where a place of the patient is on the page."""
    x, y = page.evaluate(
        "([view, place]) => window.lightbox.getPlanes().toScreen(view, place)", [view, place]
    )
    box = page.locator(f"[data-view={view}]").bounding_box()
    assert box is not None
    return box["x"] + x, box["y"] + y


def value(page: Page, view: str, place: list[float]) -> float:
    shown = page.evaluate(
        "([view, place]) => { const planes = window.lightbox.getPlanes();"
        " return planes.valueAt(view, planes.toScreen(view, place)); }",
        [view, place],
    )
    return float(shown)


def place(page: Page) -> list[float]:
    return list(page.evaluate("() => window.lightbox.getPlanes().place()"))


KNOB = """() => {
  const all = document.querySelectorAll("[data-view=axial] .volume-knob.volume-line-coronal");
  const box = all[all.length - 1].getBoundingClientRect();
  return [box.left + box.width / 2, box.top + box.height / 2];
}"""
LOOKED_AT = {
    "axial": [(12, 9), (-12, 9), (12, -9), (-12, -9)],
    "coronal": [(12, 15), (-12, 15), (12, -15), (-12, -15)],
    "sagittal": [(9, 15), (-9, 15), (9, -15), (-9, -15)],
}


@pytest.mark.parametrize("feet_first", [False, True])
def test_each_plane_shows_the_body(opened: Callable[..., Page], *, feet_first: bool) -> None:
    page = opened("Feetfirst" if feet_first else "Bodyplanes", feet_first=feet_first)
    whole(page)
    for view, there in (("axial", [4, 6, 0]), ("coronal", [4, 6, 7])):
        page.mouse.click(*at(page, view, there))
        settled(page)
    x, y, z = place(page)
    assert max(abs(x - 4), abs(y - 6), abs(z - 7)) < 0.8
    for view, places in LOOKED_AT.items():
        for a, b in places:
            where = {"axial": [a, b, z], "coronal": [a, y, b], "sagittal": [x, a, b]}[view]
            wanted = float(body(*where)) - 1000
            assert abs(value(page, view, where) - wanted) <= 4, (view, where)
    letters = {
        view: page.locator(f"[data-view={view}] .edge").all_inner_texts() for view in LOOKED_AT
    }
    assert letters == {
        "axial": ["A", "P", "R", "L"],
        "coronal": ["H", "F", "R", "L"],
        "sagittal": ["H", "F", "A", "P"],
    }
    assert violations(page) == []
    assert not page.faults  # type: ignore[attr-defined]


def test_mouse_and_keys(opened: Callable[..., Page]) -> None:
    page = opened("Mouseplanes")
    whole(page)
    before = place(page)
    page.mouse.move(*at(page, "axial", [10, 10, 0]))
    page.mouse.wheel(0, 100)
    settled(page)
    assert abs(abs(place(page)[2] - before[2]) - MM[2]) < 1e-6
    page.mouse.click(*at(page, "coronal", [6, 0, 21]))
    settled(page)
    assert abs(place(page)[2] - 21) < 1
    # Window: to the right it is wider.
    width = "() => { const r = window.lightbox.getPlanes().range(); return r.upper - r.lower }"
    narrow = page.evaluate(width)
    box = page.locator("[data-view=axial]").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down(button="right")
    page.mouse.move(box["x"] + 120, box["y"] + 60, steps=3)
    page.mouse.up(button="right")
    assert page.evaluate(width) > narrow * 1.15
    # The knobs turn the other planes about this one's axis.
    x, y = page.evaluate(KNOB)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 80, steps=6)
    page.mouse.up()
    right = page.evaluate("() => window.lightbox.getPlanes().ways('coronal').right")
    assert right[1] < -0.1  # the left knob went down: the right side of the plane goes to the front
    assert abs(np.hypot(right[0], right[1]) - 1) < 1e-6
    # A slab through everything shows the brightest octant everywhere.
    page.keyboard.press("r")
    settled(page)
    page.get_by_label("Slab thickness in millimetres").fill("60")
    settled(page)
    assert value(page, "axial", [12, 9, 0]) >= body(12, 9, 28) - 1000 - 6
    assert "60 mm MIP" in page.locator("[data-view=axial]").inner_text()
    page.locator("[data-view=sagittal]").dblclick(position={"x": 40, "y": 40})
    settled(page)
    assert page.locator("[data-view=axial]").is_hidden()
    page.locator("[data-view=sagittal]").dblclick(position={"x": 40, "y": 40})
    page.keyboard.press("Escape")
    until(page, "() => !document.querySelector('.volume')")
    assert page.evaluate("() => document.documentElement.dataset.viewer") == "ready"
    assert not page.faults  # type: ignore[attr-defined]


def test_a_series_with_a_gap_is_refused_in_words(opened: Callable[..., Page]) -> None:
    page = opened("Gapplanes", skip=11)
    words = "The slices are not evenly apart: some are missing."
    until(page, "words => document.body.innerText.includes(words)", 30, words)
    assert page.locator(".volume").count() == 0


def padded(x: Any, y: Any, z: Any) -> Any:
    """Water within what the scanner saw; beyond it, and in the lower slices, padding."""
    return np.where((np.hypot(x, y) > 30) | (z < -9), -1024, 40)


def test_padding_and_the_pixels_of_the_screen(portal: Portal, login: Callable[..., Page]) -> None:
    study = None
    for number, dataset in enumerate(
        bodies.series(
            padded, size=(48, 48, 30), mm=(1.5, 1.5, 3.0), PixelPaddingValue=0,
            WindowCenter=0, WindowWidth=400, PatientName="Padded^Planes", PatientID="PADDED",
        ), 1,
    ):  # fmt: skip
        file = BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        status, answer = portal.upload(file.getvalue())
        assert status in {200, 201}, answer
        study, count = dataset.StudyInstanceUID, number
    portal.wait_count(study, count)
    page = login("radiologist", 1440, 900)
    page.context.new_cdp_session(page).send(
        "Emulation.setDeviceMetricsOverride",
        {"width": 1440, "height": 900, "deviceScaleFactor": 2, "mobile": False},
    )
    find(page, "Padded, Planes").click()
    page.wait_for_url("**/studies/*/view/")
    until(page, "() => document.documentElement.dataset.viewer === 'ready'", 60)
    page.keyboard.press("m")
    whole(page)
    size = page.evaluate(
        "() => { const canvas = document.querySelector('[data-view=axial] canvas');"
        " return [canvas.width, canvas.clientWidth] }"
    )
    assert size[0] == 2 * size[1], "the screen's own pixels"
    outside = page.evaluate(
        "() => { const planes = window.lightbox.getPlanes();"
        " return planes.valueAt('axial', planes.toScreen('axial', [33, 0, 0])) ?? null }"
    )
    assert outside is None
    page.get_by_label("What a slab shows").select_option("minip")
    slab = page.get_by_label("Slab thickness in millimetres")
    slab.fill("60")
    settled(page)
    x, y = at(page, "axial", [0, 0, 0])
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(12):
        page.mouse.move(x + 4 * step, y)
    page.mouse.up()
    settled(page)
    for how, wanted in (("minip", 40), ("average", 40), ("mip", 40)):
        page.get_by_label("What a slab shows").select_option(how)
        settled(page)
        assert abs(value(page, "axial", [5, 5, 0]) - wanted) < 0.5, how
    assert not page.faults  # type: ignore[attr-defined]
