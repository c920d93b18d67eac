"""Critical results: marked, acknowledged, closed; the only writers, with the sweep.

Nothing closes one silently: either somebody acknowledges it, reading back what was said, or a
person gives a reason. Callers have asked `access.visible`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from pacs import audit, events
from pacs.accounts.models import User
from pacs.accounts.principal import principal_or_none
from reports.critical.access import may_acknowledge, may_be_told, may_close, may_mark
from reports.critical.models import WAITING, CriticalEvent, CriticalResult, CriticalState
from reports.errors import NotAllowed, Refused
from reports.models import Report, ReportState
from studies.models import Study

FINDING_LENGTH = READ_BACK_LENGTH = REASON_LENGTH = 1000
NAME_LENGTH = 160


def due_in(level: int) -> timedelta:
    """Within which a result of this level is acknowledged."""
    return timedelta(minutes=settings.CRITICAL_MINUTES[level])


def record(result: CriticalResult, what: str, actor: Any = None, detail: str = "") -> None:
    """A step of a result: in its history, in the trail without its words, and as an event."""
    CriticalEvent.objects.create(result=result, what=what, actor=actor, detail=detail[:1000])
    audit.record(
        f"critical.{what}",
        actor=actor,
        study=result.study,
        detail={"critical": result.pk, "level": result.level},
    )
    events.publish("critical.changed", site=result.site_id, study=result.study_id, result=result.pk)


def _words(text: str, most: int, what: str) -> str:
    text = " ".join(text.split())
    if not text or len(text) > most:
        raise Refused(f"{what} (1 to {most} characters).", code="words")
    return text


def mark(
    study: Study,
    who: User,
    *,
    finding: str,
    level: int,
    recipient: User | None = None,
    principal: Any = None,
) -> CriticalResult:
    """Mark a finding critical; the recipient is told after the commit, without patient data.

    `recipient` None: a person telephones. Raises NotAllowed, Refused.
    """
    from reports.critical.tasks import tell

    finding = _words(finding, FINDING_LENGTH, "Say what was found")
    level = CriticalResult.Level(level).value
    with transaction.atomic():
        asking = principal_or_none(principal or who)
        if asking is None or not may_mark(asking, study.site_id):
            raise NotAllowed("Radiologists of the study's site mark critical results.")
        if recipient is not None and not may_be_told(recipient, study):
            raise Refused("This person does not work with this site.", code="recipient")
        report = Report.objects.filter(study=study).exclude(state=ReportState.WITHDRAWN).first()
        now = timezone.now()
        result: CriticalResult = CriticalResult.objects.create(
            site_id=study.site_id,
            study=study,
            report=report,
            finding=finding,
            level=level,
            marked_by=who,
            marked_at=now,
            recipient=recipient,
            due_at=now + due_in(level),
        )
        record(result, "marked", who)
        if recipient is not None:
            transaction.on_commit(lambda: tell.delay(result.pk), robust=True)
    return result


def acknowledge(
    result_id: int, who: User, *, read_back: str, name: str = "", principal: Any = None
) -> CriticalResult:
    """The result was understood: `read_back` is what was read back, `name` by whom.

    The recipient acknowledges in person; a radiologist records a telephone call and gives the name
    of who answered. Raises NotAllowed, Refused where it is over.
    """
    read_back = _words(read_back, READ_BACK_LENGTH, "Write what was read back")
    with transaction.atomic():
        result: CriticalResult = CriticalResult.objects.select_related("study").get(pk=result_id)
        asking = principal_or_none(principal or who)
        if asking is None or not may_acknowledge(asking, result):
            raise NotAllowed("The recipient acknowledges, or a radiologist who telephoned.")
        in_person = result.recipient_id == who.pk
        said = str(who) if in_person else _words(name, NAME_LENGTH, "Write who was told")
        _end(
            result,
            CriticalState.ACKNOWLEDGED,
            acknowledged_by_name=said,
            acknowledged_at=timezone.now(),
            read_back=read_back,
        )
        way = "in the portal" if in_person else f"by telephone, {said}"
        record(result, "acknowledged", who, f"{way}: {read_back}")
    return result


def close(result_id: int, who: User, *, reason: str, principal: Any = None) -> CriticalResult:
    """End a result without an acknowledgement, for a reason that is kept. Raises as above."""
    reason = _words(reason, REASON_LENGTH, "Say why")
    with transaction.atomic():
        result: CriticalResult = CriticalResult.objects.select_related("study").get(pk=result_id)
        asking = principal_or_none(principal or who)
        if asking is None or not may_close(asking, result):
            raise NotAllowed("Radiologists and administrators of the site close critical results.")
        _end(result, CriticalState.CLOSED)
        record(result, "closed", who, reason)
    return result


def _end(result: CriticalResult, state: CriticalState, **values: Any) -> None:
    """Compare and set: one person ends it, and one only."""
    changed = CriticalResult.objects.filter(pk=result.pk, state__in=WAITING).update(
        state=state, closed_at=timezone.now(), lease_until=None, **values
    )
    if changed != 1:
        raise Refused("It is acknowledged or closed already.", code="over")
    result.refresh_from_db()


def note_withdrawal(report: Report, who: User) -> None:
    """In the history of what waits: the report was withdrawn. The result itself goes on."""
    for result in CriticalResult.objects.select_related("study").filter(
        report=report, state__in=WAITING
    ):
        record(result, "withdrawn", who, "The report was withdrawn. Tell whoever was told.")
