"""The dialogs of signing, as fragments for htmx; what is done empties the dialog, which closes."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from pacs.accounts.addresses import page_origin
from pacs.accounts.principal import principal_of
from reports.document import SECTIONS
from reports.errors import ReportError, Stale
from reports.models import Report
from reports.permissions import may_write
from reports.signing import reauth, services
from reports.signing.asked import ADDENDUM, COSIGN, offers, standing
from reports.signing.examination import ANSWER_LENGTH, Beside
from reports.signing.pictures import PicturesMissing
from reports.writing.drafts import current
from studies.models import Study
from studies.views.worklist import signed_in

CHECKED = "Checked: right as written."
CLOSE = {"HX-Trigger": json.dumps({"report.changed": {}})}


def _report(request: HttpRequest, pk: int) -> Report:
    """The report, for radiologists of its site: 404 where it is hidden, 403 for all others."""
    visible = Report.objects.visible_to(request.user).select_related("study__site")
    report: Report = get_object_or_404(visible, pk=pk)
    if not may_write(principal_of(request.user), report.site_id):
        raise PermissionDenied
    return report


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else 0


def _beside(asked: QueryDict) -> Beside:
    studies = tuple(_number(each) for each in asked.get("open_studies", "").split(",")[:50])
    return Beside(tuple(pk for pk in studies if pk), asked.get("other_patient_open") == "1")


def _answers(asked: QueryDict) -> dict[str, str]:
    """A comment, or that it was checked, by the finding's key."""
    keys = {name.partition(":")[2] for name in asked if name.startswith(("checked:", "comment:"))}
    found = {}
    for key in keys:
        comment = asked.get(f"comment:{key}", "").strip()[:ANSWER_LENGTH]
        checked = CHECKED if asked.get(f"checked:{key}") else ""
        found[key] = " ".join(part for part in (checked, comment) if part) if checked else ""
    return found


@require_http_methods(["GET", "POST"])
@signed_in
def sign(request: HttpRequest, pk: int) -> HttpResponse:
    """`GET`: findings to answer, the password where it is needed. `POST`: sign."""
    report = _report(request, pk)
    asked = request.POST if request.method == "POST" else request.GET
    beside = _beside(asked)
    found = standing(report, request.user, asked.get("kind", ""), beside)
    answers = _answers(asked)
    problem: ReportError | None = None
    if request.method == "POST":
        try:
            reauth.require(request, asked.get("password"))
            _sign(request, report, found.kind, answers, beside)
            return HttpResponse("", headers=CLOSE)
        except ReportError as error:
            problem = error
            report.refresh_from_db()
            if not isinstance(error, Stale):
                found = standing(report, request.user, asked.get("kind", ""), beside)
    context = {
        "report": report,
        "study": report.study,
        "standing": found,
        "revision": _number(asked.get("revision")) or report.revision,
        "beside": asked,
        "rows": [_row(each, asked, answers) for each in found.findings],
        "notes": [each for each in found.findings if each.severity == "note"],
        "is_blocked": any(each.severity == "blocking" for each in found.findings),
        "password_needed": not reauth.is_confirmed(request),
        "problem": problem,
        "pictures_missing": isinstance(problem, PicturesMissing),
        "is_over": isinstance(problem, Stale),
    }
    answer = render(request, "reports/signing/_sign.html", context)
    if context["is_over"]:
        answer.headers["HX-Trigger"] = CLOSE["HX-Trigger"]
    return answer


def _row(finding: Any, asked: QueryDict, answers: dict[str, str]) -> dict[str, Any]:
    return {
        "finding": finding,
        "where": SECTIONS.get(finding.where, ""),
        "checked": bool(asked.get(f"checked:{finding.key}")),
        "comment": asked.get(f"comment:{finding.key}", "")[:ANSWER_LENGTH],
        "is_open": asked.get("sent") == "1" and not answers.get(finding.key),
    }


def _sign(
    request: HttpRequest, report: Report, kind: str, answers: dict[str, str], beside: Beside
) -> None:
    asked = request.POST
    options = {
        "revision": _number(asked.get("revision")),
        "answers": answers,
        "without_pictures": asked.get("without_pictures") == "1",
        "open_studies": beside.studies,
        "other_patient_open": beside.is_other_patient,
        **page_origin(request),
    }
    if kind == ADDENDUM:
        services.sign_addendum(report.pk, request.user, **options)
    elif kind == COSIGN:
        services.cosign(report.pk, request.user, **options)
    else:
        services.sign(report.pk, request.user, kind=kind, **options)


@require_http_methods(["GET", "POST"])
@signed_in
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """The dialog of a withdrawal, and the withdrawal."""
    report = _report(request, pk)
    problem: ReportError | None = None
    if request.method == "POST":
        try:
            reauth.require(request, request.POST.get("password"))
            services.withdraw(
                report.pk, request.user, request.POST.get("reason", ""), **page_origin(request)
            )
            return HttpResponse("", headers=CLOSE)
        except ReportError as error:
            problem = error
    context = {
        "report": report,
        "study": report.study,
        "problem": problem,
        "reason": request.POST.get("reason", ""),
        "reason_length": services.REASON_LENGTH,
        "password_needed": not reauth.is_confirmed(request),
    }
    return render(request, "reports/signing/_withdraw.html", context)


@require_POST
@signed_in
def addendum(request: HttpRequest, pk: int) -> HttpResponse:
    """Begin an addendum; the panel opens it for writing."""
    report = _report(request, pk)
    try:
        services.start_addendum(report.pk, request.user, **page_origin(request))
    except ReportError as error:
        context = {"study": report.study, "problem": error, "title": "Addendum"}
        return render(request, "reports/signing/_refused.html", context)
    return HttpResponse("", headers=CLOSE)


@require_GET
@signed_in
def actions(request: HttpRequest, pk: int) -> HttpResponse:
    """The buttons that a study's report offers this person now; nothing for those who may not."""
    study = get_object_or_404(Study.objects.visible_to(request.user), pk=pk)
    report = current(study)
    context = {"report": report, "study": study, "offers": offers(report, request.user)}
    return render(request, "reports/signing/_actions.html", context)
