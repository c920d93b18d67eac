"""From the backup back into the archive: one file while somebody waits, a study, everything."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from pacs import audit
from studies import archive
from studies.backup import copies, target
from studies.backup.errors import Damaged, Missing
from studies.backup.models import BackupState
from studies.errors import PermanentError, RetriableError
from studies.models import Instance, OrthancServer, Study
from studies.orthanc.client import client_of
from studies.retention.models import Tombstone

log = structlog.get_logger(__name__)


def fetch(archive_key: str) -> bool:
    """Bring a missing file of the archive back: from the backup, else from its Orthanc.

    Only the very bytes that were stored are taken. False where nobody has them.
    """
    found = _from_backup(archive_key) or _from_orthanc(archive_key)
    log.warning("missing file fetched" if found else "file is missing everywhere")
    return found


def _from_backup(archive_key: str) -> bool:
    row = BackupState.objects.filter(archive_key=archive_key, state=BackupState.State.DONE).first()
    if row is None or not target.is_configured():
        return False
    try:
        copies.bring_back(row.archive_key, row.remote_name, row.file_sha256, row.site_id)
    except (PermanentError, RetriableError) as error:
        log.error("not brought back", file=row.pk, error=type(error).__name__)
        return False
    audit.record("archive.healed", site=row.site_id, detail={"file": row.pk, "from": "backup"})
    return True


def _from_orthanc(archive_key: str) -> bool:
    held = (
        Instance.objects.select_related("series__study")
        .filter(archive_key=archive_key, source__startswith="orthanc:")
        .first()
    )
    if held is None:
        return False
    number = held.source.removeprefix("orthanc:")
    server = OrthancServer.objects.filter(pk=number if number.isdigit() else 0).first()
    if server is None:
        return False
    try:
        client = client_of(server)
        payload = client.instance(_orthanc_id(held), Path(settings.DATA_DIR) / "incoming")
    except (PermanentError, RetriableError, OSError) as error:
        log.error("not fetched from Orthanc", instance=held.pk, error=type(error).__name__)
        return False
    if payload is None:
        return False
    try:
        if payload.sha256 != held.file_sha256:
            return False
        archive.replace(archive_key, payload)
    finally:
        payload.close()
    audit.record(
        "archive.healed", site=held.site_id, detail={"instance": held.pk, "from": "orthanc"}
    )
    return True


def _orthanc_id(held: Instance) -> str:
    """How Orthanc calls an instance: SHA-1 over the four identifiers, in five groups."""
    study = held.series.study
    names = (
        study.patient_id,
        study.study_instance_uid,
        held.series.series_instance_uid,
        held.sop_instance_uid,
    )
    digest = hashlib.sha1("|".join(names).encode(), usedforsecurity=False).hexdigest()
    return "-".join(digest[at : at + 8] for at in range(0, 40, 8))


@dataclass(slots=True)
class Tally:
    """What a restore did; `failed` holds what could not be brought back, by archive key."""

    there: int = 0
    restored: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def restore_study(study: Study) -> Tally:
    """Every file of a study checked, and brought back where it is missing or damaged."""
    keys = Instance.objects.filter(series__study=study).values_list("archive_key", flat=True)
    tally = Tally()
    for row in BackupState.objects.filter(archive_key__in=list(keys)):
        _ensure(row, tally)
    return tally


def restore_rows(site_ids: list[int] | None = None) -> Tally:
    """The same for every file that the database knows."""
    rows = BackupState.objects.order_by("pk")
    if site_ids is not None:
        rows = rows.filter(site_id__in=site_ids)
    tally = Tally()
    for row in rows.iterator(500):
        _ensure(row, tally)
    return tally


def _ensure(row: BackupState, tally: Tally) -> None:
    try:
        for _ in copies.archived(row.archive_key, row.file_sha256):
            pass
        tally.there += 1
        return
    except (Missing, Damaged):
        pass
    try:
        if row.state != BackupState.State.DONE:
            raise Missing("It was never backed up.")
        copies.bring_back(row.archive_key, row.remote_name, row.file_sha256, row.site_id)
        BackupState.objects.filter(pk=row.pk).update(verified_at=timezone.now())
        tally.restored += 1
    except (PermanentError, RetriableError) as error:
        tally.failed[row.archive_key] = str(error)


def restore_unknown() -> Tally:
    """What the backup storage holds and the database does not know: newer than its copy."""
    tally = Tally()
    known = set(BackupState.objects.values_list("archive_key", flat=True))
    known |= set(Tombstone.objects.filter(released_at=None).values_list("archive_key", flat=True))
    for site, key, name in remote_files():
        if key in known:
            continue
        sha256 = key.rpartition("/")[2]
        try:
            for _ in copies.archived(key, sha256):
                pass
            tally.there += 1
            continue
        except (Missing, Damaged):
            pass
        try:
            copies.bring_back(key, name, sha256, site)
            tally.restored += 1
        except (PermanentError, RetriableError) as error:
            tally.failed[key] = str(error)
    return tally


def remote_files() -> Iterator[tuple[int, str, str]]:
    """What the backup storage holds of the archive, whatever the database says: site, key, name."""
    if not target.is_configured():
        raise ImproperlyConfigured("There is no backup storage: set PACS_BACKUP_URL.")
    for name in target.names("archive"):
        key = name.removeprefix("archive/").removesuffix(copies.SEALED_SUFFIX)
        site, _, rest = key.partition("/")
        if site.isdigit() and len(rest) == 67:
            yield int(site), key, name
