"""The statistics page and its tables as CSV, for radiologists and administrators of sites."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from pacs import audit
from pacs.accounts.addresses import page_origin
from pacs.accounts.models import Role, Site
from pacs.accounts.principal import principal_of
from pacs.audit import record_read
from reports.statistics import counting, export
from reports.statistics.spans import MOST_DAYS, Range, today
from studies.views.worklist import signed_in

DEFAULT_DAYS = 30
READERS = (Role.RADIOLOGIST.value, Role.SITE_ADMIN.value)
TITLES = {
    "site": "By site",
    "modality": "By modality",
    "radiologist": "By radiologist",
    "priority": "By priority",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for."""

    sites: list[Site]
    chosen: list[Site]
    days: Range
    form: forms.Form


class RangeForm(forms.Form):
    """The days and a site."""

    first = forms.DateField(required=False)
    last = forms.DateField(required=False)
    site = forms.IntegerField(required=False)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        first, last = cleaned.get("first"), cleaned.get("last")
        if first and last and first > last:
            self.add_error("last", "The last day is before the first one.")
        elif first and last and (last - first).days >= MOST_DAYS:
            self.add_error("first", f"At most {MOST_DAYS} days can be counted at once.")
        elif any(day and not 1990 <= day.year <= 2200 for day in (first, last)):
            self.add_error("first", "There is no study of these years.")
        return cleaned


def _asked(request: HttpRequest) -> Asked:
    sites = principal_of(request.user).sites_as(*READERS)
    if not sites:
        raise Http404
    given = {"first": request.GET.get("from"), "last": request.GET.get("to")}
    form = RangeForm({**given, "site": request.GET.get("site")})
    values = form.cleaned_data if form.is_valid() else {}
    chosen = [site for site in sites if site.pk == values.get("site")]
    if values.get("site") is not None and not chosen:
        raise Http404
    last: date = values.get("last") or today((chosen or sites)[0].timezone)
    first = values.get("first") or last - timedelta(days=DEFAULT_DAYS - 1)
    if first > last or (last - first).days >= MOST_DAYS:
        first = last - timedelta(days=DEFAULT_DAYS - 1)
    return Asked(sites, chosen or sites, Range(first, last), form)


@require_GET
@signed_in
def statistics(request: HttpRequest) -> HttpResponse:
    """Turnaround, backlog and volumes of the sites that one reads or administers."""
    asked = _asked(request)
    record_read("statistics.opened", request=request)
    turnaround = counting.turnaround(asked.chosen, asked.days)
    spans = counting.spans(asked.chosen, asked.days)
    waiting = counting.waiting_now(asked.chosen)
    groups = [
        (kind, title, [each for each in turnaround if each.group == kind])
        for kind, title in TITLES.items()
    ]
    return render(
        request,
        "reports/statistics.html",
        {
            "asked": asked,
            "query": _query(asked),
            "total": next((each for each in turnaround if each.group == "all"), None),
            "groups": groups,
            "spans": spans,
            "waiting": waiting,
            "waiting_total": sum(each.count for each in waiting),
            "received_total": sum(each.received for each in spans),
            "plots": {
                "labels": [each.label for each in spans],
                "received": [each.received for each in spans],
                "finished": [each.finished for each in spans],
                "waiting": [each.waiting for each in spans],
            },
        },
    )


def _query(asked: Asked) -> str:
    query = f"from={asked.days.first}&to={asked.days.last}"
    if len(asked.chosen) == 1 and len(asked.sites) > 1:
        query += f"&site={asked.chosen[0].pk}"
    return query


@require_GET
@signed_in
def statistics_csv(request: HttpRequest, name: str) -> HttpResponse:
    """`turnaround`, `volumes` or `waiting` as CSV. Who took it is in the audit trail."""
    asked = _asked(request)
    head, rows = _table(name, asked)
    audit.record(
        "statistics.exported",
        actor=request.user,
        site=asked.chosen[0] if len(asked.chosen) == 1 else None,
        detail={"table": name, "from": str(asked.days.first), "to": str(asked.days.last)},
        **page_origin(request),
    )
    file = f"{name}-{asked.days.first}-{asked.days.last}.csv"
    return HttpResponse(
        export.table(head, rows),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{file}"',
            "Cache-Control": "no-store",
        },
    )


def _table(name: str, asked: Asked) -> tuple[list[str], list[list[Any]]]:
    if name == "turnaround":
        found = counting.turnaround(asked.chosen, asked.days)
        return ["group", "name", "reports", "median minutes", "p90 minutes"], [
            [each.group, each.name, each.count, each.median, each.p90] for each in found
        ]
    if name == "volumes":
        first = "week from" if asked.days.by_weeks else "day"
        return [first, "received", "finished", "waiting at its end"], [
            [each.label, each.received, each.finished, each.waiting]
            for each in counting.spans(asked.chosen, asked.days)
        ]
    if name == "waiting":
        return ["site", "priority", "studies", "oldest minutes"], [
            [each.site, each.priority, each.count, each.oldest]
            for each in counting.waiting_now(asked.chosen)
        ]
    raise Http404
