"""Deliveries in a browser: the list that moves by itself, the part of a report's page, sending."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from reports.delivery.models import Delivery, DeliveryPlace, DeliveryRule
from studies.models import OrthancServer
from tests.browser.conftest import runs, until, violations
from tests.reports.factories_delivery import sign
from tests.servers.portal import Portal
from tests.servers.ports import free_port

pytestmark = pytest.mark.browser

SIGN = """
import json
from pacs.accounts.models import Site, User
from reports.delivery.models import DeliveryRule
from studies.models import OrthancServer, Study
from tests.reports.factories_delivery import sign
study = Study.objects.get(study_instance_uid={uid!r})
DeliveryRule.objects.filter(site=study.site).delete()
server = OrthancServer.objects.filter(site=study.site).order_by("id").first()
away, _ = OrthancServer.objects.get_or_create(site=study.site, slug="away", defaults=dict(
    name="Away archive", base_url="http://127.0.0.1:{port}"))
for one in (server, away):
    DeliveryRule.objects.create(site=study.site, name=one.name, transport="orthanc",
                                target=dict(server=one.pk))
version = sign(study, User.objects.get(username="radiologist"))
DeliveryRule.objects.filter(site=study.site).delete()
print(json.dumps([version.report_id, server.name]))
"""
HEAL = """
from studies.models import OrthancServer
OrthancServer.objects.filter(slug="away").update(is_enabled=False)
"""


def test_delivered_failing_and_sent_again(
    portal: Portal, login: Callable[..., Page], series: Any, tmp_path: Path
) -> None:
    files, uid = series(1, patient_name="Goes^Out", patient_id="DELIVER-1")
    portal.stack.storescu(files)
    portal.wait_count(uid, 1)
    page = login("radiologist")
    page.goto(f"{portal.stack.base_url}/deliveries/")
    runs(page)
    until(page, "() => document.querySelector('[data-live=live]') !== null")
    report, main = json.loads(portal.stack.shell(SIGN.format(uid=uid, port=free_port())))
    rows = page.locator("tr[data-delivery]", has_text="Goes, Out")
    rows.get_by_text("Delivered", exact=True).wait_for(timeout=60_000)
    failing = rows.filter(has_text="Away archive")
    failing.get_by_text("cannot be reached").wait_for(timeout=60_000)
    page.screenshot(path=tmp_path / "list.png")
    assert violations(page) == []
    failing.get_by_role("button", name="Cancel").press("Enter")
    failing.get_by_text("Cancelled", exact=True).wait_for()
    failing.get_by_role("button", name="Try again").press("Enter")
    failing.get_by_text("cannot be reached").wait_for(timeout=60_000)

    page.goto(f"{portal.stack.base_url}/fixture-report/{report}/")
    part = page.get_by_role("region", name="Deliveries")
    part.get_by_text("Away archive", exact=True).wait_for()
    page.screenshot(path=tmp_path / "report.png")
    part.get_by_role("button", name="Cancel").press("Enter")
    part.get_by_text("Cancelled", exact=True).wait_for()
    part.get_by_role("button", name="Send to…").press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Where to").wait_for()
    dialog.get_by_label("Where to").select_option(label=main)
    page.screenshot(path=tmp_path / "dialog.png")
    assert violations(page) == []
    dialog.get_by_role("button", name="Send", exact=True).press("Enter")
    dialog.get_by_text("It will be delivered.").wait_for()
    until(
        page,
        "() => document.querySelectorAll('dialog [data-delivery][data-state=done]').length === 2",
        60,
    )
    page.screenshot(path=tmp_path / "sent.png")
    assert violations(page) == []
    page.keyboard.press("Escape")
    part.locator("[data-state=done]").nth(1).wait_for()
    portal.stack.shell(HEAL)
    assert page.faults == []  # type: ignore[attr-defined]


@pytest.mark.django_db(transaction=True)
def test_every_state_at_two_sizes(
    open_page: Callable[..., Page], site: Any, make_study: Any, radiologist: Any, tmp_path: Path
) -> None:
    """Empty, and each state with long, right-to-left and missing names; accessible, not cut off."""
    page = open_page("/deliveries/")
    page.get_by_role("heading", name="No report has gone anywhere yet").wait_for()
    assert violations(page) == []
    server = OrthancServer.objects.create(
        site=site, slug="main", name="Main archive", base_url="http://127.0.0.1:9"
    )
    rule = DeliveryRule.objects.create(
        site=site, name="all", transport="orthanc", target={"server": server.pk}
    )
    names = ["ADAMS^Anna", "قباني^لنزار", "X" * 60 + "^" + "Y" * 60, "", "CLARK^Cy", "山田^太郎"]
    states = ["failed", "queued", "sending", "handed_over", "done", "cancelled"]
    for name, state in zip(names, states, strict=True):
        sign(make_study(site, patient_name=name), radiologist)
        newest = Delivery.objects.latest("id")
        Delivery.objects.filter(pk=newest.pk).update(state=state, finished_at=timezone.now())
    Delivery.objects.filter(state="failed").update(
        last_error="Given up. The site's Orthanc cannot be reached."
    )
    Delivery.objects.filter(state="handed_over").update(
        progress="Queued: the site agent is offline", label="Reading room printer (Ward 7)"
    )
    DeliveryPlace.objects.update(failures=2, last_error="The site's Orthanc cannot be reached.")
    rule.delete()
    for width, height in ((1440, 900), (1024, 768)):
        page.set_viewport_size({"width": width, "height": height})
        page.goto(page.url)
        runs(page)
        assert page.locator("tr[data-delivery]").first.get_attribute("data-state") == "failed"
        page.screenshot(path=tmp_path / f"states-{width}.png")
        wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert page.evaluate(wide)
        assert violations(page) == []
    page.get_by_role("link", name="Failed").click()
    page.wait_for_url("**show=failed**")
    assert page.locator("tr[data-delivery]").count() == 1
    page.get_by_role("link", name="FHIR server").click()
    page.get_by_role("heading", name="Nothing to show").wait_for()
    assert violations(page) == []
