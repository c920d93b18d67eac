from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from pacs.accounts.models import Membership, User
from pacs.accounts.principal import principal_of
from pacs.audit.models import AuditEvent
from pacs.events.models import SiteEvent
from reports.document import GENESIS, chain_hash, content_hash
from reports.errors import NotAllowed, Refused, Stale
from reports.models import Report, ReportState, ReportVersion, VersionKind
from reports.signing import services, verify, versions
from reports.signing.asked import offers
from reports.signing.examination import Unanswered
from reports.writing import drafts
from reports.writing.state import state_of
from studies.models import ReadingState, Study
from tests.reports.factories_templates import template
from tests.reports.signing.conftest import written


def test_a_final_report_is_frozen_hashed_and_chained(
    draft: Report, radiologist: User, study: Study
) -> None:
    version = services.sign(draft.pk, radiologist, kind="final", revision=1)
    version.refresh_from_db()
    content = version.content
    assert (version.number, version.kind) == (1, VersionKind.FINAL)
    assert content["patient"]["name"] == "DOE^Jane"
    assert content["study"]["uid"] == study.study_instance_uid
    assert content["signer"] == {"id": radiologist.pk, "name": "radiologist"}
    assert content["site"]["timezone"] == "Europe/Berlin"
    assert content["signed_at"] == version.signed_at.isoformat()
    assert version.content_sha256 == content_hash(content)
    assert version.previous_sha256 == GENESIS
    assert version.chain_sha256 == chain_hash(GENESIS, version.content_sha256)
    assert "No infiltrate." in version.text
    draft.refresh_from_db()
    study.refresh_from_db()
    assert (draft.state, draft.first_final_at) == (ReportState.FINAL, version.signed_at)
    assert (study.reading_state, study.reader) == (ReadingState.FINAL, None)
    event = AuditEvent.objects.get(action="report.signed")
    assert event.detail["chain"] == version.chain_sha256
    assert SiteEvent.objects.filter(type="report.changed", study_id=study.pk).exists()


def test_preliminary_then_final_is_one_chain(draft: Report, radiologist: User) -> None:
    first = services.sign(draft.pk, radiologist, kind="preliminary", revision=1)
    second = services.sign(draft.pk, radiologist, kind="final", revision=2)
    assert (second.number, second.previous_sha256) == (2, first.chain_sha256)
    draft.refresh_from_db()
    assert draft.state == ReportState.FINAL


def test_a_signed_report_is_not_signed_again(draft: Report, radiologist: User) -> None:
    services.sign(draft.pk, radiologist, kind="final", revision=1)
    with pytest.raises(Stale):
        services.sign(draft.pk, radiologist, kind="final", revision=1)
    with pytest.raises(Refused, match="addendum"):
        services.sign(draft.pk, radiologist, kind="final", revision=2)
    assert ReportVersion.objects.count() == 1


def test_a_value_out_of_the_templates_range_is_answered_before(
    study: Study, radiologist: User, draft_of: Callable[..., Report]
) -> None:
    made = template(name="Chest")
    content = written()
    content["template"] = {"id": made.pk, "version": 1, "name": made.name}
    findings = next(one for one in content["sections"] if one["key"] == "findings")
    field = {"key": "size", "label": "Size", "kind": "number", "unit": "mm", "value": 350}
    findings["fields"] = [field]
    draft = draft_of(study, radiologist, content)
    with pytest.raises(Unanswered) as caught:
        services.sign(draft.pk, radiologist, kind="final", revision=1)
    (finding,) = caught.value.detail["findings"]
    assert (finding["code"], finding["words"]) == ("out-of-range", "“Size” is more than 300 mm.")
    answers = {finding["key"]: "measured twice"}
    version = services.sign(draft.pk, radiologist, kind="final", revision=1, answers=answers)
    assert version.kind == VersionKind.FINAL


def test_a_stale_revision_signs_nothing(draft: Report, radiologist: User) -> None:
    Report.objects.filter(pk=draft.pk).update(revision=2)
    with pytest.raises(Stale) as caught:
        services.sign(draft.pk, radiologist, kind="final", revision=1)
    assert caught.value.detail["revision"] == 2
    assert not ReportVersion.objects.exists()


