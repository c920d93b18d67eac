"""Greys on the viewer's canvas against pydicom's, window by window and table by table."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.browser.conftest import find, until
from tests.dicom import greys
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser

BLOCK = 4
CENTRES = """() => {
  const canvas = document.querySelector("[data-viewport] canvas");
  const scale = canvas.width / canvas.getBoundingClientRect().width;
  const [[left, top], [right, bottom]] = window.lightbox.getCorners();
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
  copy.drawImage(canvas, 0, 0);
  const greys = [];
  for (let row = 0; row < 16; row += 1) {
    for (let column = 0; column < 16; column += 1) {
      const x = (left + ((right - left) * (column + 0.5)) / 16) * scale;
      const y = (top + ((bottom - top) * (row + 0.5)) / 16) * scale;
      const [r, g, b] = copy.getImageData(Math.round(x), Math.round(y), 1, 1).data;
      greys.push(r === g && g === b ? r : -1000);
    }
  }
  return greys;
}"""


def blocks(values: Any) -> Any:
    """256 values as squares of an image, sixteen by sixteen."""
    return np.kron(values.reshape(16, 16), np.ones((BLOCK, BLOCK), values.dtype))


def upload(portal: Portal, datasets: list[Dataset], name: str) -> str:
    """Store the images as series of one study, in order; its StudyInstanceUID."""
    study = generate_uid()
    for number, dataset in enumerate(datasets, 1):
        dataset.StudyInstanceUID, dataset.SeriesNumber = study, number
        dataset.PatientName, dataset.PatientID = f"{name}^Grey", name.upper()
        file = BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        status, answer = portal.upload(file.getvalue())
        assert status in {200, 201}, answer
    portal.wait_count(study, len(datasets))
    return study


def show(page: Page, dataset: Dataset) -> None:
    shown = "document.querySelector('[data-viewport]').dataset.sopInstanceUid"
    until(page, f"uid => {shown} === uid", 60, str(dataset.SOPInstanceUID))
    until(page, "() => document.documentElement.dataset.viewer === 'ready'")


def difference(page: Page, wanted: Any) -> float:
    """The largest difference of the canvas, once what was asked for has been drawn."""
    found = 999.0
    for _ in range(40):
        shown = np.array(page.evaluate(CENTRES), dtype=float)
        found = float(np.abs(shown - np.clip(wanted, 0, 255)).max())
        if found <= 2:
            break
        page.wait_for_timeout(50)
    return found


@pytest.fixture
def opened(portal: Portal, login: Callable[..., Page]) -> Callable[[list[Dataset], str], Page]:
    def open_study(datasets: list[Dataset], name: str) -> Page:
        upload(portal, datasets, name)
        page = login("radiologist", 1024, 768)
        find(page, f"{name}, Grey").click()
        page.wait_for_url("**/studies/*/view/")
        show(page, datasets[0])
        return page

    return open_study


def test_the_canvas_shows_the_greys_of_the_standard(
    opened: Callable[..., Page],
) -> None:
    values = blocks(greys.RAMP)
    datasets = [greys.image(values, **case) for case in greys.CASES.values()]
    page = opened(datasets, "Level")
    wrong = {}
    for number, (name, dataset) in enumerate(zip(greys.CASES, datasets, strict=True)):
        if number:
            page.keyboard.press("PageDown")
            show(page, dataset)
        wanted = greys.wanted(dataset, greys.RAMP)
        assert wanted.max() - wanted.min() > 200
        plain = difference(page, wanted)
        page.keyboard.press("i")
        inverted = difference(page, 255 - np.clip(wanted, 0, 255))
        page.keyboard.press("i")
        again = difference(page, wanted)
        if max(plain, inverted, again) > 2:
            wrong[name] = (plain, inverted, again)
    assert not wrong
    assert not page.faults  # type: ignore[attr-defined]


def test_a_readers_window_stretches_the_curve(opened: Callable[..., Page]) -> None:
    """A table and a sigmoid keep their shape; reset gives the file's own greys again."""
    values = blocks(greys.RAMP)
    names = ("table", "sigmoid", "linear exact")
    datasets = [greys.image(values, **greys.CASES[name]) for name in names]
    page = opened(datasets, "Stretch")
    for number, dataset in enumerate(datasets):
        if number:
            page.keyboard.press("PageDown")
            show(page, dataset)
        own = page.evaluate("() => window.lightbox.getWindow()")
        page.evaluate(
            "own => window.lightbox.setWindow({lower: own.lower + 200, upper: own.upper + 200})",
            own,
        )
        moved = np.clip(greys.RAMP.astype(int) - 200, 0, 4095).astype(np.uint16)
        assert difference(page, greys.wanted(dataset, moved)) <= 2
        page.keyboard.press("r")
        assert difference(page, greys.wanted(dataset, greys.RAMP)) <= 2


def test_what_the_server_renders_is_shown_and_said(opened: Callable[..., Page]) -> None:
    bits = (np.indices((16, 16)).sum(axis=0) % 3 == 0).astype(np.uint8)
    packed = np.packbits(blocks(bits).ravel(), bitorder="little")
    one_bit = greys.image(packed.reshape(-1, 1), BitsAllocated=1, BitsStored=1)
    one_bit.Rows = one_bit.Columns = 16 * BLOCK

    deep = np.repeat(blocks(greys.RAMP)[..., None], 3, axis=2)
    colour = greys.image(
        deep, SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation="RGB"
    )

    palette = greys.image(blocks(np.arange(256, dtype=np.uint8)), BitsAllocated=8, BitsStored=8)
    palette.PhotometricInterpretation = "PALETTE COLOR"
    ramp = np.array([0, 1, 0, 1, 255, 65535], "<u2").tobytes()
    for name in ("Red", "Green", "Blue"):
        setattr(palette, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(palette, f"Segmented{name}PaletteColorLookupTableData", ramp)

    page = opened([one_bit, colour, palette], "Drawn")
    note = page.locator('[data-overlay="image"]')
    assert "rendered by the server" in note.inner_text()
    assert difference(page, bits.ravel() * 255) <= 2
    page.keyboard.press("i")
    assert difference(page, 255 - bits.ravel() * 255) <= 2
    page.keyboard.press("PageDown")
    show(page, colour)
    assert difference(page, greys.RAMP * (255 / 4095)) <= 2
    page.keyboard.press("PageDown")
    show(page, palette)
    assert difference(page, np.arange(256)) <= 2
    assert "rendered by the server" in note.inner_text()
    assert not page.faults  # type: ignore[attr-defined]


def test_pixels_that_are_not_square_are_drawn_as_the_body_is(opened: Callable[..., Page]) -> None:
    """In the browser and, for what the server renders, there."""
    tall = greys.image(np.zeros((32, 64), np.uint16), PixelAspectRatio=[2, 1])
    bits = greys.image(np.zeros((256, 1), np.uint8), BitsAllocated=1, BitsStored=1)
    bits.Rows, bits.Columns, bits.PixelSpacing = 32, 64, [2, 1]
    page = opened([tall, bits], "Square")
    for number, dataset in enumerate((tall, bits)):
        if number:
            page.keyboard.press("PageDown")
            show(page, dataset)
        (left, top), (right, bottom) = page.evaluate("() => window.lightbox.getCorners()")
        assert right - left == pytest.approx(bottom - top, rel=0.02)
