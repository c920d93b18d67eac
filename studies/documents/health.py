"""How MongoDB does: a breaker that pauses it, who is told, and whether reads may go there."""

from __future__ import annotations

from datetime import timedelta
from time import monotonic
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db.models import F, Min
from django.utils import timezone

from pacs import audit
from studies.documents.errors import DocumentsDown
from studies.documents.models import DocumentChange, DocumentMirror
from studies.lease import pause_after

log = structlog.get_logger(__name__)
FIRST_PAUSE, LONGEST_PAUSE, REFUSED_PAUSE = 2, 60, 60
READ_PAUSE = 10.0
LATE = timedelta(minutes=10)
NAME = "mongodb"
_reads_from = 0.0


def rows() -> Any:
    return DocumentMirror.objects.filter(pk=NAME)


def row() -> DocumentMirror:
    return DocumentMirror.objects.get_or_create(pk=NAME)[0]


def is_paused() -> bool:
    """Whether nothing is to be tried now."""
    return bool(rows().filter(paused_until__gt=timezone.now()).exists())


def may_read() -> bool:
    """Whether MongoDB has every document that is not in the outbox, and answers."""
    if monotonic() < _reads_from:
        return False
    return bool(rows().filter(failures=0, ready_at__isnull=False).exists())


def read_failed(error: DocumentsDown) -> None:
    """This process reads from the table for a while."""
    global _reads_from
    _reads_from = monotonic() + READ_PAUSE
    log.warning("documents are read from the table", reason=str(error))


def read_again() -> None:
    """Forget that reads failed."""
    global _reads_from
    _reads_from = 0.0


def worked() -> None:
    """It answers. That it is back is audited."""
    now = timezone.now()
    if (
        rows()
        .filter(failures__gt=0)
        .update(failures=0, paused_until=None, last_error="", told_at=None, last_success_at=now)
    ):
        audit.record("documents.back", detail={})
        return
    rows().update(last_success_at=now)


def broke(error: DocumentsDown) -> None:
    """It does not: wait longer each time. The first failure in a row is audited."""
    found = row()
    pause = (
        timedelta(seconds=REFUSED_PAUSE)
        if error.refused
        else pause_after(found.failures, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
    )
    now = timezone.now()
    is_first = rows().filter(failures=0).update(failures=1)
    rows().update(
        failures=F("failures") + (0 if is_first else 1),
        paused_until=now + pause,
        last_error=str(error)[:200],
        last_failure_at=now,
    )
    log.error("documents are not delivered", reason=str(error))
    if is_first:
        audit.record("documents.down", outcome="failed", detail={"refused": error.refused})


def tell() -> bool:
    """Mail PACS_ALERT_EMAILS once per failure, when it has lasted for three attempts."""
    if not settings.ALERT_EMAILS:
        return False
    now = timezone.now()
    if not rows().filter(failures__gte=3, told_at=None).update(told_at=now):
        return False
    found = row()
    words = (
        f"{found.last_error}. Images are taken in and shown as always, from the portal's own"
        " database; what changes meanwhile is delivered to MongoDB when it is back."
    )
    try:
        send_mail(
            "MongoDB does not get the portal's documents",
            words + "\n",
            settings.DEFAULT_FROM_EMAIL,
            settings.ALERT_EMAILS,
        )
    except OSError as error:
        log.warning("nobody told of MongoDB", error=type(error).__name__)
        rows().filter(told_at=now).update(told_at=None)
        return False
    return True


def lag() -> dict[str, Any]:
    """What waits, since when, and how many documents MongoDB cannot hold."""
    waiting = DocumentChange.objects.filter(next_attempt_at__isnull=False)
    return {
        "waiting": waiting.count(),
        "since": waiting.aggregate(since=Min("created_at"))["since"],
        "kept": DocumentChange.objects.filter(next_attempt_at=None).count(),
    }


def words() -> str | None:
    """For /healthz: "ok", or what is the matter; None where there is no MongoDB."""
    if not settings.MONGODB_URL:
        return None
    found = rows().first()
    if found is None:
        return "has not been tried yet"
    if found.failures:
        return f"{found.last_error}; the table serves"
    oldest = DocumentChange.objects.filter(next_attempt_at__isnull=False).order_by("id").first()
    if oldest is not None and timezone.now() - oldest.created_at > LATE:
        return "falls behind; the table serves what waits"
    return "ok"
