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


def pdf(*more: bytes, catalog: bytes = b"") -> bytes:
    """A PDF of one empty page, in ASCII; `more` are objects from number 4 on."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R" + catalog + b">>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 100]>>",
        *more,
    ]
    made, at = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        at.append(len(made))
        made += b"%d 0 obj%s endobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in at)
    return (
        made
        + (
            b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n"
            % (len(objects) + 1, table, len(objects) + 1, len(made))
        )
        + b"%%EOF\n"
    )


def large_pdf(data: bytes) -> bytes:
    """A PDF that carries these bytes as a stream of no meaning."""
    return pdf(b"<</Length %d>>stream\n%s\nendstream" % (len(data), data))


PDF = pdf()


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
