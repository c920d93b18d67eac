"""Files that the one door would not take, for those who can do something about it."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from pacs.accounts.models import Role
from pacs.accounts.principal import principal_of
from pacs.audit import record_read
from studies.models import QuarantinedFile
from studies.tables import page_of
from studies.views.worklist import signed_in

PAGE_SIZE = 50
HANDLERS = (Role.TECHNICIAN, Role.SITE_ADMIN)


@require_GET
@signed_in
def quarantine(request: HttpRequest) -> HttpResponse:
    """Open files, newest first. Who handles no quarantine at any site does not find the page."""
    user: Any = request.user
    if not user.is_superuser and not any(role in HANDLERS for _, role in principal_of(user).roles):
        raise Http404
    files = QuarantinedFile.objects.visible_to(user).filter(is_open=True).select_related("site")
    page = Paginator(files, PAGE_SIZE).get_page(page_of(request.GET.get("page")))
    record_read("quarantine.opened", request=request)
    return render(request, "studies/quarantine.html", {"page": page})
