"""What is no image, in the viewer: documents in a viewport, presentation states and segmentations
over the images, against the bytes that they were made of."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from tests.browser.conftest import find, until, violations
from tests.browser.objects import COLUMNS, ROWS, Objects
from tests.browser.test_viewer_grid import CELLS, layout
from tests.dicomweb.states import area, item, voi
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser
Opener = Callable[..., Page]


@pytest.fixture
def opened(portal: Portal, login: Callable[..., Page]) -> Opener:
    def open_study(objects: Objects, *others: bytes, width: int = 1440) -> Page:
        objects.send(portal, *others)
        page = login("radiologist", width, 900)
        find(page, f"{objects.name}, Objects").click()
        page.wait_for_url("**/studies/*/view/")
        until(page, "() => window.lightbox?.getCells()[0].index === 0", 60)
        return page

    return open_study


def series(page: Page, number: int) -> None:
    """Opens a series in the active viewport by its number."""
    page.locator(".thumb", has_text=f"{number} · ").first.click()


def document(page: Page) -> Any:
    until(
        page, "() => document.querySelector('.document:not([hidden])')?.dataset.state === 'ready'"
    )
    return page.locator(".document:not([hidden])")


def shown_index(page: Page, cell: int = 1) -> int | None:
    return page.evaluate(f"{CELLS}[{cell - 1}].index")


# Documents


def test_a_report_is_read_and_leads_to_its_image(opened: Opener) -> None:
    objects = Objects("Repin")
    page = opened(objects, objects.report())
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: page.faults.append(dialog.message))  # type: ignore[attr-defined]
    series(page, 5)
    shown = document(page)
    text = shown.inner_text()
    assert "Imaging Report" in text
    assert "7.5 mm" in text
    assert "Side: Left" in text
    # What means harm is words, and none of its elements came to be.
    assert "<script>alert(1)</script>" in text
    assert shown.locator("script, img, iframe, style, [onerror], [style]").count() == 0
    assert not [url for url in asked if url.endswith("/x")]
    headings = shown.locator("h2, h3, h4").all_inner_texts()
    assert headings == ["Structured report", "Imaging Report", "Findings", "Nodule"]
    assert violations(page) == []
    # The keys for images scroll the document.
    page.locator(".document-body").evaluate("body => { body.scrollTop = 0; }")
    page.set_viewport_size({"width": 1440, "height": 420})
    # In the rail the keys go from series to series.
    page.locator(".document-title").click()
    page.keyboard.press("End")
    until(page, "() => document.querySelector('.document-body').scrollTop > 0")
    page.set_viewport_size({"width": 1440, "height": 900})
    shown.get_by_role("button", name="Image in 1 · CT Chest").click()
    until(page, f"() => {CELLS}[0].index === 2")
    assert page.locator(".document:not([hidden])").count() == 0
    assert page.faults == []  # type: ignore[attr-defined]


def test_beside_the_images_the_report_stays(opened: Opener) -> None:
    objects = Objects("Beside")
    page = opened(objects, objects.report(), objects.key_objects())
    layout(page, "12")
    page.locator(".cell").nth(1).click()
    series(page, 5)
    document(page).get_by_role("button", name="Image in 1 · CT Chest").click()
    until(page, f"() => {CELLS}[0].index === 2")
    assert document(page).is_visible()
    # The viewport with the image is the active one now, and takes what is chosen.
    series(page, 6)
    until(page, "() => document.querySelectorAll('.document:not([hidden])').length === 2")


def test_key_images_are_shown_and_open(opened: Opener) -> None:
    objects = Objects("Keyed")
    page = opened(objects, objects.key_objects())
    series(page, 6)
    shown = document(page)
    assert shown.locator("h2", has_text="Of Interest").count() == 1
    assert "See <b>these</b>" in shown.inner_text()
    assert "Not in this study" in shown.inner_text()
    pictures = shown.locator(".key-picture img")
    assert pictures.count() == 2
    until(
        page,
        "() => [...document.querySelectorAll('.key-picture img')].every(one => one.naturalWidth)",
    )
    assert violations(page) == []
    shown.get_by_role("button", name="Key image 2: 1 · CT Chest").click()
    until(page, f"() => {CELLS}[0].index === 3")
    assert page.faults == []  # type: ignore[attr-defined]


PAGE = """() => {
  const image = document.querySelector("[data-page='1'] img");
  if (!image?.naturalWidth) return undefined;
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const grey = (x) => context.getImageData(x * canvas.width, canvas.height / 2, 1, 1).data[0];
  return { left: grey(0.25), right: grey(0.75), wide: image.clientWidth, drawn: canvas.width };
}"""


def test_a_pdf_is_pages(opened: Opener) -> None:
    objects = Objects("Paper")
    page = opened(objects, objects.pdf())
    series(page, 7)
    shown = document(page)
    assert shown.locator(".document-title").inner_text() == "Consent"
    first = until(page, PAGE)
    assert (first["left"], first["right"]) == (0, 255)
    assert first["drawn"] >= first["wide"]
    assert shown.locator("img").count() == 2
    shown.get_by_role("button", name="Larger").click()
    until(page, f"() => document.querySelector('[data-page] img').clientWidth > {first['wide']}")
    assert violations(page) == []
    with page.expect_download() as download:
        shown.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "document.pdf"
    assert page.faults == []  # type: ignore[attr-defined]


def test_a_document_that_cannot_be_read_says_so(opened: Opener) -> None:
    from tests.studies.test_document_pages import pdf_file

    objects = Objects("Broken")
    page = opened(objects, pdf_file(b"%PDF-1.7 nonsense", SeriesNumber=7, **objects.identity))
    series(page, 7)
    note = page.locator(".document-note")
    note.wait_for()
    assert "This document cannot be shown" in note.inner_text()
    assert "damaged" in note.inner_text()
    # The rest works.
    series(page, 1)
    until(page, f"() => {CELLS}[0].index === 0")


# Presentation states


def choose_state(page: Page, name: str) -> None:
    page.get_by_role("button", name="Layers").click()
    page.locator("#layers-menu [data-part='states'] button", has_text=name).click()
    page.keyboard.press("Escape")


def corners(page: Page) -> Any:
    """Top left and bottom right corner of the picture on the canvas, rounded."""
    return np.rint(page.evaluate(f"{CELLS}[0].corners")).astype(int)


GREY = """([column, row]) => {
  const canvas = document.querySelector("[data-viewport] canvas");
  const [x, y] = window.lightbox.toCanvas([column, row]);
  const scale = canvas.width / canvas.clientWidth;
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  copy.getContext("2d").drawImage(canvas, 0, 0);
  return copy.getContext("2d").getImageData(x * scale, y * scale, 1, 1).data[0];
}"""


def wait_for_grey(page: Page, pixel: list[int], wanted: float, seconds: float = 30) -> None:
    """What is set is drawn with the next frame, which takes its time without a graphics card."""
    deadline = time.monotonic() + seconds
    while abs((seen := page.evaluate(GREY, pixel)) - wanted) > 4:
        assert time.monotonic() < deadline, f"{seen} where {wanted} belongs"
        page.wait_for_timeout(50)


def test_a_presentation_state_is_applied(opened: Opener) -> None:
    objects = Objects("Presented")
    circle = item(
        GraphicAnnotationUnits="PIXEL", GraphicDimensions=2, NumberOfGraphicPoints=2,
        GraphicData=[20.5, 10.5, 25.5, 10.5], GraphicType="CIRCLE", GraphicFilled="N",
    )  # fmt: skip
    words = item(
        UnformattedTextValue="<script>alert(1)</script>",
        BoundingBoxAnnotationUnits="DISPLAY", BoundingBoxTopLeftHandCorner=[0.25, 0.5],
        BoundingBoxBottomRightHandCorner=[0.75, 0.6],
        BoundingBoxTextHorizontalJustification="LEFT",
    )  # fmt: skip
    state = objects.state(
        0, "Bone, turned",
        SoftcopyVOILUTSequence=voi(WindowCenter=400.5, WindowWidth=801),
        PresentationLUTShape="INVERSE",
        RescaleSlope=1, RescaleIntercept=0, RescaleType="HU",
        ImageRotation=90, ImageHorizontalFlip="N",
        DisplayedAreaSelectionSequence=area(1, 1, COLUMNS, ROWS, PresentationPixelSpacing=[2, 2]),
        ShutterShape="RECTANGULAR", ShutterLeftVerticalEdge=3, ShutterRightVerticalEdge=50,
        ShutterUpperHorizontalEdge=1, ShutterLowerHorizontalEdge=ROWS,
        ShutterPresentationValue=0,
        GraphicAnnotationSequence=[
            item(GraphicLayer="A", GraphicObjectSequence=[circle], TextObjectSequence=[words])
        ],
    )  # fmt: skip
    other = objects.state(1, "Of the second", SoftcopyVOILUTSequence=voi())
    page = opened(objects, state, other)
    before = corners(page)
    page.get_by_role("button", name="Layers").click()
    names = page.locator("#layers-menu [data-part='states'] button > span:first-child")
    until(page, "() => document.querySelectorAll('[data-part=states] button').length === 2")
    assert names.all_inner_texts() == ["As the file says", "Bone, turned"]
    assert violations(page) == []
    page.keyboard.press("Escape")
    choose_state(page, "Bone, turned")
    until(page, "() => document.querySelectorAll('.state-layer .state-graphic').length === 1")
    assert page.evaluate(f"{CELLS}[0].range") == {"lower": 0, "upper": 800}
    # Turned by a quarter: what was the left edge is the top one.
    turned = corners(page)
    assert turned[0][0] > turned[1][0]
    assert turned[0][1] < turned[1][1]
    # Inverse: value 16 * (column + row) of 800.
    for column, row in ((10, 5), (30, 3), (20, 20)):
        wait_for_grey(page, [column, row], 255 - min(255, 16 * (column + row) * 255 / 800))
    # The drawing lies around its pixel.
    box = page.locator(".state-graphic").evaluate(
        "path => { const { x, y, width, height } = path.getBBox();"
        " return [x + width / 2, y + height / 2, width]; }"
    )
    there = page.evaluate("() => window.lightbox.toCanvas([20, 10])")
    beyond = page.evaluate("() => window.lightbox.toCanvas([20, 15])")
    assert np.allclose(box[:2], there, atol=1)
    assert abs(box[2] / 2 - abs(beyond[0] - there[0])) <= 1
    # Words stand at their share of the area, and are words.
    assert page.locator(".state-text text").text_content() == "<script>alert(1)</script>"
    # The shutter covers the first two and the last columns.
    covered = page.evaluate(
        """places => {
          const path = document.querySelector(".state-shutter");
          return places.map((place) => {
            const [x, y] = window.lightbox.toCanvas(place);
            return path.isPointInFill(new DOMPoint(x, y));
          });
        }""",
        [[0, 20], [1, 20], [2, 20], [49, 20], [50, 20]],
    )
    assert covered == [True, True, False, False, True]
    assert "Bone, turned" in page.locator("[data-part='state']").first.inner_text()
    # The next image is not in the state: it is as its file says, and that is told.
    page.keyboard.press("ArrowDown")
    until(page, f"() => {CELLS}[0].index === 1")
    assert page.evaluate(f"{CELLS}[0].range") == {"lower": 0, "upper": 1599}
    assert "says nothing of this image" in page.locator("[data-part='state']").first.inner_text()
    assert page.locator(".state-graphic").count() == 0
    assert np.array_equal(corners(page), before)
    page.keyboard.press("ArrowUp")
    until(page, f"() => {CELLS}[0].index === 0")
    assert np.array_equal(corners(page), turned)
    choose_state(page, "As the file says")
    until(page, f"() => {CELLS}[0].range.upper === 1599")
    assert np.array_equal(corners(page), before)
    assert page.locator(".state-layer > *").count() == 0
    assert page.faults == []  # type: ignore[attr-defined]


def test_what_is_seen_is_saved_and_seen_again(opened: Opener) -> None:
    objects = Objects("Zsolnay")
    page = opened(objects)
    page.keyboard.press("i")
    page.keyboard.press(".")
    page.keyboard.press("h")
    page.evaluate("() => window.lightbox.setWindow({ lower: 100, upper: 499 })")
    # The pixel's value is 240: 35 % of the window, shown inverted.
    turned = 255 * (1 - 140 / 399)
    wait_for_grey(page, [10, 5], turned)
    seen = corners(page)
    page.get_by_role("button", name="Layers").click()
    page.locator("#layers-menu").get_by_label("Name").fill("My view")
    page.get_by_role("button", name="Save as presentation state").click()
    until(
        page,
        "() => document.querySelector('[data-part=states-status]').textContent.startsWith('Saved')",
        30,
    )
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    until(page, f"() => {CELLS}[0].range.upper === 1599")
    assert not np.array_equal(corners(page), seen)
    choose_state(page, "My view")
    until(page, f"() => {CELLS}[0].range.upper === 499")
    assert page.evaluate(f"{CELLS}[0].range") == {"lower": 100, "upper": 499}
    # The part that is seen is said in whole pixels of the image.
    first, next_one = page.evaluate("() => [[0, 0], [0, 1]].map(window.lightbox.toCanvas)")
    pixel = np.abs(np.subtract(first, next_one)).max()
    assert np.abs(corners(page) - seen).max() <= 2 * pixel
    wait_for_grey(page, [10, 5], turned)
    # Opened anew, it is in the study.
    page.reload()
    until(page, "() => window.lightbox?.getCells()[0].index === 0", 60)
    choose_state(page, "My view")
    until(page, f"() => {CELLS}[0].range.upper === 499")
    assert page.faults == []  # type: ignore[attr-defined]


# Segmentations

COLOURS = """([rows, columns]) => {
  const canvas = document.querySelector(".segment-layer");
  const context = canvas.getContext("2d");
  const scale = canvas.width / canvas.clientWidth;
  const found = [];
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const [x, y] = window.lightbox.toCanvas([column, row]);
      found.push([...context.getImageData(x * scale, y * scale, 1, 1).data]);
    }
  }
  return found;
}"""


def colours(page: Page) -> Any:
    """Red, green, blue and alpha of the layer in the middle of each pixel of the image."""
    return np.asarray(page.evaluate(COLOURS, [ROWS, COLUMNS])).reshape(ROWS, COLUMNS, 4)


def drawn(page: Page, count: int) -> None:
    until(
        page,
        "count => (document.querySelector('.segment-layer').dataset.segments ?? '0') === count",
        argument=str(count),
    )
    page.wait_for_timeout(100)


def test_segments_lie_on_their_pixels(opened: Opener) -> None:
    objects = Objects("Segmented")
    masks = objects.masks()
    page = opened(objects, objects.segmentation(masks.astype(np.uint8)))
    page.get_by_role("button", name="Layers").click()
    menu = page.locator("#layers-menu")
    menu.get_by_label("Lung", exact=True).wait_for()
    assert menu.get_by_text("Other <i>lung</i>").count() == 1
    assert violations(page) == []
    menu.get_by_label("Lung", exact=True).check()
    drawn(page, 1)
    shown = colours(page)
    assert np.array_equal(shown[..., 3] > 0, masks[0, ..., 0])
    red, green, blue, alpha = shown[masks[0, ..., 0]][0]
    assert green > 200 > 60 > max(red, blue)
    assert abs(alpha - 128) <= 2
    menu.get_by_label("All segments").check()
    drawn(page, 2)
    both = colours(page)
    assert np.array_equal(both[..., 3] > 0, masks[0].any(axis=-1))
    # The second has no colour of its own and gets one that is told apart: not the first's.
    other = both[masks[0, ..., 1]][0]
    assert abs(int(other[0]) - int(red)) > 60
    page.get_by_label("Opacity").fill("100")
    until(page, "() => document.querySelector('.segment-layer').dataset.segments === '2'")
    page.wait_for_timeout(100)
    assert set(np.unique(colours(page)[..., 3])) == {0, 255}
    page.keyboard.press("Escape")
    # Each image has its own; the third has none.
    for at in (1, 2, 3):
        page.keyboard.press("ArrowDown")
        until(page, f"() => {CELLS}[0].index === {at}")
        drawn(page, 0 if at == 2 else 2)
        assert np.array_equal(colours(page)[..., 3] > 0, masks[at].any(axis=-1)), at
    # Mirrored with the picture; a quarter turn would bring some of it out of sight.
    page.keyboard.press("v")
    page.keyboard.press("h")
    page.keyboard.press("h")
    page.wait_for_timeout(300)
    assert np.array_equal(colours(page)[..., 3] > 0, masks[3].any(axis=-1))
    page.get_by_role("button", name="Layers").click()
    menu.get_by_label("All segments").uncheck()
    drawn(page, 0)
    assert (colours(page) == 0).all()
    assert page.faults == []  # type: ignore[attr-defined]


def test_shares_of_a_pixel_are_as_strong(opened: Opener) -> None:
    objects = Objects("Fractional")
    shares = np.zeros((len(objects.images), ROWS, COLUMNS, 1))
    shares[0, 5:20, 5:20, 0] = 1
    shares[0, 20:30, 5:20, 0] = 0.5
    page = opened(objects, objects.segmentation(shares, fractional=True))
    page.get_by_role("button", name="Layers").click()
    page.get_by_label("Opacity").fill("100")
    page.locator("#layers-menu").get_by_label("Lung", exact=True).check()
    drawn(page, 1)
    alpha = colours(page)[..., 3].astype(int)
    assert np.abs(alpha - np.rint(shares[0, ..., 0] * 255)).max() <= 2


def test_a_segmentation_series_says_where_it_is_switched_on(opened: Opener) -> None:
    objects = Objects("Pointed")
    page = opened(objects, objects.segmentation(objects.masks().astype(np.uint8)))
    series(page, 8)
    page.locator(".cover:not([hidden])", has_text="Layers").wait_for()
