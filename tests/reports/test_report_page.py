"""The page of a report, its PDF, its versions compared, and the list."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from pacs.audit.models import AuditEvent
from reports.diffing import ADDED, REMOVED, compare, words
from reports.models import Report
from tests.reports.factories_find import grant, signed

pytestmark = pytest.mark.django_db


@pytest.fixture
def report(study: Any, radiologist: Any) -> Report:
    """Preliminary, then final, then an addendum."""
    first = signed(study, radiologist, "Perhaps a nodule.", kind="preliminary")
    signed(study, radiologist, "A nodule of 12 mm.", report=first.report)
    signed(study, radiologist, "No change since 2024.", report=first.report, kind="addendum")
    found: Report = Report.objects.get(pk=first.report_id)
    return found


PATHS = ["", "text/", "pdf/", "diff/"]


def test_page_shows_text_versions_and_hash(logged_in: Any, report: Any, radiologist: Any) -> None:
    page = logged_in(radiologist).get(f"/reports/{report.pk}/").content.decode()
    assert "A nodule of 12 mm." in page
    assert "No change since 2024." in page
    assert "Perhaps" not in page
    for version in report.versions.all():
        assert version.content_sha256 in page
    old = logged_in(radiologist).get(f"/reports/{report.pk}/?version=1").content.decode()
    assert "Perhaps a nodule." in old
    assert "An older version." in old
    assert "Preliminary." in old


def test_reads_are_audited_once(logged_in: Any, report: Any, radiologist: Any) -> None:
    client = logged_in(radiologist)
    for _ in range(3):
        client.get(f"/reports/{report.pk}/")
    events = AuditEvent.objects.filter(action="report.read")
    assert [(e.actor_id, e.study_id, e.detail["report"]) for e in events] == [
        (radiologist.pk, report.study_id, report.pk)
    ]


@pytest.mark.parametrize("path", PATHS)
def test_of_others_and_nobody(logged_in: Any, report: Any, stranger: Any, referrer: Any,
                              path: str) -> None:  # fmt: skip
    address = f"/reports/{report.pk}/{path}"
    assert logged_in(stranger).get(address).status_code == 404
    assert logged_in(referrer).get(address).status_code == 404
    assert Client().get(address).status_code in (302, 401)
    assert not AuditEvent.objects.filter(action__startswith="report.").exists()


def test_referrers_see_what_is_final(
    logged_in: Any, report: Any, study: Any, referrer: Any, radiologist: Any
) -> None:
    grant(study, referrer, radiologist)
    client = logged_in(referrer)
    page = client.get(f"/reports/{report.pk}/").content.decode()
    assert "A nodule of 12 mm." in page
    assert "No change since 2024." in page
    assert "Preliminary" not in page
    assert client.get(f"/reports/{report.pk}/?version=1").status_code == 404
    assert client.get(f"/reports/{report.pk}/pdf/?version=1").status_code == 404
    assert client.get(f"/reports/{report.pk}/diff/?from=1&to=2").status_code == 404


def test_referrers_see_nothing_preliminary_or_withdrawn(
    logged_in: Any, study: Any, referrer: Any, radiologist: Any, technician: Any
) -> None:
    grant(study, referrer, radiologist)
    made = signed(study, radiologist, "Perhaps.", kind="preliminary").report
    assert logged_in(referrer).get(f"/reports/{made.pk}/").status_code == 404
    assert logged_in(technician).get(f"/reports/{made.pk}/").status_code == 200
    signed(study, radiologist, "Yes.", report=made)
    assert logged_in(referrer).get(f"/reports/{made.pk}/").status_code == 200
    signed(study, radiologist, "-", report=made, kind="withdrawal", reason="wrong patient")
    assert logged_in(referrer).get(f"/reports/{made.pk}/").status_code == 404
    page = logged_in(technician).get(f"/reports/{made.pk}/").content.decode()
    assert "Withdrawn." in page
    assert "Yes." in page


@pytest.mark.parametrize("query", ["?version=0", "?version=99", "?version=-1", "?version=x",
                                   "?version=99999999999999999999", "?version=٣"])  # fmt: skip
def test_versions_that_are_none(logged_in: Any, report: Any, radiologist: Any, query: str) -> None:
    for path in ("", "pdf/"):
        answer = logged_in(radiologist).get(f"/reports/{report.pk}/{path}{query}")
        assert answer.status_code == 404


def test_hostile_markup_does_nothing(logged_in: Any, study: Any, radiologist: Any) -> None:
    made = signed(
        study,
        radiologist,
        "<script>alert(1)</script><img src=x onerror=alert(2)><a href='javascript:1'>x</a>"
        "<p style='position:fixed'>styled</p><table><tr><td colspan=3>cell</td></tr></table>",
    )
    page = logged_in(radiologist).get(f"/reports/{made.report_id}/").content.decode()
    article = page.split("read-body")[1].split("read-versions")[0]
    for evil in ("<script", "<img", "onerror", "javascript:", "style="):
        assert evil not in article
    assert 'colspan="3"' in article
    assert "cell</td>" in article


def test_nothing_signed_yet(logged_in: Any, study: Any, radiologist: Any) -> None:
    draft = Report.objects.create(
        site=study.site, study=study, author=radiologist, saved_by=radiologist
    )
    client = logged_in(radiologist)
    assert "Nothing is signed yet" in client.get(f"/reports/{draft.pk}/").content.decode()
    assert client.get(f"/reports/{draft.pk}/pdf/").status_code == 404
    assert client.get(f"/reports/{draft.pk}/diff/").status_code == 404


def test_pdf(logged_in: Any, report: Any, radiologist: Any) -> None:
    answer = logged_in(radiologist).get(f"/reports/{report.pk}/pdf/?version=2", follow=True)
    assert answer.content.startswith(b"%PDF-")
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Cache-Control"] == "no-store"
    assert answer["Content-Disposition"] == f'inline; filename="report-{report.pk}-2.pdf"'
    assert AuditEvent.objects.filter(action="report.pdf", study_id=report.study_id).count() == 1


def test_diff_page(logged_in: Any, report: Any, radiologist: Any) -> None:
    answer = logged_in(radiologist).get(f"/reports/{report.pk}/diff/?from=1&to=2")
    page = answer.content.decode()
    assert '<del><span class="diff-mark">[-</span>Perhaps' in page
    assert "<ins>" in page
    assert "of 12 mm" in page
    same = logged_in(radiologist).get(f"/reports/{report.pk}/diff/?from=2&to=2")
    assert "The texts are the same." in same.content.decode()


def test_words_compared() -> None:
    changes = list(words("No acute disease. Heart normal.", "No acute disease. Heart enlarged."))
    assert [(c.what, c.text) for c in changes if c.what != "same"] == [
        (REMOVED, "normal"),
        (ADDED, "enlarged"),
    ]
    assert "".join(c.text for c in changes if c.what != REMOVED) == (
        "No acute disease. Heart enlarged."
    )
    # A long text is not compared word by word, and not lost.
    long = [c.what for c in words("a " * 5000, "b " * 5000)]
    assert long == [REMOVED, ADDED]
    assert list(words("", "")) == []


def test_sections_that_only_one_version_has() -> None:
    def content(key: str, html: str) -> dict[str, Any]:
        return {"sections": [{"key": key, "title": key.title(), "html": html, "fields": []}]}

    found = compare(content("findings", "<p>old</p>"), content("impression", "<p>new</p>"))
    assert [(each.title, [c.what for c in each.changes]) for each in found] == [
        ("Impression", [ADDED]),
        ("Findings", [REMOVED]),
    ]
    assert compare({}, {}) == []
    assert compare({"sections": None, "key_images": ["x"]}, {"sections": []}) == []


def test_list_of_a_referrer(
    logged_in: Any, report: Any, study: Any, site: Any, make_study: Any, referrer: Any,
    radiologist: Any,
) -> None:  # fmt: skip
    other = signed(make_study(site, patient_name="ROE^Rita"), radiologist, "x").report
    waiting = make_study(site, patient_name="WAIT^Will")
    signed(waiting, radiologist, "x", kind="preliminary")
    grant(study, referrer, radiologist)
    grant(waiting, referrer, radiologist)
    page = logged_in(referrer).get("/reports/").content.decode()
    assert "My patients&#x27; reports" in page or "My patients' reports" in page
    assert f'data-report-row="{report.pk}"' in page
    assert "ROE" not in page
    assert "WAIT" not in page
    whole = logged_in(radiologist).get("/reports/").content.decode()
    # Newest first.
    assert whole.index("WAIT") < whole.index(f'data-report-row="{other.pk}"')
    assert Client().get("/reports/").status_code in (302, 401)


def test_the_worklist_leads_to_the_report(
    logged_in: Any, report: Any, study: Any, radiologist: Any, stranger: Any, other_study: Any
) -> None:
    answer = logged_in(radiologist).get(f"/studies/{study.pk}/report/")
    assert answer["Location"] == f"/reports/{report.pk}/"
    assert logged_in(stranger).get(f"/studies/{study.pk}/report/").status_code == 404
    assert logged_in(stranger).get(f"/studies/{other_study.pk}/report/")["Location"] == "/reports/"
