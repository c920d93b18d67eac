"""Reports as documents to print: the newest version, unless it is withdrawn."""

from __future__ import annotations

from typing import Any

from agents.printing.documents import Printable
from reports.delivery import renderings
from reports.models import Report, ReportState
from reports.output.access import versions_visible_to

UNSIGNED = "Nothing of this report is signed yet."
WITHDRAWN = "This report was withdrawn."


def provider(number: int, who: Any) -> Printable | None:
    """Provider of agents.printing.documents for reports: None where `who` does not see it.

    `version` is number and kind, so that a print of an older version is refused.
    """
    report = Report.objects.visible_to(who).select_related("study__site").filter(pk=number).first()
    if report is None:
        return None
    version = versions_visible_to(who).filter(report=report).order_by("-number").first()
    title = f"report: {report.study.study_description or report.study.modalities}"
    if version is None or report.state == ReportState.WITHDRAWN:
        return Printable(
            site=report.site_id,
            version=f"{version.number}-{version.kind}" if version else "0",
            sha256="",
            pdf=bytes,
            title=title,
            refusal=WITHDRAWN if version else UNSIGNED,
            study=report.study,
        )
    version.report = report
    return Printable(
        site=report.site_id,
        version=f"{version.number}-{version.kind}",
        sha256=renderings.sha256_of_pdf(version),
        pdf=lambda: renderings.pdf(version),
        title=f"{title} (version {version.number})",
        study=report.study,
    )
