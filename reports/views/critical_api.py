"""REST of critical results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import exceptions, serializers
from rest_framework.parsers import JSONParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs.accounts.models import User
from pacs.accounts.permissions import IsMember, principal
from pacs.audit import record_read
from reports.critical import access, services
from reports.critical.models import WAITING, CriticalResult, CriticalState
from reports.errors import ReportError
from studies.models import Study
from studies.views.problems import (
    BAD_REQUEST,
    FORBIDDEN,
    NOT_FOUND,
    UNAUTHENTICATED,
    UNSUPPORTED,
    Detail,
)

BIG = 2**31 - 1
PAGE = 100


class CriticalSerializer(serializers.ModelSerializer[CriticalResult]):
    """A critical result as it is now."""

    marked_by = serializers.CharField(source="marked_by.username")
    recipient = serializers.CharField(source="recipient.username", allow_null=True, default=None)

    class Meta:
        model = CriticalResult
        fields = (
            *("id", "site", "study", "report", "finding", "level", "state", "marked_by"),
            *("marked_at", "recipient", "told_at", "due_at", "escalations"),
            *("acknowledged_by_name", "acknowledged_at", "read_back", "closed_at"),
        )
        read_only_fields = fields


class Marking(serializers.Serializer[Any]):
    """What was found, how urgent it is (0 minutes, 1 hours, 2 days), and whom to tell."""

    study = serializers.IntegerField(min_value=1, max_value=BIG)
    finding = serializers.CharField(max_length=services.FINDING_LENGTH)
    level = serializers.ChoiceField(choices=CriticalResult.Level.choices, default=0)
    recipient = serializers.IntegerField(
        min_value=1, max_value=BIG, required=False, allow_null=True, default=None
    )


class Acknowledgement(serializers.Serializer[Any]):
    """What was read back; `name` says who, where a telephone call is recorded."""

    read_back = serializers.CharField(max_length=services.READ_BACK_LENGTH)
    name = serializers.CharField(
        max_length=services.NAME_LENGTH, required=False, allow_blank=True, default=""
    )


class Closing(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=services.REASON_LENGTH)


class Asked(serializers.Serializer[Any]):
    study = serializers.IntegerField(min_value=1, max_value=BIG, required=False)
    state = serializers.ChoiceField(
        choices=[("waiting", "Waiting"), *CriticalState.choices], required=False
    )


CHANGED = {
    400: BAD_REQUEST,
    401: UNAUTHENTICATED,
    403: FORBIDDEN,
    404: NOT_FOUND,
    409: OpenApiResponse(Detail, "It is over already, or words are missing."),
    415: UNSUPPORTED,
}


def _body(request: Request, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    if not isinstance(request.data, Mapping):
        raise exceptions.ParseError("The body is no JSON object.")
    asked = serializer(data=request.data)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def _refusal(error: ReportError) -> Response:
    return Response({"detail": error.words}, error.status)


def _one(request: Request, pk: int) -> CriticalResult:
    found = access.visible(principal(request)).select_related("study", "marked_by", "recipient")
    row = found.filter(pk=pk).first()
    if row is None:
        raise exceptions.NotFound
    return row


class CriticalView(APIView):
    """What all of them share."""

    permission_classes: tuple[type[BasePermission], ...] = (IsMember,)
    parser_classes = (JSONParser,)
    http_method_names: tuple[str, ...] = ("post", "options")


class CriticalListView(CriticalView):
    """`GET /api/critical-results/?study=&state=waiting` (the newest hundred), and `POST`."""

    http_method_names = ("get", "post", "options")

    @extend_schema(
        operation_id="critical_results_list",
        parameters=[Asked],
        responses={
            200: CriticalSerializer(many=True),
            400: BAD_REQUEST,
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
        },
    )
    def get(self, request: Request) -> Response:
        asked = Asked(data=request.query_params)
        asked.is_valid(raise_exception=True)
        found = access.visible(principal(request)).select_related("marked_by", "recipient")
        if "study" in asked.validated_data:
            found = found.filter(study_id=asked.validated_data["study"])
        if state := asked.validated_data.get("state"):
            found = found.filter(state__in=WAITING if state == "waiting" else [state])
        record_read("critical.opened", request=request._request, actor=request.user)
        return Response(CriticalSerializer(found[:PAGE], many=True).data)

    @extend_schema(
        operation_id="critical_results_mark",
        request=Marking,
        responses={201: CriticalSerializer, **CHANGED},
    )
    def post(self, request: Request) -> Response:
        asked = _body(request, Marking)
        who = principal(request)
        study = Study.objects.visible_to(who).filter(pk=asked["study"]).first()
        if study is None or who is None:
            raise exceptions.NotFound
        if not access.may_mark(who, study.site_id):
            raise exceptions.PermissionDenied("Radiologists of the site mark critical results.")
        recipient = None
        if asked["recipient"] is not None:
            recipient = User.objects.filter(pk=asked["recipient"]).first()
            if recipient is None or not access.may_be_told(recipient, study):
                raise exceptions.ValidationError({"recipient": ["Nobody of this site."]})
        user: Any = request.user
        try:
            row = services.mark(
                study,
                user,
                finding=asked["finding"],
                level=asked["level"],
                recipient=recipient,
                principal=who,
            )
        except ReportError as error:
            return _refusal(error)
        return Response(CriticalSerializer(row).data, 201)


class CriticalAcknowledgeView(CriticalView):
    """`POST /api/critical-results/<id>/acknowledge/`."""

    @extend_schema(
        operation_id="critical_results_acknowledge",
        request=Acknowledgement,
        responses={200: CriticalSerializer, **CHANGED},
    )
    def post(self, request: Request, pk: int) -> Response:
        row = _one(request, pk)
        asked = _body(request, Acknowledgement)
        user: Any = request.user
        try:
            row = services.acknowledge(row.pk, user, principal=principal(request), **asked)
        except ReportError as error:
            return _refusal(error)
        return Response(CriticalSerializer(row).data)


class CriticalCloseView(CriticalView):
    """`POST /api/critical-results/<id>/close/`: with a reason."""

    @extend_schema(
        operation_id="critical_results_close",
        request=Closing,
        responses={200: CriticalSerializer, **CHANGED},
    )
    def post(self, request: Request, pk: int) -> Response:
        row = _one(request, pk)
        asked = _body(request, Closing)
        user: Any = request.user
        try:
            row = services.close(row.pk, user, principal=principal(request), **asked)
        except ReportError as error:
            return _refusal(error)
        return Response(CriticalSerializer(row).data)
