"""Pages of templates and macros: to look at for who works at a site, one's own to change."""

from __future__ import annotations

import json
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Max, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from pacs.accounts.addresses import page_origin
from pacs.accounts.principal import Principal, principal_of
from reports import document
from reports.errors import ReportError
from reports.templating import services
from reports.templating.inserts import example
from reports.templating.models import Macro, ReportTemplate, TemplateVersion
from reports.templating.starting import expanded
from reports.writing import characters
from reports.writing.cleaning import plain_text
from studies.tables import page_of
from studies.views.worklist import signed_in

PAGE_SIZE = 50
MAX_POSTED = 1_500_000
SHOWS = {"own": "Mine", "site": "My sites", "everybody": "Everybody's"}


def _principal(request: HttpRequest) -> Principal:
    """Whoever works at a site; referrers do not find these pages."""
    who = principal_of(request.user)
    if not (who.is_superuser or who.whole_sites):
        raise Http404
    return who


def _shown(request: HttpRequest, who: Principal) -> tuple[str, str]:
    words = characters.line(request.GET.get("q", "")[:200])
    show = request.GET.get("show", "")
    return words, show if show in SHOWS else ""


def _narrowed(rows: QuerySet[Any], who: Principal, show: str) -> QuerySet[Any]:
    if show == "own":
        return rows.filter(owner=who.user_id)
    if show == "site":
        return rows.exclude(site=None).filter(owner=None)
    return rows.filter(site=None, owner=None) if show == "everybody" else rows


@require_GET
@signed_in
def templates(request: HttpRequest) -> HttpResponse:
    """Templates, one's own first; retired ones only of one's own. `q` finds names and parts."""
    who = _principal(request)
    words, show = _shown(request, who)
    rows = ReportTemplate.objects.visible_to(who).filter(Q(is_active=True) | Q(owner=who.user_id))
    for word in words.split():
        rows = rows.filter(
            Q(name__icontains=word) | Q(modalities__icontains=word) | Q(body_parts__icontains=word)
        )
    rows = (
        _narrowed(rows, who, show)
        .select_related("site")
        .annotate(newest=Max("versions__number"), rank=Max("owner"))
        .order_by("-is_active", "-rank", "name", "id")
    )
    page = Paginator(rows, PAGE_SIZE).get_page(page_of(request.GET.get("page")))
    for template in page.object_list:
        template.may_change = services.may_change(who, template)
    context = {
        "page": page, "words": words, "show": show, "shows": SHOWS,
        "may_keep_own": services.may_keep_own(who),
    }  # fmt: skip
    name = "_list" if "HX-Request" in request.headers else "list"
    return render(request, f"reports/templates/{name}.html", context)


@require_GET
@signed_in
def macros(request: HttpRequest) -> HttpResponse:
    """Macros, one's own first."""
    who = _principal(request)
    words, show = _shown(request, who)
    rows = _narrowed(Macro.objects.visible_to(who), who, show)
    for word in words.split():
        rows = rows.filter(Q(abbreviation__icontains=word) | Q(html__icontains=word))
    rows = (
        rows.select_related("site")
        .annotate(rank=Max("owner"))
        .order_by("-rank", "abbreviation", "id")
    )
    page = Paginator(rows, PAGE_SIZE).get_page(page_of(request.GET.get("page")))
    for macro in page.object_list:
        _dress(macro, who)
    context = {
        "page": page, "words": words, "show": show, "shows": SHOWS,
        "may_keep_own": services.may_keep_own(who),
    }  # fmt: skip
    name = "_list" if "HX-Request" in request.headers else "list"
    return render(request, f"reports/macros/{name}.html", context)


def _dress(macro: Macro, who: Principal) -> None:
    macro.may_change = services.may_change(who, macro)  # type: ignore[attr-defined]
    macro.text = plain_text(macro.html)[:300]  # type: ignore[attr-defined]


@require_GET
@signed_in
def template(request: HttpRequest, pk: int) -> HttpResponse:
    """A version as a report of it would look, empty and normal."""
    who = _principal(request)
    found = get_object_or_404(ReportTemplate.objects.visible_to(who).select_related("site"), pk=pk)
    versions = found.versions.select_related("author")
    wanted = request.GET.get("version", "")
    chosen: TemplateVersion | None = versions.first()
    if wanted:
        number = int(wanted) if wanted.isdecimal() and len(wanted) < 10 else 0
        chosen = get_object_or_404(versions, number=number)
    if chosen is None:
        raise Http404
    context = {
        "template": found, "version": chosen, "versions": versions,
        "body": expanded(chosen, example(found.language)),
        "may_change": services.may_change(who, found),
        "may_keep_own": services.may_keep_own(who),
    }  # fmt: skip
    return render(request, "reports/templates/template.html", context)


