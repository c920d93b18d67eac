"""Images that were deleted at a site, as the retention leaves them."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from studies.retention.models import DeletionProposal, StudyDeletion, Tombstone
from tests.conftest import person


def buried(site: Any, study: Any, *uids: str) -> StudyDeletion:
    """Tombstones for these SOP Instance UIDs."""
    now = timezone.now()
    counts = {"number_of_images": len(uids), "number_of_bytes": len(uids)}
    proposal = DeletionProposal.objects.create(
        site=site, number_of_studies=1, proposed_by=person("proposer"), **counts
    )
    deletion = StudyDeletion.objects.create(
        proposal=proposal, study=study, state="done", last_received_at=now,
        correction_version=0, marked_at=now, done_at=now, **counts,
    )  # fmt: skip
    for number, uid in enumerate(uids):
        Tombstone.objects.create(
            site=site, deletion=deletion, sop_instance_uid=uid, instance_id=number,
            archive_key="nowhere", file_size=1, erased_at=now,
        )  # fmt: skip
    return deletion
