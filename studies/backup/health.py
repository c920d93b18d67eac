"""How the backup storage does: a breaker that pauses it, and what people are told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from pacs import audit
from studies.backup.models import BackupHealth, BackupState
from studies.lease import pause_after

FIRST_PAUSE, LONGEST_PAUSE, REFUSED_PAUSE = 10, 600, 300


def row() -> BackupHealth:
    return BackupHealth.objects.get_or_create(pk="backup")[0]


def is_paused() -> bool:
    """Whether nothing is to be tried now."""
    return BackupHealth.objects.filter(pk="backup", paused_until__gt=timezone.now()).exists()


def say(words: str) -> None:
    """Why nothing is backed up, where it is no failure of the storage."""
    row()
    BackupHealth.objects.filter(pk="backup").exclude(last_error=words[:200]).update(
        last_error=words[:200]
    )


def worked() -> None:
    """Something got through."""
    row()
    BackupHealth.objects.filter(pk="backup").update(
        failures=0, paused_until=None, last_error="", last_success_at=timezone.now()
    )


def broke(words: str, *, refused: bool) -> None:
    """Nothing gets through: wait longer each time. The first failure in a row is audited."""
    found = row()
    pause = (
        timedelta(seconds=REFUSED_PAUSE)
        if refused
        else pause_after(found.failures, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
    )
    now = timezone.now()
    BackupHealth.objects.filter(pk="backup").update(
        failures=F("failures") + 1,
        paused_until=now + pause,
        last_error=words[:200],
        last_failure_at=now,
    )
    if found.failures == 0:
        audit.record("backup.down", outcome="failed", detail={"refused": refused})


def lag() -> dict[str, Any]:
    """What waits: how many files and bytes, since when, how many have failed."""
    from django.db.models import Count, Min, Q, Sum

    pending, failed = Q(state=BackupState.State.PENDING), Q(state=BackupState.State.FAILED)
    waiting = BackupState.objects.filter(pending).aggregate(
        files=Count("id"), bytes=Sum("file_size"), since=Min("created_at")
    )
    return {
        "waiting": waiting["files"],
        "bytes": waiting["bytes"] or 0,
        "since": waiting["since"],
        "failed": BackupState.objects.filter(failed).count(),
    }