@require_http_methods(["GET", "POST"])
@signed_in
def edit_template(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """The form of a template. Posted as JSON: `{"name", "language", "modalities", "body_parts",
    "procedure_codes", "body"}`; 200 `{"url"}`, or the error's status and `{"problem", "place"}`.
    """
    who = _principal(request)
    found = None
    if pk is not None:
        found = get_object_or_404(ReportTemplate.objects.visible_to(who), pk=pk)
    if not (services.may_change(who, found) if found else services.may_keep_own(who)):
        raise Http404
    if request.method == "POST":
        return _answer(request, lambda said: _save_template(request, found, said))
    newest = services.newest_version(found) if found else None
    body = newest.body if newest else _blank()
    return render(
        request, "reports/templates/edit.html", {"template": found, "body": body, "blank": {}}
    )


def _save_template(request: HttpRequest, found: ReportTemplate | None, said: dict[str, Any]) -> str:
    details = {
        name: said.get(name)
        for name in ("name", "language", "modalities", "body_parts", "procedure_codes")
    }
    if not isinstance(details["name"], str):
        details["name"] = ""
    actor: Any = request.user
    origin = page_origin(request)
    if found is None:
        found = services.create_template(
            actor, body=said.get("body"), owner=actor, origin=origin, **details
        )
    else:
        services.revise(actor, found, said.get("body"), origin=origin)
        services.describe(actor, found, origin=origin, **details)
    return reverse("report-template", args=[found.pk])


def _answer(request: HttpRequest, save: Any) -> HttpResponse:
    try:
        if len(request.body) > MAX_POSTED:
            raise ValueError
        said = json.loads(request.body)
        if not isinstance(said, dict):
            raise TypeError
    except (ValueError, TypeError, RecursionError):
        return JsonResponse({"problem": "This is no template.", "place": []}, status=400)
    try:
        return JsonResponse({"url": save(said)})
    except ReportError as error:
        place = list(error.detail.get("place", ()))
        return JsonResponse({"problem": error.words, "place": place}, status=error.status)


def _blank() -> dict[str, Any]:
    return {
        "title": "",
        "sections": [
            {"key": key, "title": title, "html": "", "normal": "", "fields": [],
             "required": key in ("findings", "impression")}
            for key, title in document.SECTIONS.items()
        ],
    }  # fmt: skip


@require_POST
@signed_in
def act_on_template(request: HttpRequest, pk: int, action: str) -> HttpResponse:
    """Copy to one's own (then the form of the copy), retire, restore (then the row)."""
    who = _principal(request)
    found = get_object_or_404(ReportTemplate.objects.visible_to(who), pk=pk)
    actor: Any = request.user
    origin = page_origin(request)
    problem = ""
    try:
        if action == "copy":
            made = services.copy(actor, found, origin=origin)
            return _go(request, reverse("report-template-edit", args=[made.pk]))
        services.set_active(actor, found, active=action == "restore", origin=origin)
    except ReportError as error:
        if error.status == 403:
            raise Http404 from error
        problem = error.words
    found.newest = found.versions.aggregate(newest=Max("number"))["newest"]  # type: ignore[attr-defined]
    found.may_change = services.may_change(who, found)  # type: ignore[attr-defined]
    context = {"template": found, "may_keep_own": services.may_keep_own(who), "problem": problem}
    return render(request, "reports/templates/_row.html", context)


def _go(request: HttpRequest, url: str) -> HttpResponse:
    if "HX-Request" in request.headers:
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)


@require_http_methods(["GET", "POST"])
@signed_in
def edit_macro(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """The form of a macro. Posted as JSON; answers as `edit_template` does."""
    who = _principal(request)
    found = None
    if pk is not None:
        found = get_object_or_404(Macro.objects.visible_to(who), pk=pk)
    if not (services.may_change(who, found) if found else services.may_keep_own(who)):
        raise Http404
    if request.method == "POST":
        return _answer(request, lambda said: _save_macro(request, found, said))
    context = {"macro": found, "sections": {**document.SECTIONS, document.ADDENDUM: "Addendum"}}
    return render(request, "reports/macros/edit.html", context)


def _save_macro(request: HttpRequest, found: Macro | None, said: dict[str, Any]) -> str:
    known = {
        name: said.get(name)
        for name in ("abbreviation", "html", "sections", "modalities", "language")
    }
    owner: Any = request.user
    services.save_macro(
        owner, found, owner=None if found else owner, origin=page_origin(request), **known
    )
    return reverse("report-macros")


@require_POST
@signed_in
def act_on_macro(request: HttpRequest, pk: int, action: str) -> HttpResponse:
    """Copy to one's own, or delete (then nothing is left of the row)."""
    who = _principal(request)
    found = get_object_or_404(Macro.objects.visible_to(who), pk=pk)
    actor: Any = request.user
    origin = page_origin(request)
    try:
        if action == "delete":
            services.delete_macro(actor, found, origin=origin)
            return HttpResponse("")
        made = services.save_macro(
            actor,
            owner=actor,
            origin=origin,
            abbreviation=found.abbreviation,
            html=found.html,
            sections=found.sections,
            modalities=found.modalities,
            language=found.language,
        )
        return _go(request, reverse("report-macro-edit", args=[made.pk]))
    except ReportError as error:
        if error.status == 403:
            raise Http404 from error
        _dress(found, who)
        context = {"macro": found, "may_keep_own": True, "problem": error.words}
        return render(request, "reports/macros/_row.html", context)
