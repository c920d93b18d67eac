"""The menu of saved filters: what is in it, one more, one less."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from pacs.accounts.addresses import page_origin
from pacs.accounts.principal import principal_of
from studies.saved import services
from studies.saved.menu import menu_of
from studies.saved.models import SavedFilter
from studies.views.worklist import asked, signed_in


@require_POST
@signed_in
def save(request: HttpRequest) -> HttpResponse:
    """Keep the filters of the body, without their free text, as `name`, shared with `share`."""
    wanted = asked(request)
    shared = request.POST.get("share", "")
    sites = {str(site.pk): site.pk for site in wanted.sites}
    context: dict[str, Any] = {}
    try:
        if shared and shared not in sites:
            raise services.NotSaved("You do not work at this site.")
        saved = services.save(
            wanted.principal,
            request.user,
            name=request.POST.get("name", ""),
            query=wanted.url().partition("?")[2],
            site_id=sites[shared] if shared else None,
            **page_origin(request),
        )
        context["notice"] = f"Saved as “{saved.name}”."
        if wanted.filters.words:
            context["notice"] += " The search text is not kept: it may name a patient."
    except services.NotSaved as error:
        context |= {"problem": error.words, "name": request.POST.get("name", "")}
    return render(request, "studies/_saved.html", menu_of(wanted.principal, wanted.sites) | context)


@require_POST
@signed_in
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a saved filter away. 404 for one that is not the person's to remove."""
    wanted = asked(request)
    try:
        services.remove(principal_of(request.user), request.user, pk, **page_origin(request))
    except SavedFilter.DoesNotExist:
        raise Http404 from None
    context = menu_of(wanted.principal, wanted.sites) | {"notice": "Removed."}
    return render(request, "studies/_saved.html", context)
