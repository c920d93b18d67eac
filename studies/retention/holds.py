"""Legal holds: who set one, why and when; only a person lifts it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from pacs import audit, events
from studies.models import Study
from studies.retention.errors import NotAllowed, Refused
from studies.retention.models import DeletionState, LegalHold, StudyDeletion
from studies.retention.proposals import may_decide
from studies.retention.tombstones import stop


def _check(who: Any, study: Study, why: str) -> str:
    if not may_decide(who, study.site_id):
        raise NotAllowed("Only administrators of the site set and lift holds.")
    why = why.strip()[:500]
    if not why:
        raise Refused("Say why.")
    return why


def hold(study: Study, actor: Any, why: str, origin: Mapping[str, Any]) -> LegalHold:
    """Nothing of the study is deleted from now on. Raises Refused where it is too late."""
    why = _check(actor, study, why)
    try:
        with transaction.atomic():
            # Whoever deletes it holds the same lock.
            Study.objects.select_for_update(of=("self",)).get(pk=study.pk)
            erasing = StudyDeletion.objects.filter(study=study, state=DeletionState.ERASING)
            if erasing.exists():
                raise Refused("Too late: its images are being erased.")
            row: LegalHold = LegalHold.objects.create(study=study, why=why, set_by=actor)
            stop([study.pk], "It was put on legal hold.", actor=actor, origin=origin)
            _note("study.held", row, actor, origin)
    except IntegrityError:
        raise Refused("It is on hold already.") from None
    return row


def lift(study: Study, actor: Any, why: str, origin: Mapping[str, Any]) -> None:
    """The hold ends; what was stopped by it is not taken up again. Raises Refused."""
    why = _check(actor, study, why)
    with transaction.atomic():
        row = LegalHold.objects.filter(study=study, lifted_at=None).first()
        if row is None or not LegalHold.objects.filter(pk=row.pk, lifted_at=None).update(
            lifted_at=timezone.now(), lifted_by=actor, lifted_why=why
        ):
            raise Refused("It is not on hold.")
        _note("study.hold_lifted", row, actor, origin)


def _note(action: str, row: LegalHold, actor: Any, origin: Mapping[str, Any]) -> None:
    audit.record(action, actor=actor, study=row.study, detail={"hold": row.pk}, **origin)
    events.publish("study.changed", site=row.study.site_id, study=row.study_id)
