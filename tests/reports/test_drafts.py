"""Drafts as services: one writer, compare-and-set saves, nothing lost without a word."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from pacs.accounts.models import Membership, Role
from pacs.audit.models import AuditEvent
from pacs.events.models import SiteEvent
from reports.errors import BadContent, NotAllowed, Refused, Stale
from reports.models import Report, ReportState, ReportVersion
from reports.writing import drafts
from studies.models import ReadingState, Study
from studies.reading import services as reading
from tests.conftest import person
from tests.reports.drafting import html_of, written

pytestmark = pytest.mark.django_db


@pytest.fixture
def colleague(site: Any) -> Any:
    return person("colleague", site, Role.RADIOLOGIST)


def test_opening_claims_and_starts_the_draft_once(radiologist: Any, study: Any) -> None:
    report = drafts.open_draft(study.pk, radiologist, address="10.0.0.7")
    assert drafts.open_draft(study.pk, radiologist).pk == report.pk
    study.refresh_from_db()
    assert (study.reading_state, study.reader) == (ReadingState.DRAFT, radiologist)
    assert (report.state, report.revision, report.site_id) == ("draft", 1, study.site_id)
    started = AuditEvent.objects.get(action="report.started")
    assert (started.actor_name, started.address) == ("radiologist", "10.0.0.7")
    event = SiteEvent.objects.get(type="report.changed")
    assert (event.study_id, event.extra) == (study.pk, {"report": report.pk})


def test_the_second_one_is_told_who_writes(radiologist: Any, colleague: Any, study: Any) -> None:
    drafts.open_draft(study.pk, radiologist)
    with pytest.raises(Refused) as refused:
        drafts.open_draft(study.pk, colleague)
    assert refused.value.code == "taken"
    assert refused.value.detail["writer"]["id"] == radiologist.pk
    assert Report.objects.count() == 1


@pytest.mark.parametrize("actor", ["technician", "site_admin", "admin"])
def test_who_is_no_radiologist_writes_nothing(request: Any, actor: str, study: Any) -> None:
    with pytest.raises(NotAllowed):
        drafts.open_draft(study.pk, request.getfixturevalue(actor))
    study.refresh_from_db()
    assert study.reading_state == ReadingState.UNREAD
    assert not Report.objects.exists()


def test_a_study_of_another_site_is_not_there(stranger: Any, study: Any) -> None:
    with pytest.raises(Study.DoesNotExist):
        drafts.open_draft(study.pk, stranger)


def test_saves_follow_one_another(radiologist: Any, study: Any) -> None:
    report = drafts.open_draft(study.pk, radiologist)
    first = drafts.save(report.pk, radiologist, written("A nodule."), 1)
    second = drafts.save(report.pk, radiologist, written("Two nodules."), first.revision)
    assert (first.revision, second.revision) == (2, 3)
    report.refresh_from_db()
    assert html_of(report.content) == "<p>Two nodules.</p>"
    assert (report.saved_at, report.saved_by) == (second.saved_at, radiologist)
    # Typing for minutes is one line of the trail.
    assert AuditEvent.objects.filter(action="report.written").count() == 1


def test_a_stale_save_overwrites_nothing(radiologist: Any, study: Any) -> None:
    report = drafts.open_draft(study.pk, radiologist)
    drafts.save(report.pk, radiologist, written("From the other tab."), 1)
    with pytest.raises(Stale) as stale:
        drafts.save(report.pk, radiologist, written("From this tab."), 1)
    assert stale.value.detail["revision"] == 2
    assert html_of(stale.value.detail["content"]) == "<p>From the other tab.</p>"
    assert stale.value.detail["saved_by"] == {"id": radiologist.pk, "name": "radiologist"}
    report.refresh_from_db()
    assert (report.revision, html_of(report.content)) == (2, "<p>From the other tab.</p>")


def test_the_same_content_again_is_no_conflict(radiologist: Any, study: Any) -> None:
    report = drafts.open_draft(study.pk, radiologist)
    saved = drafts.save(report.pk, radiologist, written("Once."), 1)
    # The answer was lost on its way; the browser sends it again.
    assert drafts.save(report.pk, radiologist, written("Once."), 1) == saved


def test_after_a_take_over_the_old_writer_is_refused(
    radiologist: Any, colleague: Any, study: Any
) -> None:
    report = drafts.open_draft(study.pk, radiologist)
    drafts.save(report.pk, radiologist, written("Mine so far."), 1)
    reading.take_over(study.pk, colleague)
    with pytest.raises(Refused) as refused:
        drafts.save(report.pk, radiologist, written("More of mine."), 2)
    assert (refused.value.code, refused.value.status) == ("taken", 409)
    assert "colleague" in refused.value.words
    taken = drafts.open_draft(study.pk, colleague)
    assert html_of(taken.content) == "<p>Mine so far.</p>"
    assert drafts.save(report.pk, colleague, written("Ours."), 2).revision == 3


def test_losing_the_role_keeps_the_text(radiologist: Any, study: Any) -> None:
    report = drafts.open_draft(study.pk, radiologist)
    drafts.save(report.pk, radiologist, written("Kept."), 1)
    Membership.objects.filter(user=radiologist).update(role=Role.TECHNICIAN)
    with pytest.raises(NotAllowed) as refused:
        drafts.save(report.pk, radiologist, written("Too late."), 2)
    assert (refused.value.code, refused.value.status) == ("role", 403)
    report.refresh_from_db()
    assert html_of(report.content) == "<p>Kept.</p>"
    with pytest.raises(NotAllowed):
        drafts.discard(report.pk, radiologist)


@pytest.mark.parametrize("state", ["final", "addended", "withdrawn"])
def test_what_is_signed_is_not_saved(radiologist: Any, study: Any, state: str) -> None:
    report = drafts.open_draft(study.pk, radiologist)
    Report.objects.filter(pk=report.pk).update(state=state)
    with pytest.raises(Refused):
        drafts.save(report.pk, radiologist, written("After the fact."), 1)
    report.refresh_from_db()
    assert report.revision == 1


def test_an_addendum_is_written_like_a_draft(radiologist: Any, study: Any) -> None:
    report = drafts.open_draft(study.pk, radiologist)
    Report.objects.filter(pk=report.pk).update(state=ReportState.FINAL, is_addending=True)
    assert drafts.save(report.pk, radiologist, written("Addendum."), 1).revision == 2
    with pytest.raises(Refused):
        drafts.discard(report.pk, radiologist)


def test_discarding_gives_the_study_back_to_its_reader(radiologist: Any, study: Any) -> None:
    report = drafts.open_draft(study.pk, radiologist)
    drafts.save(report.pk, radiologist, written("Nonsense."), 1)
    with pytest.raises(Stale):
        drafts.discard(report.pk, radiologist, revision=1)
    drafts.discard(report.pk, radiologist, revision=2)
    study.refresh_from_db()
    assert (study.reading_state, study.reader) == (ReadingState.CLAIMED, radiologist)
    assert not Report.objects.exists()
    event = AuditEvent.objects.get(action="report.discarded")
    assert "Nonsense" not in str(event.detail)
    assert drafts.open_draft(study.pk, radiologist).revision == 1


def test_what_has_a_signature_is_not_discarded(radiologist: Any, study: Any) -> None:
    report = drafts.open_draft(study.pk, radiologist)
    ReportVersion.objects.create(
        report=report,
        number=1,
        kind="preliminary",
        content={},
        content_sha256="0" * 64,
        previous_sha256="0" * 64,
        chain_sha256="0" * 64,
        signer=radiologist,
        signed_at=report.saved_at,
        text="",
    )
    with pytest.raises(Refused):
        drafts.discard(report.pk, radiologist)
    Report.objects.filter(pk=report.pk).update(state=ReportState.PRELIMINARY)
    with pytest.raises(Refused):
        drafts.discard(report.pk, radiologist)
    assert Report.objects.filter(pk=report.pk).exists()


@pytest.mark.parametrize("content", [None, [], "text", {"sections": 5}, {"unknown": 1}])
def test_what_is_no_document_is_refused(radiologist: Any, study: Any, content: Any) -> None:
    report = drafts.open_draft(study.pk, radiologist)
    with pytest.raises(BadContent):
        drafts.save(report.pk, radiologist, content, 1)


def test_the_unfinished_of_one_person(
    radiologist: Any, colleague: Any, site: Any, make_study: Any
) -> None:
    mine, signed, theirs = make_study(site), make_study(site), make_study(site)
    for study in (mine, signed):
        drafts.open_draft(study.pk, radiologist)
    Report.objects.filter(study=signed).update(state=ReportState.FINAL)
    drafts.open_draft(theirs.pk, colleague)
    assert [report.study_id for report in drafts.unfinished(radiologist)] == [mine.pk]


@pytest.mark.django_db(transaction=True)
def test_of_many_saves_at_once_one_is_kept(radiologist: Any, study: Any) -> None:
    report = drafts.open_draft(study.pk, radiologist)

    def save(number: int) -> str:
        try:
            drafts.save(report.pk, radiologist, written(f"Version {number}."), 1)
        except Stale:
            return "stale"
        finally:
            connection.close()
        return "saved"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(save, range(8)))
    assert sorted(outcomes) == ["saved"] + ["stale"] * 7
    report.refresh_from_db()
    assert report.revision == 2


@pytest.mark.django_db(transaction=True)
def test_two_windows_opening_at_once_share_one_draft(radiologist: Any, study: Any) -> None:
    def open_draft(_: int) -> int:
        try:
            return drafts.open_draft(study.pk, radiologist).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(open_draft, range(4)))
    assert len(found) == 1
    assert Report.objects.count() == 1
