"""Pages and REST of deliveries: who sees them, who sends, cancels and tries again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from pacs.accounts.models import User
from pacs.audit.models import AuditEvent
from pacs.events.models import SiteEvent
from reports.delivery.models import Delivery, DeliveryRule, DeliveryState
from reports.models import Report
from studies.models import OrthancServer, StudyGrant
from tests.reports.factories_delivery import sign

pytestmark = pytest.mark.django_db
ACTORS = ["radiologist", "technician", "site_admin", "admin", "referrer", "stranger"]
SEES = {"radiologist": 200, "technician": 200, "site_admin": 200, "admin": 200}
MAY = {"radiologist": 200, "technician": 403, "site_admin": 200, "admin": 200}


@pytest.fixture
def delivery(study: Any, radiologist: User, referrer: User) -> Delivery:
    """Of a final report that the referrer reads: waits for an Orthanc."""
    server = OrthancServer.objects.create(
        site=study.site, slug="main", name="Main Orthanc", base_url="http://127.0.0.1:9"
    )
    DeliveryRule.objects.create(
        site=study.site, name="all", transport="orthanc", target={"server": server.pk}
    )
    StudyGrant.objects.create(study=study, user=referrer, granted_by=radiologist)
    sign(study, radiologist)
    return Delivery.objects.get()


def api(client: Client, path: str, body: Any = None) -> Any:
    return client.post(path, body or {}, content_type="application/json")


@pytest.mark.parametrize("actor", ACTORS)
def test_who_sees(
    request: Any, logged_in: Callable[[User], Client], delivery: Delivery, actor: str
) -> None:
    client = logged_in(request.getfixturevalue(actor))
    report = delivery.version.report_id
    hidden = SEES.get(actor, 404)
    listed = client.get("/deliveries/")
    assert listed.status_code == (404 if actor == "referrer" else 200)
    assert (b"Main Orthanc" in listed.content) is (hidden == 200)
    assert client.get(f"/deliveries/{delivery.pk}/row/").status_code == hidden
    assert client.get(f"/reports/{report}/deliveries/").status_code == hidden
    answer = client.get(f"/api/reports/{report}/deliveries/")
    assert answer.status_code == (403 if actor == "referrer" else hidden)


@pytest.mark.parametrize("actor", ACTORS)
def test_who_sends_and_changes(
    request: Any, logged_in: Callable[[User], Client], delivery: Delivery, actor: str
) -> None:
    client = logged_in(request.getfixturevalue(actor))
    report = delivery.version.report_id
    may = MAY.get(actor, 404)
    assert client.get(f"/reports/{report}/deliver/").status_code == may
    assert client.post(f"/deliveries/{delivery.pk}/cancel/").status_code == may
    assert client.post(f"/deliveries/{delivery.pk}/retry/").status_code == may
    api_may = 403 if actor == "referrer" else may
    assert api(client, f"/api/deliveries/{delivery.pk}/cancel/").status_code == api_may
    assert api(client, f"/api/deliveries/{delivery.pk}/retry/").status_code == api_may
    wanted = api(client, f"/api/reports/{report}/deliveries/", {"place": "orthanc:none"})
    assert wanted.status_code == (409 if may == 200 else api_may)


def test_anonymous(delivery: Delivery) -> None:
    report = delivery.version.report_id
    for path in (
        "/deliveries/",
        f"/deliveries/{delivery.pk}/row/",
        f"/reports/{report}/deliveries/",
        f"/reports/{report}/deliver/",
        f"/api/reports/{report}/deliveries/",
    ):
        assert Client().get(path).status_code in (302, 401), path
    for action in ("cancel", "retry"):
        assert api(Client(), f"/api/deliveries/{delivery.pk}/{action}/").status_code == 401


def test_a_token_that_only_reads(
    bearer: Callable[..., dict[str, str]], delivery: Delivery, radiologist: User
) -> None:
    reads = bearer(radiologist, scopes=["read"])
    path = f"/api/reports/{delivery.version.report_id}/deliveries/"
    assert Client().get(path, headers=reads).status_code == 200
    assert Client().post(path, {"place": "x"}, headers=reads).status_code == 403


def test_sent_again_by_the_dialog(
    logged_in: Callable[[User], Client], delivery: Delivery, radiologist: User
) -> None:
    client = logged_in(radiologist)
    path = f"/reports/{delivery.version.report_id}/deliver/"
    places = client.get(f"/api/reports/{delivery.version.report_id}/deliveries/").json()["places"]
    (place,) = [each for each in places if each["transport"] == "orthanc"]
    assert (place["title"], place["label"]) == ("Orthanc", "Main Orthanc")
    answer = client.post(path, {"place": place["value"]})
    assert "It will be delivered." in answer.content.decode()
    assert "Choose a place from the list." in client.post(path, {"place": "x"}).content.decode()
    again = Delivery.objects.latest("id")
    assert again.pk != delivery.pk
    assert (again.target, again.requester) == (delivery.target, radiologist)
    event = AuditEvent.objects.filter(action="delivery.requested").latest("id")
    assert (event.actor_id, event.detail["delivery"]) == (radiologist.pk, again.pk)
    told = SiteEvent.objects.filter(type="delivery.changed").latest("seq")
    assert told.extra == {"delivery": again.pk, "report": delivery.version.report_id}


def test_cancelled_and_tried_again(
    logged_in: Callable[[User], Client], delivery: Delivery, site_admin: User
) -> None:
    client = logged_in(site_admin)
    assert api(client, f"/api/deliveries/{delivery.pk}/cancel/").json()["state"] == "cancelled"
    assert api(client, f"/api/deliveries/{delivery.pk}/cancel/").status_code == 409
    answer = api(client, f"/api/deliveries/{delivery.pk}/retry/").json()
    assert (answer["state"], answer["attempts"]) == ("queued", 1)
    Delivery.objects.update(state=DeliveryState.DONE)
    assert api(client, f"/api/deliveries/{delivery.pk}/retry/").status_code == 409
    actions = AuditEvent.objects.filter(action__startswith="delivery.", actor_id=site_admin.pk)
    assert {each.action for each in actions} == {"delivery.cancel", "delivery.retry"}


def test_nothing_old_is_tried_again(
    logged_in: Callable[[User], Client], delivery: Delivery, radiologist: User, study: Any
) -> None:
    client = logged_in(radiologist)
    Delivery.objects.update(state=DeliveryState.FAILED)
    sign(study, radiologist, "addendum", planned=False)
    answer = api(client, f"/api/deliveries/{delivery.pk}/retry/")
    assert answer.json() == {"detail": "A newer version was signed: send that one."}


def test_a_withdrawn_report_goes_nowhere(
    logged_in: Callable[[User], Client], delivery: Delivery, radiologist: User, study: Any
) -> None:
    client = logged_in(radiologist)
    path = f"/api/reports/{delivery.version.report_id}/deliveries/"
    place = client.get(path).json()["places"][0]["value"]
    sign(study, radiologist, "withdrawal")
    assert api(client, path, {"place": place}).json() == {
        "detail": "This report is withdrawn: it goes nowhere any more."
    }


def test_a_draft_goes_nowhere(
    logged_in: Callable[[User], Client], study: Any, radiologist: User
) -> None:
    report = Report.objects.create(
        site=study.site, study=study, author=radiologist, saved_by=radiologist
    )
    client = logged_in(radiologist)
    answer = api(client, f"/api/reports/{report.pk}/deliveries/", {"place": "orthanc:1"})
    assert answer.status_code == 409


def test_failed_ones_first_and_filters(
    logged_in: Callable[[User], Client], delivery: Delivery, radiologist: User, make_study: Any
) -> None:
    client = logged_in(radiologist)
    for _ in range(2):
        sign(make_study(delivery.site, patient_name="ROE^Rita"), radiologist)
    first, second, third = Delivery.objects.order_by("id")
    Delivery.objects.filter(pk=first.pk).update(state="failed", last_error="It burnt.")
    Delivery.objects.filter(pk=third.pk).update(state="done")

    def shown(query: str = "") -> list[int]:
        rows = client.get(f"/deliveries/{query}").context["rows"]
        return [row["delivery"].pk for row in rows]

    assert shown() == [first.pk, second.pk, third.pk]
    assert shown("?show=failed") == [first.pk]
    assert shown("?show=open") == [second.pk]
    assert shown("?show=done&transport=orthanc") == [third.pk]
    assert shown("?transport=fhir") == []
    assert shown("?show=nonsense&transport=nonsense&page=x") == [first.pk, second.pk, third.pk]
    assert b"It burnt." in client.get("/deliveries/").content
