"""Pages of deliveries: the list, the part of a report's page, and the dialog to send it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.db.models import Case, IntegerField, Value, When
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from pacs.accounts.addresses import page_origin
from pacs.accounts.principal import Principal, principal_of
from pacs.audit import record_read
from reports.delivery import registry, requests
from reports.delivery.models import OPEN, Delivery, DeliveryState
from reports.errors import NotAllowed, Refused
from reports.models import Report
from reports.permissions import may_deliver
from studies.tables import page_of
from studies.views.worklist import signed_in

PAGE_SIZE = 50
SHOWN = 50
SHOWS = {"open": OPEN, "failed": (DeliveryState.FAILED,), "done": (DeliveryState.DONE,)}
ACTIONS = {"cancel": requests.cancel, "retry": requests.retry}
RELATED = ("version__report__study__site", "place", "requester")
FAILED_FIRST = Case(
    When(state=DeliveryState.FAILED, then=Value(0)),
    When(state__in=OPEN, then=Value(1)),
    default=Value(2),
    output_field=IntegerField(),
)


def sees_deliveries(who: Principal) -> bool:
    """Whether there is a site whose deliveries this person sees."""
    return who.is_superuser or bool(who.whole_sites)


def _visible(who: Principal) -> Any:
    return Delivery.objects.visible_to(who).select_related(*RELATED)


def _report(request: HttpRequest, pk: int) -> tuple[Report, Principal]:
    """A report whose deliveries the person sees; 404 otherwise. Referrers see none."""
    who = principal_of(request.user)
    report = get_object_or_404(Report.objects.visible_to(who).select_related("study__site"), pk=pk)
    if not who.is_superuser and report.site_id not in who.whole_sites:
        raise Http404
    return report, who


def _shown(delivery: Delivery, who: Principal, problem: str = "") -> dict[str, Any]:
    """What a row of a delivery needs."""
    return {
        "delivery": delivery,
        "transport": registry.title_of(delivery.transport),
        "may_deliver": may_deliver(who, delivery.site_id),
        "problem": problem,
    }


@require_GET
@signed_in
def deliveries(request: HttpRequest) -> HttpResponse:
    """All deliveries that one may see: the failed first, then what is under way, newest first."""
    who = principal_of(request.user)
    if not sees_deliveries(who):
        raise Http404
    found = _visible(who)
    show, transport = request.GET.get("show", ""), request.GET.get("transport", "")
    if show in SHOWS:
        found = found.filter(state__in=SHOWS[show])
    if registry.find(transport) is not None:
        found = found.filter(transport=transport)
    found = found.order_by(FAILED_FIRST, "-id")
    page = Paginator(found, PAGE_SIZE).get_page(page_of(request.GET.get("page")))
    record_read("deliveries.opened", request=request)
    context = {
        "page": page,
        "rows": [_shown(each, who) for each in page.object_list],
        "show": show if show in SHOWS else "",
        "transport": transport if registry.find(transport) is not None else "",
        "transports": [(name, each.title) for name, each in registry.everything()],
    }
    template = (
        "deliveries/_list.html" if "HX-Request" in request.headers else "deliveries/list.html"
    )
    return render(request, template, context)


@require_GET
@signed_in
def row(request: HttpRequest, pk: int) -> HttpResponse:
    """One row of the list, for live changes."""
    who = principal_of(request.user)
    delivery = get_object_or_404(_visible(who), pk=pk)
    return render(request, "deliveries/_row.html", {"row": _shown(delivery, who)})


@require_POST
@signed_in
def act(request: HttpRequest, pk: int, action: str) -> HttpResponse:
    """Cancel or retry; the row as it is then. 403 for who sees it and may not."""
    if action not in ACTIONS:
        raise Http404
    who = principal_of(request.user)
    delivery = get_object_or_404(_visible(who), pk=pk)
    if not may_deliver(who, delivery.site_id):
        return HttpResponse(status=403)
    problem = ""
    try:
        ACTIONS[action](delivery, actor=request.user, **page_origin(request))
    except Refused as error:
        problem = error.words
    delivery = get_object_or_404(_visible(who), pk=pk)
    return render(request, "deliveries/_row.html", {"row": _shown(delivery, who, problem)})


@require_GET
@signed_in
def of_report(request: HttpRequest, pk: int) -> HttpResponse:
    """Part of a page: where a report went and how it does."""
    report, who = _report(request, pk)
    record_read("report.deliveries", request=request, study=report.study)
    return render(request, "deliveries/_report.html", _of_report(report, who))


def _of_report(report: Report, who: Principal) -> dict[str, Any]:
    found = _visible(who).filter(version__report=report).order_by("-id")[:SHOWN]
    return {
        "report": report,
        "rows": [_shown(each, who) for each in found],
        "may_deliver": may_deliver(who, report.site_id),
    }


class DeliverForm(forms.Form):
    """Where to send a report, among the places of its site."""

    place = forms.ChoiceField(label="Where to", error_messages={"required": "Choose a place."})

    def __init__(self, site_id: int, data: Any = None) -> None:
        super().__init__(data)
        groups: dict[str, list[tuple[str, str]]] = {}
        for choice in requests.choices(site_id):
            groups.setdefault(choice.title, []).append((choice.value, choice.label))
        place: Any = self.fields["place"]
        place.choices = list(groups.items())

    @property
    def has_places(self) -> bool:
        return bool(self["place"].field.choices)  # type: ignore[attr-defined]


@require_http_methods(["GET", "POST"])
@signed_in
def dialog(request: HttpRequest, pk: int) -> HttpResponse:
    """The dialog "Send to..." of a report. 403 for who sees the report and may not send it."""
    report, who = _report(request, pk)
    if not may_deliver(who, report.site_id):
        return HttpResponse(status=403)
    form = DeliverForm(report.site_id, request.POST if request.method == "POST" else None)
    problem = notice = ""
    if request.method == "POST" and form.is_valid():
        try:
            requests.send(
                report, form.cleaned_data["place"], actor=request.user, **page_origin(request)
            )
            notice = "It will be delivered."
        except (Refused, NotAllowed) as error:
            problem = error.words
    elif request.method == "POST":
        problem = "Choose a place from the list."
    record_read("report.deliveries", request=request, study=report.study)
    context = {"form": form, "problem": problem, "notice": notice, **_of_report(report, who)}
    return render(request, "deliveries/_dialog.html", context)
