"""REST of drafts: open, read, save, discard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import exceptions, serializers
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs.accounts.models import User
from pacs.accounts.permissions import IsMember, origin, principal
from pacs.accounts.principal import Principal
from pacs.audit import record_read
from reports.errors import ReportError
from reports.models import Report, ReportState
from reports.output import pdf
from reports.views import templates_api
from reports.writing import drafts
from reports.writing.material import insertable
from reports.writing.state import state_of
from studies.models import Study
from studies.views.problems import (
    BAD_REQUEST,
    FORBIDDEN,
    NOT_FOUND,
    UNAUTHENTICATED,
    UNSUPPORTED,
)


class Person(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class PanelState(serializers.Serializer[Any]):
    """The report of a study as the panel shows it. `content` is a document of reports.document."""

    study = serializers.IntegerField()
    report = serializers.IntegerField(allow_null=True)
    state = serializers.ChoiceField(choices=["none", *ReportState.values])
    is_addending = serializers.BooleanField()
    revision = serializers.IntegerField()
    content = serializers.DictField(allow_null=True)
    saved_at = serializers.DateTimeField(allow_null=True)
    saved_by = Person(allow_null=True)
    writer = Person(allow_null=True)
    writable = serializers.BooleanField()
    may_start = serializers.BooleanField()
    may_take_over = serializers.BooleanField()
    may_discard = serializers.BooleanField()
    code = serializers.CharField(allow_blank=True)
    why = serializers.CharField(allow_blank=True)


class DraftSave(serializers.Serializer[Any]):
    """The document, and the revision that it was made from."""

    content = serializers.DictField()
    revision = serializers.IntegerField(min_value=1, max_value=2**31 - 1)


class DraftSaved(serializers.Serializer[Any]):
    """The revision that the server holds now."""

    revision = serializers.IntegerField()
    saved_at = serializers.DateTimeField()


class Revision(serializers.Serializer[Any]):
    revision = serializers.IntegerField(required=False, min_value=1, max_value=2**31 - 1)


CONFLICT = OpenApiResponse(
    {
        "type": "object",
        "required": ["code", "detail"],
        "properties": {
            "code": {"type": "string"},
            "detail": {"type": "string"},
            "revision": {"type": "integer"},
            "content": {"type": "object"},
            "saved_at": {"type": "string", "format": "date-time"},
            "saved_by": {"type": "object"},
            "writer": {"type": "object"},
        },
    },
    "It does not fit the report as it stands: `code` is stale (with what is there now), taken,"
    " released, signed, withdrawn, read or not-discardable; `detail` says it in words.",
)
COMMON = {401: UNAUTHENTICATED, 403: FORBIDDEN, 404: NOT_FOUND}


def refusal(error: ReportError) -> Response:
    """The error in words and, where somebody saved in between, what is there now."""
    return Response({"code": error.code, "detail": error.words, **error.detail}, error.status)


def asking(request: Request) -> tuple[User, Principal]:
    """Who asks. The permission class has seen to it that it is somebody."""
    who = principal(request)
    if who is None:
        raise exceptions.NotAuthenticated
    return cast("User", request.user), who


def whole_study(pk: int, who: Principal) -> Study:
    """The study, for those who see its site whole. A referrer reads what is signed, elsewhere."""
    visible = Study.objects.visible_to(who).select_related("reader", "site")
    study: Study | None = visible.filter(pk=pk).first()
    if study is None:
        raise exceptions.NotFound
    if not who.is_superuser and study.site_id not in who.whole_sites:
        raise exceptions.PermissionDenied("Drafts are seen by those who work at the site.")
    return study


class StudyReportView(APIView):
    """`GET /api/studies/<id>/report/`: look. `POST`: open, claiming the study where it is free.

    Whoever may not write gets the report read-only, with who writes it and why they may not.
    """

    permission_classes = (IsMember,)
    http_method_names = ("get", "post", "options")

    @extend_schema(operation_id="study_report", responses={200: PanelState, **COMMON})
    def get(self, request: Request, pk: int) -> Response:
        return self._answer(request, pk)

    @extend_schema(
        operation_id="study_report_open", request=None, responses={200: PanelState, **COMMON}
    )
    def post(self, request: Request, pk: int) -> Response:
        user, who = asking(request)
        whole_study(pk, who)
        try:
            drafts.open_draft(pk, user, principal=who, **origin(request))
            pdf.warm()
        except ReportError:
            # What stands in the way is part of the state.
            return self._answer(request, pk)
        return self._answer(request, pk)

    @staticmethod
    def _answer(request: Request, pk: int) -> Response:
        user, who = asking(request)
        study = whole_study(pk, who)
        report = drafts.current(study)
        if report is not None:
            record_read("report.read", actor=user, study=study, **origin(request))
        return Response(state_of(study, report, user, who))


class Fact(serializers.Serializer[Any]):
    label = serializers.CharField()  # type: ignore[assignment]
    text = serializers.CharField()


class Material(serializers.Serializer[Any]):
    """What the editor of a study's report works with, in one answer."""

    templates = templates_api.TemplateRow(many=True)
    macros = templates_api.MacroRow(many=True)
    facts = Fact(many=True)


