"""Priors: the same patient by ID and issuer at the same site, never by name."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.test import Client

from pacs.audit.models import AuditEvent
from reports.attachments.models import Attachment
from studies.models import Patient
from tests.reports.factories_find import grant, signed

pytestmark = pytest.mark.django_db


@pytest.fixture
def prior(study: Any, site: Any, make_study: Any) -> Any:
    """An earlier study of the same patient."""
    return make_study(
        site,
        patient_ref=study.patient_ref,
        patient_id=study.patient_id,
        study_description="MR head",
        modalities="MR",
        study_day=date(2025, 1, 2),
        study_date="20250102",
    )


def test_same_patient_only(
    logged_in: Any, study: Any, prior: Any, site: Any, other_site: Any, make_study: Any,
    radiologist: Any, admin: Any,
) -> None:  # fmt: skip
    made = signed(prior, radiologist, "Old infarct.")
    namesake = make_study(site, patient_name=study.patient_name, study_description="NAMESAKE")
    other_issuer = Patient.objects.create(
        site=site, patient_id=study.patient_id, issuer_of_patient_id="ELSEWHERE"
    )
    make_study(site, patient_ref=other_issuer, patient_id=study.patient_id,
               study_description="ISSUER")  # fmt: skip
    make_study(other_site, patient_id=study.patient_id, study_description="SITE")
    for who in (radiologist, admin):
        page = logged_in(who).get(f"/studies/{study.pk}/priors/").content.decode()
        assert "MR head" in page
        assert f'data-text-url="/reports/{made.report_id}/text/"' in page
        assert f'data-images-url="/studies/{prior.pk}/view/"' in page
        for other in ("NAMESAKE", "ISSUER", "SITE", f'data-study="{study.pk}"'):
            assert other not in page
    assert (
        "No priors"
        in logged_in(radiologist).get(f"/studies/{namesake.pk}/priors/").content.decode()
    )


def test_without_a_patient_id_there_are_none(
    logged_in: Any, site: Any, make_study: Any, radiologist: Any
) -> None:
    first, _ = (make_study(site, patient_id="", patient_name="UNKNOWN") for _ in range(2))
    page = logged_in(radiologist).get(f"/studies/{first.pk}/priors/").content.decode()
    assert "Without a patient ID" in page


def test_referrers_see_what_is_granted(
    logged_in: Any, study: Any, prior: Any, referrer: Any, radiologist: Any
) -> None:
    grant(study, referrer, radiologist)
    Attachment.objects.create(
        site=study.site, patient=study.patient_ref, kind="outside_report", title="OUTSIDE", text="x"
    )
    client = logged_in(referrer)
    page = client.get(f"/studies/{study.pk}/priors/").content.decode()
    assert "MR head" not in page
    assert "OUTSIDE" not in page
    grant(prior, referrer, radiologist)
    signed(prior, radiologist, "Perhaps.", kind="preliminary")
    page = client.get(f"/studies/{study.pk}/priors/").content.decode()
    assert "MR head" in page
    # What is preliminary is no report for them.
    assert "no report" in page


def test_reports_from_elsewhere(logged_in: Any, study: Any, radiologist: Any) -> None:
    made = Attachment.objects.create(
        site=study.site, patient=study.patient_ref, kind="outside_report", title="CT elsewhere",
        text="<b>Nothing</b>", dated=date(2024, 5, 6), status="corrected",
    )  # fmt: skip
    client = logged_in(radiologist)
    page = client.get(f"/studies/{study.pk}/priors/").content.decode()
    assert "CT elsewhere" in page
    assert "2024-05-06" in page
    text = client.get(f"/attachments/{made.pk}/").content.decode()
    assert "&lt;b&gt;Nothing" in text
    assert "Corrected." in text


def test_priors_of_others_and_nobody(logged_in: Any, study: Any, stranger: Any,
                                     referrer: Any) -> None:  # fmt: skip
    path = f"/studies/{study.pk}/priors/"
    assert logged_in(stranger).get(path).status_code == 404
    assert logged_in(referrer).get(path).status_code == 404
    assert Client().get(path).status_code in (302, 401)


def test_reading_priors_is_audited(logged_in: Any, study: Any, radiologist: Any) -> None:
    for _ in range(2):
        logged_in(radiologist).get(f"/studies/{study.pk}/priors/")
    assert AuditEvent.objects.filter(action="priors.read", study_id=study.pk).exists()
