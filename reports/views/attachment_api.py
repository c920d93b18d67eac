"""REST of attachments: `/api/studies/<id>/attachments/` and `/api/attachments/<uuid>/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import exceptions, serializers, status
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs.accounts.permissions import IsMember, origin, principal
from pacs.audit import record_read
from reports.attachments import content, services
from reports.attachments.models import Attachment
from reports.errors import NotAllowed, ReportError
from reports.views.attachments import file_of
from studies.models import Study
from studies.views.problems import (
    BAD_REQUEST,
    FORBIDDEN,
    NOT_FOUND,
    UNAUTHENTICATED,
    UNSUPPORTED,
    Conflict,
    Detail,
)


class AttachmentSerializer(serializers.ModelSerializer[Attachment]):
    """An attachment; its content is at `/api/attachments/<id>/`."""

    kind = serializers.ChoiceField(choices=Attachment.Kind.choices, read_only=True)
    added_by = serializers.SerializerMethodField()

    class Meta:
        model = Attachment
        fields = (
            *("id", "study", "kind", "title", "media_type", "file_size", "file_sha256", "dated"),
            *("source", "status", "added_by", "added_at"),
        )
        read_only_fields = fields

    def get_added_by(self, attachment: Attachment) -> str:
        return attachment.added_by.username if attachment.added_by else ""


class AttachmentWanted(serializers.Serializer[Any]):
    """The parts of the form: the file, and what it is."""

    file = serializers.FileField()
    title = serializers.CharField(
        max_length=services.TITLE_LENGTH, required=False, allow_blank=True, default=""
    )
    kind = serializers.ChoiceField(
        choices=Attachment.Kind.choices, required=False, default=Attachment.Kind.OTHER.value
    )
    dated = serializers.DateField(required=False, allow_null=True, default=None)


class Reason(serializers.Serializer[Any]):
    """Why an attachment is removed."""

    reason = serializers.CharField(max_length=services.REASON_LENGTH)


class AttachmentListView(APIView):
    """`GET` and `POST /api/studies/<id>/attachments/`."""

    permission_classes = (IsMember,)
    parser_classes = (MultiPartParser,)
    http_method_names = ("get", "post", "head", "options")

    @extend_schema(
        operation_id="attachments_list",
        responses={
            200: AttachmentSerializer(many=True),
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
            404: NOT_FOUND,
        },
    )
    def get(self, request: Request, pk: int) -> Response:
        study = _study(request, pk)
        where = origin(request)
        record_read("attachments.opened", actor=request.user, study=study, **where)
        found = Attachment.objects.visible_to(principal(request)).shown().filter(study=study)
        rows = found.select_related("added_by")[: services.MOST_OF_STUDY]
        return Response(AttachmentSerializer(rows, many=True).data)

    @extend_schema(
        operation_id="attachments_create",
        request={"multipart/form-data": AttachmentWanted},
        responses={
            201: OpenApiResponse(AttachmentSerializer, "It is attached, or was already."),
            400: BAD_REQUEST,
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
            404: NOT_FOUND,
            409: OpenApiResponse(Detail, "The study has too many attachments."),
            415: UNSUPPORTED,
        },
    )
    def post(self, request: Request, pk: int) -> Response:
        study = _study(request, pk)
        wanted = AttachmentWanted(data=request.data)
        wanted.is_valid(raise_exception=True)
        asked = wanted.validated_data
        file = asked["file"]
        if file.size > content.MAX_BYTES:
            raise exceptions.ValidationError({"file": ["The file is larger than 25 MB."]})
        try:
            made = services.add(
                study,
                request.user,
                file.read(),
                title=asked["title"] or str(file.name or ""),
                kind=asked["kind"],
                dated=asked["dated"],
                **origin(request),
            )
        except ReportError as error:
            raise _as_problem(error) from error
        return Response(AttachmentSerializer(made).data, status=status.HTTP_201_CREATED)


class AttachmentView(APIView):
    """`GET` (the content) and `DELETE /api/attachments/<uuid>/`."""

    permission_classes = (IsMember,)
    parser_classes = (JSONParser, FormParser)
    http_method_names = ("get", "delete", "head", "options")

    @extend_schema(
        operation_id="attachments_retrieve",
        responses={
            **{
                (200, kind): OpenApiTypes.BINARY
                for kind in ("application/pdf", "image/png", "image/jpeg", "text/plain")
            },
            (409, "text/plain"): OpenApiResponse(
                OpenApiTypes.STR, "It is kept, but cannot be checked and is not handed out."
            ),
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
            404: NOT_FOUND,
        },
    )
    def get(self, request: Request, pk: Any) -> Any:
        attachment = _attachment(request, pk)
        record_read(
            "attachment.read",
            actor=request.user,
            study=attachment.study,
            site=attachment.site_id,
            about=f"attachment:{attachment.pk}",
            detail={"attachment": str(attachment.pk)},
            **origin(request),
        )
        return file_of(attachment)

    @extend_schema(
        operation_id="attachments_destroy",
        request=Reason,
        responses={
            204: OpenApiResponse(None, "It is out of sight; the file stays in the archive."),
            400: BAD_REQUEST,
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
            404: NOT_FOUND,
            415: UNSUPPORTED,
        },
    )
    def delete(self, request: Request, pk: Any) -> Response:
        attachment = _attachment(request, pk)
        data = request.data
        if not isinstance(data, Mapping):
            raise exceptions.ParseError("The body is no JSON object.")
        wanted = Reason(data=data)
        wanted.is_valid(raise_exception=True)
        try:
            services.remove(
                attachment, request.user, wanted.validated_data["reason"], **origin(request)
            )
        except ReportError as error:
            raise _as_problem(error) from error
        return Response(status=status.HTTP_204_NO_CONTENT)


def _study(request: Request, pk: int) -> Study:
    """404 where the study is hidden, 403 where only a grant shows it."""
    who = principal(request)
    study: Study | None = Study.objects.visible_to(who).filter(pk=pk).first()
    if study is None:
        raise exceptions.NotFound
    if who is None or not (who.is_superuser or study.site_id in who.whole_sites):
        raise exceptions.PermissionDenied("Your role does not see attachments of this site.")
    return study


def _attachment(request: Request, pk: Any) -> Attachment:
    found = Attachment.objects.visible_to(principal(request)).filter(pk=pk, removed_at=None)
    attachment: Attachment | None = found.select_related("study").first()
    if attachment is None:
        raise exceptions.NotFound
    return attachment


def _as_problem(error: ReportError) -> exceptions.APIException:
    if isinstance(error, NotAllowed):
        return exceptions.PermissionDenied(error.words)
    if error.status == status.HTTP_400_BAD_REQUEST:
        return exceptions.ValidationError({"detail": error.words})
    return Conflict(error.words)
