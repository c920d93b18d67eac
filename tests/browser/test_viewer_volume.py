"""A series in three dimensions: a bright ball stands where trigonometry says, from every side."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from itertools import chain
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page
from pydicom.uid import generate_uid

from tests.browser.conftest import find, until, violations
from tests.dicom import bodies
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser

BALL = np.array([17.0, -11.0, 13.0])
RADIUS = 6.0
WINDOW = {"WindowCenter": 800, "WindowWidth": 800}


def ball(x: Any, y: Any, z: Any) -> Any:
    """Water, and a ball of bone to the patient's left, in front, towards the head."""
    away = np.sqrt((x - BALL[0]) ** 2 + (y - BALL[1]) ** 2 + (z - BALL[2]) ** 2)
    return np.where(away <= RADIUS, 1200, 0)


SHAPE: dict[str, Any] = {"size": (64, 60, 48), "mm": (1.25, 1.25, 1.5)}
ACQUISITIONS: dict[str, dict[str, Any]] = {
    "axial": SHAPE,
    "feet first, prone": {**SHAPE, "orientation": bodies.FEET_FIRST_PRONE},
    "sagittal": {**SHAPE, "orientation": bodies.SAGITTAL},
    "tilted gantry": {**SHAPE, "lean": 0.5},
}

# Right and up on the screen, and the letters at top, bottom, left, right.
STANDS = {
    "From the front": ([1, 0, 0], [0, 0, 1], "HFRL"),
    "From the back": ([-1, 0, 0], [0, 0, 1], "HFLR"),
    "From the left": ([0, 1, 0], [0, 0, 1], "HFAP"),
    "From the right": ([0, -1, 0], [0, 0, 1], "HFPA"),
    "From the head": ([-1, 0, 0], [0, -1, 0], "APLR"),
    "From the feet": ([1, 0, 0], [0, -1, 0], "APRL"),
}

# The middle of what is bright, in parts of the height, right and up of the middle of the picture.
BRIGHT = """() => {
  const { width, height, data } = window.lightbox.getSolid().pixels();
  let [x, y, count] = [0, 0, 0];
  for (let at = 0; at < width * height; at += 1)
    if (data[4 * at] > 100) {
      x += at % width; y += Math.floor(at / width); count += 1;
    }
  return { x: (x / count + 0.5 - width / 2) / height, y: (y / count + 0.5 - height / 2) / height,
           area: count / height ** 2, count };
}"""


def send(portal: Portal, datasets: Any) -> None:
    counts: dict[str, int] = {}
    for dataset in datasets:
        file = BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        status, answer = portal.upload(file.getvalue())
        assert status in {200, 201}, answer
        counts[dataset.StudyInstanceUID] = counts.get(dataset.StudyInstanceUID, 0) + 1
    for study, count in counts.items():
        portal.wait_count(study, count)


@pytest.fixture
def opened(portal: Portal, login: Callable[..., Page]) -> Callable[..., Page]:
    def open_study(name: str, datasets: Any, *, size: tuple[int, int] = (900, 700)) -> Page:
        send(portal, datasets)
        page = login("radiologist", *size)
        find(page, f"{name}, Solid").click()
        page.wait_for_url("**/studies/*/view/")
        until(page, "() => document.documentElement.dataset.viewer === 'ready'", 60)
        return page

    return open_study


def named(name: str) -> dict[str, Any]:
    return {"PatientName": f"{name}^Solid", "PatientID": name.upper(), **WINDOW}


def drawn(page: Page) -> None:
    page.wait_for_timeout(80)  # what was pressed is on its way
    until(page, "() => document.querySelector('.solid')?.dataset.drawn === 'sharp'", 90)


def bright(page: Page) -> dict[str, float]:
    drawn(page)
    found = page.evaluate(BRIGHT)
    assert found["count"] > 12, found
    return dict(found)


def state(page: Page) -> dict[str, Any]:
    return dict(page.evaluate("() => window.lightbox.getSolid().state()"))


def check(page: Page, right: Any, up: Any, what: Any) -> None:
    seen = state(page)
    assert np.abs(seen["middle"]).max() < 0.8, "the body's middle is the origin"
    away = BALL - np.array(seen["middle"])
    wanted = np.array([away @ np.array(right), away @ np.array(up)])
    found = bright(page)
    at = np.array([found["x"], found["y"]]) * seen["height"]
    assert np.hypot(*(at - wanted)) < 1.0, (what, at, wanted)
    radius = np.sqrt(found["area"] / np.pi) * seen["height"]
    assert abs(radius - RADIUS) < 1.2, (what, radius)


