"""Several viewports: layouts, links by place, lines, priors beside, hanging protocols.

What is expected is computed here from the geometry that the files say.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.browser.conftest import find, until, violations
from tests.dicom import greys
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser

AXIAL = [1, 0, 0, 0, 1, 0]
SAGITTAL = [0, 1, 0, 0, 0, -1]
ROWS, COLUMNS = 64, 48
CELLS = "window.lightbox.getCells()"


def slices(
    study: str,
    number: int,
    places: list[list[float]],
    orientation: list[float],
    *,
    reference: str,
    **elements: Any,
) -> list[Dataset]:
    """A CT series of one patient, 2 mm a pixel, an image for each place."""
    series = generate_uid()
    values = (np.indices((ROWS, COLUMNS)).sum(axis=0) * 16).astype(np.uint16)
    return [
        greys.image(
            values,
            StudyInstanceUID=study,
            SeriesInstanceUID=series,
            SeriesNumber=number,
            InstanceNumber=at,
            SOPClassUID="1.2.840.10008.5.1.4.1.1.2",
            PatientName="Grid^Gerda",
            PatientID="GRID-1",
            Modality="CT",
            ImagePositionPatient=place,
            ImageOrientationPatient=orientation,
            PixelSpacing=[2, 2],
            FrameOfReferenceUID=reference,
            WindowCenter=800,
            WindowWidth=1600,
            **elements,
        )
        for at, place in enumerate(places, 1)
    ]


def upload(portal: Portal, datasets: list[Dataset]) -> None:
    counts: dict[str, int] = {}
    for dataset in datasets:
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        file = BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        status, answer = portal.upload(file.getvalue())
        assert status in {200, 201}, answer
        uid = str(dataset.StudyInstanceUID)
        counts[uid] = counts.get(uid, 0) + 1
    for uid, count in counts.items():
        portal.wait_count(uid, count)


def open_study(page: Page, name: str, day: str = "2026-01-02") -> None:
    find(page, name)
    page.locator("tr", has_text=name).filter(has_text=day).get_by_role("link").first.click()
    page.wait_for_url("**/studies/*/view/")
    until(page, "() => document.documentElement.dataset.viewer === 'ready'", 60)


def ready(page: Page, count: int) -> list[dict[str, Any]]:
    """The viewports, once so many show a picture."""
    shown = f"{CELLS}.filter(cell => cell.index !== undefined).length"
    until(page, f"() => window.lightbox && {shown} === {count}", 60)
    return page.evaluate(CELLS)


def cell(page: Page, number: int) -> Locator:
    return page.locator(".cell").nth(number - 1)


def index(page: Page, number: int) -> int | None:
    return page.evaluate(f"{CELLS}[{number - 1}].index")


def layout(page: Page, digits: str) -> None:
    page.keyboard.press("g")
    until(page, "() => document.getElementById('layouts').open")
    page.keyboard.type(digits)
    until(page, "() => !document.getElementById('layouts').open")


def alone(page: Page) -> None:
    """One viewport with the first series, whatever the hanging protocols made of the study."""
    page.keyboard.press("d")
    page.get_by_role("button", name="One viewport").click()
    page.locator(".thumb").first.click()
    # In the rail the keys go from series to series.
    cell(page, 1).click()
    page.keyboard.press("Home")
    until(page, f"() => {CELLS}.length === 1 && {CELLS}[0].index === 0")


def drag(page: Page, where: Locator, by: tuple[int, int], button: Any = "left") -> None:
    box = where.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down(button=button)
    for part in range(1, 7):  # as a hand does it: a press and its moves are not one moment
        page.wait_for_timeout(30)
        page.mouse.move(x + by[0] * part / 6, y + by[1] * part / 6)
    page.mouse.up(button=button)


@pytest.fixture(scope="module")
def gerda(portal: Portal) -> None:
    """Two axial series of one place in the body, a sagittal one, and a prior scanned elsewhere."""
    study, body = generate_uid(), generate_uid()
    now = {"reference": body, "StudyDate": "20260102", "AccessionNumber": "GRID-NOW"}
    thick = slices(
        study, 1, [[0, 0, 5 * at] for at in range(12)], AXIAL, SeriesDescription="thick", **now
    )
    thin = slices(
        study, 2, [[0, 0, 3 * at] for at in range(20)], AXIAL, SeriesDescription="thin", **now
    )
    side = slices(
        study, 3, [[20 * at, 0, 60] for at in range(3)], SAGITTAL, SeriesDescription="side", **now
    )
    prior = slices(
        generate_uid(),
        1,
        [[0, 0, 500 + 5 * at] for at in range(10)],
        AXIAL,
        reference=generate_uid(),
        StudyDate="20200304",
        AccessionNumber="GRID-OLD",
        SeriesDescription="thick",
        LossyImageCompression="01",
    )
    upload(portal, [*thick, *thin, *side, *prior])


def test_viewports_by_key_mouse_and_drag(gerda: None, login: Callable[..., Page]) -> None:
    page = login("radiologist", 1280, 720)
    open_study(page, "Grid, Gerda")
    alone(page)
    layout(page, "22")
    shown = ready(page, 3)
    # The series that were in none come to the viewports that are new; the fourth says what to do.
    assert [each["count"] for each in shown] == [12, 20, 3, 0]
    assert [each["active"] for each in shown] == [True, False, False, False]
    assert "Drag a series or a prior here" in cell(page, 4).inner_text()
    widths = page.eval_on_selector_all(".cell", "cells => cells.map(cell => cell.clientWidth)")
    assert len(set(widths)) == 1
    # The whole picture is seen in each, whatever shape the viewport had before.
    until(
        page,
        f"width => {CELLS}.slice(0, 3).every(({{corners: [[left, top], [right]]}}) =>"
        " left >= -1 && top >= -1 && right <= width + 1)",
        30,
        widths[0],
    )
    for each in page.evaluate(CELLS)[:3]:
        (left, top), (right, bottom) = each["corners"]
        assert (right - left) / (bottom - top) == pytest.approx(COLUMNS / ROWS, rel=0.01)
    page.locator(".thumb").nth(0).drag_to(cell(page, 4))
    shown = ready(page, 4)
    assert shown[3]["series"] == shown[0]["series"]
    assert shown[3]["active"]
    cell(page, 4).click()
    page.keyboard.press("End")
    until(page, f"() => {CELLS}[3].index === 11")
    assert index(page, 1) == 0
    cell(page, 2).click()
    assert page.evaluate(f"{CELLS}.map(cell => cell.active)") == [False, True, False, False]
    page.keyboard.press("n")
    assert page.evaluate(f"{CELLS}.map(cell => cell.active)") == [False, False, True, False]
    # The rail fills the viewport in use.
    page.locator(".thumb").nth(1).click()
    until(page, f"() => {CELLS}[2].count === 20")
    cell(page, 3).dblclick()
    until(page, "() => document.querySelectorAll('.cell:not([hidden])').length === 1")
    until(
        page,
        f"() => {{ const [[, top], [, bottom]] = {CELLS}[2].corners; return bottom - top > 500; }}",
    )
    page.keyboard.press("x")
    until(page, "() => document.querySelectorAll('.cell:not([hidden])').length === 4")
    layout(page, "44")
    # The sagittal series had left its viewport: a new one takes it.
    shown = ready(page, 5)
    assert len(shown) == 16
    layout(page, "11")
    shown = ready(page, 1)
    assert shown[0]["active"]
    assert shown[0]["count"] == 20
    assert not page.faults  # type: ignore[attr-defined]


def test_sixteen_pictures_at_once(gerda: None, login: Callable[..., Page]) -> None:
    page = login("radiologist", 1024, 768)
    open_study(page, "Grid, Gerda")
    alone(page)
    layout(page, "44")
    for number in range(4, 17):
        cell(page, number).click()
        page.locator(".thumb").nth(number % 3).click()
    shown = ready(page, 16)
    assert {each["status"] for each in shown} == {"ready"}
    drawn = page.eval_on_selector_all(
        ".cell [data-viewport] canvas",
        """canvases => canvases.map(canvas => {
          const {data} = canvas.getContext("2d")
            .getImageData(canvas.width / 2 - 10, canvas.height / 2 - 10, 20, 20);
          return new Set(data).size;
        })""",
    )
    assert len(drawn) == 16
    assert min(drawn) > 2
    until(page, "() => document.querySelectorAll('[data-part=loading]:not([hidden])').length === 0")
    assert not page.faults  # type: ignore[attr-defined]


def test_places_windows_and_lines_are_shared(gerda: None, login: Callable[..., Page]) -> None:
    page = login("radiologist")
    open_study(page, "Grid, Gerda")
    alone(page)
    layout(page, "13")
    ready(page, 3)
    page.keyboard.press("j")
    links = page.locator("[data-part=link]")
    until(page, "() => document.querySelectorAll('[data-part=link]')[2].textContent !== ''")
    assert links.nth(1).inner_text() == "Linked"
    assert links.nth(2).inner_text() == "Not linked: another plane"
    page.keyboard.press("End")
    # 55 mm: the nearest of 0, 3, 6 ... 57 is 54.
    until(page, f"() => {CELLS}[0].index === 11 && {CELLS}[1].index === 18")
    assert index(page, 3) == 0
    cell(page, 2).click()
    page.keyboard.press("End")
    # 57 mm: the last image of the other, 55 mm, is nearest.
    until(page, f"() => {CELLS}[1].index === 19 && {CELLS}[0].index === 11")
    page.mouse.wheel(0, -100)
    until(page, f"() => {CELLS}[1].index === 18")
    page.keyboard.press("Home")
    until(page, f"() => {CELLS}[0].index === 0")
    for _ in range(8):
        page.keyboard.press("ArrowDown")
    # 24 mm: 25 is nearer than 20.
    until(page, f"() => {CELLS}[1].index === 8 && {CELLS}[0].index === 5")

    page.keyboard.press("t")
    line = cell(page, 3).locator(".reference-line")
    line.wait_for(state="attached")
    # 24 mm high on a sagittal image whose first row is at 60 mm, rows 2 mm apart: row 18.
    (_, top), (_, bottom) = page.evaluate(f"{CELLS}[2].corners")
    row = top + (bottom - top) * (18 + 0.5) / ROWS
    for end in ("y1", "y2"):
        assert float(line.get_attribute(end) or 0) == pytest.approx(row, abs=0.6)
    assert cell(page, 1).locator(".reference-line").count() == 0
    page.keyboard.press("t")
    line.wait_for(state="detached")

    page.keyboard.press("y")
    before = page.evaluate(f"{CELLS}.map(cell => cell.range)")
    drag(page, cell(page, 2), (60, 30))
    until(page, f"() => {CELLS}[1].range.upper !== {before[1]['upper']}")
    until(
        page,
        f"() => {{ const all = {CELLS}.map(cell => cell.range);"
        " return all.every(({lower, upper}) => Math.abs(lower - all[1].lower) < 0.01"
        " && Math.abs(upper - all[1].upper) < 0.01); }",
    )
    page.keyboard.press("u")
    drag(page, cell(page, 2), (0, -80), "right")
    drag(page, cell(page, 2), (40, 25), "middle")
    views = page.evaluate(f"{CELLS}.map(cell => cell.view)")
    assert views[1]["zoom"] != pytest.approx(1, abs=0.05)
    assert views[0]["scale"] == pytest.approx(views[1]["scale"], rel=1e-3)
    assert views[0]["focal"][:2] == pytest.approx(views[1]["focal"][:2], abs=0.01)
    assert views[2]["zoom"] == pytest.approx(views[1]["zoom"], rel=1e-2)
    assert not page.faults  # type: ignore[attr-defined]


def test_a_prior_beside_is_marked_and_linked_by_offset(
    gerda: None, login: Callable[..., Page]
) -> None:
    page = login("radiologist")
    open_study(page, "Grid, Gerda")
    # Twenty images of CT and a comparable prior: a built-in protocol hangs them side by side.
    hung = ready(page, 2)
    assert [each["prior"] for each in hung] == [False, True]
    assert [each["index"] for each in hung] == [5, 4]
    until(page, "() => document.getElementById('link-scroll').ariaPressed === 'true'")
    page.keyboard.press("j")
    alone(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    until(page, f"() => {CELLS}[0].index === 2")
    page.keyboard.press("c")
    shown = ready(page, 2)
    assert [each["prior"] for each in shown] == [False, True]
    assert shown[1]["count"] == 10
    badges = cell(page, 2).locator(".badge:visible").all_inner_texts()
    assert badges[:2] == ["Prior 2020-03-04", "Lossy"]
    assert cell(page, 1).locator("[data-part=prior]").is_hidden()
    page.keyboard.press("j")
    # 10 mm here stands beside 520 mm there: the prior is where the reader last saw it.
    until(page, "() => document.getElementById('marking-status').textContent.includes('510 mm')")
    page.keyboard.press("ArrowDown")
    until(page, f"() => {CELLS}[0].index === 3 && {CELLS}[1].index === 5")
    page.keyboard.press("End")
    until(page, f"() => {CELLS}[0].index === 11 && {CELLS}[1].index === 9")
    assert not violations(page)
    assert not page.faults  # type: ignore[attr-defined]


def breast(study: str, number: int, view: str, side: str, **elements: Any) -> Dataset:
    """Bright at the chest wall: on the right of a right breast, on the left of a left one."""
    values = np.zeros((60, 40), np.uint16)
    values[:, -4:] = 4000
    if side == "L":
        values = values[:, ::-1].copy()
    return greys.image(
        values,
        StudyInstanceUID=study,
        SeriesNumber=number,
        InstanceNumber=1,
        PatientName="Views^Vera",
        PatientID="GRID-2",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.1.2",
        Modality="MG",
        ViewPosition=view,
        ImageLaterality=side,
        PatientOrientation=["P", "F"] if side == "R" else ["A", "F"],
        **elements,
    )


def test_four_views_hang_with_chest_walls_together_and_a_kept_protocol_comes_back(
    portal: Portal, login: Callable[..., Page]
) -> None:
    study = generate_uid()
    order = [("MLO", "L"), ("CC", "L"), ("MLO", "R"), ("CC", "R")]
    upload(portal, [breast(study, at, *each) for at, each in enumerate(order, 1)])
    page = login("radiologist", 1024, 768)
    open_study(page, "Views, Vera")
    ready(page, 4)
    sides = page.locator('[data-overlay="series"]').all_inner_texts()
    assert ["Right" in each for each in sides] == [True, False, True, False]
    assert ["Left" in each for each in sides] == [False, True, False, True]
    assert [("CC" in each, "MLO" in each) for each in sides] == [(True, False)] * 2 + [
        (False, True)
    ] * 2
    right = page.locator('[data-overlay="right"]').all_inner_texts()
    left = page.locator('[data-overlay="left"]').all_inner_texts()
    assert right == ["P", "A", "P", "A"]
    assert left == ["A", "P", "A", "P"]
    width = page.evaluate("document.querySelector('.cell').clientWidth")
    for at, each in enumerate(page.evaluate(CELLS)):
        (x1, _), (x2, _) = each["corners"]
        if at % 2:
            assert x1 == pytest.approx(0, abs=1.5)
        else:
            assert x2 == pytest.approx(width, abs=1.5)
    # The third takes another window; kept so, it comes back so.
    layout(page, "12")
    ready(page, 2)
    cell(page, 2).click()
    drag(page, cell(page, 2), (50, 20))
    window = page.evaluate(f"{CELLS}[1].range")
    page.keyboard.press("d")
    page.get_by_role("textbox", name="Name", exact=True).fill("Two of four")
    page.get_by_role("button", name="Keep", exact=True).click()
    page.get_by_text("Kept as “Two of four”.").wait_for()
    page.reload()
    shown = ready(page, 2)
    assert page.locator("#grid").get_attribute("data-layout") == "1x2"
    assert shown[1]["range"]["lower"] == pytest.approx(window["lower"], abs=0.02)
    assert shown[1]["range"]["upper"] == pytest.approx(window["upper"], abs=0.02)
    page.keyboard.press("d")
    page.get_by_role("button", name="Mammography, 4 views Built in · 2x2").click()
    ready(page, 4)
    page.keyboard.press("d")
    page.get_by_role("link", name="Edit protocols").click()
    page.wait_for_url("**/hanging/")
    name = page.get_by_label("Name", exact=True)
    name.fill("Two")
    page.get_by_role("button", name="Rename Two of four").click()
    page.get_by_text("Renamed.").wait_for()
    page.locator(".protocol summary", has_text="Rules").first.click()
    page.get_by_label("Rules of Two").fill('{"layout": "1x2",\n "cells": [null}')
    page.get_by_role("button", name="Keep the rules").click()
    page.get_by_role("alert").get_by_text("Line 2, column 16").wait_for()
    page.get_by_label("Rules of Two").fill(
        '{"layout": "1x1", "cells": [{"window": {"center": 1, "width": 0}}]}'
    )
    page.get_by_role("button", name="Keep the rules").click()
    page.get_by_text("cells[1].window.width: must be greater than 0.").wait_for()
    assert not violations(page)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Remove Two").click()
    page.get_by_text("You have none yet.").wait_for()
    assert not page.faults  # type: ignore[attr-defined]
