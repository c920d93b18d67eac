"""The status page, for superusers and site administrators."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from pacs.accounts.principal import principal_of
from pacs.audit import record_read
from studies.status import registry
from studies.views.worklist import signed_in


@require_GET
@signed_in
def status(request: HttpRequest) -> HttpResponse:
    """How everything does within one's reach. Who runs nothing does not find the page."""
    reach = registry.reach_of(principal_of(request.user))
    if reach is None:
        raise Http404
    panels = registry.panels(reach)
    record_read("status.opened", request=request)
    trouble = [
        (panel, line)
        for panel in panels
        for line in panel.lines
        if line.level == registry.Level.STAT
    ]
    context = {
        "panels": panels,
        "trouble": trouble,
        "failed": [panel for panel in panels if panel.failed],
        "everything": reach.is_everything,
        "now": timezone.now(),
    }
    template = "_status.html" if "HX-Request" in request.headers else "status.html"
    return render(request, f"studies/{template}", context)
