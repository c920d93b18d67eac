"""`/fhir/`: reports and studies for programs that speak FHIR R4."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import exceptions
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs.accounts.permissions import IsMember, origin, principal
from pacs.audit import record_read
from reports.errors import ReportError
from reports.models import Report, ReportVersion
from reports.output import fhir
from reports.output.access import newest_of, versions_visible_to
from reports.output.pdf import pdf
from studies.models import Study

MEDIA_TYPE = "application/fhir+json"
BIG = 2**63 - 1
COUNT, MOST = 20, 100
RELEASED = "2026-01-01"
CODES = {
    400: "invalid", 401: "login", 403: "forbidden", 404: "not-found", 405: "not-supported",
    503: "transient",
}  # fmt: skip


class FhirRenderer(JSONRenderer):
    """JSON by FHIR's media type."""

    media_type = MEDIA_TYPE
    format = "fhir"
    charset = None


class OneAnswer(BaseContentNegotiation):
    """The same, whatever was asked for: clients ask for it by several names."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return next(iter(parsers))

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class Anybody(BasePermission):
    """Who has not logged in, too: for what says nothing of anybody."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return True


class FhirView(APIView):
    """Answers in FHIR, problems included (OperationOutcome)."""

    permission_classes: Any = (IsMember,)
    renderer_classes = (FhirRenderer,)
    content_negotiation_class = OneAnswer
    http_method_names = ("get", "head", "options")

    def handle_exception(self, exc: Exception) -> Response:
        answer = super().handle_exception(exc)
        detail = answer.data.get("detail", "") if isinstance(answer.data, dict) else ""
        words = str(detail) or "The request is malformed."
        answer.data = fhir.outcome(CODES.get(answer.status_code, "processing"), words)
        return answer


OUTCOMES = {
    (401, MEDIA_TYPE): OpenApiResponse(OpenApiTypes.OBJECT, "No session and no valid token."),
    (403, MEDIA_TYPE): OpenApiResponse(OpenApiTypes.OBJECT, "The token lacks the scope."),
    (404, MEDIA_TYPE): OpenApiResponse(OpenApiTypes.OBJECT, "There is none, or it is hidden."),
}
FOUND = {(200, MEDIA_TYPE): OpenApiTypes.OBJECT}


class DiagnosticReportView(FhirView):
    """`GET /fhir/DiagnosticReport/<id>`: the report in its newest version."""

    @extend_schema(operation_id="fhir_diagnostic_report", responses={**FOUND, **OUTCOMES})
    def get(self, request: Request, pk: int) -> Response:
        found = Report.objects.visible_to(principal(request))
        report = found.select_related("study__site").filter(pk=min(pk, BIG)).first()
        if report is None:
            raise exceptions.NotFound
        _read(request, "fhir.report", report.study, report=report.pk)
        return Response(_resource(report))


class DiagnosticReportSearchView(FhirView):
    """`GET /fhir/DiagnosticReport?patient=&study=&_count=`: reports, the newest first.

    `patient` is a PatientID, alone or as `system|value`; `study` a StudyInstanceUID, with or
    without `urn:oid:`, or `ImagingStudy/<id>`.
    """

    @extend_schema(
        operation_id="fhir_diagnostic_report_search",
        parameters=[
            OpenApiParameter("patient", str),
            OpenApiParameter("study", str),
            OpenApiParameter("_count", int),
            OpenApiParameter("_offset", int),
        ],
        responses={
            **FOUND,
            (400, MEDIA_TYPE): OpenApiResponse(OpenApiTypes.OBJECT, "A parameter is malformed."),
            (401, MEDIA_TYPE): OUTCOMES[401, MEDIA_TYPE],
            (403, MEDIA_TYPE): OUTCOMES[403, MEDIA_TYPE],
        },
    )
    def get(self, request: Request) -> Response:
        asked = request.query_params
        found = Report.objects.visible_to(principal(request))
        if patient := asked.get("patient"):
            found = found.filter(study__patient_id=_sane(patient.split("|")[-1]))
        if study := asked.get("study"):
            found = found.filter(_of_study(_sane(study)))
        count = min(_number(asked.get("_count"), COUNT), MOST)
        offset = min(_number(asked.get("_offset"), 0), BIG - MOST)
        total = found.count()
        rows = list(
            found.select_related("study__site").order_by("-id")[offset : offset + count]
            if offset < total
            else []
        )
        for study_row in {row.study_id: row.study for row in rows}.values():
            _read(request, "fhir.search", study_row)
        kept = {name: asked[name] for name in ("patient", "study") if name in asked}
        following = ""
        if count and offset + count < total:
            following = _link({**kept, "_count": count, "_offset": offset + count})
        link = _link({**kept, "_count": count, "_offset": offset})
        made = [_resource(row) for row in rows]
        return Response(fhir.bundle(made, total=total, link=link, following=following))


