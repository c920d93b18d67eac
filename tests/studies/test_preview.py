"""The drawer beside the worklist: who sees what of a study, and the trail."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pacs.audit.models import AuditEvent
from studies.models import Order, Series, StudyGrant, StudyNote

HTMX = {"HX-Request": "true"}


@pytest.fixture
def told(study: Any, technician: Any, site: Any) -> Any:
    """A study with an order, a note and a series."""
    Order.objects.create(
        site=site, patient_id=study.patient_id, study=study, reason="Fell <b>badly</b>"
    )
    StudyNote.objects.create(study=study, author=technician, text="Left side marked")
    Series.objects.create(study=study, series_instance_uid="1.2.3.4", modality="CT")
    return study


def path(study: Any) -> str:
    return f"/studies/{study.pk}/preview/"


def test_nobody_and_another_site(client: Any, logged_in: Any, stranger: Any, told: Any) -> None:
    assert client.get(path(told), headers=HTMX).status_code == 401
    assert logged_in(stranger).get(path(told), headers=HTMX).status_code == 404
    assert not AuditEvent.objects.filter(action="study.previewed").exists()


@pytest.mark.parametrize("actor", ["radiologist", "technician", "site_admin", "admin"])
def test_whoever_works_there_sees_it_whole(
    request: Any, logged_in: Any, actor: str, told: Any, site: Any
) -> None:
    user = request.getfixturevalue(actor)
    text = logged_in(user).get(path(told), headers=HTMX).content.decode()
    assert told.display_name in text
    assert "Fell &lt;b&gt;badly&lt;/b&gt;" in text
    assert "Left side marked" in text
    uid = told.study_instance_uid
    assert f"/dicom-web/sites/{site.slug}/studies/{uid}/series/1.2.3.4/thumbnail" in text
    event = AuditEvent.objects.get(action="study.previewed")
    assert (event.actor_id, event.study_id) == (user.pk, told.pk)


def test_a_referrer_sees_neither_order_nor_notes_nor_other_studies(
    logged_in: Any, referrer: Any, radiologist: Any, told: Any, make_study: Any, site: Any
) -> None:
    make_study(site, study_description="Hidden one", patient_ref=told.patient_ref)
    client = logged_in(referrer)
    assert client.get(path(told), headers=HTMX).status_code == 404
    StudyGrant.objects.create(study=told, user=referrer, granted_by=radiologist)
    text = client.get(path(told), headers=HTMX).content.decode()
    assert told.display_name in text
    for hidden in ("Fell", "Left side marked", "Hidden one"):
        assert hidden not in text


def test_other_studies_are_the_patients_own(
    logged_in: Any, radiologist: Any, told: Any, make_study: Any, site: Any
) -> None:
    make_study(site, study_description="Same patient", patient_ref=told.patient_ref)
    make_study(site, study_description="Somebody else")
    text = logged_in(radiologist).get(path(told), headers=HTMX).content.decode()
    assert "Same patient" in text
    assert "Somebody else" not in text


def test_more_costs_no_more_queries(
    logged_in: Any, radiologist: Any, technician: Any, told: Any, make_study: Any, site: Any
) -> None:
    client = logged_in(radiologist)
    client.get(path(told), headers=HTMX)
    with CaptureQueriesContext(connection) as few:
        client.get(path(told), headers=HTMX)
    for number in range(30):
        make_study(site, patient_ref=told.patient_ref, reader=radiologist)
        StudyNote.objects.create(study=told, author=technician, text="More")
        Series.objects.create(study=told, series_instance_uid=f"1.2.3.9.{number}")
    with CaptureQueriesContext(connection) as many:
        text = client.get(path(told), headers=HTMX).content.decode()
    assert len(many) == len(few)
    assert "and 7 more" in text
