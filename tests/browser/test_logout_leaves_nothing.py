"""After logout nothing of a patient can be read on the machine: Back, cache, storage, disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from pydicom import dcmread

from tests.browser.conftest import FLAGS, PASSWORD, find, until
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser
STORED = """async () => ({
  databases: (await indexedDB.databases()).map((one) => one.name),
  caches: await caches.keys(),
  local: JSON.stringify({...localStorage}),
  session: JSON.stringify({...sessionStorage}),
})"""
ASK_CACHE = """async (url) => {
  try {
    const answer = await fetch(url, {cache: 'only-if-cached', mode: 'same-origin'});
    return answer.status;
  } catch (error) { return 0; }
}"""


def on_disk(folder: Path, *secrets: bytes) -> list[str]:
    """Files below `folder` that hold one of the secrets."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            if any(secret in content for secret in secrets):
                found.append(str(path.relative_to(folder)))
    return found


def test_nothing_is_left(portal: Portal, browser: Browser, series, tmp_path: Path) -> None:
    files, uid = series(4, size=128, patient_name="Vanish^Without", patient_id="GONE-1")
    for path in files:
        assert portal.upload(path.read_bytes())[0] == 201
    head = dcmread(files[0])
    middle = len(head.PixelData) // 2
    pixels = bytes(head.PixelData[middle : middle + 64])
    assert len(set(pixels)) > 8
    frame = (
        f"/dicom-web/studies/{uid}/series/{head.SeriesInstanceUID}"
        f"/instances/{head.SOPInstanceUID}/frames/1"
    )
    profile = tmp_path / "profile"
    context = browser.browser_type.launch_persistent_context(
        profile,
        executable_path=shutil.which("chromium"),
        args=FLAGS,
        viewport={"width": 1280, "height": 800},
    )
    try:
        page: Page = context.new_page()
        page.goto(f"{portal.stack.base_url}/login/")
        page.fill("input[name=username]", "radiologist")
        page.fill("input[name=password]", PASSWORD)
        page.click("button[type=submit]")
        find(page, "Vanish, Without").click()
        page.wait_for_url("**/studies/*/view/")
        viewer = page.url
        until(page, "() => document.documentElement.dataset.viewer === 'ready'", 60)
        answer = page.evaluate("async (url) => (await fetch(url)).status", frame)
        assert answer == 200
        page.goto(portal.stack.base_url)
        find(page, "Vanish, Without")
        page.evaluate("() => document.querySelector('form[action*=logout]').requestSubmit()")
        page.wait_for_url("**/login/**")

        page.go_back()
        page.wait_for_load_state()
        assert "Vanish" not in page.content()
        page.goto(viewer)
        assert "Vanish" not in page.content()
        assert "/login/" in page.url
        assert page.evaluate(ASK_CACHE, frame) != 200
        assert page.evaluate("async (url) => (await fetch(url)).status", frame) == 401
        stored = page.evaluate(STORED)
        assert stored["databases"] == []
        assert stored["caches"] == []
        for text in (stored["local"], stored["session"]):
            assert "Vanish" not in text
            assert uid not in text
    finally:
        context.close()
    assert profile.is_dir()
    assert on_disk(profile, pixels, b"Vanish", b"GONE-1") == []
