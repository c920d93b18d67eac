"""At the one door: what was deleted does not come in again, and what comes stops a deletion."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.utils import timezone

from pacs import audit, events, statements
from studies.retention.models import STOPPABLE, DeletionState, StudyDeletion, Tombstone

AT_ONCE = 500
_BURIED = (
    "SELECT sop_instance_uid FROM studies_tombstone"
    " WHERE site_id = %s AND released_at IS NULL AND sop_instance_uid IN"
)
_OPEN = "SELECT 1 FROM studies_studydeletion WHERE state IN (%s, %s) AND study_id IN"


def buried(site_id: int, uids: Sequence[str]) -> set[str]:
    """Those of the SOP Instance UIDs that were deleted at the site and are not taken again."""
    found: set[str] = set()
    for start in range(0, len(uids), AT_ONCE):
        some = uids[start : start + AT_ONCE]
        places = ", ".join(["%s"] * len(some))
        rows = statements.select(f"{_BURIED} ({places})", [site_id, *some])
        found.update(row[0] for row in rows)
    return found


def came_again(site_id: int, uids: Collection[str]) -> None:
    """Bytes of deleted images were put into the archive while that was decided: erase them anew."""
    again = Tombstone.objects.filter(
        site=site_id, sop_instance_uid__in=list(uids), released_at=None, erased_at__isnull=False
    )
    again.update(erased_at=None)


def images_came(study_ids: Sequence[int]) -> None:
    """In the transaction that stores images of studies: nobody has decided to delete these."""
    places = ", ".join(["%s"] * len(study_ids))
    if statements.select(f"{_OPEN} ({places})", [*STOPPABLE, *study_ids]):
        stop(study_ids, "Images came.")


def stop(
    study_ids: Collection[int],
    why: str,
    *,
    actor: object = None,
    origin: Mapping[str, Any] | None = None,
) -> int:
    """Take studies out of the deletions that they are in, in the caller's transaction. How many
    were; what is being erased is not stopped."""
    rows = StudyDeletion.objects.filter(study__in=study_ids, state__in=STOPPABLE)
    # The rows of all before the first event: everybody locks in this order.
    stopped = [
        deletion
        for deletion in rows.select_related("study").order_by("id")
        if StudyDeletion.objects.filter(pk=deletion.pk, state__in=STOPPABLE).update(
            state=DeletionState.STOPPED, why=why[:300], done_at=timezone.now()
        )
    ]
    for deletion in stopped:
        audit.record(
            "study.deletion_stopped",
            actor=actor,
            study=deletion.study,
            detail={"proposal": deletion.proposal_id, "why": why[:300]},
            **(origin or {}),
        )
        events.publish("study.changed", site=deletion.study.site_id, study=deletion.study_id)
    return len(stopped)
