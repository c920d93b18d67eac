"""A resident's addendum: a version only when another radiologist has signed it as well.

Between the two signatures the words stay in the draft, which nobody may save; what the resident
signed is kept as the SHA-256 of its wording (`Report.addendum_sha256`) and in the audit trail.
Referrers, deliveries and search know nothing of it until then. All here is in the caller's
transaction, with study and report locked (`steps.open_report`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from django.utils import timezone

from pacs import audit, events
from reports.errors import NotAllowed, Refused
from reports.models import READABLE, Report, ReportState, ReportVersion, VersionKind
from reports.signing import pictures as key_pictures
from reports.signing import steps
from reports.signing.examination import Beside, require_answers
from reports.signing.freezing import freeze
from reports.signing.signer import Signer
from studies.models import ReadingState

NOBODY_WAITS: Final[Mapping[str, Any]] = {"addendum_signer": None, "addendum_sha256": ""}


def hand_on(
    opened: steps.Opened, pictures: Mapping[str, key_pictures.Picture], origin: steps.Origin
) -> None:
    """The resident signs; nobody reads the study until another radiologist takes it up."""
    report, study, user = opened.report, opened.study, opened.signer.user
    sha256 = _sha256(freeze(report, study, report.content, pictures=pictures))
    steps.settle(
        opened,
        ReportState(report.state),
        cosigner_wanted=True,
        addendum_signer=user,
        addendum_sha256=sha256,
    )
    steps.move_study(opened, ReadingState(study.reading_state), reader=None, origin=origin)
    _tell(opened, "report.addendum_signed", origin, wording_sha256=sha256)


def cosign(
    opened: steps.Opened,
    pictures: dict[str, key_pictures.Picture],
    answers: Mapping[str, Any] | None,
    beside: Beside,
    origin: steps.Origin,
) -> ReportVersion:
    """The second signature: the version that adds, by the resident and this radiologist.

    Raises NotAllowed for the resident and other residents, Refused where the words, the
    measurements or the patient are no longer those that the resident signed.
    """
    report, last = opened.report, opened.last
    if report.state not in READABLE or last is None or report.addendum_signer is None:
        raise Refused("No second signature is wanted here.", code="not-wanted")
    if report.addendum_signer_id == opened.signer.user.pk:
        raise NotAllowed("Another radiologist has to sign your addendum.", code="own")
    if opened.signer.is_resident:
        raise NotAllowed("A resident's signature needs a second one itself.", code="role")
    steps.require_unclaimed(opened)
    key_pictures.unchanged(pictures)
    version = steps.append_document(
        opened,
        report.content,
        pictures,
        kind=VersionKind.ADDENDUM,
        answers=require_answers(opened, answers, beside, kind=VersionKind.ADDENDUM),
        signer=Signer(report.addendum_signer, is_resident=True),
        cosigner=opened.signer,
        addends=last.number,
    )
    if _sha256(version.content) != report.addendum_sha256:
        raise Refused(
            "The addendum is no longer what was signed. Change it and sign it yourself.",
            code="changed-since",
        )
    steps.settle(
        opened, ReportState.ADDENDED, is_addending=False, cosigner_wanted=False, **NOBODY_WAITS
    )
    steps.move_study(opened, ReadingState.ADDENDED, reader=None, origin=origin)
    steps.follow_up(opened, version, origin)
    return version


def take_up(opened: steps.Opened, origin: steps.Origin) -> Report:
    """Write on what waits: by the resident, or by a radiologist. The resident's signature lapses.

    Raises NotAllowed for other residents.
    """
    report, study, user = opened.report, opened.study, opened.signer.user
    former = report.addendum_signer_id
    if opened.signer.is_resident and former != user.pk:
        raise NotAllowed("It waits for a radiologist who is no resident.", code="role")
    steps.settle(opened, ReportState(report.state), cosigner_wanted=False, **NOBODY_WAITS)
    Report.objects.filter(pk=report.pk).update(saved_by=user, saved_at=timezone.now())
    steps.move_study(opened, ReadingState(study.reading_state), reader=user, origin=origin)
    _tell(opened, "report.addendum", origin, taken_from=former)
    report.refresh_from_db()
    return report


def _sha256(content: dict[str, Any]) -> str:
    return hashlib.sha256(steps.wording(content)).hexdigest()


def _tell(opened: steps.Opened, action: str, origin: steps.Origin, **detail: Any) -> None:
    report, study = opened.report, opened.study
    audit.record(
        action,
        actor=opened.signer.user,
        study=study,
        detail={"report": report.pk, **detail},
        **origin.as_facts(),
    )
    events.publish("report.changed", site=study.site_id, study=study.pk, report=report.pk)
