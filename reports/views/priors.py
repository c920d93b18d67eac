"""The priors of a study, as a fragment for the viewer and the report panel."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from pacs.accounts.principal import principal_of
from pacs.audit import record_read
from reports.priors import priors_of
from studies.models import Study
from studies.views.worklist import signed_in


@require_GET
@signed_in
def priors(request: HttpRequest, pk: int) -> HttpResponse:
    """Other studies and reports of the study's patient, newest first."""
    who = principal_of(request.user)
    study: Study = get_object_or_404(Study.objects.visible_to(who), pk=pk)
    record_read("priors.read", request=request, study=study)
    context = {"study": study, "priors": priors_of(study, who)}
    return render(request, "reports/_priors.html", context)