def test_who_lost_the_role_signs_nothing(draft: Report, radiologist: User) -> None:
    Membership.objects.filter(user=radiologist).delete()
    with pytest.raises(NotAllowed):
        services.sign(draft.pk, radiologist, kind="final", revision=1)
    assert not ReportVersion.objects.exists()
    refused = AuditEvent.objects.get(action="report.signed")
    assert (refused.outcome, refused.detail["code"]) == ("refused", "role")
    draft.refresh_from_db()
    assert draft.state == ReportState.DRAFT


@pytest.mark.parametrize("who", ["technician", "referrer", "site_admin", "admin", "stranger"])
def test_only_radiologists_of_the_site_sign(
    draft: Report, request: pytest.FixtureRequest, who: str
) -> None:
    user = request.getfixturevalue(who)
    Study.objects.filter(pk=draft.study_id).update(reader=user)
    with pytest.raises(NotAllowed):
        services.sign(draft.pk, user, kind="final", revision=1)
    assert not ReportVersion.objects.exists()


def test_only_the_reader_signs(draft: Report, colleague: User, radiologist: User) -> None:
    with pytest.raises(Refused, match="Take it over"):
        services.sign(draft.pk, colleague, kind="final", revision=1)
    Study.objects.filter(pk=draft.study_id).update(reader=colleague)
    with pytest.raises(Refused):
        services.sign(draft.pk, radiologist, kind="final", revision=1)
    assert services.sign(draft.pk, colleague, kind="final", revision=1).signer == colleague


class TestResidents:
    def test_their_final_waits_for_another(
        self, study: Study, resident: User, colleague: User, draft_of: Callable[..., Report]
    ) -> None:
        report = draft_of(study, resident)
        first = services.sign(report.pk, resident, kind="final", revision=1)
        report.refresh_from_db()
        assert first.kind == VersionKind.PRELIMINARY
        assert (report.state, report.cosigner_wanted) == (ReportState.PRELIMINARY, True)
        with pytest.raises(NotAllowed, match="Another"):
            services.cosign(report.pk, resident, revision=2)
        second = services.cosign(report.pk, colleague, revision=2)
        report.refresh_from_db()
        assert (second.signer, second.cosigner) == (resident, colleague)
        assert second.content["cosigner"]["name"] == "Clara Colleague"
        assert (report.state, report.cosigner_wanted) == (ReportState.FINAL, False)

    def test_nobody_cosigns_other_words(
        self, study: Study, resident: User, colleague: User, draft_of: Callable[..., Report]
    ) -> None:
        report = draft_of(study, resident)
        services.sign(report.pk, resident, kind="final", revision=1)
        report.refresh_from_db()
        report.content["sections"][3]["html"] = "<p>Other words.</p>"
        report.save()
        with pytest.raises(Refused, match="yourself"):
            services.cosign(report.pk, colleague, revision=2)
        assert ReportVersion.objects.count() == 1
        alone = services.sign(report.pk, colleague, kind="final", revision=2)
        assert (alone.signer, alone.cosigner) == (colleague, None)

    def test_nobody_cosigns_what_is_not_wanted(
        self, draft: Report, radiologist: User, colleague: User
    ) -> None:
        services.sign(draft.pk, radiologist, kind="preliminary", revision=1)
        with pytest.raises(Refused, match="No second"):
            services.cosign(draft.pk, colleague, revision=2)


class TestAddenda:
    def test_after_final_only(self, draft: Report, radiologist: User) -> None:
        with pytest.raises(Refused, match="final"):
            services.start_addendum(draft.pk, radiologist)

    def test_an_addendum_is_a_version(
        self, draft: Report, radiologist: User, colleague: User, study: Study
    ) -> None:
        services.sign(draft.pk, radiologist, kind="final", revision=1)
        report = services.start_addendum(draft.pk, colleague)
        assert report.is_addending
        assert [section["key"] for section in report.content["sections"]] == ["addendum"]
        assert services.start_addendum(draft.pk, colleague).revision == report.revision
        with pytest.raises(Refused, match="Somebody else"):
            services.start_addendum(draft.pk, radiologist)
        report.content["sections"][0]["html"] = "<p>Compared with the scan of May.</p>"
        report.save()
        version = services.sign_addendum(draft.pk, colleague, revision=report.revision)
        report.refresh_from_db()
        study.refresh_from_db()
        assert (version.number, version.kind) == (2, VersionKind.ADDENDUM)
        assert version.content["addends"] == 1
        assert (report.state, report.is_addending) == (ReportState.ADDENDED, False)
        assert study.reading_state == ReadingState.ADDENDED
        assert report.author == radiologist


