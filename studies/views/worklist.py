"""The worklist: the page, its table for htmx, and a single row for live changes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from pacs.accounts.middleware import is_navigation
from pacs.accounts.models import Site
from pacs.accounts.principal import Principal, principal_of
from pacs.audit import record_read
from pacs.events.models import SiteSequence
from studies.appearance.services import appearance_of, columns_in
from studies.filters import WorklistFilter
from studies.models import Study
from studies.reading import people
from studies.reading.people import rights_of
from studies.rows import row_html
from studies.saved.menu import menu_of
from studies.services.arrival import judged_sites
from studies.tables import WorklistTable, page_of, sort_of, with_work, worklist_page
from studies.templatetags.chrome import unread_stat

View = Callable[..., HttpResponseBase]


def signed_in(view: View) -> View:
    """Lets users in. A page goes to the login, a script is told 401."""

    @functools.wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if is_navigation(request):
            return redirect_to_login(request.path, resolve_url(settings.LOGIN_URL))
        headers = {}
        if "HX-Request" in request.headers:
            headers["HX-Redirect"] = resolve_url(settings.LOGIN_URL)
        return HttpResponse(status=401, headers=headers)

    return wrapper


@dataclass
class Asked:
    """What a request asks of the worklist, and for whom."""

    principal: Principal
    sites: list[Site]
    filters: WorklistFilter
    sort: str
    page: int
    columns: tuple[str, ...]
    """Those that the page shows that asks; what was chosen since is on the next one."""

    @property
    def by_grant(self) -> bool:
        """Whether some of the studies are seen through a StudyGrant only."""
        principal = self.principal
        return not principal.is_superuser and bool(principal.grant_sites)

    def url(self) -> str:
        """The address of this list, without the free text."""
        query = self.filters.url_query(
            sort="" if self.sort == sort_of(None) else self.sort,
            page=0 if self.page == 1 else self.page,
        )
        path = reverse("worklist")
        return f"{path}?{query}" if query else path


def asked(request: HttpRequest) -> Asked:
    """Reads filters, sort and page from a POST body or from the query string."""
    principal = principal_of(request.user)
    sites = list(Site.objects.filter(pk__in=principal.sites).order_by("name"))
    with_text = request.method == "POST"
    source = request.POST if with_text else request.GET
    return Asked(
        principal=principal,
        sites=sites,
        filters=WorklistFilter(request, principal, sites, with_text=with_text),
        sort=sort_of(source.get("sort")),
        page=page_of(source.get("page")),
        columns=columns_in(source.get("columns", "")),
    )


def sequences(sites: list[Site]) -> dict[str, int]:
    """The last event number of each site, read before the rows: what comes later is news."""
    ids = [site.pk for site in sites]
    known = dict(SiteSequence.objects.filter(site_id__in=ids).values_list("site_id", "seq"))
    return {str(pk): known.get(pk, 0) for pk in ids}


def listing(request: HttpRequest, wanted: Asked) -> dict[str, Any]:
    """The context of `_list.html`."""
    seen = sequences(wanted.sites)
    page = worklist_page(
        wanted.filters,
        wanted.sort,
        wanted.page,
        sites=None if wanted.principal.is_superuser else sorted(wanted.principal.whole_sites),
        by_grant=wanted.by_grant,
    )
    nothing_yet = (
        not page.studies
        and not Study.objects.visible_to(wanted.principal).order_by().only("id")[:1].exists()
    )
    look = appearance_of(wanted.principal.user_id)
    return {
        "filters": wanted.filters,
        "form": wanted.filters.form,
        "page": page,
        "table": WorklistTable(page.studies, wanted.sort, look.columns),
        "columns": look.columns,
        "look": look,
        "sort": wanted.sort,
        "sequences": seen,
        "now": timezone.now(),
        "nothing_yet": nothing_yet,
        "many_sites": len(wanted.sites) > 1,
        "judged_sites": judged_sites(wanted.principal),
        "rights": rights_of(wanted.principal),
        "sites": wanted.sites,
        "by_grant_only": not wanted.principal.whole_sites and wanted.by_grant,
    }


@require_GET
@signed_in
def worklist(request: HttpRequest) -> HttpResponse:
    """The page. Opens on unread work of all dates, STAT first, then the longest waiting."""
    wanted = asked(request)
    record_read("worklist.opened", request=request)
    return page_of_list(request, wanted, listing(request, wanted))


def page_of_list(request: HttpRequest, wanted: Asked, context: dict[str, Any]) -> HttpResponse:
    """The whole page, with what stands around the list."""
    context |= menu_of(wanted.principal, wanted.sites)
    context["assignees"] = people.assignable_by(wanted.principal)
    return render(request, "studies/worklist.html", context)


@require_http_methods(["GET", "POST"])
@signed_in
def table(request: HttpRequest) -> HttpResponse:
    """The table alone, for htmx. A POST may carry free text; the pushed URL never does."""
    wanted = asked(request)
    context = listing(request, wanted)
    if wanted.filters.words:
        record_read(
            "worklist.searched",
            request=request,
            detail={"words": len(wanted.filters.words), "found": context["page"].count},
        )
    if "HX-Request" not in request.headers:
        return page_of_list(request, wanted, context)
    context |= {"swap": True, "unread_stat": unread_stat(wanted.principal)}
    response = render(request, "studies/_list.html", context)
    if "X-Background" not in request.headers:
        response.headers["HX-Push-Url"] = pushed_url(request, wanted.url())
    return response


def pushed_url(request: HttpRequest, url: str) -> str:
    """The URL for the browser's history; `false` where it is there already."""
    parts = urlsplit(request.headers.get("HX-Current-URL", ""))
    current = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return "false" if current == url else url


@require_http_methods(["GET", "POST"])
@signed_in
def row(request: HttpRequest, pk: int) -> HttpResponse:
    """One row as the list shows it; 204 where the list would not show it."""
    wanted = asked(request)
    study = with_work(wanted.filters.matching().filter(pk=pk)).first()
    if study is None:
        response = HttpResponse(status=204, headers={"Cache-Control": "no-store"})
    else:
        response = HttpResponse(
            row_html(
                study,
                columns=wanted.columns,
                sort=wanted.sort,
                rights=rights_of(wanted.principal),
                judged_sites=judged_sites(wanted.principal),
            )
        )
    response.headers["X-Unread-Stat"] = unread_stat(wanted.principal)
    return response
