"""What a reader sees while an image is on its way, and what the portal learns of the wait."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Page, Route

from tests.browser.conftest import find, until, violations
from tests.browser.test_viewer_greys import show, upload
from tests.dicom import greys
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser

FRAME = re.compile(r"/frames/\d+$")
GREY = """() => {
  const picture = document.querySelector("[data-preview]");
  const pen = new OffscreenCanvas(8, 8).getContext("2d");
  pen.drawImage(picture, 0, 0, 8, 8);
  return [1, 6].map((x) => pen.getImageData(x, 4, 1, 1).data[0]);
}"""
COUNTED = """
from studies.openings.models import Opening
row = Opening.objects.filter(modality='OT').latest('at')
print(row.images, row.first_ms, row.server_ms + row.network_ms + row.decode_ms, row.whole_ms)
"""


def test_a_preview_until_the_image_is_there(portal: Portal, login: Callable[..., Page]) -> None:
    halves = np.repeat(np.array([[1000, 3000]], np.uint16), 128, axis=0).repeat(64, axis=1)
    dataset = greys.image(halves, WindowCenter=2000, WindowWidth=4000)
    upload(portal, [dataset], "Preview")
    page = login("radiologist", 1024, 768)
    held: list[Route] = []
    page.route(FRAME, lambda route: held.append(route))
    find(page, "Preview, Grey").click()
    page.wait_for_url("**/studies/*/view/")
    until(page, "() => document.querySelector('.preview')?.hidden === false", 60)
    assert page.get_by_text("Preview – the image is loading").is_visible()
    left, right = page.evaluate(GREY)
    assert abs(left - 64) <= 3
    assert abs(right - 191) <= 3
    assert violations(page) == []
    until(page, "() => document.documentElement.dataset.viewer === 'loading'")
    for route in held:
        route.continue_()
    page.unroute(FRAME)
    show(page, dataset)
    assert page.locator(".preview").is_hidden()
    until(page, "() => performance.getEntriesByType('resource')"
                ".filter(({name}) => name.endsWith('/openings/')).length >= 2")  # fmt: skip
    page.wait_for_timeout(200)
    images, first, parts, whole = portal.stack.shell(COUNTED).split()
    assert images == "1"
    assert int(first) >= 250
    assert int(parts) <= int(first) <= int(whole)
    assert not page.faults  # type: ignore[attr-defined]
