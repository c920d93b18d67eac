"""A technician says that a study is complete; everybody who has the list open sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import until
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser

NAME = "Whole, Study"
ARRIVAL = """() => [...document.querySelectorAll('#rows tr, #arrived-rows tr')].find(
  (row) => row.innerText.includes('Whole, Study'))
  ?.querySelector('.mark[class*=arrival-]').className.match(/arrival-(\\w+)/)[1]"""


def arrival_is(page: Page, state: str) -> None:
    until(page, f"() => ({ARRIVAL})() === '{state}'", 20)


def test_pressed_by_one_seen_by_another(
    portal: Portal, login: Callable[..., Page], series: Any
) -> None:
    technician, reader = login("technician"), login("radiologist")
    for page in (technician, reader):
        until(page, "() => document.querySelector('[data-live=live]') !== null")
        page.evaluate("window.notReloaded = true")
    files, uid = series(4, patient_name="Whole^Study", patient_id="WHL-1")
    portal.stack.storescu(files)
    portal.wait_count(uid, 4)
    for page in (technician, reader):
        arrival_is(page, "quiet")

    row = technician.locator("tr", has_text=NAME).first
    row.get_by_role("button", name="Mark as complete").click()
    for page in (technician, reader):
        arrival_is(page, "complete")
    technician.get_by_text("Complete with 4 images.").wait_for()
    assert "/view/" not in technician.url
    assert reader.locator("[data-complete]").count() == 0

    # Back again by the keyboard: the row is marked by the click, its buttons follow its links.
    row.locator(".c-patient a").focus()
    technician.keyboard.press("Tab")
    assert technician.evaluate("document.activeElement.title").startswith("All studies of")
    for name in (f"Notes and priority: {NAME}", f"Not complete after all: {NAME}"):
        technician.keyboard.press("Tab")
        label = technician.evaluate("document.activeElement.getAttribute('aria-label')")
        assert label == name
    technician.keyboard.press("Enter")
    for page in (technician, reader):
        arrival_is(page, "quiet")
    label = technician.evaluate("document.activeElement.getAttribute('aria-label')")
    assert label == f"Mark as complete: {NAME}"
    technician.keyboard.press("c")
    for page in (technician, reader):
        arrival_is(page, "complete")

    late, _ = series(1, patient_name="Other^Study")
    portal.stack.storescu(late)
    reader.get_by_text("Other, Study").first.wait_for(timeout=10_000)
    reader.locator("tr", has_text=NAME).first.locator(".c-patient a").focus()
    reader.keyboard.press("c")
    reader.get_by_text("Only technicians and administrators").wait_for()
    assert all(page.evaluate("window.notReloaded") for page in (technician, reader))
    assert not technician.faults  # type: ignore[attr-defined]
    assert not reader.faults  # type: ignore[attr-defined]


def test_an_expected_number_completes_by_itself(
    portal: Portal, login: Callable[..., Page], series: Any
) -> None:
    page = login("technician")
    until(page, "() => document.querySelector('[data-live=live]') !== null")
    files, uid = series(6, patient_name="Whole^Study Counted", patient_id="WHL-2")
    portal.stack.storescu(files[:5])
    portal.wait_count(uid, 5)
    page.get_by_text("Whole, Study Counted").first.wait_for()
    pk = page.locator("tr", has_text="Study Counted").first.get_attribute("data-study")
    status, _, _ = portal.request(
        "POST",
        f"/api/studies/{pk}/complete/",
        who="technician",
        body=b'{"expected_instances": 6}',
        headers={"Content-Type": "application/json"},
    )
    assert status == 200
    cell = page.locator("tr", has_text="Study Counted").first.locator("td.c-arrival")
    cell.get_by_text("5 of 6").wait_for()
    portal.stack.storescu(files[5:])
    cell.locator(".arrival-complete").wait_for(timeout=20_000)
