"""The deletion itself, by the beat. The database is the queue: a killed worker's work goes on.

The first step is one transaction: images and documents leave the index, tombstones take their
place. From then on nobody is shown half a study, nothing fetches a missing file back from the
backup, and the door refuses what is sent again. Only after it are bytes erased.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from pacs import audit, events
from studies import archive, documents
from studies.backup import copies, target
from studies.backup.errors import BackupDown, BackupRefuses
from studies.backup.models import BackupState
from studies.documents.series import forget as forget_series
from studies.errors import PermanentError, RetriableError
from studies.models import Instance, QuarantinedFile, Series, Settled, Study
from studies.orthanc.models import GoneAtOrthanc
from studies.retention import registry
from studies.retention.errors import NotAllowed, Refused
from studies.retention.models import (
    DeletionProposal,
    DeletionState,
    ProposalState,
    RemoteCopy,
    SiteUsage,
    StudyDeletion,
    Tombstone,
)
from studies.retention.proposals import changed_since, may_decide, why_not
from studies.retention.rules import OWN_REPORTS
from studies.retention.tombstones import stop
from studies.sending.models import Send, SendItem

log = structlog.get_logger(__name__)
AT_ONCE = 200
LOOK_AGAIN = timedelta(days=1)
LOOKS_AT_ONCE = 100


def run(seconds: float = 20.0) -> None:
    """Mark what is due, erase what is marked, see what an administrator removed; for so long."""
    until = monotonic() + seconds
    due = StudyDeletion.objects.filter(
        state=DeletionState.GRACE,
        proposal__state=ProposalState.GRACE,
        proposal__deletes_at__lte=timezone.now(),
    )
    for pk in due.order_by("id").values_list("pk", flat=True)[:AT_ONCE]:
        if monotonic() > until:
            return
        mark(pk)
        if not _erase_and_finish(pk, until):
            return
    for pk in _unerased():
        if not _erase_and_finish(pk, until):
            return
    end_proposals()
    look_at_backup()


def _unerased() -> list[int]:
    """Deletions with bytes to erase, those too that the door found to be there again."""
    begun = StudyDeletion.objects.filter(state=DeletionState.ERASING).order_by("id")
    stones = Tombstone.objects.filter(erased_at=None).order_by("deletion_id")
    return [
        *begun.values_list("pk", flat=True)[:AT_ONCE],
        *stones.exclude(deletion__state=DeletionState.ERASING)
        .values_list("deletion_id", flat=True)
        .distinct()[:AT_ONCE],
    ]


def mark(pk: int) -> bool:
    """Take a study's images out of the index, if it may still go: the point of no return."""
    study_id = StudyDeletion.objects.values_list("study_id", flat=True).get(pk=pk)
    with transaction.atomic():
        # The door and holds take this lock, too: nothing comes between the look and the deed.
        study = Study.objects.select_for_update(of=("self",)).get(pk=study_id)
        deletion = StudyDeletion.objects.select_for_update(of=("self",)).get(pk=pk)
        proposal = DeletionProposal.objects.get(pk=deletion.proposal_id)
        now = timezone.now()
        if (
            deletion.state != DeletionState.GRACE
            or proposal.state != ProposalState.GRACE
            or proposal.deletes_at is None
            or proposal.deletes_at > now
        ):
            return False
        deletion.study = study
        why = changed_since(deletion) or why_not([study]).get(study.pk)
        if why is not None:
            stop([study.pk], why)
            return False
        size = _bury(deletion, study)
        SiteUsage.objects.filter(site=study.site_id).update(used_bytes=F("used_bytes") - size)
        StudyDeletion.objects.filter(pk=pk).update(state=DeletionState.ERASING, marked_at=now)
        audit.record(
            "study.deleted",
            study=study,
            detail={
                "proposal": proposal.pk,
                "proposed_by": proposal.proposed_by_id,
                "approved_by": proposal.approved_by_id,
                "images": deletion.number_of_images,
                "bytes": size,
            },
        )
        events.publish("study.changed", site=study.site_id, study=study.pk)
    return True


