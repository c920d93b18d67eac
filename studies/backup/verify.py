"""Both copies read back and compared; the good one heals the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

import structlog
from django.conf import settings
from django.db.models import F, QuerySet
from django.utils import timezone

from pacs import audit
from studies.backup import copies, keys, target
from studies.backup.errors import Damaged, Missing, NotEscrowed
from studies.backup.models import BackupState
from studies.errors import PermanentError, RetriableError

log = structlog.get_logger(__name__)
WINDOW = 64


@dataclass(slots=True)
class Findings:
    """How many files were looked at, which copies were bad, what was healed, what was lost."""

    checked: int = 0
    bad_archive: int = 0
    bad_backup: int = 0
    healed: int = 0
    unreachable: int = 0
    lost: list[int] = field(default_factory=list)
    """BackupState ids of files of which no good copy is left."""

    @property
    def is_clean(self) -> bool:
        return not (self.bad_archive or self.bad_backup or self.unreachable or self.lost)


def sample(number: int) -> QuerySet[BackupState]:
    """The files that were verified longest ago."""
    return BackupState.objects.order_by(F("verified_at").asc(nulls_first=True), "pk")[:number]


def verify(rows: Iterable[BackupState], *, heal: bool = True) -> Findings:
    """Read both copies of each file: existence, size, SHA-256. Heals a bad one from the other.

    Many files are read at a time; what is found is written and healed one after the other.
    """
    found = Findings()
    waiting = iter(rows)
    with ThreadPoolExecutor(settings.BACKUP_THREADS, "verify") as pool:
        looking = deque(pool.submit(_look, row) for row in islice(waiting, WINDOW))
        while looking:
            row, archive_good, backup_good = looking.popleft().result()
            found.checked += 1
            _judge(row, archive_good, backup_good, found, heal=heal)
            looking.extend(pool.submit(_look, row) for row in islice(waiting, 1))
    return found


def _look(row: BackupState) -> tuple[BackupState, bool | None, bool | None]:
    """In a thread, no database: whether each copy is good; None where it cannot be reached."""
    backup_good: bool | None = None
    archive_good = _is_good(lambda: copies.archived(row.archive_key, row.file_sha256))
    if row.state == BackupState.State.DONE and target.is_configured():
        backup_good = _is_good(lambda: copies.backed_up(row.remote_name, row.file_sha256))
    return row, archive_good, backup_good


def _judge(
    row: BackupState,
    archive_good: bool | None,
    backup_good: bool | None,
    found: Findings,
    *,
    heal: bool,
) -> None:
    done = row.state == BackupState.State.DONE
    no_answer = backup_good is None and done and target.is_configured()
    if archive_good is None or no_answer:
        # What the other copy is worth nobody knows now: nothing is called lost, nothing is healed.
        found.unreachable += 1
        found.bad_archive += archive_good is False
        found.bad_backup += backup_good is False
        return
    if archive_good and (backup_good or not done):
        if backup_good:
            BackupState.objects.filter(pk=row.pk).update(verified_at=timezone.now())
        return
    if not archive_good:
        found.bad_archive += 1
    if backup_good is False:
        found.bad_backup += 1
    if not archive_good and not backup_good:
        found.lost.append(row.pk)
        _tell(row, "lost")
    elif heal and not archive_good:
        copies.bring_back(row.archive_key, row.remote_name, row.file_sha256, row.site_id)
        found.healed += 1
        _tell(row, "archive healed")
    elif heal and backup_good is False:
        found.healed += _upload_again(row)


def _upload_again(row: BackupState) -> bool:
    try:
        key = keys.sealing_key() if target.is_sealed() else None
        name, size = copies.send(row.archive_key, row.file_sha256, row.file_size, key, replace=True)
    except (PermanentError, RetriableError, NotEscrowed) as error:
        log.error("backup not healed", file=row.pk, error=type(error).__name__)
        return False
    BackupState.objects.filter(pk=row.pk).update(
        remote_name=name,
        remote_size=size,
        key_id=key.id if key is not None else "",
        done_at=timezone.now(),
    )
    _tell(row, "backup healed")
    return True


def _tell(row: BackupState, what: str) -> None:
    log.error("copies differ", file=row.pk, what=what)
    audit.record(
        "backup.verified",
        site=row.site_id,
        outcome="failed" if what == "lost" else "ok",
        detail={"file": row.pk, "what": what},
    )


def _is_good(pieces: Callable[[], Iterable[bytes]]) -> bool | None:
    try:
        for _ in pieces():
            pass
    except (Missing, Damaged):
        return False
    except RetriableError:
        return None
    return True
