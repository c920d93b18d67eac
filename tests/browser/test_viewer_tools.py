"""The viewer's tools by real mouse and keys, on images of known geometry: the number is right."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.browser.conftest import until, violations
from tests.browser.test_viewer_greys import show
from tests.dicom import greys
from tests.servers.portal import Portal, wait

pytestmark = pytest.mark.browser

SIDE = 128
RAMP = np.add.outer(np.arange(SIDE) * 4, np.arange(SIDE)).astype(np.int16)
"""Of row r and column c: 4 r + c."""


def ct(**elements: Any) -> Dataset:
    """A CT slice of 0.8 x 0.5 mm pixels whose HU are RAMP - 100."""
    return greys.image(
        RAMP,
        **{
            "Modality": "CT",
            "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
            "BitsStored": 16,
            "PixelSpacing": [0.8, 0.5],
            "RescaleSlope": 1,
            "RescaleIntercept": -100,
            "RescaleType": "HU",
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "ImagePositionPatient": [0, 0, 0],
            "WindowCenter": [40, -600],
            "WindowWidth": [400, 1500],
            "WindowCenterWidthExplanation": ["SOFT", "LUNG"],
            **elements,
        },
    )


def ultrasound() -> Dataset:
    """Two regions: tissue of 0.2 x 0.1 mm above, a Doppler spectrum below."""
    regions = []
    for top, units, deltas in ((0, (3, 3), (0.02, 0.01)), (64, (4, 7), (0.005, -1.5))):
        item = Dataset()
        item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = 1, 1, 0
        item.RegionLocationMinX0, item.RegionLocationMinY0 = 0, top
        item.RegionLocationMaxX1, item.RegionLocationMaxY1 = SIDE - 1, top + 63
        item.PhysicalUnitsXDirection, item.PhysicalUnitsYDirection = units
        item.PhysicalDeltaX, item.PhysicalDeltaY = deltas
        regions.append(item)
    return greys.image(RAMP, Modality="US", BitsStored=16, SequenceOfUltrasoundRegions=regions)


def pet() -> Dataset:
    """Decay-corrected Bq/ml of 4 r + c; 80 kg, 400 MBq, injected an hour before."""
    item = Dataset()
    item.RadiopharmaceuticalStartTime = "110000"
    item.RadionuclideTotalDose, item.RadionuclideHalfLife = 400e6, 6588
    return greys.image(
        RAMP,
        Modality="PT",
        BitsStored=16,
        PixelSpacing=[2, 2],
        RescaleSlope=10,
        RescaleIntercept=0,
        Units="BQML",
        DecayCorrection="START",
        CorrectedImage=["ATTN", "DECY"],
        PatientWeight=80,
        SeriesDate="20260102",
        SeriesTime="120000",
        AcquisitionDate="20260102",
        AcquisitionTime="120100",
        RadiopharmaceuticalInformationSequence=[item],
    )


def colour() -> Dataset:
    values = np.zeros((SIDE, SIDE, 3), np.uint8)
    values[..., 0], values[..., 1], values[..., 2] = 10, 20, 30
    return greys.image(
        values,
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        PlanarConfiguration=0,
        BitsAllocated=8,
        BitsStored=8,
        PixelSpacing=[1, 1],
    )


SUV = 80_000 / (400e6 * 2 ** (-3600 / 6588))


def stored(portal: Portal, datasets: Sequence[Dataset], name: str) -> tuple[int, str]:
    """One series each; the study's number and StudyInstanceUID."""
    uid = generate_uid()
    for number, dataset in enumerate(datasets, 1):
        dataset.StudyInstanceUID, dataset.SeriesNumber = uid, number
        dataset.PatientName, dataset.PatientID = f"{name}^Tools", name.upper()
        file = BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        status, answer = portal.upload(file.getvalue())
        assert status in {200, 201}, answer
    portal.wait_count(uid, len(datasets))
    found = portal.stack.shell(
        f"from studies.models import Study; print(Study.objects.get(study_instance_uid='{uid}').pk)"
    )
    return int(found.split()[-1]), uid


