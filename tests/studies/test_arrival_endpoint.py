"""`/api/studies/<id>/complete/`: who may say that a study is complete, and what is answered."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from pacs.accounts.models import Membership, Role
from pacs.audit.models import AuditEvent
from studies.models import Arrival, Study, StudyGrant

pytestmark = pytest.mark.django_db
JSON = "application/json"


def path(study: Any) -> str:
    return f"/api/studies/{study.pk}/complete/"


def state(study: Any) -> str:
    return str(Study.objects.get(pk=study.pk).arrival)


@pytest.mark.parametrize("actor", ["technician", "site_admin", "admin"])
def test_permitted(request: Any, logged_in: Any, actor: str, study: Any) -> None:
    client = logged_in(request.getfixturevalue(actor))
    answer = client.post(path(study))
    assert answer.status_code == 200
    assert (answer.json()["arrival"], state(study)) == ("complete", Arrival.COMPLETE)
    event = AuditEvent.objects.get(action="study.complete")
    assert (event.actor_name, event.address) == (actor, "127.0.0.1")
    assert client.delete(path(study)).json()["arrival"] == "quiet"
    assert state(study) == Arrival.QUIET


def test_those_who_see_but_may_not(
    logged_in: Any, radiologist: Any, referrer: Any, study: Any
) -> None:
    assert logged_in(referrer).post(path(study)).status_code == 404
    StudyGrant.objects.create(study=study, user=referrer, granted_by=radiologist)
    for user in (radiologist, referrer):
        for ask in (logged_in(user).post, logged_in(user).delete):
            answer = ask(path(study))
            assert answer.status_code == 403
            assert "Only technicians and administrators" in answer.json()["detail"]
    assert state(study) == Arrival.RECEIVING


def test_hidden_and_unknown_are_not_found(
    logged_in: Any, stranger: Any, technician: Any, other_site: Any, study: Any, other_study: Any
) -> None:
    Membership.objects.create(user=stranger, site=other_site, role=Role.TECHNICIAN)
    for client in (logged_in(stranger), logged_in(stranger)):
        assert client.post(path(study)).status_code == 404
        assert client.delete(path(study)).status_code == 404
    assert logged_in(technician).post(path(other_study)).status_code == 404
    assert logged_in(technician).post("/api/studies/987654/complete/").status_code == 404


def test_a_technician_elsewhere_who_reads_here(
    logged_in: Any, radiologist: Any, other_site: Any, study: Any
) -> None:
    Membership.objects.create(user=radiologist, site=other_site, role=Role.TECHNICIAN)
    assert logged_in(radiologist).post(path(study)).status_code == 403


def test_a_person_without_any_site_finds_nothing(
    logged_in: Any, django_user_model: Any, study: Any
) -> None:
    nobody = django_user_model.objects.create_user("nobody", password="a-long-enough-password")
    assert logged_in(nobody).post(path(study)).status_code == 404


def test_nobody_is_401(client: Any, study: Any) -> None:
    assert client.post(path(study)).status_code == 401
    assert client.delete(path(study)).status_code == 401
    assert state(study) == Arrival.RECEIVING


def test_a_session_needs_the_csrf_token(technician: Any, study: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(technician)
    assert client.post(path(study)).status_code == 403
    assert client.delete(path(study)).status_code == 403
    assert state(study) == Arrival.RECEIVING


def test_tokens(client: Any, bearer: Any, technician: Any, radiologist: Any, study: Any) -> None:
    assert client.post(path(study), headers=bearer(radiologist)).status_code == 403
    reads = bearer(technician, scopes=["read"])
    assert client.post(path(study), headers=reads).status_code == 403
    assert state(study) == Arrival.RECEIVING
    writes = bearer(technician, scopes=["read", "write"])
    assert client.post(path(study), headers=writes).status_code == 200
    body = {"complete": False}
    answer = client.post(path(study), body, JSON, headers=writes)
    assert (answer.status_code, state(study)) == (200, Arrival.QUIET)


def test_expected_number(logged_in: Any, technician: Any, study: Any) -> None:
    Study.objects.filter(pk=study.pk).update(number_of_instances=12, arrival=Arrival.QUIET)
    client = logged_in(technician)
    answer = client.post(path(study), {"expected_instances": 60}, JSON).json()
    assert (answer["arrival"], answer["expected_instances"]) == ("quiet", 60)
    assert answer["message"] == "12 of 60 images are there."
    answer = client.post(path(study), {"expected_instances": 12}).json()
    assert (answer["arrival"], answer["message"]) == ("complete", "Complete with 12 images.")


@pytest.mark.parametrize("body", ['{"expected_instances": 0}', '{"expected_instances": 100001}'])
def test_numbers_out_of_range(logged_in: Any, technician: Any, study: Any, body: str) -> None:
    assert logged_in(technician).post(path(study), body, JSON).status_code == 400


@pytest.mark.parametrize("body", ["[]", "[1]", "3", '"x"', "{", '{"expected_instances": "many"}'])
def test_other_bodies(logged_in: Any, technician: Any, study: Any, body: str) -> None:
    assert logged_in(technician).post(path(study), body, JSON).status_code == 400
    assert state(study) == Arrival.RECEIVING


@pytest.mark.parametrize(
    ("actor", "buttons"), [("technician", 1), ("admin", 1), ("radiologist", 0)]
)
def test_the_row_has_the_button_for_those_who_may(
    request: Any, logged_in: Any, actor: str, buttons: int, study: Any
) -> None:
    client = logged_in(request.getfixturevalue(actor))
    for url in ("/", f"/worklist/row/{study.pk}/"):
        assert client.get(url).content.decode().count("data-complete") == buttons


def test_the_row_shows_the_expected_number(logged_in: Any, technician: Any, study: Any) -> None:
    Study.objects.filter(pk=study.pk).update(
        number_of_instances=12, expected_instances=60, arrival=Arrival.QUIET
    )
    assert "12 of 60" in logged_in(technician).get("/").content.decode()
