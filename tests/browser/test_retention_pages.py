"""Retention in a browser: proposed by one person, approved by another, held, deleted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from pacs.accounts.models import Role
from studies.models import Arrival, ReadingState, Study
from studies.retention import erase
from studies.retention.models import DeletionProposal, RetentionRule, SiteUsage
from tests.backup.test_retention import of, put
from tests.browser.conftest import violations
from tests.conftest import person

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SIZES = [(1440, 900), (1024, 768)]


def settled(page: Page, folder: Path, name: str) -> None:
    """Accessible at both sizes, nothing wider than the window."""
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(150)
        page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_whole_way(
    open_page: Callable[..., Page],
    site: Any,
    site_admin: Any,
    admin: Any,
    tmp_path: Path,
) -> None:
    second = person("second", site, Role.SITE_ADMIN)
    RetentionRule.objects.create(
        site=site, years=10, minor_age=18, minor_years=10, takes_unsafe=True, is_enabled=True
    )
    SiteUsage.objects.create(site=site, quota_bytes=1000, used_bytes=960, counted_at=timezone.now())
    for study in range(1, 5):
        put(site, study, 1, PatientID=f"P-{study}", PatientName=f"ROE^Richard{study}")
    Study.objects.update(reading_state=ReadingState.FINAL, arrival=Arrival.QUIET)
    Study.objects.filter(pk=of(4).pk).update(reading_state=ReadingState.UNREAD)

    page = open_page("/retention/", user=site_admin)
    settled(page, tmp_path, "list")
    page.get_by_role("link", name="What is due at Main Hospital").press("Enter")
    page.get_by_role("heading", name="What is due at").wait_for()
    page.get_by_text("Not reported.").wait_for()
    settled(page, tmp_path, "site")
    page.get_by_role("button", name="Propose to delete…").press("Enter")
    settled(page, tmp_path, "propose")
    assert not DeletionProposal.objects.exists()
    page.get_by_role("button", name="Propose 3 studies").press("Enter")
    page.get_by_text("another administrator of the site has to approve").wait_for()
    assert not page.get_by_role("button", name="Approve…").count()
    settled(page, tmp_path, "proposed")
    path = page.url.partition("/retention/")[2]

    page = open_page(f"/retention/{path}", user=second)
    page.get_by_role("button", name="Approve…").press("Enter")
    settled(page, tmp_path, "approve")
    page.get_by_role("button", name="Approve now").press("Enter")
    page.get_by_text("unless somebody revokes it").wait_for()
    settled(page, tmp_path, "grace")

    page.goto(page.url.partition("/retention/")[0] + f"/studies/{of(2).pk}/retention/")
    page.get_by_label("Why it is held").fill("A lawsuit.")
    page.get_by_role("button", name="Set the hold").press("Enter")
    page.get_by_text("On hold since").wait_for()
    settled(page, tmp_path, "held")
    page.goto(page.url.partition("/studies/")[0] + "/retention/?show=holds")
    page.get_by_text("A lawsuit.").wait_for()
    settled(page, tmp_path, "holds")
    page.goto(page.url.partition("/retention/")[0] + "/?state=final")
    page.get_by_label("Images are to be deleted").first.wait_for()
    settled(page, tmp_path, "worklist")
    page.goto(page.url.partition("/?")[0] + "/status/")
    page.get_by_text("Deletes after the grace").wait_for()
    page.get_by_text("Nearly used up").first.wait_for()
    settled(page, tmp_path, "status")

    DeletionProposal.objects.update(deletes_at=timezone.now() - timedelta(seconds=1))
    erase.run()
    page.goto(page.url.partition("/status/")[0] + f"/studies/{of(1).pk}/retention/")
    page.get_by_role("button", name="Take again").wait_for()
    settled(page, tmp_path, "deleted")
    page.goto(page.url.partition("/studies/")[0] + f"/retention/{path}")
    page.get_by_text("It was put on legal hold.").wait_for()
    settled(page, tmp_path, "done")
    page.goto(page.url.partition("/retention/")[0] + f"/studies/{of(1).pk}/view/")
    page.get_by_text("the report stays").wait_for()
    page.get_by_text("The images of this study were deleted").wait_for()
    page.set_viewport_size({"width": 1440, "height": 900})
    page.screenshot(path=tmp_path / "viewer-1440.png")
