"""REST and admin of orders: who sees which, and who says what belongs together."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from pacs.audit.models import AuditEvent
from studies.orders.models import CorrectionProposal, Order

pytestmark = pytest.mark.django_db
LIST = "/api/orders/"
JSON = "application/json"
UNORDERED = "/api/orders/unordered-studies/"


@pytest.fixture
def order(site: Any) -> Order:
    return Order.objects.create(
        site=site, accession_number="A1", patient_id="P1", modality="CT", patient_name="DOE^Jane"
    )


@pytest.fixture
def other_order(other_site: Any) -> Order:
    return Order.objects.create(site=other_site, accession_number="A1", patient_id="P1")


@pytest.mark.parametrize("actor", ["radiologist", "technician", "site_admin", "admin"])
def test_permitted(
    request: Any, logged_in: Any, order: Order, other_order: Order, actor: str
) -> None:
    client = logged_in(request.getfixturevalue(actor))
    body = client.get(LIST).json()
    wanted = [other_order.pk, order.pk] if actor == "admin" else [order.pk]
    assert [each["id"] for each in body["results"]] == wanted
    assert body["count"] == len(wanted)
    one = client.get(f"{LIST}{order.pk}/").json()
    assert (one["accession_number"], one["status"], one["study"]) == ("A1", "scheduled", None)
    assert {"orders.read", "order.opened"} <= set(
        AuditEvent.objects.filter(actor_name=actor).values_list("action", flat=True)
    )


@pytest.mark.parametrize("actor", ["stranger", "referrer"])
def test_hidden(request: Any, logged_in: Any, order: Order, study: Any, actor: str) -> None:
    client = logged_in(request.getfixturevalue(actor))
    hidden = 404 if actor == "stranger" else 403
    assert client.get(f"{LIST}{order.pk}/").status_code == hidden
    link = client.post(f"{LIST}{order.pk}/link/", {"study": study.pk}, content_type=JSON)
    assert link.status_code == hidden
    assert client.delete(f"{LIST}{order.pk}/link/").status_code == hidden
    for path in (LIST, UNORDERED):
        listed = client.get(path)
        assert listed.status_code == 403 if actor == "referrer" else listed.json()["count"] == 0


def test_anonymous(order: Order) -> None:
    client = Client()
    for path in (LIST, UNORDERED, f"{LIST}{order.pk}/"):
        assert client.get(path).status_code == 401
    assert client.post(f"{LIST}{order.pk}/link/", {"study": 1}).status_code == 401


def test_filters_and_pages(logged_in: Any, radiologist: Any, site: Any, study: Any) -> None:
    for number in range(5):
        Order.objects.create(
            site=site,
            accession_number=f"A{number}",
            patient_id=f"P{number % 2}",
            study=study if number == 0 else None,
            status="cancelled" if number == 4 else "scheduled",
        )
    client = logged_in(radiologist)

    def found(**query: Any) -> list[str]:
        return [each["accession_number"] for each in client.get(LIST, query).json()["results"]]

    assert found(limit=2, offset=1) == ["A3", "A2"]
    assert found(linked="true") == ["A0"]
    assert found(linked="false", status="scheduled") == ["A3", "A2", "A1"]
    assert found(patient_id="P1") == ["A3", "A1"]
    assert found(accession_number="A2") == ["A2"]
    assert found(study=study.pk) == ["A0"]
    for query in ({"limit": 101}, {"status": "x"}, {"study": 2**63}, {"offset": -1}):
        assert client.get(LIST, query).status_code == 400, query


def test_studies_without_an_order(
    logged_in: Any, technician: Any, site: Any, make_study: Any, other_study: Any
) -> None:
    ordered = make_study(site, accession_number="A1")
    Order.objects.create(site=site, accession_number="A1", patient_id="P", study=ordered)
    alone = make_study(site, accession_number="A2")
    make_study(site, accession_number="")
    body = logged_in(technician).get(UNORDERED).json()
    assert (body["count"], [each["id"] for each in body["results"]]) == (1, [alone.pk])


def test_a_person_links(
    logged_in: Any, bearer: Any, technician: Any, radiologist: Any, order: Order, study: Any,
    other_study: Any,
) -> None:  # fmt: skip
    path = f"{LIST}{order.pk}/link/"
    body = {"study": study.pk}
    assert logged_in(radiologist).post(path, body, content_type=JSON).status_code == 403
    read_only = Client(headers=bearer(technician, scopes=["read"]))
    assert read_only.post(path, body, content_type=JSON).status_code == 403
    client = logged_in(technician)
    assert client.post(path, {"study": other_study.pk}, content_type=JSON).status_code == 404
    assert client.post(path, {"study": "x"}, content_type=JSON).status_code == 400
    assert client.delete(path).status_code == 409
    linked = client.post(path, body, content_type=JSON)
    assert (linked.status_code, linked.json()["study"]) == (200, study.pk)
    assert client.post(path, body, content_type=JSON).status_code == 409
    assert AuditEvent.objects.get(action="order.linked").actor_name == "technician"
    gone = client.delete(path)
    assert (gone.status_code, gone.json()["match_problem"]) == (200, "taken_away")
    assert AuditEvent.objects.get(action="order.unlinked").study_id == study.pk


def test_admin(
    logged_in: Any,
    site_admin: Any,
    order: Order,
    other_order: Order,
    site: Any,
    other_site: Any,
    make_study: Any,
) -> None:
    client = logged_in(site_admin)
    proposals = [
        CorrectionProposal.objects.create(site=each, kind="merge", patient_id="P1", source="x")
        for each in (site, other_site)
    ]
    page = client.get("/admin/studies/order/?linked=no").content.decode()
    assert f"/admin/studies/order/{order.pk}/change/" in page
    assert f"/admin/studies/order/{other_order.pk}/change/" not in page
    for name, ours, theirs in (
        ("order", order, other_order),
        ("correctionproposal", *proposals),
    ):
        base = f"/admin/studies/{name}/"
        assert client.get(f"{base}{ours.pk}/change/").status_code == 200
        assert client.get(f"{base}{theirs.pk}/change/").status_code == 302
        assert client.get(f"{base}add/").status_code == 403
        assert client.post(f"{base}{ours.pk}/change/", {"status": "x"}).status_code == 403
    ordered = make_study(site, accession_number="A1")
    Order.objects.filter(pk=order.pk).update(study=ordered)
    alone = make_study(site, accession_number="A2")
    for value, shown, hidden in (("no", alone, ordered), ("yes", ordered, alone)):
        page = client.get(f"/admin/studies/study/?ordered={value}").content.decode()
        assert f"/admin/studies/study/{shown.pk}/change/" in page
        assert f"/admin/studies/study/{hidden.pk}/change/" not in page
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"order.opened", "correction.opened"} <= actions
