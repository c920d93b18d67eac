"""The promise: a study sent to Orthanc is on the radiologist's screen, and nobody else's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page
from pydicom import dcmread
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.browser.conftest import until
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser


def in_thread(work: Callable[[], Awaitable[Any]]) -> Any:
    """Playwright keeps an event loop running in this thread: ours needs another."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(work())).result()  # type: ignore[arg-type]


def shown(page: Page, text: str) -> bool:
    return page.get_by_text(text).first.is_visible()


def test_from_storescu_to_canvas(portal: Portal, login: Callable[..., Page], series) -> None:
    page = login("radiologist")
    until(
        page,
        "() => document.querySelector('[data-live=live]') !== null",
    )
    files, uid = series(6, size=128, patient_name="Appear^Suddenly", patient_id="APP-1")
    loads = page.evaluate("performance.getEntriesByType('navigation').length")
    page.evaluate("window.notReloaded = true")
    portal.stack.storescu(files)
    page.get_by_text("Appear, Suddenly").first.wait_for(timeout=10_000)
    assert page.evaluate("window.notReloaded === true")
    assert loads == 1
    page.get_by_text("Appear, Suddenly").first.click()
    page.wait_for_url("**/studies/*/view/", timeout=10_000)
    until(page, "() => document.documentElement.dataset.viewer === 'ready'", 60)
    until(page, "() => document.querySelector('[data-viewport]').dataset.imageCount === '6'", 30)
    sop = page.evaluate("() => document.querySelector('[data-viewport]').dataset.sopInstanceUid")
    by_uid = {str(ds.SOPInstanceUID): ds for ds in map(dcmread, files)}
    wanted = by_uid[sop].pixel_array
    got = page.evaluate(
        "async () => { const p = await window.lightbox.getPixelData();"
        " return {rows: p.rows, columns: p.columns, data: Array.from(p.stored)}; }"
    )
    assert np.array_equal(np.array(got["data"]).reshape(got["rows"], got["columns"]), wanted)
    assert "Appear, Suddenly" in page.locator("header, [role=banner]").first.inner_text().replace(
        "APPEAR", "Appear"
    )
    assert not page.faults  # type: ignore[attr-defined]
    study = page.url.split("/studies/")[1].split("/")[0]

    stranger = login("stranger")
    assert not shown(stranger, "Appear, Suddenly")
    answer = stranger.goto(f"{portal.stack.base_url}/studies/{study}/view/")
    assert answer is not None
    assert answer.status == 404
    assert portal.count(uid, who="stranger") == 0
    head = dcmread(files[0], stop_before_pixels=True)
    frame = (
        f"/dicom-web/studies/{uid}/series/{head.SeriesInstanceUID}"
        f"/instances/{head.SOPInstanceUID}/frames/1"
    )
    assert portal.request("GET", frame, who="stranger")[0] == 404
    assert portal.request("GET", frame, who=None)[0] == 401
    assert portal.request("GET", frame)[0] == 200
    assert portal.request("GET", "/dicom-web/studies", who=None)[0] == 401


def test_the_row_counts_up_to_the_last_image(
    portal: Portal, login: Callable[..., Page], series
) -> None:
    page = login("technician", 1024, 768)
    files, uid = series(40, patient_name="Counting^Up", patient_id="CNT-1")
    portal.stack.storescu(files)
    page.get_by_text("Counting, Up").first.wait_for(timeout=10_000)
    portal.wait_count(uid, 40)
    until(
        page,
        "() => [...document.querySelectorAll('tr')].some(r =>"
        " r.innerText.includes('Counting, Up') && /\\b40\\b/.test(r.innerText))",
        10,
    )


