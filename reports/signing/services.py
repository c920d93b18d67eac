"""Signing, addenda, co-signatures and withdrawals: the only writers of signed versions.

Each is one transaction that locks study and report, asks the database once more who the person is,
appends a version, moves report and study by compare-and-set, and plans what follows. Whoever is
logged in signs; nobody signs for somebody else.

`who` is a user or a Principal; callers have asked `Report.objects.visible_to(who)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from pacs import audit, events
from reports import document as documents
from reports.critical.services import note_withdrawal
from reports.errors import NotAllowed, Refused
from reports.models import READABLE, Report, ReportState, ReportVersion, VersionKind
from reports.signing import addenda, steps
from reports.signing import pictures as key_pictures
from reports.signing.examination import Beside, require_answers
from reports.signing.signer import Signer
from reports.signing.steps import Origin
from studies.models import ReadingState

REASON_LENGTH = 400


def sign(
    report_id: int,
    who: Any,
    *,
    kind: str,
    revision: int,
    answers: Mapping[str, Any] | None = None,
    without_pictures: bool = False,
    open_studies: Iterable[int] = (),
    other_patient_open: bool = False,
    address: str = "",
    session_key: str = "",
) -> ReportVersion:
    """Sign the draft as it is at `revision`, "preliminary" or "final".

    A resident's final is preliminary and waits for another radiologist (`cosigner_wanted`). The
    signer reads the study (`Study.reader`). `answers` are the signer's to the warnings of
    reports.checks. `open_studies` are the studies whose images the signer has open, and
    `other_patient_open` what their browser says of its windows.

    Raises NotAllowed (no radiologist here any more), Stale (saved in between), PicturesMissing,
    Unanswered (warnings of the checks), Refused for everything else; nothing is signed then.
    """
    if kind not in (VersionKind.PRELIMINARY, VersionKind.FINAL):
        raise Refused("A report is signed preliminarily or finally.", code="kind")
    origin = Origin(address, session_key)
    beside = Beside(tuple(open_studies), other_patient_open)
    with steps.signing(report_id, who, revision, origin, without_pictures=without_pictures) as (
        opened,
        pictures,
    ):
        report = opened.report
        if report.state in READABLE:
            raise Refused("It is signed already. Write an addendum.", code="signed-already")
        if report.state == ReportState.WITHDRAWN:
            raise Refused("It is withdrawn. Write a new report.", code="withdrawn")
        steps.require_reader(opened)
        waits = kind == VersionKind.FINAL and opened.signer.is_resident
        signed_kind = VersionKind.PRELIMINARY if waits else VersionKind(kind)
        key_pictures.unchanged(pictures)
        given = require_answers(opened, answers, beside, kind=signed_kind)
        version = steps.append_document(
            opened, report.content, pictures, kind=signed_kind, answers=given
        )
        final = signed_kind == VersionKind.FINAL
        steps.settle(
            opened,
            ReportState.FINAL if final else ReportState.PRELIMINARY,
            cosigner_wanted=waits,
            **({"first_final_at": version.signed_at} if final else {}),
        )
        steps.move_study(
            opened,
            ReadingState.FINAL if final else ReadingState.PRELIMINARY,
            reader=None if final or waits else opened.signer.user,
            origin=origin,
        )
        steps.follow_up(opened, version, origin)
    return version


def cosign(
    report_id: int,
    who: Any,
    *,
    revision: int,
    answers: Mapping[str, Any] | None = None,
    without_pictures: bool = False,
    open_studies: Iterable[int] = (),
    other_patient_open: bool = False,
    address: str = "",
    session_key: str = "",
) -> ReportVersion:
    """Sign a resident's preliminary report or addendum as well: by both of them.

    What is signed is what the resident signed, word for word; who changes it signs it alone
    (`sign`). Raises as `sign`, and Refused for one's own and for other residents.
    """
    origin = Origin(address, session_key)
    beside = Beside(tuple(open_studies), other_patient_open)
    with steps.signing(report_id, who, revision, origin, without_pictures=without_pictures) as (
        opened,
        pictures,
    ):
        report, last = opened.report, opened.last
        if report.addendum_waits:
            return addenda.cosign(opened, pictures, answers, beside, origin)
        if report.state != ReportState.PRELIMINARY or not report.cosigner_wanted or not last:
            raise Refused("No second signature is wanted here.", code="not-wanted")
        if last.signer_id == opened.signer.user.pk:
            raise NotAllowed("Another radiologist has to sign your report.", code="own")
        if opened.signer.is_resident:
            raise NotAllowed("A resident's signature needs a second one itself.", code="role")
        steps.require_unclaimed(opened)
        key_pictures.unchanged(pictures)
        author = Signer(last.signer, is_resident=True)
        version = steps.append_document(
            opened,
            report.content,
            pictures,
            kind=VersionKind.FINAL,
            answers=require_answers(opened, answers, beside, kind=VersionKind.FINAL),
            signer=author,
            cosigner=opened.signer,
        )
        if steps.wording(version.content) != steps.wording(last.content):
            raise Refused(
                "The text is no longer what was signed. Take it over and sign it yourself.",
                code="changed-since",
            )
        steps.settle(
            opened,
            ReportState.FINAL,
            cosigner_wanted=False,
            first_final_at=version.signed_at,
        )
        steps.move_study(opened, ReadingState.FINAL, reader=None, origin=origin)
        steps.follow_up(opened, version, origin)
    return version


def start_addendum(report_id: int, who: Any, *, address: str = "", session_key: str = "") -> Report:
    """Begin an addendum to a signed report; it is written as a draft. The same again is harmless.

    One that waits for a second signature is taken up again, by its resident or by a radiologist
    who then signs it alone.

    Raises NotAllowed, and Refused where nothing is final or somebody else writes one.
    """
    origin = Origin(address, session_key)
    with steps.refusals_kept("report.addendum", report_id, who, origin), transaction.atomic():
        opened = steps.open_report(report_id, who, None)
        report, study, user = opened.report, opened.study, opened.signer.user
        if report.state not in READABLE or opened.last is None:
            raise Refused("Only a final report takes an addendum.", code="not-final")
        if report.addendum_waits:
            return addenda.take_up(opened, origin)
        if report.is_addending:
            if study.reader_id in (None, user.pk) and report.saved_by_id == user.pk:
                return report
            raise Refused("Somebody else is writing an addendum.", code="addendum-open")
        language = opened.last.content.get("language") or "en"
        content = {
            **documents.empty(opened.last.content.get("title") or "", language),
            "sections": [
                {"key": documents.ADDENDUM, "title": "Addendum", "html": "", "fields": []}
            ],
        }
        steps.settle(opened, ReportState(report.state), content=content, is_addending=True)
        Report.objects.filter(pk=report.pk).update(saved_by=user, saved_at=timezone.now())
        steps.move_study(opened, ReadingState(study.reading_state), reader=user, origin=origin)
        audit.record(
            "report.addendum",
            actor=user,
            study=study,
            detail={"report": report.pk},
            **origin.as_facts(),
        )
        events.publish("report.changed", site=study.site_id, study=study.pk, report=report.pk)
        report.refresh_from_db()
        return report


def sign_addendum(
    report_id: int,
    who: Any,
    *,
    revision: int,
    answers: Mapping[str, Any] | None = None,
    without_pictures: bool = False,
    open_studies: Iterable[int] = (),
    other_patient_open: bool = False,
    address: str = "",
    session_key: str = "",
) -> ReportVersion | None:
    """Sign the addendum as it is at `revision`. Raises as `sign`.

    A resident's is no version yet: it waits for another radiologist (`cosign`), and None is given.
    """
    origin = Origin(address, session_key)
    beside = Beside(tuple(open_studies), other_patient_open)
    with steps.signing(report_id, who, revision, origin, without_pictures=without_pictures) as (
        opened,
        pictures,
    ):
        report, last = opened.report, opened.last
        if not report.is_addending or report.state not in READABLE or last is None:
            raise Refused("There is no addendum to sign.", code="no-addendum")
        steps.require_reader(opened)
        key_pictures.unchanged(pictures)
        given = require_answers(opened, answers, beside, kind=VersionKind.ADDENDUM)
        if opened.signer.is_resident:
            addenda.hand_on(opened, pictures, origin)
            return None
        version = steps.append_document(
            opened,
            report.content,
            pictures,
            kind=VersionKind.ADDENDUM,
            answers=given,
            addends=last.number,
        )
        steps.settle(opened, ReportState.ADDENDED, is_addending=False)
        steps.move_study(opened, ReadingState.ADDENDED, reader=None, origin=origin)
        steps.follow_up(opened, version, origin)
    return version


def withdraw(
    report_id: int, who: Any, reason: str, *, address: str = "", session_key: str = ""
) -> ReportVersion:
    """Take a signed report back, for a reason (the wrong patient). It is kept, and says so.

    Referrers no longer see it, everybody who got it gets a recall, the study is unread again.
    Raises NotAllowed, and Refused without a reason or where nothing is signed.
    """
    reason = reason.strip()
    if not reason or len(reason) > REASON_LENGTH:
        raise Refused(f"Say why, in 1 to {REASON_LENGTH} characters.", code="reason")
    origin = Origin(address, session_key)
    with steps.refusals_kept("report.withdrawn", report_id, who, origin), transaction.atomic():
        opened = steps.open_report(report_id, who, None)
        report, last, user = opened.report, opened.last, opened.signer.user
        if report.state == ReportState.WITHDRAWN:
            raise Refused("It is withdrawn already.", code="withdrawn")
        if last is None:
            raise Refused("Nothing is signed; discard the draft instead.", code="not-signed")
        version = steps.append_frozen(
            opened, dict(last.content), kind=VersionKind.WITHDRAWAL, reason=reason
        )
        steps.settle(
            opened,
            ReportState.WITHDRAWN,
            is_addending=False,
            cosigner_wanted=False,
            **addenda.NOBODY_WAITS,
            withdrawn_at=version.signed_at,
            withdrawn_by=user,
            withdrawn_reason=reason,
        )
        steps.move_study(opened, ReadingState.UNREAD, origin=origin)
        note_withdrawal(report, user)
        steps.follow_up(opened, version, origin, action="report.withdrawn")
    return version