class Reader:
    """Somebody at a viewer: mouse and keys in pixels of the image, and what the server has."""

    def __init__(self, page: Page, portal: Portal, study: int) -> None:
        self.page, self.portal, self.study = page, portal, study

    def open(self, dataset: Dataset) -> None:
        self.page.goto(f"{self.portal.stack.base_url}/studies/{self.study}/view/")
        show(self.page, dataset)

    def place(self, pixel: Sequence[float]) -> tuple[float, float]:
        box = self.page.locator(".cell.is-active [data-viewport]").bounding_box()
        assert box is not None
        x, y = self.page.evaluate("p => window.lightbox.toCanvas(p)", list(pixel))
        return box["x"] + x, box["y"] + y

    def drag(self, *pixels: Sequence[float]) -> None:
        mouse = self.page.mouse
        mouse.move(*self.place(pixels[0]))
        mouse.down()
        for pixel in pixels[1:]:
            mouse.move(*self.place(pixel), steps=3)
        mouse.up()

    def click(self, pixel: Sequence[float]) -> None:
        self.page.mouse.move(*self.place(pixel))
        self.page.mouse.down()
        self.page.mouse.up()

    def press(self, *keys: str) -> None:
        self.page.locator(".thumb[aria-selected=true]").focus()
        for key in keys:
            self.page.keyboard.press(key)

    def rows(self, who: str = "radiologist") -> list[dict[str, Any]]:
        status, body, _ = self.portal.request(
            "GET", f"/api/studies/{self.study}/measurements/", who=who
        )
        assert status == 200
        found: list[dict[str, Any]] = json.loads(body)["measurements"]
        return found

    def count(self, number: int) -> list[dict[str, Any]]:
        """What the server has, once it has so many."""
        wait(lambda: len(self.rows()) == number, 20, f"{number} measurements are kept")
        return self.rows()

    def newest(self, number: int, tool: str) -> dict[str, tuple[float, str]]:
        """Values of the last measurement by name, once there are so many."""
        row = self.count(number)[-1]
        assert row["tool"] == tool
        return {one["name"]: (one["value"], one["unit"]) for one in row["values"]}

    def said(self) -> str:
        return self.page.locator("#marking-status").inner_text()


@pytest.fixture
def reader(portal: Portal, login: Callable[..., Page]) -> Callable[..., Reader]:
    def at(name: str, datasets: Sequence[Dataset], **size: int) -> Reader:
        study, _ = stored(portal, datasets, name)
        found = Reader(login("radiologist", **size), portal, study)
        found.open(datasets[0])
        return found

    return at


def near(found: tuple[float, str], value: float, unit: str) -> None:
    """Within 0.5 %; means near zero within 0.2 HU."""
    assert found[1] == unit
    least = 0.2 if unit == "HU" else 0
    assert abs(found[0] - value) <= max(0.005 * abs(value), least), (found, value)


def hu(columns: tuple[int, int], rows: tuple[int, int]) -> Any:
    """HU of a box of pixels, first and last inside."""
    part = RAMP[rows[0] : rows[1] + 1, columns[0] : columns[1] + 1]
    return part.astype(float) - 100


