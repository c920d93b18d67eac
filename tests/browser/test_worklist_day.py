"""The worklist as a place to work: several studies at once, saved filters, CSV, print, patient."""

from __future__ import annotations

import csv
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from studies.models import ReadingState, Study
from studies.saved.models import SavedFilter
from tests.browser.conftest import until, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

READY = "document.querySelector('#rows a[tabindex=\"0\"]') !== null"
CHOSEN = "count => document.querySelectorAll('tr.is-chosen').length === count"
LONG = "BARTHOLOMAEUS-SCHWARZENBERG-HOHENLOHE^Maximiliana Wilhelmine Alexandra Philippine^^Dr."


def test_chosen_by_keys_and_marked_as_not_needing_reading(
    open_page: Any, studies: list[Any], technician: Any
) -> None:
    page = open_page(user=technician)
    until(page, READY)
    assert page.is_hidden("#chosen")
    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
        page.wait_for_timeout(60)  # Faster would be a scanner.
    until(page, CHOSEN, argument=2)
    assert page.inner_text("#chosen-count") == "2 studies chosen"
    assert violations(page) == []
    page.focus("[data-together=not_needed]")
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('#rows tr').length === 2")
    assert page.is_hidden("#chosen")
    assert "Done for 2 studies." in page.inner_text("#toasts")
    assert Study.objects.filter(reading_state=ReadingState.NOT_NEEDED).count() == 2


def test_all_then_none_by_keys_and_priority_from_the_menu(
    open_page: Any, studies: list[Any], technician: Any
) -> None:
    page = open_page(user=technician)
    until(page, READY)
    page.keyboard.press("a")
    until(page, CHOSEN, argument=4)
    page.keyboard.press("Escape")
    until(page, CHOSEN, argument=0)
    page.keyboard.press("a")
    until(page, CHOSEN, argument=4)
    page.click("#chosen summary:has-text('Priority')")
    page.click("[data-together=priority][data-value='0']")
    until(page, "document.querySelectorAll('#rows .priority-stat').length === 4")
    assert set(Study.objects.values_list("priority", flat=True)) == {0}


def test_boxes_choose_a_range_and_open_nothing(
    open_page: Any, studies: list[Any], technician: Any
) -> None:
    page = open_page(user=technician)
    until(page, READY)
    boxes = page.locator("#rows [data-choose]")
    boxes.nth(0).click()
    boxes.nth(2).click(modifiers=["Shift"])
    until(page, CHOSEN, argument=3)
    assert page.evaluate("document.querySelectorAll('#rows [data-choose]:checked').length") == 3
    assert page.url.endswith("/")


def test_what_is_refused_is_said(
    open_page: Any, studies: list[Any], technician: Any, radiologist: Any
) -> None:
    Study.objects.filter(pk=studies[0].pk).update(
        reading_state=ReadingState.CLAIMED, reader=radiologist, claimed_at=timezone.now()
    )
    page = open_page(user=technician)
    until(page, READY)
    page.keyboard.press("a")
    until(page, CHOSEN, argument=4)
    page.click("[data-together=not_needed]")
    until(page, "document.getElementById('toasts').innerText.includes('left as before')")
    said = page.inner_text("#toasts")
    assert "Done for 3 studies. 1 study left as before: This study is reading." in said


def test_no_answer_is_said_and_what_was_chosen_stays(
    open_page: Any, studies: list[Any], technician: Any
) -> None:
    page = open_page(user=technician)
    until(page, READY)
    page.keyboard.press("a")
    until(page, CHOSEN, argument=4)
    page.route("**/api/studies/together/", lambda route: route.abort())
    page.click("[data-together=not_needed]")
    until(page, "document.getElementById('toasts').innerText.includes('could not be reached')")
    until(page, CHOSEN, argument=4)
    assert not Study.objects.filter(reading_state=ReadingState.NOT_NEEDED).exists()


