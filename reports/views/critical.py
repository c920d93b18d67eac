"""Pages of critical results: the list, one result, and the dialog that marks one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from pacs.accounts.principal import principal_of
from pacs.audit import record_read
from reports.critical import access, services
from reports.critical.models import WAITING, CriticalResult
from reports.errors import ReportError
from studies.models import Study
from studies.tables import page_of
from studies.views.worklist import signed_in

PAGE_SIZE = 50
RELATED = ("study__site", "recipient", "marked_by", "site")
LEVELS = CriticalResult.Level.choices


class MarkForm(forms.Form):
    """What was found, how urgent it is and who is told."""

    finding = forms.CharField(max_length=services.FINDING_LENGTH)
    level = forms.TypedChoiceField(choices=LEVELS, coerce=int)
    recipient = forms.IntegerField(required=False)


@require_GET
@signed_in
def results(request: HttpRequest) -> HttpResponse:
    """The results that wait, the most urgent first; `?show=all` those that are over as well."""
    found = access.visible(request.user).select_related(*RELATED)
    show_all = request.GET.get("show") == "all"
    if show_all:
        found = found.order_by("-id")
    else:
        found = found.filter(state__in=WAITING).order_by("due_at", "id")
    page = Paginator(found, PAGE_SIZE).get_page(page_of(request.GET.get("page")))
    record_read("critical.opened", request=request)
    context = {"page": page, "show_all": show_all, "now": timezone.now()}
    template = "critical/_list.html" if "HX-Request" in request.headers else "critical/list.html"
    return render(request, template, context)


@require_http_methods(["GET", "POST"])
@signed_in
def result(request: HttpRequest, pk: int) -> HttpResponse:
    """One result with its history; `POST` acknowledges or closes it."""
    found = access.visible(request.user).select_related(*RELATED)
    row = get_object_or_404(found, pk=pk)
    who = principal_of(request.user)
    problem = ""
    if request.method == "POST":
        try:
            _act(request, row)
            return redirect("critical-result", pk=pk)
        except ReportError as error:
            problem = error.words
            row.refresh_from_db()
    record_read("critical.read", request=request, study=row.study)
    context = {
        "result": row,
        "study": row.study,
        "events": row.events.select_related("actor"),
        "is_waiting": row.state in WAITING,
        "is_recipient": row.recipient_id == who.user_id,
        "may_acknowledge": access.may_acknowledge(who, row),
        "may_close": access.may_close(who, row),
        "sees_study": Study.objects.visible_to(who).filter(pk=row.study_id).exists(),
        "problem": problem,
        "typed": request.POST,
        "now": timezone.now(),
    }
    return render(request, "critical/result.html", context, status=409 if problem else 200)


def _act(request: HttpRequest, row: CriticalResult) -> None:
    user: Any = request.user
    if request.POST.get("action") == "close":
        services.close(row.pk, user, reason=request.POST.get("reason", ""))
    else:
        services.acknowledge(
            row.pk,
            user,
            read_back=request.POST.get("read_back", ""),
            name=request.POST.get("name", ""),
        )


@require_http_methods(["GET", "POST"])
@signed_in
def mark(request: HttpRequest, pk: int) -> HttpResponse:
    """The dialog of a study: mark a finding critical, and what is marked already."""
    study = get_object_or_404(Study.objects.visible_to(request.user), pk=pk)
    if not access.may_mark(principal_of(request.user), study.site_id):
        raise PermissionDenied
    people = access.recipients(study)
    form = MarkForm(request.POST if request.method == "POST" else None)
    problem = ""
    done: CriticalResult | None = None
    if request.method == "POST":
        try:
            done = _marked(request, study, form, people)
        except ReportError as error:
            problem = error.words
    context = {
        "study": study,
        "people": people,
        "levels": LEVELS,
        "form": form,
        "typed": request.POST,
        "problem": problem,
        "done": done,
        "marked": access.visible(request.user).filter(study=study).select_related("recipient")[:5],
    }
    return render(request, "critical/_mark.html", context)


def _marked(
    request: HttpRequest, study: Study, form: MarkForm, people: list[tuple[Any, bool]]
) -> CriticalResult:
    if not form.is_valid():
        raise ReportError("Say what was found and how urgent it is.")
    chosen = form.cleaned_data
    recipient = next((user for user, _ in people if user.pk == chosen["recipient"]), None)
    if chosen["recipient"] and recipient is None:
        raise ReportError("Choose the recipient from the list.")
    user: Any = request.user
    return services.mark(
        study, user, finding=chosen["finding"], level=chosen["level"], recipient=recipient
    )
