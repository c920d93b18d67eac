"""Telling, and escalating what nobody acknowledged: by compare-and-set, so that it happens once.

Mails go out between transactions. A process that dies before its mail leaves a lease behind that
ends, or the next escalation.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from pacs.accounts.models import Membership, Role, User
from reports.critical import notifiers
from reports.critical.models import WAITING, CriticalResult, CriticalState
from reports.critical.services import due_in, record
from reports.errors import RetriableError

log = structlog.get_logger(__name__)
LEASE = timedelta(minutes=2)
AGAIN = timedelta(minutes=1)
BATCH = 200


def untold(now: datetime) -> list[int]:
    """Results whose recipient nobody tells at this moment, and whose turn it is."""
    return list(
        CriticalResult.objects.filter(
            Q(lease_until=None) | Q(lease_until__lte=now),
            state__in=WAITING,
            told_at=None,
            recipient__isnull=False,
        )
        .order_by("level", "id")
        .values_list("id", flat=True)[:BATCH]
    )


def tell(result_id: int) -> bool:
    """Tell the recipient by every way there is. True where this call did it."""
    now = timezone.now()
    claimed = CriticalResult.objects.filter(
        Q(lease_until=None) | Q(lease_until__lte=now),
        pk=result_id,
        state__in=WAITING,
        told_at=None,
        recipient__isnull=False,
    ).update(lease_until=now + LEASE)
    if claimed != 1:
        return False
    result = CriticalResult.objects.select_related("study", "recipient").get(pk=result_id)
    told, failed = _tell(result, [result.recipient] if result.recipient else [], late=False)
    with transaction.atomic():
        waiting = CriticalResult.objects.filter(pk=result_id, told_at=None)
        if told:
            waiting.filter(state=CriticalState.OPEN).update(state=CriticalState.NOTIFIED)
            waiting.update(told_at=timezone.now(), lease_until=None)
            record(result, "told", None, told[0])
        else:
            words = failed[0] if failed else "no way to the recipient: telephone"
            # Without a way it is looked at again when somebody may have added one.
            pause = AGAIN if failed else timedelta(hours=1)
            waiting.update(lease_until=timezone.now() + pause)
            if not result.events.filter(what="not_told", detail=words).exists():
                record(result, "not_told", None, words)
    return bool(told)


def escalate(now: datetime) -> list[int]:
    """Escalate what is overdue, to the site's administrators, again and again. Returns the ids."""
    due = CriticalResult.objects.filter(state__in=WAITING, due_at__lte=now).order_by("due_at")
    done = []
    for result in due.select_related("study", "marked_by", "recipient")[:BATCH]:
        with transaction.atomic():
            won = CriticalResult.objects.filter(
                pk=result.pk,
                state__in=WAITING,
                due_at=result.due_at,
                escalations=result.escalations,
            ).update(
                state=CriticalState.ESCALATED,
                escalations=F("escalations") + 1,
                due_at=now + due_in(result.level) / 2,
            )
            if won:
                record(result, "escalated", None, f"the {result.escalations + 1}. time")
        if not won:
            continue
        done.append(result.pk)
        people = [*administrators(result.site_id), result.marked_by]
        if result.recipient is not None:
            people.append(result.recipient)
        told, failed = _tell(result, people, late=True)
        told += _alert(result)
        words = f"told: {', '.join(told) or 'nobody'}" + (f"; {failed[0]}" if failed else "")
        with transaction.atomic():
            record(result, "escalation", None, words)
    return done


def administrators(site: int) -> list[User]:
    """The active administrators of a site."""
    rows = Membership.objects.filter(site=site, role=Role.SITE_ADMIN, user__is_active=True)
    return [row.user for row in rows.select_related("user")]


def _tell(result: CriticalResult, people: list[User], *, late: bool) -> tuple[list[str], list[str]]:
    """By which ways whom, and what went wrong."""
    told: list[str] = []
    failed: list[str] = []
    for person in {person.pk: person for person in people if person.is_active}.values():
        notice = notifiers.Notice(
            person, notifiers.link_to(result.pk), result.get_level_display(), late
        )
        for way in notifiers.ways_to(person):
            try:
                way.tell(notice)
                told.append(f"{person.username} by {way.label}")
            except RetriableError as error:
                failed.append(error.words)
            except Exception as error:
                log.warning("notifier failed", way=way.label, error=type(error).__name__)
                failed.append(f"{way.label} failed")
    return told, failed


def _alert(result: CriticalResult) -> list[str]:
    """PACS_ALERT_EMAILS hear of escalations, too."""
    if not settings.ALERT_EMAILS:
        return []
    try:
        send_mail(
            "A critical result has not been acknowledged",
            f"Log in to see it:\n{notifiers.link_to(result.pk)}\n",
            settings.DEFAULT_FROM_EMAIL,
            settings.ALERT_EMAILS,
        )
    except OSError as error:
        log.warning("escalation not mailed", result=result.pk, error=type(error).__name__)
        return []
    return ["alert addresses"]