class MaterialView(APIView):
    """`GET /api/studies/<id>/report/material/`: templates, the best first, macros and facts."""

    permission_classes = (IsMember,)

    @extend_schema(operation_id="report_material", responses={200: Material, **COMMON})
    def get(self, request: Request, pk: int) -> Response:
        user, who = asking(request)
        study = whole_study(pk, who)
        record_read("report.read", actor=user, study=study, **origin(request))
        return Response(
            {
                "templates": templates_api.template_rows(study, who),
                "macros": templates_api.macro_rows(study, who),
                "facts": insertable(study),
            }
        )


class DraftView(APIView):
    """`GET`, `PUT`, `DELETE /api/reports/<id>/draft/`."""

    permission_classes = (IsMember,)
    parser_classes = (JSONParser,)
    http_method_names = ("get", "put", "delete", "options")

    @extend_schema(operation_id="draft", responses={200: PanelState, **COMMON})
    def get(self, request: Request, pk: int) -> Response:
        user, who = asking(request)
        reports = Report.objects.visible_to(who).select_related("saved_by")
        report = reports.filter(pk=pk).first()
        if report is None:
            raise exceptions.NotFound
        study = whole_study(report.study_id, who)
        record_read("report.read", actor=user, study=study, **origin(request))
        return Response(state_of(study, report, user, who))

    @extend_schema(
        operation_id="draft_save",
        request=DraftSave,
        responses={
            200: DraftSaved,
            400: BAD_REQUEST,
            409: CONFLICT,
            415: UNSUPPORTED,
            **COMMON,
        },
    )
    def put(self, request: Request, pk: int) -> Response:
        user, who = asking(request)
        if not isinstance(request.data, Mapping):
            raise exceptions.ParseError("The body is no JSON object.")
        asked = DraftSave(data=request.data)
        asked.is_valid(raise_exception=True)
        content, revision = asked.validated_data["content"], asked.validated_data["revision"]
        try:
            saved = drafts.save(pk, user, content, revision, principal=who, **origin(request))
        except Report.DoesNotExist:
            raise self._hidden(pk, who) from None
        except ReportError as error:
            return refusal(error)
        return Response(saved._asdict())

    @extend_schema(
        operation_id="draft_discard",
        request=None,
        parameters=[OpenApiParameter("revision", int, description="Only as it was seen.")],
        responses={204: None, 400: BAD_REQUEST, 409: CONFLICT, **COMMON},
    )
    def delete(self, request: Request, pk: int) -> Response:
        user, who = asking(request)
        asked = Revision(data=request.query_params)
        asked.is_valid(raise_exception=True)
        try:
            drafts.discard(
                pk,
                user,
                revision=asked.validated_data.get("revision"),
                principal=who,
                **origin(request),
            )
        except Report.DoesNotExist:
            raise self._hidden(pk, who) from None
        except ReportError as error:
            return refusal(error)
        return Response(status=204)

    @staticmethod
    def _hidden(pk: int, who: Principal) -> exceptions.APIException:
        """403 for a report that is seen signed only, 404 for one that is not seen."""
        if Report.objects.visible_to(who).filter(pk=pk).exists():
            return exceptions.PermissionDenied("Drafts are seen by those who work at the site.")
        return exceptions.NotFound()