def _bury(deletion: StudyDeletion, study: Study) -> int:
    """Tombstones for a study's images, and their rows gone. How many bytes they are."""
    images = list(
        Instance.objects.filter(series__study=study).exclude(source__startswith=OWN_REPORTS)
    )
    size = 0
    for start in range(0, len(images), AT_ONCE):
        some = images[start : start + AT_ONCE]
        ids = [image.pk for image in some]
        keys = [image.archive_key for image in some]
        states = {row.archive_key: row for row in BackupState.objects.filter(archive_key__in=keys)}
        Tombstone.objects.bulk_create(
            [
                Tombstone(
                    site_id=study.site_id,
                    deletion=deletion,
                    sop_instance_uid=image.sop_instance_uid,
                    instance_id=image.pk,
                    archive_key=image.archive_key,
                    file_size=image.file_size,
                    **_remote(states.get(image.archive_key), deletion),
                )
                for image in some
            ]
        )
        size += sum(image.file_size for image in some)
        documents.remove(study.site_id, [image.sop_instance_uid for image in some])
        SendItem.objects.filter(instance__in=ids).delete()
        Instance.objects.filter(pk__in=ids).delete()
        # What is no row is neither healed nor brought back from the backup.
        still = Instance.objects.filter(archive_key__in=keys).values_list("archive_key", flat=True)
        gone = set(keys) - set(still)
        BackupState.objects.filter(archive_key__in=gone).delete()
    _count(study)
    return size


def _remote(state: BackupState | None, deletion: StudyDeletion) -> dict[str, Any]:
    """The name of the copy at the backup, and what is to become of it."""
    if state is None:
        return {}
    name = state.remote_name
    if state.state != BackupState.State.DONE:
        # An upload may be under way at this moment.
        name = copies.remote_name(state.archive_key, sealed=target.is_sealed())
    kept = RemoteCopy.LISTED if deletion.removes_backups else RemoteCopy.KEPT
    return {"remote_name": name, "remote": kept}


def _count(study: Study) -> None:
    """A study's and its series' counts. Empty series go, unless a send tells of them."""
    left = Instance.objects.filter(series__study=study)
    for series in study.series.all():
        number = left.filter(series=series).count()
        if number == 0 and not Send.objects.filter(series=series).exists():
            GoneAtOrthanc.objects.filter(series=series).delete()
            transaction.on_commit(partial(forget_series, series.pk))
            series.delete()
            continue
        Series.objects.filter(pk=series.pk).update(
            number_of_instances=number, metadata_version=F("metadata_version") + 1
        )
    Study.objects.filter(pk=study.pk).update(
        number_of_instances=left.count(),
        number_of_series=study.series.filter(number_of_instances__gt=0).count(),
        late_instances=0,
    )


def _erase_and_finish(pk: int, until: float) -> bool:
    """False where the time is over, or the archive does not let go now."""
    try:
        if not erase(pk, until):
            return False
    except (RetriableError, PermanentError, OSError) as error:
        log.warning("not erased", deletion=pk, error=type(error).__name__)
        return False
    return True


def erase(pk: int, until: float = float("inf")) -> bool:
    """Erase the bytes of what is marked. Repeating it is harmless. False where `until` is over."""
    waiting = Tombstone.objects.filter(deletion=pk, erased_at=None).order_by("id")
    while rows := list(waiting[:AT_ONCE]):
        done = []
        for row in rows:
            if not _is_needed(row.archive_key):
                archive.erase(row.archive_key)
            done.append(row)
            if monotonic() > until:
                break
        _forget_pictures(done)
        Tombstone.objects.filter(pk__in=[row.pk for row in done]).update(erased_at=timezone.now())
        if monotonic() > until:
            return False
    deletion = StudyDeletion.objects.select_related("study").get(pk=pk)
    with transaction.atomic():
        if StudyDeletion.objects.filter(pk=pk, state=DeletionState.ERASING).update(
            state=DeletionState.DONE, done_at=timezone.now()
        ):
            audit.record(
                "study.erased", study=deletion.study, detail={"proposal": deletion.proposal_id}
            )
    return True


