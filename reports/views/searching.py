"""Search over the text of reports. Words come by POST: none stands in an address or a log."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from pacs.accounts.models import Site
from pacs.accounts.principal import Principal, principal_of
from pacs.audit import record_read
from reports.models import ReportState
from reports.search import words
from reports.search.find import MOST_OFFSET, Filters, Found, search
from studies.views.worklist import signed_in

PAGE_SIZE = 25
STATES = [("", "Any state"), *((s.value, s.label) for s in ReportState if s != ReportState.DRAFT)]


class SearchForm(forms.Form):
    """The words and what narrows them, among the sites that one sees."""

    q = forms.CharField(max_length=words.LONGEST_QUERY, required=False, strip=True)
    site = forms.ModelChoiceField(Site.objects.none(), required=False, empty_label="All sites")
    modality = forms.RegexField(r"^[A-Za-z0-9]{1,16}$", required=False)
    first_day = forms.DateField(required=False)
    last_day = forms.DateField(required=False)
    state = forms.ChoiceField(choices=STATES, required=False)
    offset = forms.IntegerField(min_value=0, max_value=MOST_OFFSET, required=False)

    def __init__(self, who: Principal, data: Any = None) -> None:
        super().__init__(data)
        sites: Any = self.fields["site"]
        sites.queryset = Site.objects.filter(pk__in=who.sites).order_by("name")
        self.has_sites = len(who.sites) > 1

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        first, last = cleaned.get("first_day"), cleaned.get("last_day")
        if first and last and first > last:
            self.add_error("last_day", "The last day is before the first one.")
        return cleaned

    def filters(self) -> Filters:
        chosen = self.cleaned_data
        return Filters(
            site=chosen["site"].pk if chosen["site"] else None,
            modality=chosen["modality"].upper(),
            first_day=chosen["first_day"],
            last_day=chosen["last_day"],
            state=chosen["state"],
        )


@require_http_methods(["GET", "POST"])
@signed_in
def search_reports(request: HttpRequest) -> HttpResponse:
    """The page; sent by htmx, the hits alone."""
    who = principal_of(request.user)
    form = SearchForm(who, request.POST if request.method == "POST" else None)
    found: Found | None = None
    offset = 0
    if request.method == "POST" and form.is_valid():
        offset = form.cleaned_data["offset"] or 0
        found = search(
            who,
            form.cleaned_data["q"],
            limit=PAGE_SIZE,
            offset=offset,
            filters=form.filters(),
        )
        record_read(
            "reports.searched",
            request=request,
            detail={"terms": len(found.query.terms), "found": found.count},
        )
    context = {
        "form": form,
        "found": found,
        "first": offset + 1,
        "last": offset + len(found.hits) if found else 0,
        "previous": max(0, offset - PAGE_SIZE),
        "next": offset + PAGE_SIZE,
        "has_previous": offset > 0,
        "has_next": found is not None and (found.is_more or offset + PAGE_SIZE < found.count),
        "many_sites": form.has_sites,
        "states": STATES,
    }
    template = "reports/_hits.html" if "HX-Request" in request.headers else "reports/search.html"
    return render(request, template, context)
