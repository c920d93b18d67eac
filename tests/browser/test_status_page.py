"""The status page in a browser: accessible when all is well, when much is not, offline."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from pacs.accounts.models import Site, User
from studies.models import GoneAtOrthanc, OrthancServer, QuarantinedFile, Series
from tests.browser.conftest import until, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SIZES = [(1440, 900), (1024, 768)]


def looked_at(page: Page, name: str, folder: Path) -> None:
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=folder / f"status-{name}-{width}.png", full_page=True)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.fixture
def much(site: Site, other_site: Site, make_study: Any) -> OrthancServer:
    now = timezone.now()

    def server(place: Site, name: str, **fields: Any) -> OrthancServer:
        fields = {"version": "1.12.11", "last_contact_at": now, **fields}
        return OrthancServer.objects.create(
            site=place, slug=f"s{OrthancServer.objects.count()}", name=name,
            base_url="http://127.0.0.1:1", **fields,
        )  # fmt: skip

    server(site, "CT basement", version="1.10.1", remote_last=4210, cursor=4198)
    server(site, "مستشفى الرئيسي")
    server(other_site, "A very long name of an Orthanc server at the northern clinic " * 2,
           failures=12, last_error="cannot be reached")  # fmt: skip
    first = server(other_site, "MR north", last_contact_at=now - timedelta(hours=3))
    series = Series.objects.create(study=make_study(other_site), series_instance_uid="1.2")
    GoneAtOrthanc.objects.create(server=first, series=series, came=312, held=0)
    for number in range(3):
        QuarantinedFile.objects.create(
            site=site, source="x", reason="no_dicom", archive_key="k", file_size=1,
            file_sha256=f"{number:064d}",
        )  # fmt: skip
    return first


def test_much_to_see_and_it_follows(
    open_page: Callable[..., Page], admin: User, much: OrthancServer, tmp_path: Path
) -> None:
    page = open_page("/status/", admin)
    page.get_by_text("MR north", exact=True).first.wait_for()
    looked_at(page, "much", tmp_path)
    OrthancServer.objects.filter(pk=much.pk).update(is_enabled=False)
    until(
        page,
        "document.querySelector('#status-orthanc').innerText.includes('Switched off')",
        15,
    )
    assert page.locator("#live").inner_text() == "live"


def test_empty_for_a_site_admin_then_offline(
    open_page: Callable[..., Page], site_admin: User, tmp_path: Path
) -> None:
    page = open_page("/status/", site_admin)
    page.get_by_text("No Orthanc is followed.").wait_for()
    assert not page.get_by_text("Worker and queues").count()
    looked_at(page, "empty", tmp_path)
    page.route("**/status/", lambda route: route.fulfill(status=500, body=""))
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.get_by_text("the portal answered with an error (500)").wait_for()
    looked_at(page, "failing", tmp_path)
    page.unroute("**/status/")
    page.context.set_offline(True)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.get_by_text("the portal cannot be reached").wait_for()
    page.context.set_offline(False)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    until(page, "document.getElementById('status-error').hidden")