class ImagingStudyView(FhirView):
    """`GET /fhir/ImagingStudy/<id>`."""

    @extend_schema(operation_id="fhir_imaging_study", responses={**FOUND, **OUTCOMES})
    def get(self, request: Request, pk: int) -> Response:
        found = Study.objects.visible_to(principal(request)).select_related("site")
        study = found.filter(pk=min(pk, BIG)).first()
        if study is None:
            raise exceptions.NotFound
        _read(request, "fhir.study", study)
        return Response(fhir.imaging_study(study))


class Unavailable(exceptions.APIException):
    """It is there and cannot be given now."""

    status_code = 503


class BinaryView(FhirView):
    """`GET /fhir/Binary/<id>`: the PDF that a report's presentedForm names."""

    @extend_schema(
        operation_id="fhir_binary",
        responses={
            (200, "application/pdf"): OpenApiTypes.BINARY,
            **OUTCOMES,
            (503, MEDIA_TYPE): OpenApiResponse(OpenApiTypes.OBJECT, "It cannot be made now."),
        },
    )
    def get(self, request: Request, pk: int) -> HttpResponse:
        found = versions_visible_to(principal(request)).select_related("report__study__site")
        version: ReportVersion | None = found.filter(pk=min(pk, BIG)).first()
        if version is None:
            raise exceptions.NotFound
        try:
            document = pdf(version)
        except ReportError as error:
            raise Unavailable(error.words) from None
        _read(request, "report.pdf", version.report.study, version=version.number)
        return HttpResponse(
            document, content_type="application/pdf", headers={"Cache-Control": "no-store"}
        )


class MetadataView(FhirView):
    """`GET /fhir/metadata`: the CapabilityStatement, for anybody."""

    authentication_classes: Any = ()
    permission_classes: Any = (Anybody,)

    @extend_schema(operation_id="fhir_metadata", responses=FOUND)
    def get(self, request: Request) -> Response:
        return Response(fhir.capabilities("1", RELEASED))


def _resource(report: Report) -> dict[str, Any]:
    version = newest_of(report)
    if version is None:
        return fhir.registered(report)
    version.report = report
    return fhir.diagnostic_report(version)


def _of_study(text: str) -> Q:
    kind, _, number = text.rpartition("/")
    if kind.endswith("ImagingStudy") and number.isascii() and number.isdecimal():
        return Q(study_id=min(int(number[:30]), BIG))
    return Q(study__study_instance_uid=text.split("|")[-1].removeprefix("urn:oid:"))


def _sane(text: str) -> str:
    if "\0" in text or len(text) > 300:
        raise exceptions.ParseError("A parameter is malformed.")
    return text


def _number(text: str | None, otherwise: int) -> int:
    if text is None or text == "":
        return otherwise
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise exceptions.ParseError("_count and _offset are whole numbers.")
    return int(text)


def _link(parameters: dict[str, Any]) -> str:
    return f"{fhir.root()}/DiagnosticReport?{urlencode(parameters)}"


def _read(request: Request, action: str, study: Study, **detail: Any) -> None:
    record_read(action, actor=request.user, study=study, detail=detail or None, **origin(request))
