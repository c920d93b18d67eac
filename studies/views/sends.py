"""Pages of sending: the list of sends, and the dialog of a study."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from pacs.accounts.addresses import page_origin
from pacs.accounts.principal import principal_of
from pacs.audit import record_read
from studies.models import Series, Study
from studies.sending import requests
from studies.sending.errors import NotPossible
from studies.sending.models import OPEN, Destination, Send, State
from studies.sending.permissions import may_send
from studies.tables import page_of
from studies.views.worklist import signed_in

PAGE_SIZE = 50
SHOWN_IN_DIALOG = 5
SHOWS = {"open": OPEN, "failed": (State.FAILED,), "done": (State.DONE,)}
ACTIONS = {"cancel": requests.cancel, "retry": requests.retry}
RELATED = ("study__site", "series", "destination", "requester")


class SendForm(forms.Form):
    """What to send and where to, among what this study has."""

    destination = forms.ModelChoiceField(
        Destination.objects.none(), empty_label=None, error_messages={"required": "Choose one."}
    )
    series = forms.ModelChoiceField(
        Series.objects.none(), required=False, empty_label="The whole study"
    )

    def __init__(self, study: Study, who: Any, data: Any = None) -> None:
        super().__init__(data)
        destinations: Any = self.fields["destination"]
        destinations.queryset = Destination.objects.visible_to(who).filter(
            site=study.site_id, is_enabled=True
        )
        series: Any = self.fields["series"]
        series.queryset = study.series.order_by("series_number", "id")
        series.label_from_instance = _label


def _label(series: Series) -> str:
    parts = (series.series_number, series.modality, series.series_description)
    words = " ".join(str(part) for part in parts if part not in (None, ""))
    return f"Series {words} ({series.number_of_instances})"


def _visible(request: HttpRequest) -> Any:
    return Send.objects.visible_to(request.user).select_related(*RELATED)


@require_GET
@signed_in
def sends(request: HttpRequest) -> HttpResponse:
    """All sends that one may see, newest first. Who sends nothing does not find the page."""
    if not may_send(principal_of(request.user)):
        raise Http404
    found = _visible(request)
    show = request.GET.get("show", "")
    if show in SHOWS:
        found = found.filter(state__in=SHOWS[show])
    page = Paginator(found, PAGE_SIZE).get_page(page_of(request.GET.get("page")))
    record_read("sends.opened", request=request)
    context = {"page": page, "show": show if show in SHOWS else ""}
    template = "sends/_list.html" if "HX-Request" in request.headers else "sends/list.html"
    return render(request, template, context)


@require_GET
@signed_in
def row(request: HttpRequest, pk: int) -> HttpResponse:
    """One row of the list, for live changes."""
    send = get_object_or_404(_visible(request), pk=pk)
    return render(request, "sends/_row.html", {"send": send})


@require_POST
@signed_in
def act(request: HttpRequest, pk: int, action: str) -> HttpResponse:
    """Cancel or retry; the row as it is then. What is over already shows itself in the row."""
    if action not in ACTIONS:
        raise Http404
    send = get_object_or_404(_visible(request), pk=pk)
    problem = ""
    try:
        ACTIONS[action](send, actor=request.user, **page_origin(request))
    except NotPossible as error:
        problem = str(error)
        send.refresh_from_db()
    return render(request, "sends/_row.html", {"send": send, "problem": problem})


@require_http_methods(["GET", "POST"])
@signed_in
def dialog(request: HttpRequest, pk: int) -> HttpResponse:
    """The dialog of a study: where to, what, and how the last sends of it do."""
    study = get_object_or_404(Study.objects.visible_to(request.user), pk=pk)
    who = principal_of(request.user)
    if not who.is_superuser and study.site_id not in who.whole_sites:
        raise Http404
    form = SendForm(study, request.user, request.POST if request.method == "POST" else None)
    problem = notice = ""
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        try:
            _, is_new = requests.request_send(
                study,
                chosen["series"],
                chosen["destination"],
                actor=request.user,
                **page_origin(request),
            )
            notice = "It will be sent." if is_new else "The same is being sent already."
        except NotPossible as error:
            problem = str(error)
    elif request.method == "POST":
        problem = "Choose a destination from the list."
    record_read("sends.opened", request=request, study=study)
    return render(
        request,
        "sends/_dialog.html",
        {
            "study": study,
            "form": form,
            "problem": problem,
            "notice": notice,
            "sends": _visible(request).filter(study=study)[:SHOWN_IN_DIALOG],
        },
    )