@pytest.mark.parametrize("how", ACQUISITIONS)
def test_a_ball_stands_where_trigonometry_says(opened: Callable[..., Page], how: str) -> None:
    name = "Ball" + how.partition(" ")[0].strip(",")
    page = opened(name, bodies.series(ball, **ACQUISITIONS[how], **named(name)))
    page.keyboard.press("a")
    drawn(page)
    for number, (stand, (right, up, letters)) in enumerate(STANDS.items(), 1):
        page.keyboard.press(str(number))
        check(page, right, up, stand)
        edges = page.locator(".solid .edge").all_inner_texts()
        assert "".join(edges) == letters, stand
        assert page.get_by_role("button", name=stand).get_attribute("aria-pressed") == "true"
    for turn, tip in [(30, 0), (-75, 0), (140, 20), (45, -35)]:
        page.evaluate("([turn, tip]) => window.lightbox.getSolid().turnTo(turn, tip)", [turn, tip])
        a, b = np.radians([turn, tip])
        right = [np.cos(a), -np.sin(a), 0]
        up = [np.sin(a) * np.sin(b), np.cos(a) * np.sin(b), np.cos(b)]
        check(page, right, up, (turn, tip))
    assert not page.faults  # type: ignore[attr-defined]


def test_hand_keys_and_looks(opened: Callable[..., Page]) -> None:
    page = opened("Lookball", bodies.series(ball, **SHAPE, **named("Lookball")))
    page.keyboard.press("a")
    drawn(page)
    box = page.locator(".solid-surface").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    # A drag to the right brings the patient's right side to the front.
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 180, y, steps=4)
    page.mouse.up()
    toward = state(page)["view"]["toward"]
    assert abs(toward[0] + 1) < 1e-6, toward
    assert page.locator(".solid").get_attribute("data-from") == "R"
    # The wheel zooms, the middle button moves, the right one sets the window.
    before = bright(page)
    page.mouse.wheel(0, -100)
    assert bright(page)["area"] > before["area"] * 1.1
    page.keyboard.press("1")
    before = bright(page)
    page.mouse.down(button="middle")
    page.mouse.move(x + 60, y, steps=3)
    page.mouse.up(button="middle")
    moved = bright(page)["x"] - before["x"]
    assert abs(moved * box["height"] - 60) < 3
    lower = state(page)["range"]["lower"]
    page.mouse.move(x, y)
    page.mouse.down(button="right")
    page.mouse.move(x + 90, y, steps=3)
    page.mouse.up(button="right")
    assert state(page)["range"]["lower"] < lower - 50
    page.keyboard.press("r")
    assert state(page)["range"]["lower"] == pytest.approx(400, abs=1)
    # Bone is seen as a surface in its colours, water is not seen at all.
    page.get_by_label("How it is drawn").select_option("bone")
    check(page, [1, 0, 0], [0, 0, 1], "bone")
    colour = page.evaluate(
        "() => { const { width, height, data } = window.lightbox.getSolid().pixels();"
        " let best = [0, 0, 0]; for (let at = 0; at < data.length; at += 4)"
        " if (data[at] > best[0]) best = [...data.slice(at, at + 3)]; return best }"
    )
    assert colour[0] > colour[2] > 60, colour
    page.get_by_label("How it is drawn").select_option("soft")
    assert bright(page)["area"] > 0.2, "water is soft tissue"
    options = page.get_by_label("How it is drawn").locator("option").all_inner_texts()
    assert options[0] == "MIP"
    assert len(options) == 5
    assert violations(page) == []
    page.locator(".solid").focus()
    page.keyboard.press("Escape")
    until(page, "() => !document.querySelector('.solid')")
    assert page.evaluate("() => document.documentElement.dataset.viewer") == "ready"
    assert not page.faults  # type: ignore[attr-defined]


def test_a_lost_context_is_said_and_the_rest_works(opened: Callable[..., Page]) -> None:
    study = generate_uid()
    both = [
        bodies.series(
            ball, **SHAPE, **named("Lostball"), StudyInstanceUID=study, SeriesNumber=number,
        )
        for number in (1, 2)
    ]  # fmt: skip
    page = opened("Lostball", chain(*both), size=(1440, 900))
    page.keyboard.press("g")
    page.keyboard.type("12")
    until(page, "() => window.lightbox.getCells().every(({ status }) => status === 'ready')", 60)
    page.keyboard.press("a")
    drawn(page)
    page.evaluate(
        "() => document.querySelector('.solid canvas').getContext('webgl2')"
        ".getExtension('WEBGL_lose_context').loseContext()"
    )
    page.get_by_role("heading", name="The 3D picture was lost").wait_for()
    # The other viewport goes on.
    page.keyboard.press("n")
    index = page.evaluate("() => window.lightbox.getCells().find(({ active }) => active).index")
    page.keyboard.press("ArrowDown")
    until(
        page,
        "index => window.lightbox.getCells().find(({ active }) => active).index === index + 1",
        20,
        index,
    )
    page.keyboard.press("b")
    page.get_by_role("button", name="Try again").click()
    check(page, [1, 0, 0], [0, 0, 1], "again")
    # Another series in the viewport: the solid was of the one before.
    page.keyboard.press("PageDown")
    until(page, "() => !document.querySelector('.solid')")
    assert not page.faults  # type: ignore[attr-defined]


def test_too_few_slices_are_refused_in_words(opened: Callable[..., Page]) -> None:
    shape = {"size": (32, 32, 2), "mm": (2, 2, 2)}
    page = opened("Fewball", bodies.series(ball, **shape, **named("Fewball")))
    page.keyboard.press("a")
    words = "No 3D of this series. A volume needs three images at least."
    until(page, "words => document.body.innerText.includes(words)", 30, words)
    assert page.locator(".solid").count() == 0
