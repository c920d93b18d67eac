"""The report in a window of its own, for a second monitor."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from pacs.accounts.principal import principal_of
from pacs.audit import record_read
from studies.annotations.services import may_annotate
from studies.models import Study
from studies.views.worklist import signed_in


@require_GET
@signed_in
def write(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The panel of one study's report as a page; for those who see the study's site whole."""
    who = principal_of(request.user)
    visible = Study.objects.visible_to(who).select_related("site")
    study = get_object_or_404(visible, pk=pk)
    if not who.is_superuser and study.site_id not in who.whole_sites:
        raise PermissionDenied
    record_read("study.opened", request=request, study=study)
    context = {"study": study, "may_annotate": may_annotate(who, study.site_id)}
    return render(request, "reports/write.html", context)


@require_GET
@signed_in
def logged_in(request: HttpRequest) -> HttpResponseBase:
    """Where a login ends that was made for a window with unsaved text."""
    return render(request, "reports/logged_in.html")
