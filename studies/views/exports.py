"""Taking pictures and studies out of the portal: asked for here, audited before anything leaves."""

from __future__ import annotations

import secrets
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_POST
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import exceptions, serializers
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs import audit
from pacs.accounts.addresses import page_origin
from pacs.accounts.permissions import IsMember, origin, principal
from pacs.accounts.principal import principal_of
from pacs.audit import record_read
from studies.exports import deidentified
from studies.exports.access import Kind, may_export
from studies.exports.zipped import streamed
from studies.models import Instance, Study
from studies.views.problems import (
    BAD_REQUEST,
    FORBIDDEN,
    NOT_FOUND,
    UNAUTHENTICATED,
    UNSUPPORTED,
    Conflict,
    Detail,
)
from studies.views.worklist import signed_in

FORMS = {"png": "png", "jpeg": "jpg"}
ZIP_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def exportable(request: HttpRequest, pk: int, kind: Kind) -> Study:
    """The study, for somebody who may take this out of it; 404 for everybody else."""
    study: Study = get_object_or_404(
        Study.objects.visible_to(request.user).select_related("site"), pk=pk
    )
    if not may_export(principal_of(request.user), study.site_id, kind):
        raise Http404
    return study


def download(pieces: Any, name: str) -> StreamingHttpResponse:
    """A ZIP that is made while it goes out."""
    return StreamingHttpResponse(
        streamed(pieces),
        content_type="application/zip",
        headers={**ZIP_HEADERS, "Content-Disposition": f'attachment; filename="{name}"'},
    )


@require_GET
@signed_in
def exports(request: HttpRequest, pk: int) -> HttpResponse:
    """What can be taken out of a study, and as what."""
    study = exportable(request, pk, Kind.STUDY)
    who = principal_of(request.user)
    record_read("export.opened", request=request, study=study)
    return render(
        request,
        "studies/export.html",
        {
            "study": study,
            "images": Instance.objects.filter(series__study=study).count(),
            "deidentifies": may_export(who, study.site_id, Kind.DEIDENTIFIED),
        },
    )


@require_GET
@signed_in
def check(request: HttpRequest, pk: int) -> HttpResponse:
    """A part of the page: which images can be given without names, and why the others cannot."""
    study = exportable(request, pk, Kind.DEIDENTIFIED)
    strict, lenient = deidentified.assess(study)
    context = {"study": study, "strict": strict, "lenient": lenient}
    return render(request, "studies/_export_check.html", context)


@require_POST
@signed_in
def deidentified_copy(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A copy that names nobody; 409 where no image can be given."""
    study = exportable(request, pk, Kind.DEIDENTIFIED)
    silent = request.POST.get("silent") == "on"
    found = deidentified.assess(study)[silent]
    if not found.given:
        words = "No image of this study can be given without names."
        return HttpResponse(words, status=409, content_type="text/plain; charset=utf-8")
    audit.record(
        "study.deidentified",
        actor=request.user,
        study=study,
        detail={"images": len(found.given), "of": found.total, "silent": silent},
        **page_origin(request),
    )
    pieces = deidentified.archive(found, silent=silent)
    return download(pieces, f"deidentified-{secrets.token_hex(4)}.zip")


class PictureSerializer(serializers.Serializer[Any]):
    """Which picture is to be written to a file, and whether it names the patient."""

    sop_instance_uid = serializers.CharField(max_length=64)
    frame = serializers.IntegerField(default=1, min_value=1, max_value=2**31 - 1)
    form = serializers.ChoiceField(choices=sorted(FORMS))
    deidentified = serializers.BooleanField()
    silent = serializers.BooleanField(default=False)
    printed = serializers.BooleanField(default=False)


class PictureName(serializers.Serializer[Any]):
    """What the file is to be called."""

    name = serializers.CharField()


class PictureView(APIView):
    """`POST /api/studies/<id>/pictures/`: asked before the browser writes what it shows to a file.

    403 for who may not, 404 for a study or an image that is not seen, 409 where words may be burned
    into an image that is to name nobody.
    """

    permission_classes = (IsMember,)
    parser_classes = (JSONParser,)
    http_method_names = ("post", "options")

    @extend_schema(
        operation_id="picture_export",
        request=PictureSerializer,
        responses={
            200: PictureName,
            400: BAD_REQUEST,
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
            404: NOT_FOUND,
            409: OpenApiResponse(Detail, "Words may be burned into this image."),
            415: UNSUPPORTED,
        },
    )
    def post(self, request: Request, pk: int) -> Response:
        who = principal(request)
        study = Study.objects.visible_to(who).filter(pk=pk).first()
        if study is None or who is None:
            raise exceptions.NotFound
        if not may_export(who, study.site_id, Kind.PICTURE):
            raise exceptions.PermissionDenied
        given = PictureSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        asked = given.validated_data
        image = (
            Instance.objects.filter(series__study=study, sop_instance_uid=asked["sop_instance_uid"])
            .select_related("series__study")
            .first()
        )
        if image is None:
            raise exceptions.NotFound
        if asked["deidentified"] and (why := deidentified.why_not(image, silent=asked["silent"])):
            raise Conflict(f"This picture is not given without names: {why}.")
        audit.record(
            "picture.printed" if asked["printed"] else "picture.exported",
            actor=request.user,
            study=study,
            detail={
                "instance": image.pk,
                "frame": asked["frame"],
                "form": asked["form"],
                "deidentified": asked["deidentified"],
            },
            **origin(request),
        )
        return Response({"name": _name(study, image, asked)})


def _name(study: Study, image: Instance, asked: dict[str, Any]) -> str:
    """Never a name or a number of the patient; without names, nothing that can be looked up."""
    ending = FORMS[asked["form"]]
    if asked["deidentified"]:
        return f"picture-{secrets.token_hex(4)}.{ending}"
    number = image.series.series_number
    series = "x" if number is None else str(number)
    return f"picture-study-{study.pk}-series-{series}-image-{image.pk}.{ending}"