def test_each_measuring_tool_tells_the_right_number(
    reader: Callable[..., Reader], tmp_path: Any
) -> None:
    at = reader("Measure", [ct()])
    page = at.page
    at.press("l")
    at.drag((20, 20), (80, 60))
    near(at.newest(1, "length")["length"], math.hypot(60 * 0.5, 40 * 0.8), "mm")

    at.press("2")
    at.drag((20, 90), (80, 90))
    found = at.newest(2, "bidirectional")
    near(found["long_axis"], 30, "mm")
    near(found["short_axis"], 15, "mm")

    at.press("3")
    at.drag((96, 10), (80, 10))
    at.page.mouse.move(*at.place((90, 15)))
    at.click((96, 20))
    near(at.newest(3, "angle")["angle"], 45, "deg")

    at.press("4")
    at.drag((84, 100), (100, 100))
    at.drag((84, 110), (100, 120))
    near(at.newest(4, "cobb")["angle"], 45, "deg")

    at.press("5")
    at.drag((30.5, 30.5), (50.5, 50.5))
    found = at.newest(5, "ellipse")
    near(found["area"], math.pi / 4 * 10 * 16, "mm2")
    inside = np.hypot(*np.mgrid[0:SIDE, 0:SIDE] - 40.5) <= 10
    wanted = RAMP[inside].astype(float) - 100
    near(found["mean"], float(wanted.mean()), "HU")
    assert abs(found["sd"][0] - wanted.std()) < 0.02 * wanted.std()

    at.press("6")
    at.drag((59.5, 69.5), (79.5, 79.5))
    found = at.newest(6, "rectangle")
    near(found["area"], 10 * 8, "mm2")
    box = hu((60, 79), (70, 79))
    near(found["mean"], float(box.mean()), "HU")
    near(found["sd"], float(box.std()), "HU")
    assert (found["min"][0], found["max"][0]) == (box.min(), box.max())

    at.press("7")
    at.drag((4.5, 44.5), (14.5, 44.5), (14.5, 54.5), (4.5, 54.5), (4.5, 44.5))
    found = at.newest(7, "freehand")
    assert abs(found["area"][0] - 40) <= 0.4
    near(found["mean"], float(hu((5, 14), (45, 54)).mean()), "HU")

    at.press("8")
    at.click((110, 50))
    assert at.newest(8, "probe") == {"value": (4 * 50 + 110 - 100, "HU")}

    at.press("9")
    at.drag((110, 90), (120, 100))
    page.get_by_role("textbox", name="Text, or Enter").fill("Look here")
    page.keyboard.press("Enter")
    assert at.newest(9, "arrow") == {}
    assert at.rows()[-1]["label"] == "Look here"

    at.press("0")
    at.click((4, 120))
    page.get_by_role("textbox", name="Text", exact=True).fill("Supine")
    page.keyboard.press("Enter")
    assert at.newest(10, "text") == {}
    until(page, "() => document.querySelectorAll('g.measure').length === 10")
    for width, height in ((1440, 900), (1024, 768)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(200)
        page.screenshot(path=tmp_path / f"tools-{width}.png")

    # A line keeps its place on the image when the image is turned and mirrored.
    before = at.rows()[0]["points"]
    at.press(".", "h")
    ends = page.evaluate("() => document.querySelector('g.measure-length path').getAttribute('d')")
    box = page.locator(".cell.is-active [data-viewport]").bounding_box()
    assert box is not None
    x, y = at.place(before[0])
    first = [float(one) for one in ends[1:].split("L")[0].split(",")]
    assert math.dist(first, (x - box["x"], y - box["y"])) < 0.5
    assert violations(page) == []
    assert not page.faults  # type: ignore[attr-defined]


def test_units_are_right_or_refused(reader: Callable[..., Reader]) -> None:
    """Ultrasound regions, a projection at its detector, nothing known, PET, colours."""
    images = [
        ultrasound(),
        greys.image(RAMP, Modality="DX", BitsStored=16, ImagerPixelSpacing=[0.2, 0.2]),
        pet(),
        colour(),
        greys.image(RAMP, Modality="OT", BitsStored=16),
    ]
    at = reader("Units", images)
    page = at.page
    at.press("l")
    at.drag((20, 10), (70, 10))
    near(at.newest(1, "length")["length"], 10, "mm")
    at.drag((20, 80), (60, 100))
    found = at.newest(2, "length")
    near(found["time"], 0.2, "s")
    near(found["velocity"], 30, "cm/s")
    at.drag((100, 40), (100, 90))
    until(page, "() => document.getElementById('marking-status').textContent.includes('crosses')")
    at.press("5")
    at.drag((20, 110), (60, 120))
    until(
        page, "() => document.getElementById('marking-status').textContent.includes('only lengths')"
    )
    assert len(at.rows()) == 2

    at.press("PageDown")
    show(page, images[1])
    at.press("l")
    at.drag((20, 20), (120, 20))
    near(at.newest(3, "length")["length"], 20, "mm")
    assert at.rows()[-1]["at_detector"] is True
    until(page, "() => document.querySelector('g.measure text').textContent.includes('detector')")

    at.press("PageDown")
    show(page, images[2])
    at.press("8")
    at.click((40, 20))
    near(at.newest(4, "probe")["value"], 10 * (4 * 20 + 40) * SUV, "g/ml")

    at.press("PageDown")
    show(page, images[3])
    at.click((40, 20))
    assert at.newest(5, "probe") == {"red": (10, ""), "green": (20, ""), "blue": (30, "")}

    # No spacing: pixels, until a reader draws what he knows.
    at.press("PageDown")
    show(page, images[4])
    at.press("l")
    at.drag((20, 20), (80, 20))
    near(at.newest(6, "length")["length"], 60, "px")
    page.get_by_role("button", name="Measuring tools").click()
    page.get_by_role("button", name="Calibrate").click()
    at.drag((20, 100), (120, 100))
    page.get_by_role("textbox", name="Length of the line").fill("25")
    page.keyboard.press("Enter")
    at.count(7)
    at.press("l")
    at.drag((20, 60), (80, 60))
    near(at.newest(8, "length")["length"], 15, "mm")
    assert at.rows()[-1]["calibrated_by"] == "radiologist"
    until(page, "() => document.body.textContent.includes('calibrated by radiologist')")
    assert not page.faults  # type: ignore[attr-defined]


def test_undo_reload_lost_network_and_the_next_reader(
    reader: Callable[..., Reader], portal: Portal
) -> None:
    image = ct()
    at = reader("Keeping", [image], width=1024, height=768)
    page = at.page
    at.press("l")
    at.drag((20, 20), (80, 20))
    (made,) = at.count(1)
    at.drag((80, 20), (100, 20))
    wait(lambda: at.rows()[0]["points"] != made["points"], 20, "the end has moved")
    at.press("Control+z")
    wait(lambda: at.rows()[0]["values"] == made["values"], 20, "the end is back")
    at.press("Control+z")
    at.count(0)
    at.press("Control+Shift+z")
    assert at.count(1)[0]["id"] == made["id"]
    at.press("Delete")
    at.count(0)
    at.press("Control+z")
    assert at.count(1)[0]["id"] == made["id"]

    # The network is lost for a while: it is said, and nothing is lost.
    page.route("**/measurements/**", lambda route: route.abort())
    at.drag((20, 60), (80, 60))
    page.locator("#keeping", has_text="Not saved yet").wait_for()
    until(page, "() => document.querySelectorAll('g.measure').length === 2")
    page.unroute("**/measurements/**")
    at.count(2)
    page.locator("#keeping").wait_for(state="hidden")

    # There again after the page was loaded anew; named and shown in the list.
    at.open(image)
    until(page, "() => document.querySelectorAll('g.measure').length === 2")
    page.get_by_role("button", name="Measured").click()
    row = page.locator("#measurement-list li").first
    assert "radiologist" in row.inner_text()
    row.get_by_role("button", name="Name").click()
    page.get_by_role("textbox", name="Name").fill("Node 1")
    page.keyboard.press("Enter")
    wait(lambda: at.rows()[0]["label"] == "Node 1", 20, "it is named")
    page.locator("#measurements-visible").uncheck()
    until(page, "() => !document.querySelector('g.measure')")
    page.locator("#measurements-visible").check()
    until(page, "() => document.querySelectorAll('g.measure').length === 2")
    assert violations(page) == []

    # A colleague's measurement is not changed, only removed with his name said.
    portal.stack.shell(
        "from studies.models import Measurement; from pacs.accounts.models import *\n"
        "one, made = User.objects.get_or_create(username='colleague')\n"
        f"Measurement.objects.filter(pk='{made['id']}').update(author=one)"
    )
    at.open(image)
    until(page, "() => document.querySelectorAll('g.measure').length === 2")
    at.press("l")
    at.drag((80, 20), (110, 30))
    until(page, "() => document.getElementById('marking-status').textContent.includes('only its')")
    assert at.rows()[0]["points"] == made["points"]

    # The session ends while reading: the page stays, and what was measured is kept.
    page.context.clear_cookies()
    at.drag((20, 100), (80, 100))
    page.locator("#keeping", has_text="session is over").wait_for()
    with page.context.expect_page() as opening:
        page.locator("#keeping a").click()
    other = opening.value
    other.fill("input[name=username]", "radiologist")
    other.fill("input[name=password]", "a-long-enough-password")
    other.click("button[type=submit]")
    at.count(3)
    page.locator("#keeping").wait_for(state="hidden")
    assert f"/studies/{at.study}/view/" in page.url
    assert not page.faults  # type: ignore[attr-defined]


SHOWN = """([width, height]) => {
  const canvas = document.querySelector(".cell.is-active [data-viewport] canvas");
  const scale = canvas.width / canvas.getBoundingClientRect().width;
  const [[left, top]] = window.lightbox.getCorners();
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
  copy.drawImage(canvas, 0, 0);
  const [x, y] = [Math.round(left * scale), Math.round(top * scale)];
  return [...copy.getImageData(x, y, width, height).data].filter((_, at) => at % 4 === 0);
}"""
LETTERS = """() => Object.fromEntries(['top', 'bottom', 'left', 'right'].map(
  (edge) => [edge, document.querySelector(`[data-overlay="${edge}"]`).textContent]))"""


def letters(page: Page, top: str, right: str) -> None:
    """The letters at the edges, opposite ones included."""
    other = {"L": "R", "R": "L", "A": "P", "P": "A"}
    wanted = {"top": top, "bottom": other[top], "left": other[right], "right": right}
    found = f"JSON.stringify(({LETTERS})()) === JSON.stringify({json.dumps(wanted)})"
    until(page, f"() => {found}")


def corner(page: Page) -> tuple[str, str]:
    """Where the first pixel is on the screen."""
    (x, y), (other_x, other_y) = page.evaluate("() => window.lightbox.getCorners()")
    return ("top" if y < other_y else "bottom", "left" if x < other_x else "right")


def test_turning_and_flipping_with_the_letters(reader: Callable[..., Reader]) -> None:
    """A flip is taken back by a second one; both last from slice to slice, and end with reset."""
    series = generate_uid()
    slices = [
        ct(SeriesInstanceUID=series, InstanceNumber=n, ImagePositionPatient=[0, 0, n * 5])
        for n in (1, 2, 3)
    ]
    study = generate_uid()
    for one in slices:
        one.StudyInstanceUID = study
    at = reader("Turning", slices)
    page = at.page
    letters(page, "A", "L")
    assert corner(page) == ("top", "left")
    at.press("h")
    letters(page, "A", "R")
    assert corner(page) == ("top", "right")
    at.press("h")
    letters(page, "A", "L")
    assert corner(page) == ("top", "left")
    at.press("v")
    letters(page, "P", "L")
    assert corner(page) == ("bottom", "left")
    at.press("v")
    letters(page, "A", "L")
    at.press(".")
    letters(page, "R", "A")
    assert corner(page) == ("top", "right")
    at.press("h")
    letters(page, "R", "P")
    assert corner(page) == ("top", "left")
    at.press(",")
    letters(page, "P", "L")
    assert corner(page) == ("bottom", "left")
    for key in ("ArrowDown", "ArrowDown", "ArrowUp"):
        at.press(key)
        until(page, "() => document.documentElement.dataset.viewer === 'ready'")
        letters(page, "P", "L")
        assert corner(page) == ("bottom", "left")
    at.press(".")
    for key in ("ArrowUp", "ArrowDown"):
        at.press(key)
        until(page, "() => document.documentElement.dataset.viewer === 'ready'")
        letters(page, "R", "P")
        assert corner(page) == ("top", "left")
    at.press("r")
    letters(page, "A", "L")
    assert corner(page) == ("top", "left")
    assert not page.faults  # type: ignore[attr-defined]


def test_windows_by_key_and_pixel_for_pixel(reader: Callable[..., Reader]) -> None:
    rng = np.random.default_rng(7)
    noise = rng.integers(0, 256, (300, 301)).astype(np.uint16)
    fine = greys.image(
        noise, Modality="OT", WindowCenter=128, WindowWidth=256, PixelSpacing=[0.3, 0.3]
    )
    at = reader("Windows", [ct(), fine])
    page = at.page

    def window() -> tuple[float, float]:
        found = page.evaluate("() => window.lightbox.getWindow()")
        return found["upper"] - found["lower"] + 1, (found["upper"] + found["lower"] + 1) / 2

    for key, wanted in (("F2", (80, 40)), ("F6", (1500, -600)), ("F1", (400, 40))):
        at.press(key)
        assert window() == pytest.approx(wanted)
    page.get_by_role("button", name="Windows").click()
    page.get_by_role("button", name="LUNG W 1500 L -600", exact=True).click()
    assert window() == pytest.approx((1500, -600))

    at.press("PageDown")
    show(page, fine)
    at.press("=")
    page.locator("[data-overlay=window]", has_text="1:1").wait_for()
    worst = 255
    for _ in range(40):
        shown = np.array(page.evaluate(SHOWN, [301, 300])).reshape(300, 301)
        worst = int(np.abs(shown - noise.astype(int)).max())
        if worst <= 1:
            break
        page.wait_for_timeout(50)
    assert worst <= 1, page.evaluate("() => [window.lightbox.getCorners(), devicePixelRatio]")

    at.press("+")
    page.mouse.move(*at.place((150, 150)))
    lens = """() => {
      const lens = document.querySelector(".lens");
      const middle = lens.width / 2;
      const {data} = lens.getContext("2d").getImageData(middle, middle, 1, 1);
      return lens.hidden ? -1 : data[0];
    }"""
    until(page, f"() => Math.abs(({lens})() - {noise[150, 150]}) <= 1")
    at.press("+")
    assert not page.faults  # type: ignore[attr-defined]
