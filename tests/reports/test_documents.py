"""Pages, PDFs and pictures of signed versions: who sees them, and what they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from pacs.accounts.models import User
from pacs.audit.models import AuditEvent
from reports.models import Report, ReportVersion, VersionKind
from reports.output import pdf
from reports.output.typesetter import Typesetter, typesetter
from reports.views import documents
from studies.annotations.models import KeyImage
from studies.models import StudyGrant
from studies.services.pixels import pixel_service
from tests.dicomweb.asking import ct_file, store
from tests.reports import factories_output as made

pytestmark = pytest.mark.django_db
LogIn = Callable[[User], Client]


@pytest.fixture(scope="session", autouse=True)
def _children() -> Iterator[None]:
    """The processes that make pictures and PDFs end with the tests."""
    yield
    typesetter().close()
    pixel_service().close()


@pytest.fixture
def picture() -> bytes:
    return made.png(size=64)


@pytest.fixture
def signed(study: Any, radiologist: User, picture: bytes) -> ReportVersion:
    return made.version(study, radiologist, key_images=[made.key_image(study.site_id, picture)])


def urls_of(version: ReportVersion) -> list[str]:
    sha256 = version.content["key_images"][0]["sha256"]
    root = f"/reports/versions/{version.pk}/"
    return [root, f"{root}report.pdf", f"{root}pictures/{sha256}.png"]


def test_who_sees_a_version(
    signed: ReportVersion,
    logged_in: LogIn,
    radiologist: User,
    technician: User,
    admin: User,
    stranger: User,
    referrer: User,
) -> None:
    for url in [*urls_of(signed), f"/reports/{signed.report_id}/document/"]:
        for user in (radiologist, technician, admin):
            assert logged_in(user).get(url, follow=True).status_code == 200, url
        for user in (stranger, referrer):
            assert logged_in(user).get(url).status_code == 404, url
        assert Client().get(url).status_code == 401, url
        assert Client().get(url, headers={"Accept": "text/html"}).status_code in (302, 401)
        assert logged_in(radiologist).post(url).status_code == 405
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"report.read", "report.pdf"} <= actions


def test_a_referrer_sees_the_newest_of_what_is_granted(
    signed: ReportVersion, logged_in: LogIn, referrer: User, radiologist: User
) -> None:
    StudyGrant.objects.create(study=signed.report.study, user=referrer, granted_by=radiologist)
    client = logged_in(referrer)
    for url in urls_of(signed):
        assert client.get(url).status_code == 200, url
    made.version(
        signed.report.study, radiologist, report=signed.report, kind=VersionKind.WITHDRAWAL
    )
    for url in [*urls_of(signed), f"/reports/{signed.report_id}/document/"]:
        assert client.get(url).status_code == 404, url


def test_a_preliminary_report_is_not_for_referrers(
    study: Any, logged_in: LogIn, referrer: User, radiologist: User
) -> None:
    StudyGrant.objects.create(study=study, user=referrer, granted_by=radiologist)
    version = made.version(study, radiologist, kind=VersionKind.PRELIMINARY)
    assert logged_in(referrer).get(f"/reports/versions/{version.pk}/").status_code == 404


def test_the_page(signed: ReportVersion, logged_in: LogIn, radiologist: User) -> None:
    answer = logged_in(radiologist).get(f"/reports/versions/{signed.pk}/")
    page = answer.content.decode()
    assert "Growing nodule" in page
    assert "DOE, Jane" in page
    assert "style=" not in page
    assert urls_of(signed)[2] in page
    assert "no-store" in answer["Cache-Control"]


def test_the_newest_is_the_report(
    signed: ReportVersion, logged_in: LogIn, radiologist: User
) -> None:
    addendum = made.version(
        signed.report.study, radiologist, report=signed.report, kind=VersionKind.ADDENDUM
    )
    answer = logged_in(radiologist).get(f"/reports/{signed.report_id}/document/")
    assert answer["Location"] == f"/reports/versions/{addendum.pk}/"


def test_the_pdf_and_the_picture(
    signed: ReportVersion, picture: bytes, logged_in: LogIn, radiologist: User
) -> None:
    client = logged_in(radiologist)
    _, pdf_url, picture_url = urls_of(signed)
    answer = client.get(pdf_url)
    assert answer["Content-Type"] == "application/pdf"
    assert "DOE" not in answer["Content-Disposition"]
    assert answer.content == pdf.pdf(signed)
    assert client.get(picture_url).content == picture
    other = picture_url.replace(signed.content["key_images"][0]["sha256"], "0" * 64)
    assert client.get(other).status_code == 404


def test_a_server_that_cannot_make_pdfs_says_what_is_missing(
    signed: ReportVersion, logged_in: LogIn, radiologist: User, monkeypatch: Any
) -> None:
    from reports.errors import PermanentError
    from reports.output.typesetter import NOT_INSTALLED

    def missing(*_: Any, **__: Any) -> Any:
        raise PermanentError(NOT_INSTALLED)

    monkeypatch.setattr(Typesetter, "_ask", missing)
    client = logged_in(radiologist)
    answer = client.get(urls_of(signed)[1])
    assert answer.status_code == 503
    assert b"libpango" in answer.content
    assert client.get(urls_of(signed)[0]).status_code == 200, "the report itself is read"


def test_a_draft(study: Any, logged_in: LogIn, radiologist: User, stranger: User) -> None:
    draft = Report.objects.create(
        site=study.site,
        study=study,
        author=radiologist,
        saved_by=radiologist,
        content=made.content_of(made.SECTIONS, key_images=[{"id": "no uuid", "caption": "x"}]),
    )
    url = f"/reports/{draft.pk}/document/"
    page = logged_in(radiologist).get(url).content.decode()
    assert "This is a draft. Nobody has signed it." in page
    assert "Growing nodule" in page
    assert "This key image cannot be shown." in page
    assert logged_in(stranger).get(url).status_code == 404
    assert pdf.preview(draft).startswith(b"%PDF-")


def test_an_addendum_that_is_being_written(
    signed: ReportVersion, logged_in: LogIn, radiologist: User
) -> None:
    report = signed.report
    report.is_addending = True
    report.content = made.content_of({"addendum": "<p>More to say.</p>"})
    report.save()
    page = documents.html.render(report)
    assert page.index("Growing nodule") < page.index("More to say.")
    assert "This is a draft." in page


def test_key_images_of_a_draft(
    site: Any, logged_in: LogIn, radiologist: User, stranger: User
) -> None:
    stored = store(site, ct_file(size=32))
    key_image = KeyImage.objects.create(
        study_id=stored.study_pk,
        series_instance_uid=stored.series,
        sop_instance_uid=stored.instance,
        author=radiologist,
    )
    url = f"/reports/key-images/{key_image.pk}.png"
    answer = logged_in(radiologist).get(url)
    assert answer.content.startswith(b"\x89PNG")
    assert logged_in(stranger).get(url).status_code == 404
    assert Client().get(url).status_code == 401
    KeyImage.objects.update(frame=9)
    assert logged_in(radiologist).get(url).status_code == 404