class TestAddendaOfResidents:
    @pytest.fixture
    def waiting(self, draft: Report, radiologist: User, resident: User) -> Report:
        """An addendum that the resident has signed."""
        services.sign(draft.pk, radiologist, kind="final", revision=1)
        report = services.start_addendum(draft.pk, resident)
        report.content["sections"][0]["html"] = "<p>Seen again in May.</p>"
        report.save()
        assert services.sign_addendum(draft.pk, resident, revision=report.revision) is None
        report.refresh_from_db()
        return report

    def test_nothing_is_added_before_the_second_signature(
        self, waiting: Report, resident: User, study: Study, radiologist: User
    ) -> None:
        study.refresh_from_db()
        assert waiting.addendum_waits
        assert (waiting.addendum_signer, len(waiting.addendum_sha256)) == (resident, 64)
        assert (waiting.state, study.reading_state) == (ReportState.FINAL, ReadingState.FINAL)
        assert study.reader is None
        assert ReportVersion.objects.count() == 1
        assert state_of(study, waiting, radiologist, principal_of(radiologist))["code"] == "waiting"
        event = AuditEvent.objects.get(action="report.addendum_signed")
        assert event.detail["wording_sha256"] == waiting.addendum_sha256
        assert not list(verify.verify())

    def test_both_names_are_on_it(
        self, waiting: Report, resident: User, colleague: User, study: Study
    ) -> None:
        version = services.cosign(waiting.pk, colleague, revision=waiting.revision)
        waiting.refresh_from_db()
        study.refresh_from_db()
        assert (version.number, version.kind) == (2, VersionKind.ADDENDUM)
        assert (version.signer, version.cosigner) == (resident, colleague)
        assert version.content["addends"] == 1
        assert "Seen again in May." in version.text
        assert (waiting.state, waiting.is_addending) == (ReportState.ADDENDED, False)
        assert not waiting.cosigner_wanted
        assert (waiting.addendum_signer, waiting.addendum_sha256) == (None, "")
        assert study.reading_state == ReadingState.ADDENDED
        assert not list(verify.verify())

    def test_not_by_the_resident_nor_another_one(
        self, waiting: Report, resident: User, colleague: User
    ) -> None:
        with pytest.raises(NotAllowed, match="Another"):
            services.cosign(waiting.pk, resident, revision=waiting.revision)
        Membership.objects.filter(user=colleague).update(needs_cosignature=True)
        with pytest.raises(NotAllowed, match="second one"):
            services.cosign(waiting.pk, colleague, revision=waiting.revision)
        with pytest.raises(NotAllowed, match="no resident"):
            services.start_addendum(waiting.pk, colleague)
        assert ReportVersion.objects.count() == 1

    def test_other_words_are_not_cosigned(self, waiting: Report, colleague: User) -> None:
        waiting.content["sections"][0]["html"] = "<p>Not seen again.</p>"
        waiting.save()
        with pytest.raises(Refused, match="yourself"):
            services.cosign(waiting.pk, colleague, revision=waiting.revision)
        assert ReportVersion.objects.count() == 1
        waiting.refresh_from_db()
        assert waiting.addendum_waits

    def test_who_changes_it_signs_alone(self, waiting: Report, colleague: User) -> None:
        taken = services.start_addendum(waiting.pk, colleague)
        assert not taken.addendum_waits
        assert "Seen again in May." in taken.content["sections"][0]["html"]
        saved = drafts.save(taken.pk, colleague, taken.content, taken.revision)
        version = services.sign_addendum(taken.pk, colleague, revision=saved.revision)
        assert version is not None
        assert (version.signer, version.cosigner) == (colleague, None)

    def test_the_resident_takes_it_back(self, waiting: Report, resident: User) -> None:
        with pytest.raises(Refused, match="second signature"):
            drafts.save(waiting.pk, resident, waiting.content, waiting.revision)
        taken = services.start_addendum(waiting.pk, resident)
        saved = drafts.save(taken.pk, resident, taken.content, taken.revision)
        assert services.sign_addendum(taken.pk, resident, revision=saved.revision) is None
        waiting.refresh_from_db()
        assert waiting.addendum_waits

    def test_a_withdrawal_ends_it(self, waiting: Report, colleague: User) -> None:
        services.withdraw(waiting.pk, colleague, "Wrong patient")
        waiting.refresh_from_db()
        assert (waiting.addendum_waits, waiting.addendum_signer) == (False, None)

    def test_who_is_asked(
        self, waiting: Report, resident: User, colleague: User, stranger: User, referrer: User
    ) -> None:
        assert list(drafts.waiting_addenda(colleague)) == [waiting]
        for who in (resident, stranger, referrer):
            assert not drafts.waiting_addenda(who).exists()
        assert offers(waiting, colleague)["cosign"]
        assert not offers(waiting, resident)["cosign"]
        assert offers(waiting, resident)["addendum"]


