"""FHIR R4: resources that validate, for who may see them, in every state of a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.imagingstudy import ImagingStudy
from fhir.resources.R4B.operationoutcome import OperationOutcome

from pacs.accounts.models import User
from pacs.audit.models import AuditEvent
from reports.models import Report, ReportVersion, VersionKind
from reports.output import fhir, pdf
from reports.output.typesetter import typesetter
from studies.models import Study, StudyGrant
from tests.dicomweb.asking import ct_file, store
from tests.reports import factories_output as made

pytestmark = pytest.mark.django_db
# What R4 binds as required (4.0.1); fhir.resources does not look.
REPORT_STATUS = {
    "registered", "partial", "preliminary", "final", "amended", "corrected", "appended",
    "cancelled", "entered-in-error", "unknown",
}  # fmt: skip
STUDY_STATUS = {"registered", "available", "cancelled", "entered-in-error", "unknown"}
ISSUE_TYPES = {"login", "forbidden", "not-found", "invalid", "not-supported", "transient"}


@pytest.fixture(scope="module", autouse=True)
def _typesetter() -> Iterator[None]:
    yield
    typesetter().close()


@pytest.fixture
def signed(study: Any, radiologist: User) -> ReportVersion:
    study.accession_number, study.study_date, study.study_time = "A-1", "20260318", "101542"
    study.issuer_of_patient_id = "HOSP"
    study.save()
    return made.version(study, radiologist, sections={**made.SECTIONS, "findings": "<p>a & b</p>"})


def again(signed: ReportVersion, kind: str, **fields: Any) -> ReportVersion:
    return made.version(
        signed.report.study, signed.signer, report=signed.report, kind=kind, **fields
    )


def valid(resource: dict[str, Any]) -> dict[str, Any]:
    DiagnosticReport.model_validate(resource)
    assert resource["status"] in REPORT_STATUS
    return resource


def test_a_final_report(signed: ReportVersion, settings: Any) -> None:
    settings.PUBLIC_URL = "https://pacs.example.org/"
    got = valid(fhir.diagnostic_report(signed))
    assert (got["id"], got["status"]) == (str(signed.report_id), "final")
    assert got["meta"] == {"versionId": "1", "lastUpdated": "2026-03-18T11:42:07.000Z"}
    assert got["effectiveDateTime"] == "2026-03-18T10:15:42+01:00"
    assert got["subject"]["identifier"]["value"] == signed.content["patient"]["id"]
    assert got["subject"]["display"] == "DOE, Jane"
    assert got["conclusion"] == "1. Growing nodule of the right upper lobe.\n2. PET/CT advised."
    (form,) = got["presentedForm"]
    assert form["url"] == f"https://pacs.example.org/fhir/Binary/{signed.pk}"
    assert got["imagingStudy"][0]["reference"] == f"ImagingStudy/{signed.report.study_id}"
    assert got["basedOn"][0]["identifier"]["value"] == "A-1"


@pytest.mark.parametrize(
    ("kind", "status"),
    [(VersionKind.ADDENDUM, "amended"), (VersionKind.WITHDRAWAL, "entered-in-error")],
)
def test_states(signed: ReportVersion, kind: str, status: str) -> None:
    got = valid(fhir.diagnostic_report(again(signed, kind)))
    assert got["status"] == status
    assert got["meta"]["versionId"] == "2"
    said = str(got)
    if status == "amended":
        assert got["conclusion"].endswith("Addendum:\nThe nodule was there in 2023 as well.")
    else:
        assert "nodule" not in said
        assert "presentedForm" not in got


def test_preliminary_and_draft(study: Any, other_study: Any, radiologist: Any) -> None:
    preliminary = made.version(study, radiologist, kind=VersionKind.PRELIMINARY)
    assert valid(fhir.diagnostic_report(preliminary))["status"] == "preliminary"
    draft = Report.objects.create(
        site=other_study.site,
        study=other_study,
        author=radiologist,
        saved_by=radiologist,
        content=made.content_of(made.SECTIONS),
    )
    got = valid(fhir.registered(draft))
    assert got["status"] == "registered"
    assert "nodule" not in str(got)


def test_the_imaging_study(site: Any) -> None:
    stored = store(site, ct_file(BodyPartExamined="CHEST", SeriesDescription="Axial"))
    got = fhir.imaging_study(Study.objects.get(pk=stored.study_pk))
    ImagingStudy.model_validate(got)
    assert got["status"] in STUDY_STATUS
    assert got["identifier"][0]["value"] == f"urn:oid:{stored.study}"
    (series,) = got["series"]
    assert (series["uid"], series["modality"]["code"]) == (stored.series, "CT")
    assert series["bodySite"]["display"] == "CHEST"
    assert "number" in series


def test_whatever_the_images_say(make_study: Any, site: Any, radiologist: Any) -> None:
    study = make_study(
        site,
        patient_name="\u202e<b>^",
        patient_id="",
        study_date="yesterday",
        study_time="99",
        modalities="",
        study_description="",
        accession_number="",
    )
    got = valid(fhir.diagnostic_report(made.version(study, radiologist, title="")))
    assert got["subject"] == {"type": "Patient", "display": "<b>"}
    assert "effectiveDateTime" not in got
    ImagingStudy.model_validate(fhir.imaging_study(study))


def test_who_reads_a_report(
    signed: ReportVersion,
    client: Any,
    bearer: Any,
    logged_in: Callable[[User], Any],
    radiologist: Any,
    stranger: Any,
    referrer: Any,
    technician: Any,
    admin: Any,
) -> None:
    url = f"/fhir/DiagnosticReport/{signed.report_id}"
    for user in (radiologist, technician, admin):
        answer = client.get(url, headers=bearer(user))
        assert answer.status_code == 200
        assert answer["Content-Type"] == "application/fhir+json"
        valid(answer.json())
    assert logged_in(radiologist).get(url).status_code == 200
    for user, status in ((stranger, 404), (referrer, 404), (None, 401)):
        answer = client.get(url, headers=bearer(user) if user else {})
        assert answer.status_code == status
        OperationOutcome.model_validate(answer.json())
        assert answer.json()["issue"][0]["code"] in ISSUE_TYPES
    narrow = client.get(url, headers=bearer(radiologist, scopes=["write"]))
    assert narrow.status_code == 403
    assert AuditEvent.objects.filter(action="fhir.report", study_id=signed.report.study_id).exists()


def test_a_referrer_sees_the_newest_final_of_what_is_granted(
    signed: ReportVersion, client: Any, bearer: Any, referrer: Any, radiologist: Any
) -> None:
    StudyGrant.objects.create(study=signed.report.study, user=referrer, granted_by=radiologist)
    headers = bearer(referrer)
    url = f"/fhir/DiagnosticReport/{signed.report_id}"
    assert client.get(url, headers=headers).json()["status"] == "final"
    assert client.get(f"/fhir/Binary/{signed.pk}", headers=headers).status_code == 200
    addendum = again(signed, VersionKind.ADDENDUM)
    assert client.get(f"/fhir/Binary/{signed.pk}", headers=headers).status_code == 404
    assert client.get(f"/fhir/Binary/{addendum.pk}", headers=headers).status_code == 200
    again(signed, VersionKind.WITHDRAWAL)
    assert client.get(url, headers=headers).status_code == 404
    recalled = client.get(url, headers=bearer(radiologist)).json()
    assert recalled["status"] == "entered-in-error"


def test_the_binary_is_the_pdf(
    signed: ReportVersion, client: Any, bearer: Any, radiologist: Any, stranger: Any
) -> None:
    url = f"/fhir/Binary/{signed.pk}"
    answer = client.get(url, headers=bearer(radiologist))
    assert answer["Content-Type"] == "application/pdf"
    assert answer.content == pdf.pdf(signed)
    assert client.get(url, headers=bearer(stranger)).status_code == 404
    assert client.get(url).status_code == 401


def test_search(
    signed: ReportVersion,
    make_study: Any,
    site: Any,
    other_study: Any,
    client: Any,
    bearer: Any,
    radiologist: Any,
    stranger: Any,
) -> None:
    made.version(other_study, stranger)
    theirs = [signed]
    for _ in range(2):
        study = make_study(site, patient_ref=signed.report.study.patient_ref, patient_id="P-7")
        theirs.append(made.version(study, radiologist))
    headers = bearer(radiologist)

    def ids(query: str) -> list[str]:
        answer = client.get(f"/fhir/DiagnosticReport?{query}", headers=headers)
        assert answer.status_code == 200, answer.content
        got = answer.json()
        Bundle.model_validate(got)
        assert got["type"] == "searchset"
        return [one["resource"]["id"] for one in got.get("entry", [])]

    newest_first = [str(one.report_id) for one in reversed(theirs)]
    assert ids("") == newest_first
    assert ids("patient=P-7") == newest_first[:2]
    assert ids("patient=urn:x|P-7&_count=1") == newest_first[:1]
    study = signed.report.study
    for asked in (study.study_instance_uid, f"urn:oid:{study.study_instance_uid}"):
        assert ids(f"study={asked}") == [str(signed.report_id)]
    assert ids(f"study=ImagingStudy/{study.pk}") == [str(signed.report_id)]
    assert ids("patient=nobody") == []
    assert ids("_count=0") == []
    first = client.get("/fhir/DiagnosticReport?_count=2", headers=headers).json()
    assert first["total"] == 3
    (following,) = [one["url"] for one in first["link"] if one["relation"] == "next"]
    assert ids(following.partition("?")[2]) == newest_first[2:]
    for wrong in ("_count=x", "_offset=-1", "patient=%00", "_count=" + "9" * 30):
        answer = client.get(f"/fhir/DiagnosticReport?{wrong}", headers=headers)
        assert answer.status_code == 400
        OperationOutcome.model_validate(answer.json())


def test_an_imaging_study_of_ones_own_site(
    signed: ReportVersion, client: Any, bearer: Any, radiologist: Any, stranger: Any
) -> None:
    url = f"/fhir/ImagingStudy/{signed.report.study_id}"
    ImagingStudy.model_validate(client.get(url, headers=bearer(radiologist)).json())
    assert client.get(url, headers=bearer(stranger)).status_code == 404
    assert client.get("/fhir/ImagingStudy/" + "9" * 40, headers=bearer(stranger)).status_code == 404
    assert client.get(url).status_code == 401


def test_the_statement_is_for_everybody(client: Any, db: None) -> None:
    answer = client.get("/fhir/metadata")
    assert answer.status_code == 200
    CapabilityStatement.model_validate(answer.json())
    assert answer.json()["fhirVersion"] == "4.0.1"
