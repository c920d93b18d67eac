"""A disc from the viewer's button to the disc, and scans from the scanner to one worklist."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.agents_site.running import RunningAgent
from tests.agents_site.test_discs import extracted, on_disc, slow_xorriso
from tests.agents_site.test_scanners import Plug
from tests.browser.conftest import find, until, violations
from tests.clients.agent import make_agent
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser
TYPED = """code => {
  const at = document.activeElement ?? document.body;
  for (const key of [...code, 'Enter'])
    at.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
}"""


class Hospital:
    """An agent with a drive and a scanner."""

    def __init__(self, portal: Portal, folder: Path) -> None:
        self.folder = folder
        self.plug = Plug(folder / "ttyScanner")
        self.plug.put_in()
        self.slow = slow_xorriso(folder / "slow", os.environ["PATH"])
        self.number, key = make_agent(portal, "Reception")
        self.agent = RunningAgent(
            folder / "agent",
            portal.stack.base_url,
            key=key,
            sections=(
                f'[disc]\ninstitution = "Main Hospital"\n'
                f'[[drives]]\nname = "Burner"\ndevice = "stdio:{folder}/burner.img"\n'
                f'[[scanners]]\nname = "Desk"\nport = "{self.plug.path}"\n'
            ),
        )


@pytest.fixture(scope="module")
def hospital(portal: Portal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    made = Hospital(portal, tmp_path_factory.mktemp("hospital"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{made.slow}:{os.environ['PATH']}")
        made.agent.start()
    known = (
        "from agents.models import Agent\n"
        f"a = Agent.objects.get(pk={made.number})\n"
        "print(bool(a.drives) and a.scanners and a.scanners[0]['state'] == 'ok')"
    )
    deadline = time.monotonic() + 60
    while "True" not in portal.stack.shell(known):
        assert time.monotonic() < deadline, made.agent.log
        time.sleep(0.5)
    yield made
    (made.slow / "go").touch()
    made.agent.stop()
    made.plug.pull_out()
    portal.stack.shell(
        "from agents.models import Agent\n"
        f"Agent.objects.filter(pk={made.number}).update(state='disabled')"
    )


def test_from_the_button_to_the_disc(
    portal: Portal, login: Callable[..., Page], series: Any, hospital: Hospital, tmp_path: Path
) -> None:
    files, uid = series(6, patient_name="Take^Home", patient_id="DISC-1")
    portal.stack.storescu(files)
    portal.wait_count(uid, 6)
    page = login("technician")
    find(page, "Take, Home").click()
    page.wait_for_url("**/studies/*/view/")
    until(page, "() => document.documentElement.dataset.viewer === 'ready'", 60)
    page.get_by_role("button", name="Make a disc").press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Drive").select_option(label="Reception: Burner (disc)")
    assert dialog.get_by_role("checkbox").first.is_checked()
    assert violations(page) == []
    page.screenshot(path=tmp_path / "dialog.png")
    dialog.get_by_role("button", name="Make the disc").press("Enter")
    dialog.get_by_text("The disc is being made.").wait_for()
    dialog.get_by_text("writing", exact=True).wait_for(timeout=60_000)
    page.screenshot(path=tmp_path / "writing.png")
    assert violations(page) == []
    (hospital.slow / "go").touch()
    dialog.get_by_text("6 images, read back and compared").wait_for(timeout=60_000)
    page.screenshot(path=tmp_path / "done.png")
    assert violations(page) == []
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "disc"
    assert page.faults == []  # type: ignore[attr-defined]
    root = extracted(hospital.folder / "burner.img", tmp_path / "disc")
    stored = portal.archived()
    wanted = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
    assert len(on_disc(root)) == len(wanted) == 6
    assert set(on_disc(root)) <= set(stored.values())
    trail = portal.stack.shell(
        "from pacs.audit.models import AuditEvent\n"
        "for e in AuditEvent.objects.filter(action__startswith='disc.').order_by('id'):\n"
        "    print(e.action, e.outcome, e.actor_name, bool(e.study_id))"
    ).split("\n")
    assert "disc.fetched ok technician True" in trail
    assert "disc.made ok technician True" in trail
    shutil.rmtree(root)


def box(page: Page) -> str:
    return page.get_by_placeholder("Name, ID, accession or description").input_value()


def take(page: Page, screenshot: Path | None = None) -> None:
    """Choose the scanner of the reception for this worklist."""
    page.locator("#scanner").press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Use Desk").wait_for()
    assert violations(page) == []
    if screenshot is not None:
        page.screenshot(path=screenshot)
    dialog.get_by_role("button", name="Use Desk").press("Enter")
    dialog.get_by_role("button", name="Let go of Desk").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Scanner: Desk").wait_for()


def test_a_scan_reaches_the_worklist_that_took_the_scanner(
    portal: Portal, login: Callable[..., Page], series: Any, hospital: Hospital, tmp_path: Path
) -> None:
    for number in (1, 10):
        files, uid = series(1, patient_name=f"Scanned^{number}", patient_id=f"SCAN-{number}")
        portal.stack.storescu(files)
        portal.wait_count(uid, 1)
    first, second = login("technician"), login("radiologist")
    heard: list[str] = []
    second.on(
        "websocket", lambda socket: socket.on("framereceived", lambda frame: heard.append(frame))
    )
    second.reload()
    for page in (first, second):
        until(page, "() => document.querySelector('[data-live=live]') !== null")
    take(first, tmp_path / "scanners.png")
    hospital.plug.read(b"SCAN-1\r")
    first.get_by_text("Scanned: SCAN-1").wait_for(timeout=60_000)
    first.get_by_role("link", name="Scanned, 1", exact=True).wait_for(timeout=60_000)
    until(first, "() => document.querySelectorAll('#rows > tr[data-study]').length === 1")
    first.screenshot(path=tmp_path / "scanned.png")
    assert violations(first) == []
    assert first.url == f"{portal.stack.base_url}/?state=all"
    assert (box(first), box(second)) == ("=SCAN-1", "")
    # Of somebody else's scan one learns that there was an event, and its number.
    deadline = time.monotonic() + 60
    while not [each for each in heard if '"type": "other"' in each]:
        assert time.monotonic() < deadline, heard
        second.wait_for_timeout(50)
    assert not [each for each in heard if "scan.read" in each or "pairing" in each]

    take(second)
    first.get_by_text("The scanner now serves another worklist.").wait_for(timeout=60_000)
    hospital.plug.read(b"SCAN-10\r")
    second.get_by_text("Scanned: SCAN-10").wait_for(timeout=60_000)
    until(second, "() => document.querySelectorAll('#rows > tr[data-study]').length === 1")
    second.get_by_role("link", name="Scanned, 10", exact=True).wait_for()
    assert (box(first), box(second)) == ("=SCAN-1", "=SCAN-10")
    second.locator(".user-panel").evaluate("panel => panel.closest('details').open = true")
    second.get_by_role("button", name="Log out").click()
    second.wait_for_url("**/login/**")
    first.locator("#scanner").press("Enter")
    first.get_by_role("dialog").get_by_role("button", name="Use Desk", exact=True).wait_for()
    assert first.get_by_role("dialog").get_by_text("used by").count() == 0
    assert first.faults == second.faults == []  # type: ignore[attr-defined]


def test_a_scanner_that_types(portal: Portal, login: Callable[..., Page], series: Any) -> None:
    files, uid = series(1, patient_name="Wedge^Typed", patient_id="rjnc-7")
    portal.stack.storescu(files)
    portal.wait_count(uid, 1)
    page = login("radiologist")
    until(page, "() => document.querySelector('[data-live=live]') !== null", 60)
    # With the focus on a study's link, Enter would open it.
    page.locator("#rows > tr[data-study] a").first.focus()
    page.evaluate(TYPED, "rjnc-7")
    page.get_by_role("link", name="Wedge, Typed", exact=True).wait_for(timeout=60_000)
    until(page, "() => document.querySelectorAll('#rows > tr[data-study]').length === 1")
    assert box(page) == "=rjnc-7"
    assert page.url.startswith(f"{portal.stack.base_url}/?")
    assert page.locator("dialog[open]").count() == 0
    # In a field it is text like any other.
    page.get_by_placeholder("Name, ID, accession or description").fill("")
    page.evaluate(TYPED, "rjnc-8")
    assert box(page) == ""
    # A person's keys are shortcuts as before.
    page.locator("#rows > tr[data-study] a").first.focus()
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys of the worklist").wait_for()
