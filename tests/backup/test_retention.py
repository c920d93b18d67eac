"""Retention: who may go and who stays, two people, grace, a deletion that survives kills."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.db import connections
from django.utils import timezone

from pacs.accounts.models import Role
from pacs.audit.models import AuditEvent
from reports.critical.models import CriticalResult
from reports.models import ReportVersion
from reports.output import keep
from studies import archive
from studies.backup import engine, restore, verify
from studies.backup.models import BackupState
from studies.corrections.errors import Refused as CorrectionRefused
from studies.corrections.services import Why, correct_facts, move_series, undo
from studies.dicom.errors import Reason
from studies.models import (
    Arrival,
    Instance,
    MetadataDocument,
    QuarantinedFile,
    ReadingState,
    Send,
    Series,
    Study,
)
from studies.retention import erase, holds, proposals, quota, rules, status
from studies.retention.dryrun import dry_run
from studies.retention.errors import NotAllowed, Refused
from studies.retention.models import (
    DeletionProposal,
    LegalHold,
    ProposalState,
    RetentionRule,
    SiteUsage,
    StudyDeletion,
    Tombstone,
)
from studies.sending.models import Destination, SendItem
from studies.services import ingest, thumbnails
from studies.status.registry import Reach
from tests.conftest import person
from tests.dicomweb.asking import ct_file
from tests.reports.factories_delivery import sign

UID = "1.2.826.0.1.3680043.10.88"
NOWHERE: dict[str, Any] = {}
OLD = "20010203"


def file_of(study: int = 1, number: int = 1, **elements: Any) -> bytes:
    elements = {"StudyDate": OLD, "PatientBirthDate": "19500101", **elements}
    return bytes(
        ct_file(
            study=f"{UID}.{study}",
            series=f"{UID}.{study}.1",
            instance=f"{UID}.{study}.1.{number}",
            number=number,
            seed=number,
            **elements,
        )
    )


def put(site: Any, study: int = 1, number: int = 1, **elements: Any) -> Any:
    return ingest.store(BytesIO(file_of(study, number, **elements)), source="test", site=site)


def of(number: int = 1) -> Study:
    return Study.objects.select_related("site").get(study_instance_uid=f"{UID}.{number}")


def settle(study: Study, **values: Any) -> None:
    """Reported, and no image on its way any more."""
    values = {"reading_state": ReadingState.FINAL, "arrival": Arrival.QUIET, **values}
    Study.objects.filter(pk=study.pk).update(**values)


@pytest.fixture
def rule(site: Any) -> RetentionRule:
    return RetentionRule.objects.create(site=site, years=10, takes_unsafe=True, is_enabled=True)


@pytest.fixture
def old(site: Any, rule: RetentionRule) -> Study:
    """A reported study of three images, long due."""
    for number in (1, 2, 3):
        put(site, 1, number)
    settle(of())
    return of()


@pytest.fixture
def second(site: Any) -> Any:
    return person("second", site, Role.SITE_ADMIN)


def proposed(site: Any, who: Any) -> DeletionProposal:
    return proposals.propose(site, who, dry_run(site).digest, NOWHERE)


def approved(site: Any, who: Any, other: Any, *, over: bool = True) -> DeletionProposal:
    found = proposals.approve(proposed(site, who).pk, other, NOWHERE)
    if over:
        let_pass(found)
    return found


def let_pass(proposal: DeletionProposal) -> None:
    """The grace."""
    DeletionProposal.objects.filter(pk=proposal.pk).update(
        deletes_at=timezone.now() - timedelta(seconds=1)
    )


def state() -> tuple[str, str]:
    return StudyDeletion.objects.values_list("state", "why").latest("id")


def actions() -> set[str]:
    return set(AuditEvent.objects.values_list("action", flat=True))


def pictures_of(ids: set[int]) -> list[Path]:
    """Thumbnails that are kept of images."""
    folder = Path(settings.CACHE_DIR) / "thumbnails"
    found = folder.iterdir() if folder.exists() else ()
    return [one for one in found if int(one.name.split("-")[0]) in ids]


class TestRules:
    def test_off_by_default(self, site: Any) -> None:
        put(site)
        settle(of())
        assert not dry_run(site).due
        RetentionRule.objects.create(site=site, years=1)
        assert not dry_run(site).due

    def test_what_is_due(self, site: Any, old: Study) -> None:
        found = dry_run(site)
        assert [(one.study.pk, one.images) for one in found.due] == [(old.pk, 3)]
        size = sum(Instance.objects.values_list("file_size", flat=True))
        assert (found.images, found.size, found.oldest) == (3, size, date(2001, 2, 3))

    @pytest.mark.parametrize(
        ("born", "until"),
        [
            ("19500101", date(2011, 2, 3)),
            ("19960229", date(2024, 3, 1)),  # a child: 18, and 10 years more
            ("19830203", date(2011, 2, 3)),  # 18 on that very day
            ("19830204", date(2011, 2, 4)),
            ("", None),
            ("unknown", None),
        ],
    )
    def test_minors(self, make_study: Any, site: Any, born: str, until: date | None) -> None:
        row = RetentionRule(site=site, years=10, minor_age=18, minor_years=10)
        study = make_study(site, study_day=date(2001, 2, 3), patient_birth_date=born)
        assert rules.kept_until(study, [row]) == until

    def test_without_a_date_receipt_counts(self, make_study: Any, site: Any) -> None:
        row = RetentionRule(site=site, years=10)
        received = timezone.now().replace(year=2020, month=2, day=29)
        study = make_study(site, received_at=received)
        assert rules.kept_until(study, [row]) == date(2030, 3, 1)

    def test_every_modality_wants_a_rule_and_the_longest_counts(
        self, make_study: Any, site: Any
    ) -> None:
        ct = RetentionRule.objects.create(site=site, modality="CT", years=5, is_enabled=True)
        study = make_study(site, modalities="CT/MR/SR", study_day=date(2001, 2, 3))
        assert rules.rules_of(site.pk).of(study) is None
        mr = RetentionRule.objects.create(site=site, modality="MR", years=30, is_enabled=True)
        found = rules.rules_of(site.pk).of(study)
        assert found == [ct, mr]
        assert rules.kept_until(study, found) == date(2031, 2, 3)
        study.modalities = "CT/SR"
        assert rules.rules_of(site.pk).of(study) == [ct]

    @pytest.mark.parametrize(
        ("values", "why"),
        [
            ({"reading_state": ReadingState.UNREAD}, "Not reported."),
            ({"reading_state": ReadingState.PRELIMINARY}, "Not reported."),
            ({"reading_state": ReadingState.NOT_NEEDED}, "Not reported."),
            ({"arrival": Arrival.RECEIVING}, "Images are still coming."),
        ],
    )
    def test_never(self, site: Any, old: Study, values: dict[str, Any], why: str) -> None:
        settle(old, **values)
        found = dry_run(site)
        assert not found.due
        assert [reason for _, reason in found.kept] == [why]

    def test_no_reading_needed_where_the_rule_says_so(
        self, site: Any, old: Study, rule: RetentionRule
    ) -> None:
        settle(old, reading_state=ReadingState.NOT_NEEDED)
        RetentionRule.objects.update(takes_unneeded=True)
        assert len(dry_run(site).due) == 1

    def test_not_safe_in_the_backup(
        self, site: Any, old: Study, folder_backup: Path, rule: RetentionRule
    ) -> None:
        RetentionRule.objects.update(takes_unsafe=False)
        assert dry_run(site).reasons == [("Not known to be safe in the backup.", 1)]
        Study.objects.update(expected_instances=3)
        assert dry_run(site).reasons == [("Not known to be safe in the backup.", 1)]
        from studies.backup import enrolment

        enrolment.catch_up()
        assert dry_run(site).reasons == [("Not known to be safe in the backup.", 1)]
        engine.run()
        assert len(dry_run(site).due) == 1

    def test_quarantine_critical_send(
        self, site: Any, old: Study, radiologist: Any, technician: Any
    ) -> None:
        send = Send.objects.create(
            study=old,
            requester=technician,
            destination=Destination.objects.create(
                site=site, name="Peer", kind="dicomweb", url="https://peer.example/"
            ),
        )
        assert dry_run(site).reasons == [("It is being sent.", 1)]
        Send.objects.filter(pk=send.pk).update(state="done")
        row = CriticalResult.objects.create(
            site=site, study=old, finding="x", marked_by=radiologist, due_at=timezone.now()
        )
        assert dry_run(site).reasons == [("A critical result is not answered.", 1)]
        CriticalResult.objects.filter(pk=row.pk).update(state="acknowledged")
        put(site, 1, 9, PatientID="SOMEBODY-ELSE")
        assert QuarantinedFile.objects.filter(is_open=True).count() == 1
        assert dry_run(site).reasons == [("Images of it are in quarantine.", 1)]
        QuarantinedFile.objects.update(is_open=False)
        assert len(dry_run(site).due) == 1

    def test_a_hold_goes_with_its_images(
        self, site: Any, old: Study, site_admin: Any, technician: Any
    ) -> None:
        """Held, then a series is moved into another study: that one is held, too."""
        put(site, 2, 1)
        file = ct_file(study=f"{UID}.1", series=f"{UID}.1.7", instance=f"{UID}.1.7.1", number=1)
        ingest.store(BytesIO(file), source="test", site=site)
        holds.hold(of(1), site_admin, "A lawsuit.", NOWHERE)
        series = Series.objects.get(series_instance_uid=f"{UID}.1.7")
        move_series(of(1).pk, 0, [series.pk], of(2).pk, Why(technician, "typing"))
        assert rules.held([of(1).pk, of(2).pk]) == {of(1).pk, of(2).pk}
        holds.lift(of(1), site_admin, "It is over.", NOWHERE)
        assert rules.held([of(1).pk, of(2).pk]) == set()


class TestPeople:
    def test_the_same_person_is_refused(self, site: Any, old: Study, site_admin: Any) -> None:
        found = proposed(site, site_admin)
        with pytest.raises(Refused, match="another person"):
            proposals.approve(found.pk, site_admin, NOWHERE)
        assert DeletionProposal.objects.get().state == ProposalState.PROPOSED

    def test_a_superuser_is_one_person_too(self, site: Any, old: Study, admin: Any) -> None:
        found = proposed(site, admin)
        with pytest.raises(Refused, match="another person"):
            proposals.approve(found.pk, admin, NOWHERE)

    @pytest.mark.parametrize("who", ["radiologist", "technician", "referrer", "stranger"])
    def test_without_the_right(
        self, site: Any, old: Study, site_admin: Any, who: str, request: pytest.FixtureRequest
    ) -> None:
        user = request.getfixturevalue(who)
        with pytest.raises(NotAllowed):
            proposed(site, user)
        found = proposed(site, site_admin)
        with pytest.raises(NotAllowed):
            proposals.approve(found.pk, user, NOWHERE)
        with pytest.raises(NotAllowed):
            proposals.revoke(found.pk, user, "no", NOWHERE)
        with pytest.raises(NotAllowed):
            holds.hold(old, user, "no", NOWHERE)
        with pytest.raises(NotAllowed):
            erase.take_again(old, user, "no", NOWHERE)

    def test_an_administrator_of_the_other_site(
        self, site: Any, other_site: Any, old: Study, site_admin: Any
    ) -> None:
        found = proposed(site, site_admin)
        with pytest.raises(NotAllowed):
            proposals.approve(found.pk, person("o", other_site, Role.SITE_ADMIN), NOWHERE)

    def test_the_proposer_has_lost_the_right(
        self, site: Any, old: Study, site_admin: Any, second: Any
    ) -> None:
        found = proposed(site, site_admin)
        site_admin.memberships.all().delete()
        with pytest.raises(Refused, match="no administrator"):
            proposals.approve(found.pk, second, NOWHERE)

    def test_thirty_days(self, site: Any, old: Study, site_admin: Any, second: Any) -> None:
        found = approved(site, site_admin, second, over=False)
        assert found.deletes_at is not None
        assert found.approved_at is not None
        assert found.deletes_at - found.approved_at == timedelta(days=30)
        erase.run()
        assert state() == ("grace", "")
        assert Instance.objects.count() == 3

    def test_revoked_at_the_last_moment(
        self, site: Any, old: Study, site_admin: Any, second: Any, admin: Any
    ) -> None:
        found = approved(site, site_admin, second)
        with pytest.raises(Refused, match="Say why"):
            proposals.revoke(found.pk, admin, " ", NOWHERE)
        proposals.revoke(found.pk, admin, "Wrong rule.", NOWHERE)
        erase.run()
        assert state() == ("stopped", "The proposal was revoked.")
        assert Instance.objects.count() == 3
        with pytest.raises(Refused, match="over already"):
            proposals.revoke(found.pk, admin, "Again.", NOWHERE)
        with pytest.raises(Refused, match="already"):
            proposals.approve(found.pk, second, NOWHERE)

    def test_the_list_has_changed(self, site: Any, old: Study, site_admin: Any) -> None:
        seen = dry_run(site).digest
        put(site, 1, 4)
        settle(old)
        with pytest.raises(Refused, match="has changed"):
            proposals.propose(site, site_admin, seen, NOWHERE)

    def test_nothing_is_proposed_twice(self, site: Any, old: Study, site_admin: Any) -> None:
        proposed(site, site_admin)
        assert not dry_run(site).due


class TestGrace:
    def test_images_come(self, site: Any, old: Study, site_admin: Any, second: Any) -> None:
        found = approved(site, site_admin, second)
        put(site, 1, 4)
        assert state() == ("stopped", "Images came.")
        settle(old)
        erase.run()
        assert Instance.objects.count() == 4
        found.refresh_from_db()
        assert found.state == ProposalState.DONE

    def test_the_same_images_again_change_nothing(
        self, site: Any, old: Study, site_admin: Any, second: Any
    ) -> None:
        approved(site, site_admin, second, over=False)
        assert put(site, 1, 3).outcome == "duplicate"
        assert state() == ("grace", "")

    def test_between_proposal_and_approval(
        self, site: Any, old: Study, site_admin: Any, second: Any
    ) -> None:
        found = proposed(site, site_admin)
        Study.objects.update(reading_state=ReadingState.UNREAD)
        proposals.approve(found.pk, second, NOWHERE)
        assert state() == ("stopped", "Not reported.")

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"reading_state": ReadingState.UNREAD}, "Not reported."),
            ({"last_received_at": timezone.now()}, "Images came."),
            ({"study_day": date(2026, 1, 1)}, "The rules keep it longer now."),
        ],
    )
    def test_what_changes_is_seen_at_the_end(
        self,
        site: Any,
        old: Study,
        site_admin: Any,
        second: Any,
        change: dict[str, Any],
        why: str,
    ) -> None:
        approved(site, site_admin, second)
        Study.objects.update(**change)
        erase.run()
        assert state() == ("stopped", why)
        assert Instance.objects.count() == 3

    def test_corrected(
        self, site: Any, old: Study, site_admin: Any, second: Any, technician: Any
    ) -> None:
        approved(site, site_admin, second)
        correct_facts(old.pk, 0, {"PatientName": "ROE^Jane"}, Why(technician, "typing"))
        erase.run()
        assert state() == ("stopped", "It was corrected.")

    def test_a_rule_is_switched_off(
        self, site: Any, old: Study, site_admin: Any, second: Any
    ) -> None:
        approved(site, site_admin, second)
        RetentionRule.objects.update(is_enabled=False)
        erase.run()
        assert state() == ("stopped", "No rule for one of its modalities.")

    def test_held(self, site: Any, old: Study, site_admin: Any, second: Any) -> None:
        approved(site, site_admin, second)
        holds.hold(old, second, "A lawsuit.", NOWHERE)
        assert state() == ("stopped", "It was put on legal hold.")
        erase.run()
        assert Instance.objects.count() == 3
        assert dry_run(site).reasons == [("On legal hold.", 1)]
        with pytest.raises(Refused, match="already"):
            holds.hold(old, second, "Again.", NOWHERE)
        row = LegalHold.objects.get()
        assert (row.why, row.set_by, row.lifted_at) == ("A lawsuit.", second, None)

    def test_one_study_is_taken_out(
        self, site: Any, old: Study, site_admin: Any, second: Any
    ) -> None:
        approved(site, site_admin, second)
        proposals.stop_study(old, second, "Teaching case.", NOWHERE)
        erase.run()
        assert state() == ("stopped", "Teaching case.")


class TestDeletion:
    @pytest.fixture
    def gone(
        self, site: Any, old: Study, site_admin: Any, second: Any, radiologist: Any
    ) -> ReportVersion:
        """Deleted, with a signed report whose own objects are in the study."""
        version = sign(old, radiologist)
        keep.store_into_study(version)
        settle(old)
        put(site, 2, 1)
        approved(site, site_admin, second)
        thumbnails.make_for_series(Series.objects.get(series_instance_uid=f"{UID}.1.1"))
        self.keys = list(
            Instance.objects.filter(source="test", series__study=old).values_list(
                "archive_key", flat=True
            )
        )
        ids = {one.pk for one in Instance.objects.filter(source="test", series__study=old)}
        self.pictures = pictures_of(ids)
        erase.run()
        return version

    def test_images_go_and_reports_stay(self, site: Any, old: Study, gone: ReportVersion) -> None:
        assert state() == ("done", "")
        left = Instance.objects.filter(series__study=old)
        assert left.count() > 0
        assert all(one.source.startswith("report:") for one in left)
        assert len(self.keys) == 3
        folder = archive.folder()
        assert folder is not None
        for key in self.keys:
            assert not (folder / key).exists()
        assert MetadataDocument.objects.filter(
            study_instance_uid=old.study_instance_uid
        ).count() == (left.count())
        assert ReportVersion.objects.filter(pk=gone.pk).exists()
        assert Instance.objects.filter(series__study=of(2)).count() == 1
        old.refresh_from_db()
        assert old.number_of_instances == left.count()
        assert old.reading_state == ReadingState.FINAL
        assert {
            "retention.proposed",
            "retention.approved",
            "study.deletion_approved",
            "study.deleted",
            "study.erased",
            "retention.done",
        } <= actions()
        event = AuditEvent.objects.get(action="study.deleted")
        assert event.study_id == old.pk
        assert event.detail["proposed_by"] != event.detail["approved_by"]
        proposal = DeletionProposal.objects.get()
        assert proposal.state == ProposalState.DONE

    def test_no_picture_is_left(self, gone: ReportVersion) -> None:
        assert self.pictures
        ids = set(Tombstone.objects.values_list("instance_id", flat=True))
        assert not pictures_of(ids)

    def test_they_are_not_taken_again(
        self, site: Any, gone: ReportVersion, site_admin: Any, old: Study
    ) -> None:
        result = put(site, 1, 2)
        assert (result.outcome, result.reason) == ("refused", Reason.DELETED)
        assert not QuarantinedFile.objects.exists()
        folder = archive.folder()
        assert folder is not None
        assert not any((folder / key).exists() for key in self.keys)
        event = AuditEvent.objects.get(action="instances.refused")
        assert event.detail == {"count": 1, "reason": "deleted", "sources": ["test"]}
        # An image that nobody has decided about is taken.
        assert put(site, 1, 8).outcome == "stored"
        assert erase.take_again(old, site_admin, "A second opinion.", NOWHERE) == 3
        assert put(site, 1, 2).outcome == "stored"
        with pytest.raises(Refused, match="No image"):
            erase.take_again(old, site_admin, "Once more.", NOWHERE)

    def test_another_site_takes_them(self, other_site: Any, gone: ReportVersion) -> None:
        assert put(other_site, 1, 2).outcome == "stored"

    def test_prepared_before_it_was_deleted(
        self, site: Any, old: Study, site_admin: Any, second: Any
    ) -> None:
        """The bytes are put while the deletion runs: they go, too."""
        from studies.dicom.payload import Payload

        approved(site, site_admin, second)
        data = file_of(1, 2)
        payload = Payload.read([data], limit=len(data), spool_dir=ingest.spool_dir())
        prepared = ingest.prepare(payload, source="test", site_id=site.pk)
        erase.run()
        archive.put(payload, site_id=site.pk, sha256=payload.sha256)
        (result,) = ingest.commit([prepared])
        assert result.reason == Reason.DELETED
        erase.run()
        folder = archive.folder()
        assert folder is not None
        assert not (folder / prepared.archive_key).exists()

    def test_held_too_late(self, site: Any, old: Study, site_admin: Any, second: Any) -> None:
        approved(site, site_admin, second)
        assert erase.mark(StudyDeletion.objects.get().pk)
        with pytest.raises(Refused, match="Too late"):
            holds.hold(old, second, "A lawsuit.", NOWHERE)
        with pytest.raises(Refused, match="being erased"):
            erase.take_again(old, second, "Stop.", NOWHERE)
        proposals.revoke(DeletionProposal.objects.get().pk, second, "Stop.", NOWHERE)
        erase.run()
        assert state() == ("done", "")

    def test_sends_and_corrections_of_old(
        self, site: Any, old: Study, site_admin: Any, second: Any, technician: Any
    ) -> None:
        destination = Destination.objects.create(
            site=site, name="Peer", kind="dicomweb", url="https://peer.example/"
        )
        series = Series.objects.get()
        send = Send.objects.create(
            study=old, series=series, requester=technician, destination=destination, state="done"
        )
        SendItem.objects.create(send=send, instance=Instance.objects.first(), state="sent")
        made = correct_facts(old.pk, 0, {"StudyDescription": "CT"}, Why(technician, "typing"))
        settle(old)
        approved(site, site_admin, second)
        erase.run()
        assert state() == ("done", "")
        assert Send.objects.get().series_id == series.pk
        assert made.correction is not None
        undo(made.correction.pk, technician, NOWHERE)

    def test_a_moved_image_is_not_brought_back_by_an_undo(
        self, site: Any, old: Study, site_admin: Any, second: Any, technician: Any
    ) -> None:
        file = ct_file(
            study=f"{UID}.1",
            series=f"{UID}.1.7",
            instance=f"{UID}.1.7.1",
            number=1,
            StudyDate=OLD,
        )
        ingest.store(BytesIO(file), source="test", site=site)
        series = Series.objects.get(series_instance_uid=f"{UID}.1.7")
        made = move_series(old.pk, 0, [series.pk], None, Why(technician, "typing"))
        Study.objects.update(reading_state=ReadingState.FINAL, arrival=Arrival.QUIET)
        approved(site, site_admin, second)
        erase.run()
        assert not Instance.objects.exists()
        assert made.correction is not None
        with pytest.raises(CorrectionRefused):
            undo(made.correction.pk, technician, NOWHERE)


class TestBackup:
    def delete(
        self, site: Any, old: Study, who: Any, other: Any, *, removes: bool
    ) -> list[BackupState]:
        from studies.backup import enrolment

        enrolment.catch_up()
        engine.run()
        RetentionRule.objects.update(removes_backups=removes)
        rows = list(BackupState.objects.all())
        assert {row.state for row in rows} == {"done"}
        approved(site, who, other)
        erase.run()
        assert state() == ("done", "")
        return rows

    def test_copies_are_kept_and_nothing_is_healed(
        self, folder_backup: Path, site: Any, old: Study, site_admin: Any, second: Any
    ) -> None:
        rows = self.delete(site, old, site_admin, second, removes=False)
        assert all((folder_backup / row.remote_name).exists() for row in rows)
        assert set(Tombstone.objects.values_list("remote", flat=True)) == {"kept"}
        assert not BackupState.objects.exists()
        verify.verify(verify.sample(50))
        assert not any(restore.fetch(row.archive_key) for row in rows)
        assert restore.restore_unknown().restored == 0
        folder = archive.folder()
        assert folder is not None
        assert not any((folder / row.archive_key).exists() for row in rows)

    def test_an_administrator_removes_them(
        self,
        folder_backup: Path,
        site: Any,
        old: Study,
        site_admin: Any,
        second: Any,
        admin: Any,
        logged_in: Any,
    ) -> None:
        rows = self.delete(site, old, site_admin, second, removes=True)
        assert all((folder_backup / row.remote_name).exists() for row in rows)
        text = logged_in(admin).get("/retention/backup-copies.csv").content.decode()
        assert all(row.remote_name in text for row in rows)
        panel = status.retention(Reach(None))
        assert [line.words for line in panel.lines] == ["To be removed by hand"]
        (folder_backup / rows[0].remote_name).unlink()
        Tombstone.objects.update(looked_at=None)
        erase.look_at_backup()
        assert sorted(Tombstone.objects.values_list("remote", flat=True)) == [
            "gone",
            "listed",
            "listed",
        ]
        erase.take_again(old, second, "After all.", NOWHERE)
        assert not Tombstone.objects.filter(remote="listed").exists()


@pytest.mark.django_db(transaction=True)
class TestRaces:
    def at_once(self, *jobs: Callable[[], Any]) -> list[Any]:
        barrier, results = Barrier(len(jobs)), [None] * len(jobs)

        def run(place: int, job: Callable[[], Any]) -> None:
            try:
                barrier.wait(10)
                results[place] = job()
            except Exception as error:
                results[place] = error
            finally:
                connections.close_all()

        threads = [Thread(target=run, args=each) for each in enumerate(jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return results

    def test_two_approvals(
        self, site: Any, old: Study, site_admin: Any, second: Any, admin: Any
    ) -> None:
        pk = proposed(site, site_admin).pk
        results = self.at_once(
            lambda: proposals.approve(pk, second, NOWHERE),
            lambda: proposals.approve(pk, admin, NOWHERE),
        )
        assert sorted(type(each).__name__ for each in results) == ["DeletionProposal", "Refused"]
        assert AuditEvent.objects.filter(action="retention.approved").count() == 1

    def test_an_approval_and_a_revocation(
        self, site: Any, old: Study, site_admin: Any, second: Any, admin: Any
    ) -> None:
        pk = proposed(site, site_admin).pk
        results = self.at_once(
            lambda: proposals.approve(pk, second, NOWHERE),
            lambda: proposals.revoke(pk, admin, "No.", NOWHERE),
        )
        assert isinstance(results[1], DeletionProposal)
        assert DeletionProposal.objects.get().state == ProposalState.REVOKED
        assert state()[0] == "stopped"

    def test_an_approval_while_an_image_arrives(
        self, site: Any, old: Study, site_admin: Any, second: Any
    ) -> None:
        pk = proposed(site, site_admin).pk
        results = self.at_once(
            lambda: proposals.approve(pk, second, NOWHERE), lambda: put(site, 1, 4)
        )
        assert results[1].outcome == "stored"
        assert state()[0] == "stopped"
        let_pass(DeletionProposal.objects.get())
        settle(old)
        erase.run()
        assert Instance.objects.count() == 4

    def test_a_hold_while_the_beat_deletes(
        self, site: Any, old: Study, site_admin: Any, second: Any
    ) -> None:
        approved(site, site_admin, second)
        held, _ = self.at_once(
            lambda: holds.hold(old, second, "A lawsuit.", NOWHERE), lambda: erase.run()
        )
        left = Instance.objects.count()
        if isinstance(held, LegalHold) and state()[0] == "stopped":
            assert left == 3
        else:  # too late, or nothing was left to hold: all or nothing
            assert left == 0
        assert left in (0, 3)

    def test_an_image_while_the_beat_deletes(
        self, site: Any, old: Study, site_admin: Any, second: Any
    ) -> None:
        approved(site, site_admin, second)
        result, _ = self.at_once(lambda: put(site, 1, 4), lambda: erase.run())
        assert result.outcome == "stored"
        new = Instance.objects.get(sop_instance_uid=f"{UID}.1.1.4")
        assert archive.local_path(new.archive_key).exists()
        assert Instance.objects.count() in (1, 4)

    def test_two_beats(self, site: Any, old: Study, site_admin: Any, second: Any) -> None:
        approved(site, site_admin, second)
        assert self.at_once(lambda: erase.run(), lambda: erase.run()) == [None, None]
        assert state() == ("done", "")
        assert Tombstone.objects.count() == 3
        assert AuditEvent.objects.filter(action="study.deleted").count() == 1
        assert AuditEvent.objects.filter(action="study.erased").count() == 1

    @pytest.mark.parametrize("calls", [1, 2, 3])
    def test_killed_while_erasing(
        self, site: Any, old: Study, site_admin: Any, second: Any, calls: int
    ) -> None:
        """kill -9 in the middle of the files: the next beat goes on."""
        approved(site, site_admin, second)
        self.killed_at("archive.erase", calls)
        assert state() == ("erasing", "")
        assert not Instance.objects.exists()
        assert put(site, 1, 1).outcome == "refused"
        erase.run()
        assert state() == ("done", "")
        folder = archive.folder()
        assert folder is not None
        keys = Tombstone.objects.values_list("archive_key", flat=True)
        assert len(keys) == 3
        assert not any((folder / key).exists() for key in keys)

    @pytest.mark.parametrize("step", ["documents.remove", "_count", "_forget_pictures"])
    def test_killed_at_other_steps(
        self, site: Any, old: Study, site_admin: Any, second: Any, step: str
    ) -> None:
        approved(site, site_admin, second)
        self.killed_at(step, 1)
        if step != "_forget_pictures":  # within the one transaction: nothing has happened
            assert state() == ("grace", "")
            assert Instance.objects.count() == 3
            assert not Tombstone.objects.exists()
        erase.run()
        assert state() == ("done", "")
        assert not Instance.objects.exists()
        assert not MetadataDocument.objects.exists()

    def killed_at(self, step: str, calls: int) -> None:
        """Run the beat in a process of its own that dies at the call of a step."""
        connections.close_all()
        child = os.fork()
        if child == 0:
            place: Any = erase
            *path, name = step.split(".")
            for part in path:
                place = getattr(place, part)
            plain, count = getattr(place, name), [0]

            def dying(*args: Any, **options: Any) -> Any:
                count[0] += 1
                if count[0] == calls:
                    os.kill(os.getpid(), signal.SIGKILL)
                return plain(*args, **options)

            setattr(place, name, dying)
            try:
                erase.run()
            finally:
                os._exit(3)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL


class TestQuota:
    @pytest.fixture
    def usage(self, site: Any, settings: Any) -> SiteUsage:
        settings.ALERT_EMAILS = ["duty@hospital.example"]
        for number in (1, 2, 3):
            put(site, 1, number)
        quota.count(settled=timedelta())
        return SiteUsage.objects.get(site=site)

    def test_counted_once(self, site: Any, usage: SiteUsage) -> None:
        size = sum(Instance.objects.values_list("file_size", flat=True))
        assert usage.used_bytes == size > 0
        quota.count(settled=timedelta())
        put(site, 1, 4)
        quota.count(settled=timedelta())
        quota.count(settled=timedelta())
        usage.refresh_from_db()
        assert usage.used_bytes == sum(Instance.objects.values_list("file_size", flat=True)) > size

    def test_young_images_wait(self, site: Any, usage: SiteUsage) -> None:
        before = usage.used_bytes
        put(site, 1, 4)
        quota.count()
        usage.refresh_from_db()
        assert usage.used_bytes == before
        Instance.objects.update(received_at=timezone.now() - timedelta(hours=1))
        quota.count()
        usage.refresh_from_db()
        assert usage.used_bytes > before

    def test_told_once_at_each_threshold(self, site: Any, usage: SiteUsage) -> None:
        used = usage.used_bytes
        for share, percent in ((79, 0), (80, 80), (85, 0), (95, 95), (120, 100), (120, 0)):
            SiteUsage.objects.update(quota_bytes=used * 100 // share)
            mail.outbox.clear()
            assert quota.tell() == bool(percent)
            if percent:
                (sent,) = mail.outbox
                assert f"{percent} %" in sent.subject
                assert sent.to == ["duty@hospital.example"]
        told = AuditEvent.objects.filter(action="quota.reached").order_by("id")
        assert [each.detail["percent"] for each in told] == [80, 95, 100]
        assert put(site, 1, 4).outcome == "stored"  # full, and images are taken
        SiteUsage.objects.update(quota_bytes=used * 100)
        assert quota.tell() == 0
        SiteUsage.objects.update(quota_bytes=used)
        assert quota.tell() == 1

    def test_a_mail_that_fails_goes_later(
        self, site: Any, usage: SiteUsage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        SiteUsage.objects.update(quota_bytes=1)

        def broken(*args: Any) -> None:
            raise OSError

        with monkeypatch.context() as patch:
            patch.setattr(quota, "send_mail", broken)
            assert quota.tell() == 0
        assert quota.tell() == 1

    def test_what_is_deleted_is_free(
        self, site: Any, usage: SiteUsage, rule: RetentionRule, site_admin: Any, second: Any
    ) -> None:
        settle(of())
        approved(site, site_admin, second)
        erase.run()
        usage.refresh_from_db()
        assert usage.used_bytes == 0

    @pytest.mark.parametrize(
        ("share", "words"),
        [(10, "Within the quota"), (81, "Nearly used up"), (101, "Quota used up")],
    )
    def test_the_status_page(self, site: Any, usage: SiteUsage, share: int, words: str) -> None:
        SiteUsage.objects.update(quota_bytes=usage.used_bytes * 100 // share)
        (line,) = status.quotas(Reach(frozenset([site.pk]))).lines
        assert line.words == words

    def test_metrics(self, site: Any, usage: SiteUsage) -> None:
        names = {sample.name for family in status.numbers() for sample in family.samples}
        assert {"lightbox_site_used_bytes", "lightbox_deletions"} <= names


class TestPages:
    def test_the_whole_way(
        self, site: Any, old: Study, site_admin: Any, second: Any, logged_in: Any
    ) -> None:
        one, other = logged_in(site_admin), logged_in(second)
        place = f"/retention/sites/{site.pk}/"
        assert "Propose to delete" in one.get(place).content.decode()
        page = one.post(place).content.decode()
        assert "is this right?" in page
        assert not DeletionProposal.objects.exists()
        digest = dry_run(site).digest
        reply = one.post(place, {"digest": digest, "confirmed": "yes"})
        proposal = DeletionProposal.objects.get()
        path = f"/retention/proposals/{proposal.pk}/"
        assert reply.headers["Location"] == path
        assert one.post(place, {"digest": digest, "confirmed": "yes"}).status_code == 409
        # The same person, by a form that was never shown to them.
        reply = one.post(path, {"do": "approve", "confirmed": "yes"})
        assert reply.status_code == 409
        assert "another person has to" in reply.content.decode()
        assert "Approve…" not in one.get(path).content.decode()
        assert "Approve: is this right?" in other.post(path, {"do": "approve"}).content.decode()
        assert other.post(path, {"do": "approve", "confirmed": "yes"}).status_code == 302
        row = other.get(f"/worklist/row/{old.pk}/?state=final").content.decode()
        assert "Images are to be deleted" in row
        assert (
            "Images are deleted on"
            in other.get(
                f"/studies/{old.pk}/view/", headers={"Accept": "text/html"}
            ).content.decode()
        )
        panel = status.retention(Reach(frozenset([site.pk])))
        assert [line.words for line in panel.lines] == ["Deletes after the grace"]
        reply = one.post(path, {"do": "revoke", "why": "", "confirmed": "yes"})
        assert reply.status_code == 409
        assert one.post(path, {"do": "revoke", "why": "No.", "confirmed": "yes"}).status_code == 302
        assert "Revoked" in one.get(path).content.decode()

    def test_a_study(
        self, site: Any, old: Study, site_admin: Any, second: Any, logged_in: Any
    ) -> None:
        browser, path = logged_in(site_admin), f"/studies/{old.pk}/retention/"
        assert browser.post(path, {"do": "hold", "why": ""}).status_code == 409
        assert browser.post(path, {"do": "hold", "why": "A <b>lawsuit</b>."}).status_code == 302
        text = browser.get(path).content.decode()
        assert "&lt;b&gt;lawsuit" in text
        assert "lawsuit" in browser.get("/retention/?show=holds").content.decode()
        assert browser.post(path, {"do": "lift", "why": "Over."}).status_code == 302
        approved(site, site_admin, second)
        assert "Take it out" in browser.get(path).content.decode()
        erase.run()
        text = browser.get(path).content.decode()
        assert "Take again" in text
        seen = browser.get(f"/api/studies/{old.pk}/retention/").json()
        assert seen == {
            "study": old.pk,
            "on_hold": False,
            "deletes_at": None,
            "images_deleted": 3,
        }
        assert browser.post(path, {"do": "take-again", "why": "Needed."}).status_code == 302
        assert browser.post(path, {"do": "nothing", "why": "x"}).status_code == 404
        assert {"study.held", "study.hold_lifted", "study.taken_again"} <= actions()

    def test_the_file(self, site: Any, old: Study, site_admin: Any, logged_in: Any) -> None:
        put(site, 2, 1, StudyDescription="=1+1")
        settle(of(2), reading_state=ReadingState.UNREAD)
        reply = logged_in(site_admin).get(f"/retention/sites/{site.pk}/studies.csv")
        lines = reply.content.decode().splitlines()
        assert len(lines) == 3
        assert lines[1].startswith('"due",""')
        assert lines[2].startswith('"kept","Not reported."')
        assert '"\'=1+1"' in lines[2]
        assert AuditEvent.objects.filter(action="retention.exported").count() == 1

    def test_other_sites(
        self,
        other_site: Any,
        site: Any,
        old: Study,
        site_admin: Any,
        client: Any,
        logged_in: Any,
    ) -> None:
        pk = proposed(site, site_admin).pk
        theirs = logged_in(person("theirs", other_site, Role.SITE_ADMIN))
        for path in (
            f"/retention/sites/{site.pk}/",
            f"/retention/sites/{site.pk}/studies.csv",
            f"/retention/proposals/{pk}/",
            f"/studies/{old.pk}/retention/",
        ):
            assert theirs.get(path).status_code == 404
            assert client.get(path, headers={"Accept": "text/html"}).status_code == 302
            assert client.get(path).status_code == 401
        body = {"do": "approve", "confirmed": "yes"}
        assert theirs.post(f"/retention/proposals/{pk}/", body).status_code == 404
        assert "DOE" not in theirs.get("/retention/").content.decode()


def test_documents_on_the_status_page(db: None, settings: Any, site: Any) -> None:
    from studies.documents import outbox
    from studies.status import metrics, sources

    assert sources.documents(Reach(None)) is None
    assert list(metrics.documents()) == []
    settings.MONGODB_URL = "mongodb://127.0.0.1:1/x"
    outbox.note([(site.pk, "1.2.3", "1.2")])
    panel = sources.documents(Reach(None))
    assert panel is not None
    assert dict(panel.lines[0].facts)["Waiting"] == 1
    assert sources.documents(Reach(frozenset([site.pk]))) is None
    values = {family.name: family.samples[0].value for family in metrics.documents()}
    assert values["lightbox_documents_waiting"] == 1


def test_json_is_bounded(db: None, site: Any, old: Study, site_admin: Any) -> None:
    """What a proposal keeps of its rules is words, no patient."""
    found = proposed(site, site_admin)
    assert json.dumps(found.rules) == '["Other modalities: 10 years"]'
