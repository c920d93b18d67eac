"""The test pattern on the page: its pixels are those of the display, and are read back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import pairwise
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.browser.conftest import PASSWORD, until, violations
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser

READY = "() => document.documentElement.dataset.page === 'ready' && window.displayCheck.places()"
READ = """() => {
  const canvas = document.getElementById('pattern');
  const context = canvas.getContext('2d');
  const at = (x, y) => [...context.getImageData(x, y, 1, 1).data];
  const places = window.displayCheck.places();
  const middle = ({x, y, side}) => at(x + Math.floor(side / 2), y + Math.floor(side / 2));
  const strip = ({x, y, side, direction}) => {
    const down = direction === 'down';
    const data = context.getImageData(x, y, down ? side : 1, down ? 1 : side).data;
    return [...data].filter((_, at) => at % 4 === 0);
  };
  return {
    size: [canvas.width, canvas.height],
    shown: [canvas.clientWidth, canvas.clientHeight],
    patches: places.patches.map(
      ({level, x, y, side}) => [level, at(x + Math.floor(side / 2), y + 1)]),
    insets: places.patches.flatMap(({insets}) => insets.map((one) => [one.level, middle(one)])),
    bars: places.bars.map((one) => [one.pitch, strip(one)]),
    ramp: Array.from({length: 256}, (_, level) =>
      at(places.ramp.x + level * places.ramp.each, places.ramp.y + 3)[0]),
  };
}"""


def right(found: dict[str, Any]) -> None:
    assert len(found["patches"]) == 18
    for level, pixel in [*found["patches"], *found["insets"]]:
        assert pixel == [level, level, level, 255]
    assert [13, [13, 13, 13, 255]] in found["insets"]
    assert [242, [242, 242, 242, 255]] in found["insets"]
    assert len(found["bars"]) == 20
    for pitch, values in found["bars"]:
        assert values == [255 if at // pitch % 2 else 0 for at in range(len(values))]
    assert found["ramp"] == list(range(256))


def test_the_pattern_is_drawn_and_the_check_is_kept(
    portal: Portal, login: Callable[..., Page]
) -> None:
    page = login("radiologist")
    page.goto(f"{portal.stack.base_url}/display-check/")
    until(page, READY)
    found = page.evaluate(READ)
    assert found["size"] == found["shown"]
    right(found)
    assert violations(page) == []

    page.locator("h1").click()
    page.keyboard.press("f")
    until(page, "() => document.fullscreenElement?.id === 'pattern'")
    until(page, "() => document.getElementById('pattern').height === innerHeight")
    right(page.evaluate(READ))
    page.keyboard.press("f")
    until(page, "() => !document.fullscreenElement")

    for group in page.locator(".display-form fieldset").all()[:-1]:
        group.get_by_label("Yes").check()
    for field in page.locator(".display-form input[type=number]").all():
        field.fill("13")
    page.get_by_label("Workstation and display").fill("Test room, middle")
    page.keyboard.press("f")
    assert page.evaluate("() => document.fullscreenElement === null")
    page.get_by_label("Workstation and display").fill("Test room, middle")
    page.get_by_role("button", name="Keep").click()
    page.get_by_text("Last checked by you").wait_for()
    assert "as it should be" in page.locator(".lead").inner_text()
    assert "13, 13, 13" in page.locator("table").inner_text()
    assert violations(page) == []
    assert not page.faults  # type: ignore[attr-defined]


@pytest.fixture
def dense(browser: Browser, portal: Portal) -> Iterator[Page]:
    """A browser on a display of one and a half device pixels to a CSS pixel."""
    context = browser.new_context(viewport={"width": 1280, "height": 801}, device_scale_factor=1.5)
    page = context.new_page()
    page.goto(f"{portal.stack.base_url}/login/")
    page.fill("input[name=username]", "radiologist")
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(f"{portal.stack.base_url}/")
    yield page
    context.close()


def test_a_pixel_is_a_pixel_of_the_display(portal: Portal, dense: Page) -> None:
    dense.goto(f"{portal.stack.base_url}/display-check/")
    until(dense, READY)
    found = dense.evaluate(READ)
    for size, shown in zip(found["size"], found["shown"], strict=True):
        assert abs(size - 1.5 * shown) <= 1.5
    right(found)
    # What the screen shows, not only what the canvas holds: a strip of the finest lines.
    bar = dense.evaluate("() => window.displayCheck.places().bars.find((b) => b.name === 'middle')")
    assert bar["pitch"] == 1
    box = dense.locator("#pattern").bounding_box()
    assert box is not None
    shot = Image.open(BytesIO(dense.screenshot())).convert("L")
    top, left = round(box["y"] * 1.5), round(box["x"] * 1.5)
    row = top + bar["y"] + bar["side"] // 2
    assert row < shot.height
    values = [shot.getpixel((left + bar["x"] + at, row)) for at in range(bar["side"])]
    assert set(values) == {0, 255}
    assert all(one != other for one, other in pairwise(values))
