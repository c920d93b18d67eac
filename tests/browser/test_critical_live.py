"""Critical results move on an open page: marked and acknowledged elsewhere, seen here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import runs, until, violations
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser

MARK = """
from pacs.accounts.models import User
from reports.critical import services
from studies.models import Study
study = Study.objects.get(study_instance_uid={uid!r})
who = User.objects.get(username="radiologist")
print("id", services.mark(study, who, finding="Free air below the diaphragm", level=0).pk)
"""
ACKNOWLEDGE = """
from pacs.accounts.models import User
from reports.critical import services
who = User.objects.get(username="radiologist")
services.acknowledge({pk}, who, read_back="Free air, to theatre", name="Dr. Ward")
"""


def test_a_result_comes_and_goes(portal: Portal, login: Callable[..., Page], series: Any) -> None:
    files, uid = series(1, patient_name="Moves^Alone", patient_id="CRITICAL-1")
    portal.stack.storescu(files)
    portal.wait_count(uid, 1)
    page = login("radiologist")
    page.goto(f"{portal.stack.base_url}/critical/")
    runs(page)
    until(page, "() => document.querySelector('[data-live=live]') !== null")
    row = page.get_by_role("row", name="Moves, Alone")
    assert row.count() == 0
    pk = int(portal.stack.shell(MARK.format(uid=uid)).split("id ")[-1])
    row.get_by_text("Free air below the diaphragm").wait_for(timeout=10_000)
    assert page.locator("[id=critical-list]").count() == 1
    assert violations(page) == []
    portal.stack.shell(ACKNOWLEDGE.format(pk=pk))
    row.wait_for(state="detached", timeout=10_000)
    page.get_by_role("link", name="All", exact=True).click()
    page.wait_for_url("**show=all")
    row.get_by_text("Acknowledged").wait_for()
    assert page.faults == []  # type: ignore[attr-defined]
