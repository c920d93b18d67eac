"""The page of a patient: every study in time, to those who see it."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pacs.audit.models import AuditEvent
from studies.models import StudyGrant


def shown(response: Any) -> list[int]:
    assert response.status_code == 200, response.status_code
    return [int(pk) for pk in re.findall(r"/studies/(\d+)/view/", response.content.decode())]


@pytest.fixture
def history(make_study: Any, site: Any) -> list[Any]:
    """Three studies of one patient, the latest first, and one of another."""
    found = [
        make_study(
            site, patient_id=f"H{year}", study_date=f"{year}0203", study_day=date(year, 2, 3)
        )
        for year in (2026, 2024, 2019)
    ]
    for study in found[1:]:
        study.patient_ref = found[0].patient_ref
        study.save()
    make_study(site)
    return found


def test_nobody_goes_to_the_login(client: Any, history: list[Any]) -> None:
    path = f"/patients/{history[0].patient_ref_id}/"
    assert client.get(path, headers={"Accept": "text/html"}).status_code == 302
    assert client.get(path, headers={"HX-Request": "true"}).status_code == 401


@pytest.mark.parametrize("actor", ["radiologist", "technician", "site_admin", "admin"])
def test_all_studies_the_latest_first(
    request: Any, logged_in: Any, actor: str, history: list[Any], site: Any
) -> None:
    user = request.getfixturevalue(actor)
    response = logged_in(user).get(f"/patients/{history[0].patient_ref_id}/")
    assert shown(response) == [study.pk for study in history]
    assert response["Cache-Control"] == "no-store"
    event = AuditEvent.objects.get(action="patient.opened")
    assert (event.actor_id, event.patient_id) == (user.pk, history[0].patient_ref_id)
    assert event.site_id == site.pk


def test_another_site_and_an_unknown_patient_are_404(
    logged_in: Any, stranger: Any, history: list[Any]
) -> None:
    client = logged_in(stranger)
    assert client.get(f"/patients/{history[0].patient_ref_id}/").status_code == 404
    assert client.get("/patients/999999/").status_code == 404
    assert not AuditEvent.objects.filter(action="patient.opened").exists()


def test_a_referrer_sees_what_was_granted_only(
    logged_in: Any, referrer: Any, radiologist: Any, history: list[Any]
) -> None:
    client, path = logged_in(referrer), f"/patients/{history[0].patient_ref_id}/"
    assert client.get(path).status_code == 404
    StudyGrant.objects.create(study=history[1], user=referrer, granted_by=radiologist)
    assert shown(client.get(path)) == [history[1].pk]


def test_rows_cost_no_queries(
    logged_in: Any, radiologist: Any, history: list[Any], make_study: Any, site: Any
) -> None:
    client, path = logged_in(radiologist), f"/patients/{history[0].patient_ref_id}/"
    client.get(path)
    with CaptureQueriesContext(connection) as few:
        client.get(path)
    for _ in range(20):
        study = make_study(site, reader=radiologist)
        study.patient_ref = history[0].patient_ref
        study.save()
    with CaptureQueriesContext(connection) as many:
        assert len(shown(client.get(path))) == 23
    assert len(many) == len(few)
