"""Audit: `record` for changes, in the transaction of the change; `record_read` for reads."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from threading import Lock
from time import monotonic
from typing import Any, TypedDict, Unpack

READ_WINDOW = timedelta(minutes=10)
COLUMNS = (
    "at",
    "action",
    "outcome",
    "actor_id",
    "actor_name",
    "site_id",
    "study_id",
    "patient_id",
    "address",
    "session_digest",
    "detail",
)
_seen: dict[str, float] = {}
_seen_lock = Lock()


def _identity(value: Any) -> int | None:
    return value if value is None or isinstance(value, int) else value.pk


class Facts(TypedDict, total=False):
    """What an event may say. `actor`, `patient`, `study`, `site`: rows or ids. `outcome`: "ok"
    where it is left out. No patient text in `detail`.
    """

    actor: Any
    patient: Any
    study: Any
    site: Any
    outcome: str
    detail: dict[str, Any] | None
    address: str
    session_key: str


def record(action: str, **facts: Unpack[Facts]) -> None:
    """Append one event, in the caller's transaction: it stands or falls with the change."""
    record_together([event(action, **facts)])


def record_together(events: list[tuple[Any, ...]]) -> None:
    """Append several of what `event` made, in their order, in the caller's transaction."""
    from pacs import statements
    from pacs.audit.models import AuditEvent

    statements.insert(AuditEvent, COLUMNS, events)


def event(
    action: str,
    *,
    actor: Any = None,
    patient: Any = None,
    study: Any = None,
    site: Any = None,
    outcome: str = "ok",
    detail: dict[str, Any] | None = None,
    address: str = "",
    session_key: str = "",
) -> tuple[Any, ...]:
    """The values of COLUMNS of an event that is not yet written."""
    from django.utils import timezone

    if site is None and study is not None and not isinstance(study, int):
        site = study.site_id
    if patient is None and study is not None and not isinstance(study, int):
        patient = study.patient_ref_id
    return (
        timezone.now(),
        action,
        outcome,
        _identity(actor),
        getattr(actor, "username", "") or "",
        _identity(site),
        _identity(study),
        _identity(patient),
        address,
        _digest(session_key),
        detail or {},
    )


def _digest(session_key: str) -> str:
    return hashlib.sha256(session_key.encode()).hexdigest()[:16] if session_key else ""


def record_read(
    action: str,
    *,
    request: Any = None,
    actor: Any = None,
    study: Any = None,
    site: Any = None,
    session_key: str = "",
    address: str = "",
    detail: dict[str, Any] | None = None,
    about: str = "",
) -> bool:
    """Append a read once per user, study, action and session in ten minutes. True if written.

    `about` tells subjects of one study apart ("report:7"): each has a window of its own.

    The claim of the window is a compare-and-set on one row, so concurrent readers write one event.
    """
    from django.db import transaction
    from django.utils import timezone

    from pacs.audit.models import ReadWindow

    if request is not None:
        from pacs.accounts.addresses import client_address

        actor = actor or request.user
        address = address or client_address(request)
        session_key = session_key or request.session.session_key or ""
    text = f"{_identity(actor)}|{_identity(study)}|{_identity(site)}|{action}|{session_key}"
    if about:
        text = f"{text}|{about}"
    key = hashlib.sha256(text.encode()).hexdigest()
    now_tick = monotonic()
    with _seen_lock:
        if now_tick - _seen.get(key, -1e9) < READ_WINDOW.total_seconds():
            return False
    now = timezone.now()
    with transaction.atomic():
        claimed = ReadWindow.objects.filter(key=key, started_at__lte=now - READ_WINDOW).update(
            started_at=now
        )
        if not claimed and not ReadWindow.objects.filter(key=key).exists():
            _, claimed = ReadWindow.objects.get_or_create(key=key, defaults={"started_at": now})
        if claimed:
            record(
                action,
                actor=actor,
                study=study,
                site=site,
                address=address,
                session_key=session_key,
                detail=detail,
            )
            transaction.on_commit(lambda: _remember(key, now_tick))
    return bool(claimed)


def _remember(key: str, tick: float) -> None:
    with _seen_lock:
        if len(_seen) > 20_000:
            _seen.clear()
        _seen[key] = tick


def forget_reads() -> None:
    """Drop this process's memory of recent reads; the windows in the database stay."""
    with _seen_lock:
        _seen.clear()
