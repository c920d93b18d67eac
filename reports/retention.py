"""Which studies must stay for the sake of their reports, and which files of the archive."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q

from reports.attachments.models import Attachment
from reports.critical.models import WAITING, CriticalResult
from reports.delivery.models import OPEN, Delivery
from reports.models import Report, ReportState
from reports.output.models import RenderedPdf
from studies.retention import registry

UNFINISHED = (ReportState.DRAFT, ReportState.PRELIMINARY)


def keeps(study_ids: Collection[int]) -> dict[int, str]:
    """Studies with a report that is not finished or on its way, or an open critical result."""
    found: dict[int, str] = {}
    unfinished = Q(state__in=UNFINISHED) | Q(is_addending=True)
    for rows, why in (
        (Delivery.objects.filter(version__report__study__in=study_ids, state__in=OPEN), "delivery"),
        (Report.objects.filter(unfinished, study__in=study_ids), "report"),
        (CriticalResult.objects.filter(study__in=study_ids, state__in=WAITING), "critical"),
    ):
        column = "version__report__study_id" if why == "delivery" else "study_id"
        found |= dict.fromkeys(rows.order_by().values_list(column, flat=True), WORDS[why])
    return found


WORDS = {
    "delivery": "A report is on its way.",
    "report": "A report is not finished.",
    "critical": "A critical result is not answered.",
}


def needs_file(archive_key: str) -> bool:
    """Attachments and PDFs lie in the archive, too."""
    return (
        Attachment.objects.filter(archive_key=archive_key).exists()
        or RenderedPdf.objects.filter(archive_key=archive_key).exists()
    )


def register() -> None:
    registry.keeps(keeps)
    registry.needs_file(needs_file)
