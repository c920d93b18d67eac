"""Which signed versions somebody may read."""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef, Q, Subquery

from pacs.accounts.principal import principal_or_none
from reports.models import READABLE, Report, ReportVersion, VersionKind


def versions_visible_to(who: Any) -> Any:
    """Versions of the reports that are visible; of those that are seen by a grant alone, the
    newest: what was signed before it may differ."""
    principal = principal_or_none(who)
    if principal is None:
        return ReportVersion.objects.none()
    reports = Report.objects.visible_to(principal)
    found = ReportVersion.objects.filter(report__in=reports.values("id"))
    if principal.is_superuser:
        return found
    newest = ReportVersion.objects.filter(report=OuterRef("report")).order_by("-number")
    return found.filter(
        Q(report__site_id__in=principal.whole_sites)
        | Q(
            pk=Subquery(newest.values("pk")[:1]),
            report__state__in=READABLE,
            kind__in=(VersionKind.FINAL, VersionKind.ADDENDUM),
        )
    )


def newest_of(report: Report) -> ReportVersion | None:
    """The newest signed version, a withdrawal included; None while there is only a draft."""
    return report.versions.order_by("-number").first()
