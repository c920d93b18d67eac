"""Which files of the archive have to be backed up: a row for each, with the file's own."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.utils import timezone

from pacs import statements
from studies import archive
from studies.backup.models import BackupHealth, BackupState
from studies.dicom.payload import Payload
from studies.models import Instance

COLUMNS = (
    *("site_id", "archive_key", "state", "file_size", "file_sha256", "remote_name", "key_id"),
    *("attempts", "reason", "lease_token", "next_attempt_at", "created_at"),
)
SLICE = 2000

File = tuple[int, str, int, str]
"""Site, key in the archive, size, SHA-256."""


def is_on() -> bool:
    return "backup" in settings.STORAGES


def enrol(files: Sequence[File]) -> None:
    """Have these files backed up, in the transaction that makes them known. Repeating is harmless.

    Does nothing where there is no backup storage; `catch_up` finds them once there is one.
    """
    if not files or not is_on():
        return
    now = timezone.now()
    rows = [
        (site, key, BackupState.State.PENDING.value, size, sha256, "", "", 0, "", 0, now, now)
        for site, key, size, sha256 in files
    ]
    statements.insert(BackupState, COLUMNS, rows, "ON CONFLICT DO NOTHING")


def keep(payload: Payload, *, site_id: int) -> str:
    """Put a file that is no image into the archive, and have it backed up. Safe when it returns."""
    key = archive.put(payload, site_id=site_id, sha256=payload.sha256)
    archive.settle([key])
    enrol([(site_id, key, len(payload), payload.sha256)])
    return key


def catch_up(limit: int = SLICE) -> int:
    """Enrol instances that were stored while there was no backup storage. How many were looked at.

    Goes on where it ended; instances that are stored meanwhile enrol themselves.
    """
    if not is_on():
        return 0
    health, _ = BackupHealth.objects.get_or_create(pk="backup")
    found = list(
        Instance.objects.filter(pk__gt=health.enrolled_up_to)
        .order_by("pk")
        .values_list("pk", "site_id", "archive_key", "file_size", "file_sha256")[:limit]
    )
    if found:
        enrol([row[1:] for row in found])
        BackupHealth.objects.filter(pk="backup", enrolled_up_to__lt=found[-1][0]).update(
            enrolled_up_to=found[-1][0]
        )
    return len(found)
