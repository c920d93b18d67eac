"""Reports that are found: signed versions with their place in the index."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from pacs.accounts.models import User
from reports.models import Report, ReportVersion, VersionKind
from reports.search.index import refresh
from studies.models import Study, StudyGrant
from tests.reports import factories_output

PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\nstartxref\n9\n%%EOF\n"


def signed(
    study: Study,
    signer: User,
    text: str,
    *,
    report: Report | None = None,
    kind: str = VersionKind.FINAL,
    at: datetime | None = None,
    **fields: Any,
) -> ReportVersion:
    """A signed version that says `text` (plain), indexed as signing does it."""
    if report is not None:
        report.refresh_from_db()
    key = "addendum" if kind == VersionKind.ADDENDUM else "findings"
    made = factories_output.version(
        study, signer, report=report, kind=kind, sections={key: text}, **fields
    )
    if kind == VersionKind.FINAL:
        Report.objects.filter(pk=made.report_id).update(first_final_at=at or timezone.now())
    refresh(Report.objects.get(pk=made.report_id))
    return made


def grant(study: Study, user: User, by: User) -> StudyGrant:
    """The study is shown to the user."""
    made: StudyGrant = StudyGrant.objects.create(study=study, user=user, granted_by=by)
    return made
