"""What whoever opens a study is told of its retention."""

from __future__ import annotations

from datetime import datetime

from studies.models import Study
from studies.retention.models import DeletionState, LegalHold, StudyDeletion, Tombstone


def deletes_at(study: Study) -> datetime | None:
    """When its images are deleted, where that is approved and in its grace."""
    return (
        StudyDeletion.objects.filter(study=study, state=DeletionState.GRACE)
        .values_list("proposal__deletes_at", flat=True)
        .first()
    )


def hold_of(study: Study) -> LegalHold | None:
    """The hold that is set on it now."""
    return LegalHold.objects.filter(study=study, lifted_at=None).select_related("set_by").first()


def number_deleted(study: Study) -> int:
    """Images that were deleted and are not taken again."""
    return Tombstone.objects.filter(deletion__study=study, released_at=None).count()


def of(study: Study) -> list[str]:
    """Each in a few words."""
    words = []
    if (at := deletes_at(study)) is not None:
        words.append(f"Images are deleted on {at:%Y-%m-%d}")
    gone = (
        StudyDeletion.objects.filter(study=study, marked_at__isnull=False)
        .order_by("-marked_at")
        .values_list("marked_at", flat=True)
        .first()
    )
    if gone is not None and number_deleted(study):
        words.append(f"Images deleted on {gone:%Y-%m-%d}; the report stays")
    if hold_of(study) is not None:
        words.append("Legal hold")
    return words
