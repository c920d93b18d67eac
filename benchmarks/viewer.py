"""Opening a study in Chromium: this portal's viewer and OHIF on the same DICOMweb server.

Both draw a finished picture onto a canvas of two dimensions, so one script that looks at such
draws times both alike: the first whose picture is not of one colour, and the last frame's answer.
"""

from __future__ import annotations

import json
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright
from pydicom import dcmread

from benchmarks.http import Row
from benchmarks.rendered import radiographs
from studies.demo import synth
from tests.browser.conftest import FLAGS, PASSWORD
from tests.browser.test_ohif import config
from tests.clients.packages import package
from tests.clients.site import Site
from tests.servers.portal import Portal
from tests.servers.ports import free_port
from tests.servers.stack import Stack

SLICES = 200
ROUNDS = 3
SLOW = {
    "offline": False,
    "latency": 40,
    "downloadThroughput": 10e6 / 8,
    "uploadThroughput": 10e6 / 8,
}
WATCH = """(() => {
  performance.setResourceTimingBufferSize(20000);
  const seen = { first: 0 };
  window.benchmark = seen;
  const coloured = (canvas) => {
    const small = new OffscreenCanvas(16, 16);
    const pen = small.getContext('2d');
    draw.call(pen, canvas, 0, 0, 16, 16);
    const { data } = pen.getImageData(0, 0, 16, 16);
    const greys = new Set();
    for (let at = 0; at < data.length; at += 4) if (data[at + 3]) greys.add(data[at]);
    return greys.size > 4;
  };
  const draw = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (...given) {
    draw.apply(this, given);
    const { canvas } = this;
    if (!seen.first && canvas.width >= 300 && canvas.isConnected && coloured(canvas)) {
      seen.first = performance.now();
    }
  };
  seen.frames = () => {
    const done = performance.getEntriesByType('resource')
      .filter(({ name, responseEnd }) => /\\/frames\\/\\d+$/.test(name) && responseEnd > 0);
    return { count: new Set(done.map(({ name }) => name)).size,
             last: Math.max(0, ...done.map(({ responseEnd }) => responseEnd)) };
  };
  seen.preview = () => {
    const image = document.querySelector('img[data-preview]');
    return image && image.complete && image.naturalWidth ? Number(image.dataset.shownAt || 0) : 0;
  };
})();"""


def measure(folder: Path) -> dict[str, float]:
    """Milliseconds from the start of the navigation, browser caches empty; medians of rounds."""
    port = free_port()
    env = {
        "PACS_CORS_ORIGINS": f"http://127.0.0.1:{port}",
        "PACS_QUIET_SECONDS": "1",
    }
    slices = synth.ct_series(folder / "ct", slices=SLICES, size=512, seed=81)
    (radiograph,) = radiographs(folder, 1)
    _smaller(radiograph)
    found: dict[str, float] = {}
    with Stack(folder / "data", env=env) as stack:
        portal = Portal(stack, port)
        stack.storescu(slices)
        stack.storescu([radiograph])
        studies = {
            "ct": str(dcmread(slices[0], stop_before_pixels=True).StudyInstanceUID),
            "cr": str(dcmread(radiograph, stop_before_pixels=True).StudyInstanceUID),
        }
        for kind, count in (("ct", SLICES), ("cr", 1)):
            _until(lambda kind=kind, count=count: portal.count(studies[kind]) == count)  # type: ignore[misc]
        time.sleep(3)  # both are quiet, their metadata are written
        ids = json.loads(stack.shell(_IDS % json.dumps(studies)))
        ohif = package("@ohif/app@3.13.2") / "dist"
        with (
            Site(ohif, port, {"/app-config.js": config(portal)}) as site,
            _chromium() as browser,
        ):
            addresses = {
                "portal": lambda kind: f"{stack.base_url}/studies/{ids[kind]}/view/",
                "ohif": lambda kind: f"{site.origin}/viewer?StudyInstanceUIDs={studies[kind]}",
            }
            for name, address in addresses.items():
                runs = [_open(browser, portal, name, address("ct"), SLICES) for _ in range(ROUNDS)]
                found[f"{name}_first_ms"] = statistics.median(run[0] for run in runs)
                found[f"{name}_whole_ms"] = statistics.median(run[1] for run in runs)
                slow = [
                    _open(browser, portal, name, address("cr"), 1, slow=True) for _ in range(ROUNDS)
                ]
                found[f"{name}_slow_ms"] = statistics.median(run[0] for run in slow)
                found[f"{name}_slow_preview_ms"] = statistics.median(run[2] for run in slow)
    return found


_IDS = """
import json
from studies.models import Study
print(json.dumps({kind: str(Study.objects.get(study_instance_uid=uid).pk)
                  for kind, uid in %s.items()}))
"""


def _smaller(path: Path) -> None:
    """A radiograph of 4 MB."""
    dataset = dcmread(path)
    pixels = np.frombuffer(dataset.PixelData, "<u2").reshape(dataset.Rows, dataset.Columns)
    cut = np.ascontiguousarray(pixels[:1600, :1300])
    dataset.Rows, dataset.Columns = cut.shape
    dataset.PixelData = cut.tobytes()
    dataset.save_as(path)


@contextmanager
def _chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or "", args=FLAGS
        )
        yield browser
        browser.close()


def _open(
    browser: Browser, portal: Portal, name: str, address: str, frames: int, *, slow: bool = False
) -> tuple[float, float, float]:
    """First picture, last frame and preview of one opening, in milliseconds."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(WATCH)
    page = context.new_page()
    try:
        if name == "portal":
            _log_in(page, portal)
        session = context.new_cdp_session(page)
        session.send("Network.clearBrowserCache")
        if slow:
            session.send("Network.emulateNetworkConditions", SLOW)
        page.goto(address, wait_until="commit")
        _until(lambda: page.evaluate("() => window.benchmark?.first ?? 0") > 0)
        first = float(page.evaluate("() => window.benchmark.first"))
        _until(lambda: page.evaluate("() => window.benchmark.frames().count") >= frames)
        last = float(page.evaluate("() => window.benchmark.frames().last"))
        preview = float(page.evaluate("() => window.benchmark.preview()")) or first
        return first, last, preview
    finally:
        context.close()


def _log_in(page: Page, portal: Portal) -> None:
    page.goto(f"{portal.stack.base_url}/login/")
    page.fill("input[name=username]", "radiologist")
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(f"{portal.stack.base_url}/")


def _until(holds: Callable[[], Any], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError("not in time")
        time.sleep(0.02)


def table_rows(found: dict[str, float]) -> list[Row]:
    """OHIF in the place of Orthanc; the ratio says how much sooner the portal is."""
    rows = []
    for key, words in (
        ("first_ms", "viewer: first image of a 200-slice CT, nothing cached (OHIF)"),
        ("whole_ms", "viewer: the CT's last slice has arrived (OHIF)"),
        ("slow_ms", "viewer: a 4 MB radiograph over 10 Mbit/s and 40 ms (OHIF)"),
        ("slow_preview_ms", "viewer: its first usable picture (OHIF)"),
    ):
        theirs, ours = found[f"ohif_{key}"], found[f"portal_{key}"]
        rows.append(Row(words, f"{theirs:.0f} ms", f"{ours:.0f} ms", f"{theirs / ours:.1f}"))
    return rows
