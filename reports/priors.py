"""What there is of the same patient: other studies, their reports, and reports from elsewhere.

The same patient is one PatientID of one issuer at one site (`studies.Patient`), never a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from pacs.accounts.principal import Principal
from reports.attachments.models import Attachment
from reports.models import READABLE, Report, ReportState
from studies.models import Study

MOST = 100


@dataclass(frozen=True, slots=True)
class Prior:
    """A study with its report where there is one, or a report from elsewhere."""

    day: date | None
    study: Study | None = None
    report: Report | None = None
    attachment: Attachment | None = None

    @property
    def state(self) -> str:
        """The report's state, in words."""
        if self.attachment is not None:
            return self.attachment.get_status_display() if self.attachment.status else "outside"
        if self.report is not None:
            return str(self.report.get_state_display())
        return "no report"


def priors_of(study: Study, who: Principal) -> list[Prior]:
    """Newest first, without the study itself; what `who` may see, at most a hundred of a kind."""
    studies = list(
        Study.objects.visible_to(who)
        .filter(site_id=study.site_id, patient_ref_id=study.patient_ref_id)
        .exclude(pk=study.pk)
        .order_by("-sort_day", "-id")[:MOST]
    )
    reports = _reports(studies, who)
    found = [Prior(each.study_day, study=each, report=reports.get(each.pk)) for each in studies]
    attachments = (
        Attachment.objects.visible_to(who)
        .shown()
        .filter(
            site_id=study.site_id,
            patient_id=study.patient_ref_id,
            kind=Attachment.Kind.OUTSIDE_REPORT,
        )
        .order_by("-dated", "-added_at")[:MOST]
    )
    found += [Prior(each.dated or each.added_at.date(), attachment=each) for each in attachments]
    return sorted(found, key=lambda prior: prior.day or date.min, reverse=True)


def _reports(studies: list[Study], who: Principal) -> dict[int, Report]:
    """The report of each study: what is signed before a draft, a withdrawn one last."""
    rank = {ReportState.WITHDRAWN: 0, ReportState.DRAFT: 1, ReportState.PRELIMINARY: 2}
    found: dict[int, Report] = {}
    rows: Any = Report.objects.visible_to(who).filter(study__in=studies).order_by("id")
    for report in rows:
        known = found.get(report.study_id)
        if known is None or _rank(rank, report) >= _rank(rank, known):
            found[report.study_id] = report
    return found


def _rank(rank: dict[Any, int], report: Report) -> int:
    return 3 if report.state in READABLE else rank[ReportState(report.state)]
