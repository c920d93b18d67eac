"""The backup at work: many uploads at a time, each row claimed by compare-and-set.

Threads read, seal and upload; only the calling thread touches the database. It renews the lease of
what it holds; what a killed worker held is due again when that is over.
"""

from __future__ import annotations

import secrets
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic, sleep
from typing import Any

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from pacs import audit, statements
from pacs.sealing import Key
from studies.backup import copies, health, keys, target
from studies.backup.errors import BackupDown, BackupRefuses, NotEscrowed
from studies.backup.models import BackupState
from studies.errors import PermanentError
from studies.lease import pause_after

log = structlog.get_logger(__name__)
LEASE = timedelta(seconds=90)
RENEW_SECONDS = 30.0
FIRST_PAUSE, LONGEST_PAUSE = 5, 3600
BREAK_AFTER = 5
"""Failures one after the other that mean that the storage, not an object, is the trouble."""
FLUSH_SECONDS, FLUSH_ROWS = 0.5, 100

DONE = (
    "UPDATE studies_backupstate SET state = 'done', remote_name = %s, remote_size = %s,"
    " key_id = %s, reason = '', attempts = attempts + 1, done_at = %s"
    " WHERE id = %s AND lease_token = %s AND state = 'pending'"
)
LATER = (
    "UPDATE studies_backupstate SET state = %s, reason = %s, attempts = attempts + 1,"
    " next_attempt_at = %s WHERE id = %s AND lease_token = %s AND state = 'pending'"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one upload."""

    row: BackupState
    name: str = ""
    size: int = 0
    error: Exception | None = None


class Pace:
    """At most so many bytes a second, over all threads of this slice; 0: no limit."""

    def __init__(self, bytes_per_second: int) -> None:
        self.rate = bytes_per_second
        self.free_at = monotonic()

    def wait(self, size: int) -> None:
        if not self.rate:
            return
        now = monotonic()
        if self.free_at > now:
            sleep(min(self.free_at - now, 30))
        self.free_at = max(self.free_at, monotonic()) + size / self.rate


def claim(number: int, token: int) -> list[BackupState]:
    """Up to `number` rows that are due, ours until the lease ends; no row goes to two workers."""
    now = timezone.now()
    due = BackupState.objects.filter(state=BackupState.State.PENDING, next_attempt_at__lte=now)
    wanted = list(due.order_by("next_attempt_at", "id").values_list("pk", flat=True)[:number])
    if not wanted:
        return []
    due.filter(pk__in=wanted).update(lease_token=token, next_attempt_at=now + LEASE)
    return list(
        BackupState.objects.filter(
            pk__in=wanted, lease_token=token, state=BackupState.State.PENDING
        )
    )


def is_due() -> bool:
    """Whether a worker would find something to do."""
    now = timezone.now()
    due = BackupState.objects.filter(state=BackupState.State.PENDING, next_attempt_at__lte=now)
    return not health.is_paused() and due.exists()


def run(seconds: float = 20.0) -> bool:
    """Back up for so long at most. True where there is more to do now."""
    if not target.is_configured() or health.is_paused():
        return False
    try:
        key = keys.sealing_key() if target.is_sealed() else None
    except NotEscrowed as error:
        health.say(str(error))
        return False
    slice_ = _Slice(key, monotonic() + seconds)
    slice_.work()
    return slice_.more


class _Slice:
    def __init__(self, key: Key | None, deadline: float) -> None:
        self.key = key
        self.deadline = deadline
        self.token = secrets.randbits(62)
        self.pace = Pace(settings.BACKUP_BYTES_PER_SECOND)
        self.outcomes: list[Outcome] = []
        self.flushed = self.renewed = monotonic()
        self.failed_in_a_row = 0
        self.broken: Exception | None = None
        self.more = False

    def work(self) -> None:
        threads = settings.BACKUP_THREADS
        with ThreadPoolExecutor(threads, "backup") as pool:
            running: dict[Future[Outcome], int] = {}
            waiting: list[BackupState] = []
            empty = False
            while True:
                if not waiting and not empty and not self._is_over():
                    waiting = claim(2 * threads, self.token)
                    empty = not waiting
                while waiting and len(running) < threads and not self._is_over():
                    row = waiting.pop()
                    self.pace.wait(row.file_size)
                    running[pool.submit(self._upload, row)] = row.pk
                if not running:
                    break
                finished, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in finished:
                    del running[future]
                    self._note(future.result())
                self._flush()
                self._renew([*running.values(), *(row.pk for row in waiting)])
            self._give_back(waiting)
        self._flush(force=True)
        if self.broken is not None:
            health.broke(str(self.broken), refused=isinstance(self.broken, BackupRefuses))
        self.more = self.broken is None and not empty

    def _is_over(self) -> bool:
        return self.broken is not None or monotonic() > self.deadline

    def _upload(self, row: BackupState) -> Outcome:
        """In a thread; no database."""
        try:
            name, size = copies.send(row.archive_key, row.file_sha256, row.file_size, self.key)
        except Exception as error:
            return Outcome(row, error=error)
        return Outcome(row, name, size)

    def _note(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        error = outcome.error
        if error is None or isinstance(error, PermanentError):
            self.failed_in_a_row = 0
            return
        self.failed_in_a_row += 1
        if not isinstance(error, BackupDown | BackupRefuses):
            log.error("backup failed", file=outcome.row.pk, error=type(error).__name__)
        if isinstance(error, BackupRefuses) or self.failed_in_a_row >= BREAK_AFTER:
            self.broken = error

    def _flush(self, *, force: bool = False) -> None:
        """Write what is known, a transaction for many."""
        late = monotonic() - self.flushed > FLUSH_SECONDS
        if not self.outcomes or not (force or late or len(self.outcomes) >= FLUSH_ROWS):
            return
        outcomes, self.outcomes = self.outcomes, []
        with transaction.atomic():
            for outcome in outcomes:
                if outcome.error is None:
                    self._done(outcome)
                else:
                    self._failed(outcome, outcome.error)
        if any(outcome.error is None for outcome in outcomes):
            health.worked()
        self.flushed = monotonic()

    def _renew(self, held: list[int]) -> None:
        """The lease of what is under way: a large file over a thin line takes long."""
        if monotonic() - self.renewed < RENEW_SECONDS:
            return
        self.renewed = monotonic()
        BackupState.objects.filter(
            pk__in=held, lease_token=self.token, state=BackupState.State.PENDING
        ).update(next_attempt_at=timezone.now() + LEASE)

    def _done(self, outcome: Outcome) -> None:
        key_id = self.key.id if self.key is not None else ""
        now = timezone.now()
        statements.change(
            DONE, [outcome.name, outcome.size, key_id, _stamp(now), outcome.row.pk, self.token]
        )

    def _failed(self, outcome: Outcome, error: Exception) -> None:
        row = outcome.row
        final = isinstance(error, PermanentError)
        state = BackupState.State.FAILED if final else BackupState.State.PENDING
        known = isinstance(error, PermanentError | BackupDown | BackupRefuses)
        words = str(error) if known else "The portal failed to back it up; see its log."
        again = timezone.now() + pause_after(row.attempts, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
        statements.change(LATER, [state.value, words[:200], _stamp(again), row.pk, self.token])
        if final:
            audit.record(
                "backup.failed",
                site=row.site_id,
                outcome="failed",
                detail={"file": row.pk, "why": type(error).__name__},
            )

    def _give_back(self, rows: list[BackupState]) -> None:
        """Claimed and not begun: due again at once."""
        BackupState.objects.filter(pk__in=[row.pk for row in rows], lease_token=self.token).update(
            next_attempt_at=timezone.now()
        )


def _stamp(moment: datetime) -> Any:
    """A time as the database's driver takes it."""
    return connection.ops.adapt_datetimefield_value(moment)