def _is_needed(archive_key: str) -> bool:
    """Whether the same bytes are something else, too."""
    return (
        Instance.objects.filter(archive_key=archive_key).exists()
        or QuarantinedFile.objects.filter(archive_key=archive_key)
        .exclude(settled_as=Settled.ERASED)
        .exists()
        or registry.is_file_needed(archive_key)
    )


def _forget_pictures(rows: list[Tombstone]) -> None:
    """Pictures that were made of images: their files are named by the image's id or SHA-256."""
    cache = Path(settings.CACHE_DIR)
    digests = {row.archive_key.rpartition("/")[2] for row in rows}
    names = {str(row.instance_id) for row in rows} | digests
    folders = {cache / "thumbnails"}
    for digest in digests:
        folders |= {cache / kind / digest[:2] for kind in ("rendered", "frames")}
    for folder in folders:
        with suppress(FileNotFoundError):
            for path in folder.iterdir():
                if path.name.partition("-")[0] in names:
                    path.unlink(missing_ok=True)


def end_proposals() -> None:
    """Proposals of which nothing is left to do."""
    open_ = DeletionProposal.objects.filter(
        state__in=(ProposalState.PROPOSED, ProposalState.GRACE)
    ).exclude(deletions__state__in=("proposed", "grace", "erasing"))
    for proposal in open_:
        with transaction.atomic():
            if DeletionProposal.objects.filter(pk=proposal.pk, state=proposal.state).update(
                state=ProposalState.DONE, ended_at=timezone.now()
            ):
                audit.record(
                    "retention.done", site=proposal.site_id, detail={"proposal": proposal.pk}
                )


def look_at_backup() -> None:
    """Whether copies that an administrator is to remove are gone: a few a time, each once a day."""
    if not target.is_configured():
        return
    now = timezone.now()
    listed = Tombstone.objects.filter(remote=RemoteCopy.LISTED)
    due = listed.filter(looked_at=None) | listed.filter(looked_at__lt=now - LOOK_AGAIN)
    for row in due.order_by(F("looked_at").asc(nulls_first=True), "id")[:LOOKS_AT_ONCE]:
        try:
            gone = target.size_of(row.remote_name) is None
        except (BackupDown, BackupRefuses):
            return
        values: dict[str, Any] = {"looked_at": now}
        if gone:
            values["remote"] = RemoteCopy.GONE
        Tombstone.objects.filter(pk=row.pk, remote=RemoteCopy.LISTED).update(**values)


def take_again(study: Study, actor: Any, why: str, origin: Mapping[str, Any]) -> int:
    """The deleted images of a study are taken when they are sent again. Raises Refused.

    Copies of them at the backup storage are not to be removed any more.
    """
    if not may_decide(actor, study.site_id):
        raise NotAllowed("Only administrators of the site have deleted images taken again.")
    if not why.strip():
        raise Refused("Say why.")
    with transaction.atomic():
        Study.objects.select_for_update(of=("self",)).get(pk=study.pk)
        if StudyDeletion.objects.filter(study=study, state=DeletionState.ERASING).exists():
            raise Refused("Its images are being erased: wait until that is done.")
        stones = Tombstone.objects.filter(deletion__study=study, released_at=None)
        stones.filter(remote=RemoteCopy.LISTED).update(remote=RemoteCopy.KEPT)
        number = stones.update(released_at=timezone.now())
        if not number:
            raise Refused("No image of this study is refused.")
        audit.record(
            "study.taken_again",
            actor=actor,
            study=study,
            detail={"images": number, "why": why.strip()[:300]},
            **origin,
        )
    return number
