"""Writing a report in a browser: saved while one types, and not lost by whatever comes between."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from pydicom import dcmread

from studies.demo import synth
from tests.browser.conftest import PASSWORD, until, violations
from tests.servers.portal import Portal, wait

pytestmark = pytest.mark.browser

FINDINGS = "[data-section=findings] .section-text"
IMPRESSION = "[data-section=impression] .section-text"
SAVED = "() => document.getElementById('report-saved').dataset.state === 'saved'"
PASTE = """([selector, html, text]) => {
  const data = new DataTransfer();
  if (html) data.setData("text/html", html);
  data.setData("text/plain", text);
  document.querySelector(selector).dispatchEvent(
    new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""


COLLEAGUE = f"""
from pacs.accounts.models import Membership, Role, Site, User
who, made = User.objects.get_or_create(username="taker")
if made:
    who.set_password({PASSWORD!r})
    who.save()
    radiologist = Membership.objects.filter(user__username="radiologist").first()
    Membership.objects.create(user=who, site=radiologist.site, role=Role.RADIOLOGIST)
"""


@pytest.fixture
def make(portal: Portal, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """`make("Name^First", "ID-1")`: a CT of three images; its id, and the facts of an image."""

    def upload(name: str, patient_id: str, **fields: Any) -> dict[str, Any]:
        folder = tmp_path / patient_id
        files = synth.ct_series(
            folder,
            slices=3,
            size=128,
            seed=uuid.uuid4().int % 2**31,
            patient_name=name,
            patient_id=patient_id,
        )
        for path in files:
            dataset = dcmread(path)
            for keyword, value in fields.items():
                setattr(dataset, keyword, value)
            dataset.save_as(path)
            status, answer = portal.upload(path.read_bytes())
            assert status in {200, 201}, answer
        dataset = dcmread(files[0])
        uid = str(dataset.StudyInstanceUID)
        portal.wait_count(uid, 3)
        spacing = [float(one) for one in dataset.PixelSpacing]
        return {"uid": uid, "spacing": spacing, "id": study_id(portal, uid)}

    return upload


def study_id(portal: Portal, uid: str) -> int:
    out = portal.stack.shell(
        "from studies.models import Study\n"
        f"print('id', Study.objects.get(study_instance_uid={uid!r}).pk)"
    )
    return int(out.split("id ")[-1])


def api(portal: Portal, method: str, path: str, body: Any = None) -> Any:
    """A call of the radiologist's token."""
    status, data, _ = portal.request(
        method,
        path,
        body=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"} if body is not None else {},
    )
    assert status < 300, (status, data[:300])
    return json.loads(data) if data else None


def draft(portal: Portal, study: int) -> dict[str, Any]:
    """What the server holds."""
    state: dict[str, Any] = api(portal, "GET", f"/api/studies/{study}/report/")
    return state


def html_of(state: dict[str, Any], key: str = "findings") -> str:
    sections = state["content"]["sections"]
    return str(next(each["html"] for each in sections if each["key"] == key))


def write(page: Page, portal: Portal, study: int, *, window: bool = False) -> None:
    """Open the report for writing."""
    path = f"/reports/{study}/write/" if window else f"/studies/{study}/view/?report=1"
    page.goto(portal.stack.base_url + path)
    page.locator(FINDINGS).wait_for(timeout=60_000)
    until(page, SAVED)


def type_into(page: Page, selector: str, text: str) -> None:
    page.locator(selector).click()
    page.keyboard.press("Control+End")
    page.keyboard.type(text)


def saved(page: Page) -> None:
    """Until what was typed is on the server."""
    until(page, SAVED, 30)


def test_written_saved_and_there_again_after_a_crash(
    portal: Portal, login: Callable[..., Page], make: Any
) -> None:
    study = make("Writer^Wanda", "WRITE-1")["id"]
    page = login("radiologist")
    write(page, portal, study)
    assert "Writer, Wanda" in page.locator(".report-patient").inner_text()
    type_into(page, FINDINGS, "A nodule of the left lung.")
    until(page, "() => document.getElementById('report-saved').dataset.state === 'dirty'")
    # By itself, a few seconds later.
    until(page, SAVED, 15)
    assert "Autosaved" in page.locator("#report-saved").inner_text()
    assert "A nodule of the left lung." in html_of(draft(portal, study))
    # The machine dies: no event of the page runs any more.
    page.close(run_before_unload=False)
    again = login("radiologist")
    offered = again.locator(".unfinished")
    offered.locator("summary").click()
    offered.get_by_role("link", name="Writer, Wanda").click()
    again.locator(FINDINGS).wait_for(timeout=60_000)
    assert "A nodule of the left lung." in again.locator(FINDINGS).inner_text()
    # What the browser keeps of it: nothing.
    kept = again.evaluate("() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }])")
    assert "nodule" not in kept
    assert not again.faults  # type: ignore[attr-defined]


def test_two_tabs_and_nothing_is_lost(
    portal: Portal, login: Callable[..., Page], make: Any
) -> None:
    study = make("Conflict^Carl", "CONFLICT-1")["id"]
    page, other = login("radiologist"), login("radiologist")
    write(page, portal, study, window=True)
    # Another browser: the channel between windows does not reach it.
    write(other, portal, study, window=True)
    type_into(page, FINDINGS, "From the first.")
    page.keyboard.press("Control+s")
    saved(page)
    type_into(other, FINDINGS, "From the second.")
    other.keyboard.press("Control+s")
    dialog = other.get_by_role("dialog", name="Saved in two places")
    dialog.wait_for(timeout=30_000)
    assert "From the first." in dialog.inner_text()
    assert "From the second." in dialog.inner_text()
    assert "From the second" not in html_of(draft(portal, study))
    assert violations(other) == []
    dialog.get_by_label("Both, one after the other").first.check()
    dialog.get_by_role("button", name="Save this choice").click()
    saved(other)
    both = html_of(draft(portal, study))
    assert "From the first." in both
    assert "From the second." in both


def test_taken_over_in_the_panel(portal: Portal, login: Callable[..., Page], make: Any) -> None:
    study = make("Taken^Tina", "TAKEN-1")["id"]
    portal.stack.shell(COLLEAGUE)
    former = login("radiologist")
    write(former, portal, study, window=True)
    type_into(former, FINDINGS, "Begun by the first.")
    former.keyboard.press("Control+s")
    saved(former)
    page = login("taker")
    page.goto(f"{portal.stack.base_url}/reports/{study}/write/")
    page.get_by_role("button", name="Take over").click()
    dialog = page.get_by_role("dialog", name="Take this study over?")
    assert "will be told" in dialog.inner_text()
    assert violations(page) == []
    page.keyboard.press("Escape")
    assert page.get_by_role("button", name="Take over").is_visible()
    page.get_by_role("button", name="Take over").click()
    dialog.get_by_role("button", name="Take over").click()
    until(page, f"() => document.querySelector('{FINDINGS}')?.isContentEditable")
    assert "Begun by the first." in page.locator(FINDINGS).inner_text()
    type_into(page, IMPRESSION, "Ended by the second.")
    page.keyboard.press("Control+s")
    saved(page)
    former.get_by_text("writes this report now").first.wait_for(timeout=30_000)
    until(former, f"() => !document.querySelector('{FINDINGS}')?.isContentEditable")
    kept = draft(portal, study)
    assert "Begun by the first." in html_of(kept)
    assert "Ended by the second." in html_of(kept, "impression")
    assert page.faults == []  # type: ignore[attr-defined]


def test_the_session_ends_while_somebody_types(
    portal: Portal, login: Callable[..., Page], make: Any
) -> None:
    study = make("Session^Sam", "SESSION-1")["id"]
    page = login("radiologist")
    write(page, portal, study, window=True)
    elsewhere = page.context.new_page()
    elsewhere.goto(portal.stack.base_url)
    elsewhere.locator(".topbar-end details.menu summary").click()
    elsewhere.get_by_role("button", name="Log out").click()
    elsewhere.wait_for_url("**/login/**")
    type_into(page, FINDINGS, "Typed after the end.")
    page.keyboard.press("Control+s")
    notice = page.locator("[data-notice=session]")
    notice.wait_for(timeout=30_000)
    assert "kept in this tab" in notice.inner_text()
    assert "/write/" in page.url
    assert violations(page) == []
    with page.context.expect_page() as opened:
        notice.get_by_role("link", name="Log in in a new window").click()
    door = opened.value
    door.fill("input[name=username]", "radiologist")
    door.fill("input[name=password]", PASSWORD)
    door.click("button[type=submit]")
    saved(page)
    assert "Typed after the end." in html_of(draft(portal, study))
    assert page.locator("[data-notice=session]").count() == 0


def test_macros_paste_dictation_and_undo(
    portal: Portal, login: Callable[..., Page], make: Any
) -> None:
    study = make("Macro^Mona", "MACRO-1")["id"]
    portal.stack.shell(
        "from reports.models import Macro\n"
        "from pacs.accounts.models import User\n"
        "Macro.objects.get_or_create(abbreviation='nfl', defaults=dict(html="
        "'<p>no <strong>focal</strong> lesion</p>', owner=User.objects.get("
        "username='radiologist')))"
    )
    page = login("radiologist")
    write(page, portal, study, window=True)
    page.locator(IMPRESSION).click()
    page.keyboard.type("There is nfl ")
    assert page.locator(IMPRESSION).inner_text().strip() == "There is no focal lesion"
    page.keyboard.press("Control+z")
    assert page.locator(IMPRESSION).inner_text().strip() == "There is nfl"
    page.keyboard.type("Again nfl today.")
    assert "no focal lesion today." in page.locator(IMPRESSION).inner_text()
    # Dictation of the operating system comes as plain input.
    page.keyboard.insert_text(" Dictated words with nfl ")
    text = page.locator(IMPRESSION).inner_text()
    assert "Dictated words with no focal lesion" in text
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    hostile = (
        "<p onclick='x()'>Kept <b>bold</b> <a href='javascript:x()'>link</a></p>"
        "<img src=x onerror='window.hit = 1'><script>window.hit = 1</script>"
        "<style>p{color:red}</style><table><tr><td style='color:red'>cell</td></tr></table>"
        "<iframe src='https://nowhere.invalid'></iframe>"
    )
    page.evaluate(PASTE, [IMPRESSION, hostile, "Kept"])
    inside = page.locator(IMPRESSION).inner_html()
    for evil in ("<img", "<script", "onclick", "<a ", "<iframe", "style=", "color"):
        assert evil not in inside
    assert "<strong>bold</strong>" in inside
    assert "cell" in inside
    page.keyboard.press("Control+s")
    saved(page)
    kept = html_of(draft(portal, study), "impression")
    assert "<strong>bold</strong>" in kept
    assert "script" not in kept
    assert page.evaluate("() => window.hit") is None
    # A megabyte is no finding.
    before = page.locator(FINDINGS).inner_text()
    page.evaluate(PASTE, [FINDINGS, "", "word " * 200_000])
    page.get_by_text("Nothing was pasted").wait_for()
    assert page.locator(FINDINGS).inner_text() == before
    # Chromium names the handlers that it refuses even where a document is only read.
    faults: list[str] = page.faults  # type: ignore[attr-defined]
    refused = "Executing inline event handler violates the following Content Security Policy"
    assert not [fault for fault in faults if not fault.startswith(refused)]


def test_template_normal_fields_and_keys(
    portal: Portal, login: Callable[..., Page], make: Any, tmp_path: Path
) -> None:
    study = make("Template^Tina", "TEMPLATE-1")["id"]
    page = login("radiologist")
    write(page, portal, study)
    page.locator(FINDINGS).click()
    page.keyboard.press("Alt+t")
    chooser = page.get_by_role("dialog", name="Template")
    chooser.wait_for()
    assert violations(page) == []
    page.keyboard.type("thyroid")
    page.keyboard.press("Enter")
    page.get_by_text("Text that was there is kept").wait_for()
    page.keyboard.press("Alt+n")
    page.get_by_text("Normal text in").wait_for()
    assert len(page.locator(FINDINGS).inner_text()) > 20
    page.screenshot(path=tmp_path / "template.png")
    # Tab goes through every field and text, and comes back.
    page.locator("#report-sections :is(input, select, .section-text)").first.focus()
    total = page.locator("#report-sections :is(input, select, .section-text)").count()
    where = """() => {
      const { activeElement } = document;
      return activeElement.id || activeElement.getAttribute("aria-labelledby");
    }"""
    seen = [page.evaluate(where)]
    for _ in range(total - 1):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(where))
    assert len(set(seen)) == total
    page.keyboard.press("Shift+Tab")
    assert page.evaluate(where) == seen[-2]
    page.keyboard.press("Alt+i")
    page.get_by_role("dialog", name="Insert a fact").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+s")
    saved(page)
    assert draft(portal, study)["content"]["template"]["name"]
    assert violations(page) == []
    assert not page.faults  # type: ignore[attr-defined]


def test_length_and_key_image_on_the_images_and_in_the_text(
    portal: Portal, login: Callable[..., Page], make: Any, tmp_path: Path
) -> None:
    made = make("Length^Lena", "LENGTH-1", PixelSpacing=[0.8, 0.5])
    study = made["id"]
    assert made["spacing"] == [0.8, 0.5]
    page = login("radiologist")
    write(page, portal, study)
    until(page, "() => document.documentElement.dataset.viewer === 'ready'", 60)
    page.locator(".thumb[aria-selected=true]").focus()
    page.keyboard.press("l")
    until(page, "() => document.querySelector('.stage.is-measuring') !== null")
    box = page.locator("[data-viewport]").bounding_box()
    assert box is not None
    ends = [[20, 30], [80, 90]]
    points = [page.evaluate("p => window.lightbox.toCanvas(p)", end) for end in ends]
    page.mouse.move(box["x"] + points[0][0], box["y"] + points[0][1])
    page.mouse.down()
    page.mouse.move(box["x"] + points[1][0] - 5, box["y"] + points[1][1] - 9)
    page.mouse.move(box["x"] + points[1][0], box["y"] + points[1][1])
    page.mouse.up()
    page.locator(".left-row", has_text="mm").wait_for()
    wait(
        lambda: api(portal, "GET", f"/api/studies/{study}/measurements/")["measurements"],
        10,
        "the length is saved",
    )
    listed = api(portal, "GET", f"/api/studies/{study}/measurements/")["measurements"]
    wanted = math.hypot(60 * 0.5, 60 * 0.8)
    value = listed[0]["values"][0]
    assert value["unit"] == "mm"
    assert abs(value["value"] - wanted) / wanted < 0.005
    assert not listed[0]["at_detector"]
    page.keyboard.press("k")
    page.locator(".left-row", has_text="Key image 1").wait_for()
    until(page, "() => document.querySelector('.left-in-report input')?.checked")
    page.get_by_role("button", name="Insert measurement").click()
    page.keyboard.press("Alt+k")
    page.get_by_role("dialog", name="Insert a key image").wait_for()
    page.keyboard.press("Enter")
    page.locator(FINDINGS, has_text="(key image 1, series").wait_for()
    assert f"{wanted:.1f} mm, series" in page.locator(FINDINGS).inner_text()
    page.keyboard.press("Control+s")
    saved(page)
    assert violations(page) == []
    page.screenshot(path=tmp_path / "length.png")
    content = draft(portal, study)["content"]
    images = api(portal, "GET", f"/api/studies/{study}/key-images/")["key_images"]
    assert [one["id"] for one in content["key_images"]] == [images[0]["id"]]
    assert content["measurements"] == [listed[0]["id"]]
    assert (images[0]["window_center"], images[0]["window_width"]) == (40, 400)
    # They are there again, and go with a key.
    page.goto(f"{portal.stack.base_url}/studies/{study}/view/?report=1")
    page.locator(FINDINGS).wait_for(timeout=60_000)
    until(page, "() => document.querySelector('g.measure text')?.textContent.includes('mm')", 60)
    page.get_by_role("button", name="Show measurement").click()
    until(page, "() => document.querySelector('g.measure.is-selected') !== null")
    page.locator(".thumb[aria-selected=true]").focus()
    page.keyboard.press("Delete")
    until(page, "() => !document.querySelector('g.measure')")
    until(page, "() => document.querySelectorAll('.left-row').length === 1")
    wait(
        lambda: api(portal, "GET", f"/api/studies/{study}/measurements/")["measurements"] == [],
        10,
        "the length is removed",
    )
    assert not page.faults  # type: ignore[attr-defined]


def test_windows_switch_patient_together_or_not_at_all(
    portal: Portal, login: Callable[..., Page], make: Any
) -> None:
    first, second = make("First^Fay", "FIRST-1")["id"], make("Second^Sol", "SECOND-1")["id"]
    page = login("radiologist")
    write(page, portal, first)
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Own window").click()
    report = opened.value
    report.locator(FINDINGS).wait_for(timeout=60_000)
    # The panel beside the images steps back: one window writes.
    page.get_by_text("The report is open in another window").wait_for()
    # The other patient's images: the report window follows.
    page.goto(f"{portal.stack.base_url}/studies/{second}/view/")
    report.wait_for_url(f"**/reports/{second}/write/", timeout=60_000)
    report.bring_to_front()
    report.locator(f"{FINDINGS}[contenteditable=true]").wait_for(timeout=60_000)
    # With text that cannot be saved it stays, and both say so.
    report.route("**/api/reports/*/draft/", lambda route: route.abort())
    type_into(report, FINDINGS, "Not saved yet.")
    report.keyboard.press("Control+s")
    report.locator("[data-notice=offline]").wait_for()
    page.bring_to_front()
    page.goto(f"{portal.stack.base_url}/studies/{first}/view/")
    page.get_by_role("dialog", name="The other window stays with another patient").wait_for(
        timeout=60_000
    )
    assert f"/reports/{second}/write/" in report.url
    mismatch = report.locator("#report-mismatch")
    mismatch.wait_for()
    assert "ANOTHER PATIENT" in mismatch.inner_text()
    assert "Second, Sol" in mismatch.inner_text()
    page.get_by_role("link", name="Back to that patient").click()
    page.wait_for_url(f"**/studies/{second}/view/")
    report.bring_to_front()
    report.unroute("**/api/reports/*/draft/")
    # It tries again by itself.
    saved(report)
    assert "Not saved yet." in html_of(draft(portal, second))


def test_images_opened_beside_do_not_take_the_text(
    portal: Portal, login: Callable[..., Page], make: Any
) -> None:
    study = make("Beside^Bea", "BESIDE-1")["id"]
    report = login("radiologist")
    write(report, portal, study, window=True)
    viewer = report.context.new_page()
    viewer.goto(f"{portal.stack.base_url}/studies/{study}/view/")
    until(viewer, "() => document.getElementById('report-state').dataset.state === 'draft'", 60)
    report.bring_to_front()
    type_into(report, FINDINGS, "Still written here.")
    report.keyboard.press("Control+s")
    saved(report)
    assert "Still written here." in html_of(draft(portal, study))
    # Only who opens the report there writes on there.
    viewer.bring_to_front()
    viewer.locator("#report-open").click()
    report.get_by_text("The report is open in another window").wait_for()
    assert "Still written here." in viewer.locator(FINDINGS).inner_text()
    assert viewer.locator(FINDINGS).get_attribute("contenteditable") == "true"


@pytest.mark.parametrize("size", [(1440, 900), (1024, 768)], ids=["1440", "1024"])
def test_the_panel_fits_and_is_accessible(
    portal: Portal, login: Callable[..., Page], make: Any, size: tuple[int, int], tmp_path: Path
) -> None:
    study = make(f"Size^Of{size[0]}", f"SIZE-{size[0]}")["id"]
    page = login("radiologist", *size)
    write(page, portal, study)
    assert page.evaluate(
        "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    body = page.locator("#report-body")
    assert body.evaluate("each => each.scrollWidth <= each.clientWidth")
    assert violations(page) == []
    # By the keyboard alone: wider, back to the images, and here again.
    before = page.locator("#report").bounding_box()
    page.locator(".report-grip").focus()
    page.keyboard.press("ArrowLeft")
    after = page.locator("#report").bounding_box()
    assert before
    assert after
    assert after["width"] > before["width"]
    page.locator(FINDINGS).click()
    page.keyboard.press("Escape")
    assert page.evaluate("() => !document.activeElement.isContentEditable")
    page.keyboard.press("e")
    until(page, "() => document.activeElement.isContentEditable")
    page.screenshot(path=tmp_path / "panel.png")
    page.goto(f"{portal.stack.base_url}/reports/{study}/write/")
    page.locator(FINDINGS).wait_for(timeout=60_000)
    assert violations(page) == []
    page.screenshot(path=tmp_path / "window.png")


def test_a_colleague_reads_only(portal: Portal, login: Callable[..., Page], make: Any) -> None:
    study = make("Reader^Rita", "READER-1")["id"]
    page = login("radiologist")
    write(page, portal, study, window=True)
    type_into(page, FINDINGS, "Not the technician's.")
    page.keyboard.press("Control+s")
    saved(page)
    other = login("technician")
    other.goto(f"{portal.stack.base_url}/reports/{study}/write/")
    other.locator(FINDINGS).wait_for(timeout=60_000)
    assert "Not the technician's." in other.locator(FINDINGS).inner_text()
    assert other.locator(FINDINGS).get_attribute("contenteditable") == "false"
    assert "Only radiologists" in other.locator("#report-start-words").inner_text()
    assert other.locator("#report-foot").is_hidden()
    assert violations(other) == []
