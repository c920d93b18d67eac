"""Columns and density by keys and by dragging, in a real browser, at both sizes and on paper."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from studies.appearance.models import WorklistAppearance
from studies.appearance.services import choose
from studies.tables import WorklistTable
from tests.browser.conftest import until, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

READY = "document.querySelector('#rows .c-patient a[tabindex=\"0\"]') !== null"
OPEN = "document.querySelector('.appearance-dialog[open] form') !== null"
SHUT = "document.querySelector('.appearance-dialog[open]') === null"
HEADS = (
    "[...document.querySelectorAll('#studies thead th')]"
    ".filter((head) => head.offsetWidth).map((head) => head.innerText.trim())"
)
FITS = "(wide) => wide.scrollWidth <= wide.clientWidth"


def open_dialog(page: Page) -> None:
    until(page, READY)
    page.keyboard.press("v")
    until(page, OPEN)


def names(page: Page) -> list[str]:
    return page.evaluate(
        "[...document.querySelectorAll('.appearance-dialog li')].map((one) => one.dataset.column)"
    )


def test_chosen_and_moved_by_keys(open_page: Any, studies: list[Any], radiologist: Any) -> None:
    page = open_page()
    page.fill("#search", "adams")
    until(page, "document.querySelectorAll('#rows tr').length === 1")
    page.locator("#search").blur()
    open_dialog(page)
    assert violations(page) == []
    page.get_by_role("checkbox", name="Accession", exact=True).focus()
    page.keyboard.press("Space")
    up = page.get_by_role("button", name="State: one to the left")
    up.focus()
    for _ in range(12):
        page.keyboard.press("Enter")
    assert names(page)[0] == "State"
    assert page.inner_text("[data-columns-said]") == "State: 1 of 17"
    # At the end it does nothing, and the keyboard stays where it is.
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.dataset.move") == "-1"
    page.get_by_role("checkbox", name="Patient", exact=False).first.wait_for()
    assert page.locator(".appearance-dialog input:disabled").count() == 3
    page.get_by_role("radio", name="Compact").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    until(page, SHUT)
    until(page, "document.querySelector('#studies.own-columns.is-compact') !== null")
    # In place: what was searched for is searched for still, and the keyboard is where it was.
    assert page.input_value("#search") == "adams"
    assert page.evaluate("document.querySelectorAll('#rows tr').length") == 1
    assert page.evaluate("document.activeElement.id") == "appearance"
    row = WorklistAppearance.objects.get(owner=radiologist)
    assert row.columns.startswith("state,priority,patient,patient_id")
    assert "accession" not in row.columns
    assert page.evaluate(HEADS)[0] == "State"
    page.reload()
    until(page, READY)
    assert page.evaluate(HEADS)[0] == "State"
    assert page.evaluate("document.querySelector('#rows tr').offsetHeight") in (26, 27)


def test_moved_by_dragging_and_left_by_escape(open_page: Any, studies: list[Any]) -> None:
    page = open_page()
    open_dialog(page)
    before = names(page)
    page.locator("li[data-column='Site']").drag_to(
        page.locator("li[data-column='Patient']"), target_position={"x": 40, "y": 4}
    )
    assert names(page).index("Site") == before.index("Patient")
    assert page.inner_text("[data-columns-said]").startswith("Site: ")
    page.keyboard.press("Escape")
    until(page, SHUT)
    assert not WorklistAppearance.objects.exists()


def test_a_failure_is_said_and_changes_nothing(open_page: Any, studies: list[Any]) -> None:
    page = open_page()
    open_dialog(page)
    page.route("**/worklist/appearance/", lambda route: route.abort())
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("The portal cannot be reached. The columns were not changed.").wait_for()
    page.unroute("**/worklist/appearance/")
    page.get_by_role("button", name="Save", exact=True).click()
    until(page, SHUT)


def test_keys_act_on_the_study_wherever_its_name_stands(
    open_page: Any, studies: list[Any], technician: Any
) -> None:
    choose(technician, ["patient_id", "state", "priority", "patient"], "compact")
    page = open_page(user=technician)
    until(page, READY)
    page.keyboard.press("j")
    focused = "document.activeElement.closest('th')?.className"
    until(page, f"{focused} === 'c-patient'")
    page.wait_for_timeout(60)
    page.keyboard.press("t")
    page.locator(".notes-dialog[open] textarea").wait_for()
    page.keyboard.press("Escape")
    until(page, f"{focused} === 'c-patient'")
    page.wait_for_timeout(60)
    page.keyboard.press("c")
    page.get_by_text("The column Arrival is not shown").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/studies/{studies[0].pk}/view/**")


@pytest.mark.parametrize("size", [(1440, 900), (1024, 768)])
def test_everything_chosen_is_there_and_the_name_stays(
    open_page: Any, studies: list[Any], technician: Any, size: tuple[int, int]
) -> None:
    columns = list(WorklistTable.base_columns)
    choose(technician, [*columns[6:], *columns[:6]], "comfortable")
    page = open_page(user=technician)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    until(page, READY)
    assert len(page.evaluate(HEADS)) == len(columns)
    assert page.evaluate(FITS, page.query_selector("html"))
    assert not page.evaluate(FITS, page.query_selector("#scroller"))
    assert page.evaluate("document.querySelector('#rows .c-patient').offsetWidth") >= 112
    page.evaluate("document.getElementById('scroller').scrollLeft = 9999")
    box = page.locator("#rows .c-patient").first.bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= size[0]
    assert violations(page) == []
    page.emulate_media(media="print")
    assert len(page.evaluate(HEADS)) == len(columns)


def test_few_columns_fit_the_smaller_window(
    open_page: Any, studies: list[Any], technician: Any
) -> None:
    usual = ["priority", "patient", "state", "study", "modality", "description", "images"]
    choose(technician, usual, "compact")
    page = open_page(user=technician)
    page.set_viewport_size({"width": 1024, "height": 768})
    until(page, READY)
    assert page.evaluate(FITS, page.query_selector("#scroller"))
    assert violations(page) == []
