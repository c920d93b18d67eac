"""The page behind the QR code: what it says to anybody, and what it never says."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from pacs.audit.models import AuditEvent
from reports.models import ReportVersion, VersionKind
from reports.output import pdf
from reports.output.typesetter import typesetter
from reports.views import verify
from tests.reports import factories_output as made

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nobody_asked_before() -> None:
    verify.asked.forget()
    verify.unknown.forget()


@pytest.fixture(scope="module", autouse=True)
def _typesetter() -> Iterator[None]:
    yield
    typesetter().close()


@pytest.fixture
def signed(study: Any, radiologist: Any) -> ReportVersion:
    study.accession_number = "ACC-4711"
    study.save()
    return made.version(study, radiologist)


def url_of(version: ReportVersion) -> str:
    return f"/reports/verify/{version.verification}/"


def heading(answer: Any) -> str:
    page = answer.content.decode()
    return page[page.index("<h1>") + 4 : page.index("</h1>")]


def test_a_valid_one_and_nothing_of_the_patient(signed: ReportVersion) -> None:
    answer = Client().get(url_of(signed))
    page = answer.content.decode()
    assert (answer.status_code, heading(answer)) == (200, "Valid")
    assert "2026-03-18 12:42 CET" in page
    assert "Main Hospital" in page
    assert signed.content_sha256 in page
    patient = signed.content["patient"]
    for secret in ("DOE", "Jane", ">" + patient["id"], "ACC-4711", "nodule", "CT chest"):
        assert secret not in page, secret
    assert str(signed.signer) not in page
    assert answer["Referrer-Policy"] == "same-origin"
    assert "no-store" in answer["Cache-Control"]


def test_other_states(signed: ReportVersion, study: Any, radiologist: Any) -> None:
    report = signed.report
    addendum = made.version(study, radiologist, report=report, kind=VersionKind.ADDENDUM)
    assert heading(Client().get(url_of(signed))) == "Not the newest"
    assert heading(Client().get(url_of(addendum))) == "Valid"
    withdrawal = made.version(study, radiologist, report=report, kind=VersionKind.WITHDRAWAL)
    for version in (signed, addendum, withdrawal):
        assert heading(Client().get(url_of(version))) == "Withdrawn"


def test_a_preliminary_one(study: Any, radiologist: Any) -> None:
    version = made.version(study, radiologist, kind=VersionKind.PRELIMINARY)
    assert heading(Client().get(url_of(version))) == "Preliminary"


def test_one_that_was_tampered_with(signed: ReportVersion) -> None:
    changed = {**signed.content, "title": "Something else"}
    tampered = ReportVersion.objects.create(
        report=signed.report,
        number=2,
        kind=signed.kind,
        content=changed,
        content_sha256=signed.content_sha256,
        previous_sha256=signed.previous_sha256,
        chain_sha256=signed.chain_sha256,
        signer=signed.signer,
        signed_at=signed.signed_at,
        text="",
    )
    assert heading(Client().get(url_of(tampered))) == "Cannot be confirmed"


def test_forged_links_get_one_answer(signed: ReportVersion) -> None:
    token = str(signed.verification)
    pages = set()
    for forged in (
        str(uuid.uuid4()),
        "x",
        token.upper(),
        token.replace("-", ""),
        f"{{{token}}}",
        f"{token}'--",
        "1" * 300,
    ):
        answer = Client().get(f"/reports/verify/{forged}/")
        assert answer.status_code == 404
        pages.add(answer.content)
    assert len(pages) == 1
    assert heading(answer) == "Not known"


def test_who_guesses_is_stopped(signed: ReportVersion) -> None:
    client = Client()
    statuses = [client.get(f"/reports/verify/{uuid.uuid4()}/").status_code for _ in range(12)]
    assert statuses == [404] * 10 + [429] * 2
    assert client.get(url_of(signed)).status_code == 429
    assert Client(REMOTE_ADDR="192.0.2.7").get(url_of(signed)).status_code == 200


def test_comparing_a_pdf(signed: ReportVersion) -> None:
    document = pdf.pdf(signed)
    client = Client(enforce_csrf_checks=True)
    page = client.get(url_of(signed)).content.decode()
    token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]

    def compared(data: bytes) -> str:
        file = SimpleUploadedFile("report.pdf", data)
        answer = client.post(url_of(signed), {"pdf": file, "csrfmiddlewaretoken": token})
        assert answer.status_code == 200
        return answer.content.decode()

    assert "byte by byte" in compared(document)
    assert "is not the PDF" in compared(document + b"x")
    assert "There was no file" in compared(b"")
    assert client.post(url_of(signed), {"pdf": "x"}).status_code == 403


def test_it_is_audited_without_the_link(signed: ReportVersion) -> None:
    Client().get(url_of(signed))
    event = AuditEvent.objects.get(action="report.verify")
    assert event.study_id == signed.report.study_id
    assert str(signed.verification) not in str(event.detail)
