"""The viewer's help, asked for by key, against the table that docs/viewer.md shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page

from tests.browser.conftest import find, until, violations
from tests.browser.test_viewer_greys import show, upload
from tests.dicom import greys
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser

DOCS = Path(__file__).parents[2] / "docs/viewer.md"


def test_help_shows_the_documented_keys(portal: Portal, login: Callable[..., Page]) -> None:
    dataset = greys.image(np.zeros((64, 64), np.uint16))
    upload(portal, [dataset], "Help")
    page = login("radiologist", 1024, 768)
    find(page, "Help, Grey").click()
    page.wait_for_url("**/studies/*/view/")
    show(page, dataset)
    page.keyboard.press("?")
    until(page, "() => document.getElementById('keys').open")
    table = DOCS.read_text().split("|---|---|\n")[1].split("\n<!--")[0]
    documented = [row.strip("| ").split(" | ") for row in table.splitlines()]
    rows = page.locator("#keys-table tr")
    assert rows.locator("td").all_inner_texts() == [does for _, does in documented]
    keys = [row.locator("kbd").all_inner_texts() for row in rows.all()]
    assert keys == [how.split("`")[1::2] for how, _ in documented]
    for width, height in [(1440, 900), (1024, 768), (1280, 720)]:
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(
            "() => { const {top, bottom} = document.getElementById('keys').getBoundingClientRect();"
            " return top >= 0 && bottom <= innerHeight }"
        )
    assert violations(page) == []
    page.keyboard.press("Escape")
    until(page, "() => !document.getElementById('keys').open")
    assert not page.faults  # type: ignore[attr-defined]
