"""Encapsulated PDFs for the viewer: the pages of one, as pictures."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from pacs.audit import record_read
from studies import archive
from studies.dicom.pixels.client import PixelError, PixelTimeout
from studies.dicomweb.encapsulated import ENCAPSULATED_PDF
from studies.models import Instance, Study
from studies.services.pixels import pixel_service
from studies.views.worklist import signed_in

USUAL_WIDTH = 1200


@require_GET
@signed_in
def document(request: HttpRequest, pk: int, uid: str) -> HttpResponseBase:
    """`GET /studies/<id>/documents/<uid>/`: the sizes of the pages in points, as JSON.

    404 for what is hidden or no encapsulated PDF, 422 with words for one that cannot be shown.
    """
    instance = _document(request, pk, uid)
    try:
        pages = pixel_service().pages(archive.local_path(instance.archive_key))
    except PixelError as error:
        return JsonResponse({"detail": _words(error)}, status=_status(error))
    return JsonResponse({"pages": pages}, headers={"Cache-Control": "no-store"})


@require_GET
@signed_in
def document_page(request: HttpRequest, pk: int, uid: str, number: int) -> HttpResponseBase:
    """`GET /studies/<id>/documents/<uid>/pages/<n>/?width=`: a page as PNG."""
    width = request.GET.get("width", "")
    instance = _document(request, pk, uid)
    try:
        found = pixel_service().page(
            archive.local_path(instance.archive_key),
            number,
            int(width) if width.isascii() and width.isdigit() and len(width) < 6 else USUAL_WIDTH,
        )
    except PixelError as error:
        words = _words(error)
        return HttpResponse(words, status=_status(error), content_type="text/plain; charset=utf-8")
    return HttpResponse(found, content_type="image/png", headers={"Cache-Control": "no-store"})


def _document(request: HttpRequest, pk: int, uid: str) -> Any:
    visible = Study.objects.visible_to(request.user, rejected=True)
    study: Study = get_object_or_404(visible, pk=pk)
    instance = Instance.objects.filter(
        series__study=study, sop_instance_uid=uid, sop_class_uid=ENCAPSULATED_PDF
    ).first()
    if instance is None:
        raise Http404
    detail = {"instance": instance.pk}
    record_read("study.document", request=request, study=study, detail=detail)
    return instance


def _words(error: PixelError) -> str:
    if isinstance(error, PixelTimeout):
        return "The server takes too long for it now. Try again."
    return f"The document cannot be shown: {error}."


def _status(error: PixelError) -> int:
    return 503 if isinstance(error, PixelTimeout) else 422
