"""What MongoDB is still to be given: noted in the transaction of the change itself.

A study with a note is read from the table until the note is gone, so a reader never sees a document
as it was before the change.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.conf import settings
from django.utils import timezone

from pacs import statements
from studies.documents.models import DocumentChange

COLUMNS = (
    *("site_id", "sop_instance_uid", "study_instance_uid", "attempts", "reason", "lease_token"),
    *("next_attempt_at", "created_at"),
)
AT_ONCE = 500

Written = tuple[int, str, str]
"""Site, SOPInstanceUID, StudyInstanceUID."""


def is_on() -> bool:
    return bool(settings.MONGODB_URL)


def note(written: Sequence[Written]) -> None:
    """Have MongoDB given these documents as the table has them. Nothing where there is none."""
    if not written or not is_on():
        return
    now = timezone.now()
    rows = [(*one, 0, "", 0, now, now) for one in written]
    statements.insert(DocumentChange, COLUMNS, rows)


def noted_studies(site_id: int, study_uids: Collection[str]) -> set[str]:
    """Those of these studies of which something is not delivered."""
    wanted, found = sorted(set(study_uids)), set[str]()
    for start in range(0, len(wanted), AT_ONCE):
        rows = DocumentChange.objects.filter(
            site_id=site_id, study_instance_uid__in=wanted[start : start + AT_ONCE]
        )
        found |= set(rows.values_list("study_instance_uid", flat=True))
    return found


def noted_images(site_id: int, sop_uids: Collection[str]) -> set[str]:
    """Those of these instances that are not delivered."""
    wanted, found = sorted(set(sop_uids)), set[str]()
    for start in range(0, len(wanted), AT_ONCE):
        rows = DocumentChange.objects.filter(
            site_id=site_id, sop_instance_uid__in=wanted[start : start + AT_ONCE]
        )
        found |= set(rows.values_list("sop_instance_uid", flat=True))
    return found
