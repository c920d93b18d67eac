"""The page of a report, its PDF, what changed between its versions, and the list of reports."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET

from pacs.accounts.principal import Principal, principal_of
from pacs.audit import record_read
from reports.diffing import ADDED, REMOVED, compare
from reports.models import Report, ReportState, ReportVersion, VersionKind
from reports.output import pdf
from reports.page import ReportPage
from reports.shown import readable, sees_whole
from reports.writing.drafts import waiting_addenda
from studies.models import Study
from studies.tables import page_of
from studies.views.worklist import signed_in

PAGE_SIZE = 50
WAITING_SHOWN = 20
RELATED = ("study__site", "site", "author", "withdrawn_by")


def visible_report(request: HttpRequest, pk: int) -> tuple[Principal, Report]:
    """The report where the user may see it; 404 otherwise."""
    who = principal_of(request.user)
    found = Report.objects.visible_to(who).select_related(*RELATED)
    report: Report = get_object_or_404(found, pk=pk)
    return who, report


def note_read(request: HttpRequest, action: str, report: Report, **detail: Any) -> None:
    """Audit: once per user, report, action and session in ten minutes."""
    record_read(
        action,
        request=request,
        study=report.study,
        about=f"report:{report.pk}",
        detail={"report": report.pk, **detail},
    )


def versions_of(who: Principal, report: Report) -> list[ReportVersion]:
    """The versions that the person may open, oldest first."""
    found = report.versions.select_related("signer", "cosigner").order_by("number")
    return readable(list(found), whole=sees_whole(who, report))


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise Http404
    return int(text)


def _chosen(versions: list[ReportVersion], number: int | None) -> ReportVersion | None:
    if number is None:
        return versions[-1] if versions else None
    for each in versions:
        if each.number == number:
            return each
    raise Http404


@require_GET
@signed_in
def report(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The report as it speaks now, or with `?version=` as it was; its versions beside it."""
    who, found = visible_report(request, pk)
    versions = versions_of(who, found)
    version = _chosen(versions, _number(request, "version"))
    if version is None and not sees_whole(who, found):
        raise Http404
    note_read(request, "report.read", found, version=version.number if version else None)
    pdf.warm()
    context = {"page": ReportPage(found, versions, version), "whole": sees_whole(who, found)}
    return render(request, "reports/report.html", context)


@require_GET
@signed_in
def study_report(request: HttpRequest, pk: int) -> HttpResponseBase:
    """To the report of a study: the one that is valid, where the user may see it."""
    study = get_object_or_404(Study.objects.visible_to(request.user), pk=pk)
    found = Report.objects.visible_to(request.user).exclude(state=ReportState.WITHDRAWN)
    valid = found.filter(study=study).first()
    if valid is None:
        messages.info(request, "There is no report of this study here.")
        return redirect("reports")
    return redirect("report", valid.pk)


@require_GET
@signed_in
def text(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The report's text alone, to be shown beside images or a list."""
    who, found = visible_report(request, pk)
    versions = versions_of(who, found)
    version = _chosen(versions, None)
    if version is None and not sees_whole(who, found):
        raise Http404
    note_read(request, "report.read", found, version=version.number if version else None)
    return render(request, "reports/_text.html", {"page": ReportPage(found, versions, version)})


@require_GET
@signed_in
def report_pdf(request: HttpRequest, pk: int) -> HttpResponseBase:
    """To the PDF of the newest version, or of `?version=`."""
    who, found = visible_report(request, pk)
    version = _chosen(versions_of(who, found), _number(request, "version"))
    if version is None:
        raise Http404
    return redirect("report-pdf", version.pk)


@require_GET
@signed_in
def diff(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What changed from one version to another: `?from=1&to=2`; without them the last two."""
    who, found = visible_report(request, pk)
    versions = [each for each in versions_of(who, found) if each.kind != VersionKind.WITHDRAWAL]
    if len(versions) < 2:
        raise Http404
    before = _number(request, "from")
    after = _number(request, "to")
    old = versions[-2] if before is None else _chosen(versions, before)
    new = versions[-1] if after is None else _chosen(versions, after)
    if old is None or new is None:
        raise Http404
    note_read(request, "report.compared", found, versions=[old.number, new.number])
    sections = compare(old.content, new.content)
    counted = Counter(change.what for each in sections for change in each.changes)
    return render(
        request,
        "reports/diff.html",
        {
            "page": ReportPage(found, versions, new),
            "old": old,
            "new": new,
            "versions": versions,
            "sections": sections,
            "added": counted[ADDED],
            "removed": counted[REMOVED],
        },
    )


@require_GET
@signed_in
def reports(request: HttpRequest) -> HttpResponse:
    """The reports that one may see, newest first; for referrers: those of their patients."""
    who = principal_of(request.user)
    found = (
        Report.objects.visible_to(who)
        .exclude(state=ReportState.DRAFT)
        .select_related("study__site", "author")
        .order_by("-id")
    )
    page = Paginator(found, PAGE_SIZE).get_page(page_of(request.GET.get("page")))
    record_read("reports.opened", request=request)
    by_grant_only = not who.is_superuser and not who.whole_sites
    user: Any = request.user
    context = {
        "page": page,
        "by_grant_only": by_grant_only,
        "addenda": waiting_addenda(user, who)[:WAITING_SHOWN],
    }
    return render(request, "reports/list.html", context)
