"""Signed reports as pages and PDFs, and the pictures in them."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_GET

from pacs.audit import record_read
from reports.errors import ReportError
from reports.models import Report, ReportVersion
from reports.output import html, pdf, pictures, shown
from reports.output.access import newest_of, versions_visible_to
from reports.output.pictures import PictureMissing, Source
from studies.annotations import pictures as key_images
from studies.annotations.models import KeyImage
from studies.views.worklist import signed_in


def _version(request: HttpRequest, pk: int) -> ReportVersion:
    found = versions_visible_to(request.user).select_related("report__site", "report__study")
    version: ReportVersion = get_object_or_404(found, pk=pk)
    return version


def _read(request: HttpRequest, action: str, report: Report, **detail: Any) -> None:
    record_read(
        action,
        request=request,
        study=report.study,
        detail={"report": report.pk, **detail},
    )


@require_GET
@signed_in
def report_document(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The newest signed version of a report; its draft where there is none yet."""
    report: Report = get_object_or_404(
        Report.objects.visible_to(request.user).select_related("study__site"), pk=pk
    )
    newest = newest_of(report)
    if newest is not None:
        return redirect("report-version", newest.pk)
    _read(request, "report.read", report)
    return HttpResponse(html.render(report))


@require_GET
@signed_in
def version_document(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A signed version as a page, as it was when it was signed."""
    version = _version(request, pk)
    _read(request, "report.read", version.report, version=version.number)
    return HttpResponse(html.render(version))


@require_GET
@signed_in
def version_pdf(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The PDF of a signed version; 503 with words where it cannot be made (now)."""
    version = _version(request, pk)
    try:
        found = pdf.pdf(version)
    except ReportError as error:
        return HttpResponse(error.words, status=503, content_type="text/plain; charset=utf-8")
    _read(request, "report.pdf", version.report, version=version.number)
    name = f"report-{version.report_id}-{version.number}.pdf"
    return HttpResponse(
        found,
        content_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="{name}"', "Cache-Control": "no-store"},
    )


@require_GET
@signed_in
def version_picture(request: HttpRequest, pk: int, sha256: str) -> HttpResponseBase:
    """A key image of a version, as it was signed."""
    version = _version(request, pk)
    for part in shown.of_version(version).parts:
        for image in part.content.get("key_images") or []:
            if image.get("sha256") != sha256:
                continue
            source = Source(version, version.report.study_id, None, sha256, image["archive_key"])
            try:
                found = pictures.read(source)
            except PictureMissing:
                raise Http404 from None
            except ReportError as error:
                return HttpResponse(error.words, status=503, content_type="text/plain")
            return HttpResponse(
                found, content_type="image/png", headers={"Cache-Control": "no-store"}
            )
    raise Http404


@require_GET
@signed_in
def key_image_picture(request: HttpRequest, pk: Any) -> HttpResponseBase:
    """A key image as it is now, for the draft of a report."""
    key_image: KeyImage = get_object_or_404(KeyImage.objects.visible_to(request.user), pk=pk)
    try:
        found = key_images.picture(key_image)
    except key_images.PictureBusy as error:
        return HttpResponse(error.words, status=503, content_type="text/plain")
    except key_images.PictureError:
        raise Http404 from None
    return HttpResponse(found, content_type="image/png", headers={"Cache-Control": "no-store"})
