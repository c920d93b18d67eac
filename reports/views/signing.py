"""REST of signing: sign, co-sign, addenda, withdrawal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import exceptions, serializers
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs.accounts.permissions import IsMember, origin, principal
from pacs.accounts.principal import Principal
from reports.errors import ReportError
from reports.models import Report, ReportState, ReportVersion, VersionKind
from reports.permissions import may_write
from reports.signing import reauth, services
from reports.signing.asked import ADDENDUM
from reports.signing.examination import ANSWER_LENGTH
from studies.views.problems import (
    BAD_REQUEST,
    NOT_FOUND,
    UNAUTHENTICATED,
    UNSUPPORTED,
)

BIG = 2**31 - 1


class SigningKind(models.TextChoices):
    PRELIMINARY = "preliminary", "Preliminary"
    FINAL = "final", "Final"
    ADDENDUM = "addendum", "Addendum"


class Signature(serializers.Serializer[Any]):
    """What is signed: the draft as it is at `revision`. `password` when it is asked for."""

    revision = serializers.IntegerField(min_value=1, max_value=BIG)
    password = serializers.CharField(
        required=False, allow_blank=True, max_length=128, trim_whitespace=False
    )
    answers = serializers.DictField(
        child=serializers.CharField(max_length=ANSWER_LENGTH), required=False
    )
    without_pictures = serializers.BooleanField(default=False)
    open_studies = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=BIG), required=False, max_length=50
    )
    other_patient_open = serializers.BooleanField(default=False)


class SignatureOfKind(Signature):
    kind = serializers.ChoiceField(choices=SigningKind.choices)


class WithdrawalRequest(serializers.Serializer[Any]):
    """Why the report is withdrawn."""

    reason = serializers.CharField(max_length=services.REASON_LENGTH)
    password = serializers.CharField(
        required=False, allow_blank=True, max_length=128, trim_whitespace=False
    )


class SignedVersion(serializers.Serializer[Any]):
    """The new version and the report as it is then.

    A resident's addendum makes none before its second signature: `version` is null.
    """

    report = serializers.IntegerField()
    version = serializers.IntegerField(allow_null=True)
    number = serializers.IntegerField(allow_null=True)
    kind = serializers.ChoiceField(choices=VersionKind.choices)
    state = serializers.ChoiceField(choices=ReportState.choices)
    cosigner_wanted = serializers.BooleanField()
    signed_at = serializers.DateTimeField(allow_null=True)
    chain_sha256 = serializers.CharField(allow_blank=True)


class AddendumBegun(serializers.Serializer[Any]):
    report = serializers.IntegerField()
    revision = serializers.IntegerField()
    is_addending = serializers.BooleanField()


PROBLEM = {
    "type": "object",
    "required": ["code", "detail"],
    "properties": {
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "findings": {"type": "array", "items": {"type": "object"}},
        "key_images": {"type": "array", "items": {"type": "string"}},
        "revision": {"type": "integer"},
        "content": {"type": "object"},
    },
}
ANSWERS = {
    200: SignedVersion,
    400: BAD_REQUEST,
    401: UNAUTHENTICATED,
    403: OpenApiResponse(
        {
            "type": "object",
            "required": ["detail"],
            "properties": {"detail": {"type": "string"}, "code": {"type": "string"}},
        },
        "Not a radiologist of the site, a token, or `code` password-needed or wrong-password.",
    ),
    404: NOT_FOUND,
    409: OpenApiResponse(
        PROBLEM,
        "Nothing was signed: `code` is findings (to answer), stale, not-reader, pictures,"
        " signed-already, clock and others; `detail` says it in words.",
    ),
    415: UNSUPPORTED,
    429: OpenApiResponse(PROBLEM, "Too many wrong passwords."),
}


def visible_report(request: Request, pk: int) -> tuple[Report, Principal]:
    """The report, for radiologists of its site: 404 where it is hidden, 403 for all others."""
    who = principal(request)
    found = Report.objects.visible_to(who).select_related("study__site").filter(pk=pk)
    report: Report | None = found.first()
    if report is None or who is None:
        raise exceptions.NotFound
    if not may_write(who, report.site_id):
        raise exceptions.PermissionDenied("Radiologists of the study's site sign its report.")
    if request.auth is not None:
        raise exceptions.PermissionDenied("A person signs, not a token.")
    return report, who


def body(request: Request, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    if not isinstance(request.data, Mapping):
        raise exceptions.ParseError("The body is no JSON object.")
    asked = serializer(data=request.data)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def signed(version: ReportVersion) -> Response:
    report = Report.objects.get(pk=version.report_id)
    return Response(
        {
            "report": report.pk,
            "version": version.pk,
            "number": version.number,
            "kind": version.kind,
            "state": report.state,
            "cosigner_wanted": report.cosigner_wanted,
            "signed_at": version.signed_at,
            "chain_sha256": version.chain_sha256,
        }
    )


def handed_on(pk: int) -> Response:
    """A resident's addendum that waits for its second signature."""
    report = Report.objects.get(pk=pk)
    return Response(
        {
            "report": pk,
            "version": None,
            "number": None,
            "kind": VersionKind.ADDENDUM,
            "state": report.state,
            "cosigner_wanted": report.cosigner_wanted,
            "signed_at": None,
            "chain_sha256": "",
        }
    )


