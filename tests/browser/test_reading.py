"""Two radiologists at their worklists: who reads what is seen at once, and a take-over is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from studies.models import Study, StudyNote
from tests.browser.conftest import until, violations
from tests.servers.portal import Portal

MAKE_SECOND = """
from pacs.accounts.models import *
site = Site.objects.order_by('id').first()
user, made = User.objects.get_or_create(
    username='second', defaults={'first_name': 'Bo', 'last_name': 'Second'}
)
if made:
    user.set_password('a-long-enough-password'); user.save()
    Membership.objects.create(user=user, site=site, role='radiologist')
"""
ASSIGN = """
from pacs.accounts.models import User
from studies.models import Study
from studies.reading import services
reader = User.objects.get(username='radiologist')
services.assign({pk}, reader, reader)
"""
DISCARD = """
from pacs.accounts.models import User
from reports.models import Report
from reports.writing import drafts
drafts.discard(Report.objects.get(study_id={pk}).pk, User.objects.get(username="second"))
"""
LIVE = "() => document.querySelector('[data-live=live]') !== null"


def row(page: Page, name: str) -> Any:
    return page.locator("tr[data-study]", has_text=name).first


@pytest.mark.browser
def test_next_unread_is_seen_by_all_and_taken_over_with_a_notice(
    portal: Portal, login: Callable[..., Page], series: Any
) -> None:
    portal.stack.shell(MAKE_SECOND)
    ada, bo, technician = login("radiologist"), login("second"), login("technician")
    for page in (ada, bo, technician):
        until(page, LIVE)
        page.evaluate("window.notReloaded = true")
    files, uid = series(2, patient_name="Next^To Read", patient_id="NXT-1")
    portal.stack.storescu(files)
    portal.wait_count(uid, 2)
    row(technician, "Next, To Read").wait_for(timeout=20_000)
    pk = row(technician, "Next, To Read").get_attribute("data-study")
    shown = f"document.querySelector('tr[data-study=\"{pk}\"]')"

    # The technician makes it STAT in its dialog: it comes before whatever else waits.
    row(technician, "Next, To Read").locator(".c-patient a").focus()
    technician.keyboard.press("t")
    technician.get_by_label("Priority", exact=True).select_option(label="STAT")
    technician.get_by_label("New note").fill("Contrast given at 14:05.")
    technician.get_by_role("button", name="Add note").click()
    technician.get_by_text("Noted.").wait_for()
    technician.get_by_role("button", name="Save", exact=True).click()
    technician.get_by_text("Saved.").wait_for()
    assert violations(technician) == []
    technician.keyboard.press("Escape")
    for page in (ada, bo):
        until(page, f"{shown}?.dataset.priority === '0'")
        page.get_by_role("button", name="There are notes: Next, To Read").first.wait_for()

    # Whatever else waits in this portal: the own STAT study is first.
    portal.stack.shell(ASSIGN.format(pk=pk))

    # One presses r. The other two see who reads it, without a reload.
    ada.locator("#rows").wait_for()
    ada.keyboard.press("r")
    ada.wait_for_url(f"**/studies/{pk}/view/?report=1", timeout=15_000)
    until(ada, "() => document.documentElement.dataset.viewer === 'ready'", 60)
    for page in (bo, technician):
        # The report is begun with it: reading becomes draft as soon as its panel is open.
        until(page, f"{shown}?.dataset.state === 'draft'")
        assert "Draft, radiologist" in row(page, "Next, To Read").inner_text()
    assert violations(bo) == []

    # The other takes it over, having been asked; the first is told on the page of the study.
    row(bo, "Next, To Read").hover()
    row(bo, "Next, To Read").get_by_role("button", name="Take over").click()
    bo.get_by_text("radiologist is reading it and will be told").wait_for()
    assert violations(bo) == []
    assert all(page.evaluate("window.notReloaded") for page in (bo, technician))
    bo.get_by_role("dialog").get_by_role("button", name="Take over").click()
    bo.wait_for_url(f"**/studies/{pk}/view/?report=1", timeout=15_000)
    told = ada.get_by_text("Bo Second has taken over Next, To Read")
    told.wait_for(timeout=30_000)
    assert violations(ada) == []
    ada.get_by_role("button", name="Close", exact=True).click()
    told.wait_for(state="detached")
    until(technician, "[...document.querySelectorAll('.c-state')].some("
          "(cell) => cell.innerText.includes('Draft, Bo Second'))")  # fmt: skip

    # Back at the list, the draft discarded, it is given back; on everybody's list it is unread.
    bo.goto(portal.stack.base_url)
    until(bo, LIVE)
    portal.stack.shell(DISCARD.format(pk=pk))
    until(bo, f"{shown}?.dataset.state === 'claimed'")
    row(bo, "Next, To Read").hover()
    row(bo, "Next, To Read").get_by_role("button", name="Release").click()
    bo.get_by_text("Released: unread again.").wait_for()
    until(
        technician,
        f"{shown}?.dataset.state === 'unread'",
    )
    for page in (ada, bo, technician):
        assert not page.faults  # type: ignore[attr-defined]


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("size", [(1440, 900), (1024, 768)], ids=["1440", "1024"])
def test_clocks_marks_and_filters(
    open_page: Callable[..., Page],
    radiologist: Any,
    technician: Any,
    studies: list[Any],
    size: tuple[int, int],
) -> None:
    adams, baker, _, clark = studies
    now = timezone.now()
    # One second is left of the hour: the page itself sees it run out.
    Study.objects.filter(pk=adams.pk).update(
        priority=0, received_at=now - timedelta(minutes=60) + timedelta(seconds=8)
    )
    Study.objects.filter(pk=baker.pk).update(assigned_to=radiologist)
    Study.objects.filter(pk=clark.pk).update(
        reading_state="claimed", reader=radiologist, claimed_at=now
    )
    StudyNote.objects.create(study=baker, kind="verification", author=technician)
    page = open_page()
    page.set_viewport_size({"width": size[0], "height": size[1]})
    until(page, "document.querySelector('#rows a[tabindex=\"0\"]') !== null")
    clock = f"document.querySelector('tr[data-study=\"{adams.pk}\"] [data-clock]').dataset.clock"
    assert page.evaluate(clock) in {"soon", "over"}
    row(page, "ADAMS").hover()
    assert violations(page) == []
    # Every word of a state is there, and nothing is wider than the window, with filters set too.
    page.select_option("select[name=show]", "assigned")
    until(page, "document.querySelectorAll('#rows tr').length === 1")
    assert "for you" in row(page, "BAKER").inner_text()
    until(page, "!document.getElementById('clear').hidden")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    form = "document.getElementById('filters')"
    assert page.evaluate(f"{form}.scrollWidth <= {form}.clientWidth")
    assert violations(page) == []
    page.select_option("select[name=show]", "reading")
    until(page, "document.querySelector('#rows')?.innerText.includes('Reading, you')")
    page.select_option("select[name=show]", "")
    until(page, "document.querySelectorAll('#rows tr').length === 4")
    until(page, f"{clock} === 'over'", 40)
    assert page.locator(f"tr[data-study='{adams.pk}'] .clock").inner_text().startswith("overdue")


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_nothing_waits(open_page: Callable[..., Page], studies: list[Any]) -> None:
    page = open_page("/?state=all")
    Study.objects.update(reading_state="final")
    page.get_by_role("button", name="Next unread").click()
    page.get_by_text("Nothing is waiting to be read.").wait_for()
