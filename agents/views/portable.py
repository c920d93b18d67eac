"""The study as a ZIP with a DICOMDIR."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_POST

from agents.errors import NotPossible
from agents.portable import portable
from pacs import audit
from pacs.accounts.addresses import page_origin
from studies.exports.access import Kind
from studies.views.exports import download, exportable
from studies.views.worklist import signed_in


@require_POST
@signed_in
def study_zip(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The images as they are corrected, with names. 409 where there are none."""
    study = exportable(request, pk, Kind.STUDY)
    try:
        made = portable(study)
    except NotPossible as error:
        return HttpResponse(str(error), status=409, content_type="text/plain; charset=utf-8")
    audit.record(
        "study.exported",
        actor=request.user,
        study=study,
        detail={"images": len(made.images)},
        **page_origin(request),
    )
    return download(made.pieces(), f"study-{study.pk}.zip")