def refusal(error: ReportError) -> Response:
    return Response({"code": error.code, "detail": error.words, **error.detail}, error.status)


class SigningView(APIView):
    """What all of them share."""

    permission_classes = (IsMember,)
    parser_classes = (JSONParser,)
    http_method_names: tuple[str, ...] = ("post", "options")


class SignView(SigningView):
    """`POST /api/reports/<id>/sign/`: preliminary, final, or the addendum that is being written."""

    @extend_schema(operation_id="report_sign", request=SignatureOfKind, responses=ANSWERS)
    def post(self, request: Request, pk: int) -> Response:
        report, who = visible_report(request, pk)
        asked = body(request, SignatureOfKind)
        kind = asked.pop("kind")
        try:
            reauth.require(request._request, asked.pop("password", ""))
            version: ReportVersion | None
            if kind == ADDENDUM:
                version = services.sign_addendum(report.pk, who, **asked, **origin(request))
            else:
                version = services.sign(report.pk, who, kind=kind, **asked, **origin(request))
        except ReportError as error:
            return refusal(error)
        return handed_on(report.pk) if version is None else signed(version)


class CosignView(SigningView):
    """`POST /api/reports/<id>/cosign/`: the second signature of a resident's report or addendum."""

    @extend_schema(operation_id="report_cosign", request=Signature, responses=ANSWERS)
    def post(self, request: Request, pk: int) -> Response:
        report, who = visible_report(request, pk)
        asked = body(request, Signature)
        try:
            reauth.require(request._request, asked.pop("password", ""))
            version = services.cosign(report.pk, who, **asked, **origin(request))
        except ReportError as error:
            return refusal(error)
        return signed(version)


class AddendumView(SigningView):
    """`POST /api/reports/<id>/addendum/`: begin one; it is saved and signed like a draft."""

    @extend_schema(
        operation_id="report_addendum", request=None, responses={**ANSWERS, 200: AddendumBegun}
    )
    def post(self, request: Request, pk: int) -> Response:
        report, who = visible_report(request, pk)
        try:
            report = services.start_addendum(report.pk, who, **origin(request))
        except ReportError as error:
            return refusal(error)
        return Response(
            {
                "report": report.pk,
                "revision": report.revision,
                "is_addending": report.is_addending,
            }
        )


class WithdrawView(SigningView):
    """`POST /api/reports/<id>/withdraw/`: the wrong patient, or another reason."""

    @extend_schema(operation_id="report_withdraw", request=WithdrawalRequest, responses=ANSWERS)
    def post(self, request: Request, pk: int) -> Response:
        report, who = visible_report(request, pk)
        asked = body(request, WithdrawalRequest)
        try:
            reauth.require(request._request, asked.get("password", ""))
            version = services.withdraw(report.pk, who, asked["reason"], **origin(request))
        except ReportError as error:
            return refusal(error)
        return signed(version)
