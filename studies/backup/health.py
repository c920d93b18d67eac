"""How the backup storage does: a breaker that pauses it, and what people are told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db.models import F, Min
from django.utils import timezone

from pacs import audit
from studies.backup.models import BackupHealth, BackupState
from studies.lease import pause_after

log = structlog.get_logger(__name__)
FIRST_PAUSE, LONGEST_PAUSE, REFUSED_PAUSE = 10, 600, 300
FAILS = 3
LATE = timedelta(hours=1)


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


def trouble() -> str | None:
    """What somebody has to look at, in words; None while the backup keeps up."""
    found = row()
    if found.failures >= FAILS:
        return found.last_error
    waiting = BackupState.objects.filter(state=BackupState.State.PENDING)
    since = waiting.aggregate(since=Min("created_at"))["since"]
    if since is not None and timezone.now() - since > LATE:
        words = f"Images that came at {since:%Y-%m-%d %H:%M} UTC have no second copy yet."
        return f"{words} {found.last_error}".strip()
    return None


def tell() -> bool:
    """Mail PACS_ALERT_EMAILS once per trouble; what cannot be sent is tried again.

    Not inside a transaction: a mail server may take its time.
    """
    words, now = trouble(), timezone.now()
    rows = BackupHealth.objects.filter(pk="backup")
    if words is None:
        rows.exclude(told_at=None).update(told_at=None)
        return False
    if not settings.ALERT_EMAILS or not rows.filter(told_at=None).update(told_at=now):
        return False
    try:
        send_mail(
            "The backup does not keep up",
            f"{words}\n\nImages are taken and kept all the same; they lie in one place only.\n",
            settings.DEFAULT_FROM_EMAIL,
            settings.ALERT_EMAILS,
        )
    except OSError as error:
        log.warning("nobody told of the backup", error=type(error).__name__)
        rows.filter(told_at=now).update(told_at=None)
        return False
    return True


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