class TestWithdrawal:
    def test_it_is_kept_hidden_and_unread_again(
        self,
        draft: Report,
        radiologist: User,
        referrer: User,
        study: Study,
        draft_of: Callable[..., Report],
    ) -> None:
        study.grants.create(user=referrer, granted_by=radiologist)
        signed = services.sign(draft.pk, radiologist, kind="final", revision=1)
        assert Report.objects.visible_to(referrer).exists()
        version = services.withdraw(draft.pk, radiologist, "Wrong patient.")
        draft.refresh_from_db()
        study.refresh_from_db()
        assert (version.number, version.kind) == (2, VersionKind.WITHDRAWAL)
        assert version.content["reason"] == "Wrong patient."
        assert version.content["sections"] == signed.content["sections"]
        assert (draft.state, draft.withdrawn_by) == (ReportState.WITHDRAWN, radiologist)
        assert study.reading_state == ReadingState.UNREAD
        assert not Report.objects.visible_to(referrer).exists()
        assert Report.objects.visible_to(radiologist).get() == draft
        assert draft_of(study, radiologist).state == ReportState.DRAFT

    def test_not_without_a_reason_nor_twice_nor_unsigned(
        self, draft: Report, radiologist: User
    ) -> None:
        with pytest.raises(Refused, match="discard"):
            services.withdraw(draft.pk, radiologist, "x")
        services.sign(draft.pk, radiologist, kind="final", revision=1)
        with pytest.raises(Refused, match="why"):
            services.withdraw(draft.pk, radiologist, "  ")
        services.withdraw(draft.pk, radiologist, "Wrong patient")
        with pytest.raises(Refused, match="already"):
            services.withdraw(draft.pk, radiologist, "Wrong patient")


class TestClock:
    def test_a_little_behind_is_corrected_and_said(
        self, draft: Report, radiologist: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = services.sign(draft.pk, radiologist, kind="preliminary", revision=1)
        behind = first.signed_at - timedelta(minutes=2)
        monkeypatch.setattr(versions.timezone, "now", lambda: behind)
        second = services.sign(draft.pk, radiologist, kind="final", revision=2)
        assert second.signed_at == first.signed_at
        assert behind.isoformat() in second.content["clock"]

    def test_far_behind_signs_nothing(
        self, draft: Report, radiologist: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        services.sign(draft.pk, radiologist, kind="preliminary", revision=1)
        behind = timezone.now() - timedelta(days=2)
        monkeypatch.setattr(versions.timezone, "now", lambda: behind)
        with pytest.raises(Refused, match="clock"):
            services.sign(draft.pk, radiologist, kind="final", revision=2)
        assert ReportVersion.objects.count() == 1


@pytest.mark.parametrize("value", [float("nan"), "\ud800", {"a": float("inf")}])
def test_what_json_cannot_say_is_not_signed(draft: Report, radiologist: User, value: Any) -> None:
    from reports.errors import BadContent
    from reports.signing.freezing import settled

    with pytest.raises(BadContent):
        settled(value)
    assert settled({"a": [1e22, 1.5, "a\x00b"]}) == {"a": [10**22, 1.5, "ab"]}
