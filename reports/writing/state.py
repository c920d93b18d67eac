"""What the report panel shows of a study's report, for one person, as JSON."""

from __future__ import annotations

from typing import Any

from pacs.accounts.models import User
from pacs.accounts.principal import Principal
from reports.models import Report, ReportState
from reports.permissions import may_write
from reports.writing.drafts import OPEN_STATES, STARTING, hindrance
from studies.models import Study
from studies.reading.states import BEING_READ


def person(user: User | None) -> dict[str, Any] | None:
    """Id and name."""
    return None if user is None else {"id": user.pk, "name": str(user)}


def state_of(
    study: Study, report: Report | None, who: User, principal: Principal
) -> dict[str, Any]:
    """The report as it stands, whether `who` may write it, and if not why, in words.

    What is signed is shown as it was signed, never the working copy behind it.
    """
    problem = hindrance(study, report, who, principal)
    writer = study.reader if report is not None or study.reader_id else None
    return {
        "study": study.pk,
        "report": report.pk if report else None,
        "state": report.state if report else "none",
        "is_addending": bool(report and report.is_addending),
        "revision": report.revision if report else 0,
        "content": shown_content(report, writable=problem is None) if report else None,
        "saved_at": report.saved_at if report else None,
        "saved_by": person(report.saved_by) if report else None,
        "writer": person(writer),
        "writable": report is not None and problem is None,
        "may_start": _may_start(study, report, who, principal),
        "may_take_over": _may_take_over(study, report, who, principal),
        "code": problem.code if problem else "",
        "why": problem.words if problem else "",
        "may_discard": bool(
            report
            and problem is None
            and report.state == ReportState.DRAFT
            and not report.is_addending
        ),
    }


def shown_content(report: Report, *, writable: bool) -> dict[str, Any]:
    """The draft for its writer; for others what was signed last, if anything was."""
    if report.addendum_waits:
        waiting: dict[str, Any] = report.content
        return waiting
    if not writable and report.state not in (ReportState.DRAFT, ReportState.PRELIMINARY):
        signed = report.versions.exclude(kind="withdrawal").order_by("-number").first()
        if signed is not None:
            content: dict[str, Any] = signed.content
            return content
    draft: dict[str, Any] = report.content
    return draft


def _may_start(study: Study, report: Report | None, who: User, principal: Principal) -> bool:
    if not may_write(principal, study.site_id):
        return False
    free = study.reader_id in (None, who.pk)
    if report is None:
        return free and study.reading_state in STARTING
    return study.reader_id is None and report.state in (
        ReportState.DRAFT,
        ReportState.PRELIMINARY,
    )


def _may_take_over(study: Study, report: Report | None, who: User, principal: Principal) -> bool:
    """Whether another person has it whose reading this radiologist may go on with."""
    if not may_write(principal, study.site_id) or study.reader_id in (None, who.pk):
        return False
    if report is not None and report.state not in OPEN_STATES:
        return False
    return study.reading_state in BEING_READ