def test_what_comes_live_has_ones_own_columns(
    portal: Portal, login: Callable[..., Page], series: Callable[..., Any]
) -> None:
    page = login("technician", 1024, 768)
    until(page, "() => document.querySelector('[data-live=live]') !== null")
    page.keyboard.press("v")
    page.get_by_role("heading", name="Columns and density").wait_for()
    for words in ("Waiting", "Sex, age", "Arrival", "Study time", "Images"):
        page.get_by_role("checkbox", name=words, exact=True).uncheck()
    page.get_by_role("checkbox", name="Referrer").check()
    page.get_by_role("radio", name="Compact").check()
    page.get_by_role("button", name="Save", exact=True).click()
    try:
        until(page, "() => document.querySelector('#studies.own-columns.is-compact') !== null")
        files, uid = series(3, patient_name="Columns^Own", patient_id="OWN-1")
        portal.stack.storescu(files)
        page.get_by_text("Columns, Own").first.wait_for(timeout=10_000)
        portal.wait_count(uid, 3)
        cells = (
            "() => { const row = [...document.querySelectorAll('tr[data-study]')]"
            ".find((one) => one.innerText.includes('Columns, Own'));"
            " return [...row.cells].map((cell) => cell.className).join(); }"
        )
        heads = (
            "() => [...document.querySelectorAll('#studies thead th')].map(c => c.className).join()"
        )
        for row in (page.evaluate(cells), page.evaluate(heads)):
            assert row == (
                "c-priority,c-patient,c-patient-id,c-modality,c-description,c-body-part,"
                "c-accession,c-site,c-state,c-referrer"
            )
        strip = (
            "() => [...document.querySelectorAll('#arrived-heads th')].map(c => c.className).join()"
        )
        assert page.evaluate(strip) == page.evaluate(heads)
    finally:
        page.keyboard.press("v")
        page.get_by_role("button", name="As for everybody").click()
        until(page, "() => document.querySelector('#studies.own-columns') === null")
    assert not page.faults  # type: ignore[attr-defined]


async def _listen(address: str, seconds: float, **options: object) -> list[dict[str, object]]:
    events = []
    try:
        async with asyncio.timeout(seconds), connect(address, **options) as socket:  # type: ignore[arg-type]
            async for text in socket:
                events.append(json.loads(text))
    except (TimeoutError, ConnectionClosed):
        pass
    return events


def test_sockets_tell_their_own_sites_only(portal: Portal, series) -> None:
    address = f"ws://127.0.0.1:{portal.stack.port}/ws/worklist/"

    async def both() -> tuple[list[dict[str, object]], list[dict[str, object]]]:
        def listen(who: str):
            header = {"Authorization": f"Bearer {portal.tokens[who]}"}
            return asyncio.create_task(_listen(address, 8, additional_headers=header))

        ours, theirs = listen("radiologist"), listen("stranger")
        await asyncio.sleep(1.5)
        files, _ = series(3)
        await asyncio.to_thread(portal.stack.storescu, files)
        return await ours, await theirs

    ours, theirs = in_thread(both)
    assert {"hello", "study.received"} <= {event["type"] for event in ours}
    assert {event["type"] for event in theirs} <= {"hello", "heartbeat"}
    assert all(set(e) <= {"v", "seq", "site", "study", "type", "at", "images"} for e in ours)


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", None])
def test_foreign_origins_are_refused(
    portal: Portal, login: Callable[..., Page], origin: str
) -> None:
    page = login("radiologist")
    cookie = next(c["value"] for c in page.context.cookies() if c["name"] == "lightbox_session")
    headers = {"Cookie": f"lightbox_session={cookie}"}

    async def attempt() -> bool:
        try:
            async with connect(
                f"ws://127.0.0.1:{portal.stack.port}/ws/worklist/",
                additional_headers=headers,
                origin=origin,  # type: ignore[arg-type]
            ):
                return True
        except (InvalidStatus, ConnectionClosed):
            return False

    assert in_thread(attempt) is False


def test_pages_look_right(portal: Portal, login: Callable[..., Page], tmp_path: Path) -> None:
    """Accessible pages at both sizes, without console errors."""
    from axe_playwright_python.sync_playwright import Axe

    for width, height in ((1440, 900), (1024, 768)):
        page = login("radiologist", width, height)
        page.wait_for_timeout(500)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert not page.faults  # type: ignore[attr-defined]
