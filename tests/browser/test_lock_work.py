"""The lock over work: drafts, measurements and uploads go on after it, for their person only."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route

from tests.browser.conftest import PASSWORD, until, violations
from tests.browser.test_lock import LOCKED, lock, unlock
from tests.browser.test_report_editor import (
    COLLEAGUE,
    FINDINGS,
    draft,
    html_of,
    make,
    saved,
    type_into,
    write,
)
from tests.browser.test_upload_page import at, choose_folder, desk, study_on_disk
from tests.browser.test_viewer_tools import Reader, ct, reader
from tests.servers.portal import Portal

__all__ = ["desk", "make", "reader"]
pytestmark = pytest.mark.browser

OTHER = "() => document.getElementById('lock')?.dataset.kind === 'other'"
TEXT = "selector => document.querySelector(selector).innerText"


def hold_back(page: Page, pattern: str) -> list[int]:
    """No answer to saves, as without a network; the statuses of those that got through."""
    seen: list[int] = []
    page.on(
        "response",
        lambda answer: (
            seen.append(answer.status)
            if answer.request.method in {"PUT", "POST"} and pattern.strip("*") in answer.url
            else None
        ),
    )
    page.route(pattern, lambda route: _abort(route))
    return seen


def _abort(route: Route) -> None:
    if route.request.method == "PUT":
        route.abort()
    else:
        route.continue_()


def lock_beside(page: Page, portal: Portal) -> None:
    """By the menu of the worklist in another tab: the viewer has no menu of the person."""
    beside = page.context.new_page()
    beside.goto(portal.stack.base_url)
    lock(beside)
    until(page, LOCKED)


def log_in_beside(page: Page, portal: Portal, who: str) -> Page:
    """In another tab of the same browser: the login page ends what was locked or logged in."""
    door = page.context.new_page()
    door.goto(f"{portal.stack.base_url}/login/")
    door.fill("input[name=username]", who)
    door.fill("input[name=password]", PASSWORD)
    door.click("button[type=submit]")
    door.wait_for_url(f"{portal.stack.base_url}/")
    return door


def log_out(page: Page) -> None:
    page.locator(".user-panel").evaluate("panel => { panel.closest('details').open = true }")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login/**")


def test_a_draft_goes_on_after_the_lock(
    portal: Portal, login: Callable[..., Page], make: Any
) -> None:
    study = make("Lock^Draft", "LOCK-1")["id"]
    page = login("radiologist")
    write(page, portal, study)
    type_into(page, FINDINGS, "Begun before. ")
    saved(page)
    # What was typed last has not been saved when the page is covered.
    answers = hold_back(page, "**/draft/")
    type_into(page, FINDINGS, "Typed at the last moment. ")
    lock_beside(page, portal)
    assert "Typed" not in page.evaluate("document.body.innerText")
    page.keyboard.type("nothing of this is text")
    page.unroute("**/draft/")
    until(page, LOCKED)
    assert "last moment" not in html_of(draft(portal, study))
    unlock(page)
    until(page, "() => document.getElementById('report-saved').dataset.state === 'saved'", 10)
    assert "Typed at the last moment." in html_of(draft(portal, study))
    # Autosave goes on.
    type_into(page, FINDINGS, "Typed after it.")
    until(page, "() => document.getElementById('report-saved').dataset.state !== 'saved'")
    saved(page)
    text = html_of(draft(portal, study))
    for words in ("Begun before.", "at the last moment.", "Typed after it."):
        assert words in text
    assert "nothing of this" not in text
    assert page.locator("[data-notice=session], [data-notice=offline]").count() == 0
    assert answers[-1] == 200
    assert page.faults == []  # type: ignore[attr-defined]


def test_a_draft_is_saved_for_its_writer_only(
    portal: Portal, login: Callable[..., Page], make: Any, tmp_path: Path
) -> None:
    portal.stack.shell(COLLEAGUE)
    study = make("Lock^Other", "LOCK-2")["id"]
    page = login("radiologist")
    write(page, portal, study)
    type_into(page, FINDINGS, "Of the first. ")
    saved(page)
    answers = hold_back(page, "**/draft/")
    type_into(page, FINDINGS, "Still unsaved.")
    lock_beside(page, portal)
    # Logging out would lose it: that is said first.
    page.get_by_role("button", name="Log out").click()
    page.get_by_text("Something on this page is not saved yet.").wait_for()
    assert page.get_by_role("button", name="Log out and lose it").is_visible()

    other = log_in_beside(page, portal, "taker")
    until(page, OTHER)
    tree = page.locator("body").aria_snapshot()
    assert "Another person's page" in tree
    assert "unsaved" not in tree
    assert "Password" not in tree
    for width, height in ((1440, 900), (1024, 768)):
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=tmp_path / f"other-{width}.png")
        assert violations(page) == []
    before = len(answers)
    page.unroute("**/draft/")
    wait_until = "() => performance.now() > window.since + 9000"
    page.evaluate("window.since = performance.now()")
    until(page, wait_until)
    # Where it was tried with the session of the other it was refused.
    assert set(answers[before:]) <= {401}
    assert "Still unsaved" not in html_of(draft(portal, study))

    log_out(other)
    log_in_beside(page, portal, "radiologist")
    until(page, "() => !('locked' in document.documentElement.dataset)")
    saved(page)
    assert "Still unsaved." in html_of(draft(portal, study))
    assert "Of the first." in html_of(draft(portal, study))
    assert "Still unsaved." in page.evaluate(TEXT, FINDINGS)


def test_measurements_go_on_after_the_lock(reader: Callable[..., Reader], portal: Portal) -> None:
    at_image = reader("LockMeasure", [ct()])
    page = at_image.page
    # An angle with one leg drawn, when the page is covered.
    at_image.press("3")
    at_image.drag((20, 20), (60, 20))
    lock_beside(page, portal)
    page.keyboard.press("l")
    unlock(page)
    assert at_image.rows() == []
    at_image.click((60, 60))
    (angle,) = at_image.count(1)
    assert angle["tool"] == "angle"
    # One that has no answer yet is saved once it is unlocked.
    hold_back(page, "**/measurements/**")
    at_image.press("l")
    at_image.drag((20, 90), (80, 90))
    page.locator("#keeping", has_text="Not saved yet").wait_for()
    lock_beside(page, portal)
    page.unroute("**/measurements/**")
    page.wait_for_timeout(6000)
    assert len(at_image.rows()) == 1
    unlock(page)
    until(page, "() => document.getElementById('keeping').hidden", 4)
    assert {one["tool"] for one in at_image.count(2)} == {"angle", "length"}
    # And drawing goes on.
    at_image.drag((20, 110), (80, 110))
    at_image.count(3)
    assert page.faults == []  # type: ignore[attr-defined]


def test_a_measurement_is_never_saved_under_another_name(
    reader: Callable[..., Reader], portal: Portal
) -> None:
    portal.stack.shell(COLLEAGUE)
    at_image = reader("LockAuthor", [ct()])
    page = at_image.page
    answers = hold_back(page, "**/measurements/**")
    at_image.press("l")
    at_image.drag((20, 20), (80, 20))
    page.locator("#keeping", has_text="Not saved yet").wait_for()
    lock_beside(page, portal)
    other = log_in_beside(page, portal, "taker")
    until(page, OTHER)
    page.unroute("**/measurements/**")
    page.wait_for_timeout(6000)  # whatever tries again has tried by now
    assert at_image.rows() == []
    log_out(other)
    log_in_beside(page, portal, "radiologist")
    (row,) = at_image.count(1)
    assert row["author"]["name"] == "radiologist"
    assert set(answers) <= {401, 200, 201}


def sending(page: Page, count: int) -> None:
    """Until some of the files have been sent, but not all: over a line of twenty files a second."""

    def slowly(route: Route) -> None:
        time.sleep(0.05)
        route.continue_()

    page.route("**/dicom/upload**", slowly)
    page.get_by_role("button", name=f"Send {count} files").click()
    until(page, "() => document.getElementById('upload-bar').value > 0.1")


def test_an_upload_resumes_after_the_lock(desk: Page, portal: Portal, tmp_path: Path) -> None:
    page = desk
    count = 150
    study = study_on_disk(tmp_path / "series", count, size=256)
    choose_folder(page, tmp_path / "series")
    at(page, "check")
    posted: list[str] = []
    page.on("request", lambda one: posted.append(one.url) if "dicom/upload" in one.url else None)
    sending(page, count)
    lock(page)
    page.wait_for_timeout(6000)
    arrived = portal.count(study)
    assert 0 < arrived < count
    page.wait_for_timeout(1000)
    assert portal.count(study) == arrived
    unlock(page)
    at(page, "done", 120)
    done = page.locator("#upload-done").inner_text()
    assert "not sent" not in done
    assert page.locator("#upload-cut").is_hidden()
    portal.wait_count(study, count)
    # What arrived was not sent again; what the lock refused, four at a time, was.
    assert len(posted) <= count + 8
    assert page.faults == []  # type: ignore[attr-defined]


def test_an_upload_is_never_sent_for_another(desk: Page, portal: Portal, tmp_path: Path) -> None:
    page = desk
    count = 150
    study = study_on_disk(tmp_path / "series", count, size=256)
    choose_folder(page, tmp_path / "series")
    at(page, "check")
    sending(page, count)
    lock(page)
    portal.stack.shell(
        "from pacs.accounts.models import *\n"
        "who, made = User.objects.get_or_create(username='othertech')\n"
        f"who.set_password({PASSWORD!r}); who.save()\n"
        "site = Membership.objects.get(user__username='technician').site\n"
        "Membership.objects.get_or_create(user=who, site=site, role='technician')"
    )
    other = log_in_beside(page, portal, "othertech")
    until(page, OTHER)
    page.wait_for_timeout(6000)
    arrived = portal.count(study)
    assert arrived < count
    log_out(other)
    log_in_beside(page, portal, "technician")
    at(page, "done", 120)
    portal.wait_count(study, count)
    names = portal.stack.shell(
        "from pacs.audit.models import AuditEvent\nfrom studies.models import Study\n"
        f"study = Study.objects.get(study_instance_uid={study!r})\n"
        "print(*set(AuditEvent.objects.filter(study_id=study.pk).exclude(actor_name='')"
        ".values_list('actor_name', flat=True)))"
    )
    assert "othertech" not in names.split()