def test_a_filter_is_saved_and_opened_by_keys(open_page: Any, studies: list[Any]) -> None:
    page = open_page("/?modality=MR&state=all")
    page.wait_for_load_state("load")
    page.keyboard.press("s")
    until(page, "document.activeElement.id === 'saved-name'")
    assert violations(page) == []
    page.keyboard.type("My MRs")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#saved-panel [role=status]') !== null")
    assert SavedFilter.objects.get().query == "modality=MR&state=all"
    page.goto(page.url.partition("?")[0])
    until(page, READY)
    page.keyboard.press("s")
    until(page, "document.activeElement.matches('.saved-list a')")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?modality=MR&state=all")


def test_the_list_is_saved_as_a_file(open_page: Any, studies: list[Any], tmp_path: Path) -> None:
    page = open_page()
    until(page, READY)
    page.fill("#search", "baker")
    until(page, "document.querySelectorAll('#rows tr').length === 1")
    with page.expect_download() as download:
        page.click("#export")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert [line["Patient"] for line in csv.DictReader(file)] == ["BAKER, Bo"]
    assert "baker" not in page.url
    assert page.evaluate("document.querySelectorAll('#rows tr').length") == 1


def test_printed_without_what_is_only_for_the_screen(open_page: Any, studies: list[Any]) -> None:
    page = open_page()
    until(page, READY)
    page.evaluate("window.print = () => { window.printed = true }")
    page.click("#print-list")
    assert page.evaluate("window.printed")
    page.emulate_media(media="print")
    assert page.is_visible("#rows th.c-patient a >> nth=0")
    for gone in (".topbar", "#filters", ".foot", "#chosen", "#rows .choose >> nth=0"):
        assert page.is_hidden(gone), gone


@pytest.mark.parametrize("size", [(1440, 900), (1024, 768)])
def test_long_and_right_to_left_names_fit(
    open_page: Any, studies: list[Any], make_study: Any, site: Any, size: tuple[int, int]
) -> None:
    study = make_study(
        site,
        patient_name=LONG,
        patient_id="X" * 64,
        study_description="<b>CT</b> " + "d" * 500,
        received_at=timezone.now() - timedelta(hours=3),
    )
    page = open_page()
    page.set_viewport_size({"width": size[0], "height": size[1]})
    until(page, READY)
    page.keyboard.press("a")
    until(page, CHOSEN, argument=5)
    assert violations(page) == []
    wide = "document.documentElement"
    assert page.evaluate(f"{wide}.scrollWidth <= {wide}.clientWidth")
    foot = "document.querySelector('.foot')"
    assert page.evaluate(f"{foot}.scrollWidth <= {foot}.clientWidth")
    page.goto(page.url.rstrip("/") + f"/patients/{study.patient_ref_id}/")
    assert violations(page) == []
    assert page.evaluate(f"{wide}.scrollWidth <= {wide}.clientWidth")
    assert page.locator("main b").count() == 0


def test_the_preview_follows_the_marked_row_by_keys(
    open_page: Any, studies: list[Any], technician: Any
) -> None:
    page = open_page(user=technician)
    until(page, READY)
    heading = "name => document.querySelector('#preview h2')?.textContent.trim() === name"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("p")
    until(page, heading, argument="ADAMS, Anna")
    assert violations(page) == []
    held: list[Any] = []
    page.route(f"**/studies/{studies[1].pk}/preview/", lambda route: held.append(route))
    page.keyboard.press("ArrowDown")
    while not held:
        page.wait_for_timeout(20)
    # Nothing of the patient before stays beside another's row.
    assert "ADAMS" not in page.inner_text("#preview")
    page.keyboard.press("ArrowDown")
    until(page, heading, argument="قباني, لنزار")
    held.pop().continue_()
    page.wait_for_timeout(200)
    assert page.evaluate(heading, "قباني, لنزار")
    page.keyboard.press("p")
    until(page, "document.getElementById('preview').hidden")


def test_a_preview_that_fails_is_said_and_repeated(open_page: Any, studies: list[Any]) -> None:
    page = open_page()
    until(page, READY)
    page.route("**/preview/", lambda route: route.fulfill(status=500, body=""))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("p")
    until(page, "document.querySelector('#preview [role=alert]') !== null")
    page.unroute("**/preview/")
    page.click("#preview button:has-text('Try again')")
    until(page, "document.querySelector('#preview h2') !== null")
