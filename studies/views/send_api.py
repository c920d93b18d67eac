"""REST of sending: `/api/destinations/` and `/api/sends/`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
)
from rest_framework import exceptions, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs.accounts.permissions import origin, principal
from pacs.audit import record_read
from studies.models import Series, Study
from studies.sending import requests
from studies.sending.errors import NotPossible
from studies.sending.models import OPEN, Destination, Kind, Send, State
from studies.sending.permissions import CanSend
from studies.views.problems import (
    BAD_REQUEST,
    FORBIDDEN,
    NOT_FOUND,
    UNAUTHENTICATED,
    Conflict,
    Detail,
)

BIG = 2**63 - 1
PAGE = 100
REFUSALS = 50


class DestinationSerializer(serializers.ModelSerializer[Destination]):
    """A place to send to. Addresses and secrets stay with the administrators."""

    kind = serializers.ChoiceField(choices=Kind.choices, read_only=True)

    class Meta:
        model = Destination
        fields = ("id", "site", "name", "kind", "last_contact_at", "last_error")
        read_only_fields = fields


class RefusalSerializer(serializers.Serializer[Any]):
    """An image that the destination would not take, and why."""

    sop_instance_uid = serializers.CharField(source="instance.sop_instance_uid")
    reason = serializers.CharField()


class SendSerializer(serializers.ModelSerializer[Send]):
    """A send and how far it is. `error` is the latest reason for waiting or failing, in words."""

    state = serializers.ChoiceField(choices=State.choices, read_only=True)
    error = serializers.CharField(source="why", read_only=True)
    requester = serializers.CharField(source="requester.username", read_only=True)

    class Meta:
        model = Send
        fields: tuple[str, ...] = (
            *("id", "study", "series", "destination", "requester", "state", "total", "done"),
            *("refused", "attempts", "next_attempt_at", "error", "created_at", "started_at"),
            "finished_at",
        )
        read_only_fields = fields


class SendDetailSerializer(SendSerializer):
    """The same with the images that were refused, the first fifty."""

    refusals = serializers.SerializerMethodField()

    class Meta(SendSerializer.Meta):
        fields: tuple[str, ...] = (*SendSerializer.Meta.fields, "refusals")
        read_only_fields = fields

    @extend_schema_field(RefusalSerializer(many=True))
    def get_refusals(self, send: Send) -> list[dict[str, str]]:
        refused = send.items.filter(state="refused").select_related("instance").order_by("id")
        return list(RefusalSerializer(refused[:REFUSALS], many=True).data)


class SendPageSerializer(serializers.Serializer[Any]):
    """Sends, newest first: `results` of `count`, from `offset` on."""

    count = serializers.IntegerField()
    results = SendSerializer(many=True)


class Wanted(serializers.Serializer[Any]):
    """What to send where; without `series` the whole study."""

    study = serializers.IntegerField(min_value=1, max_value=BIG)
    series = serializers.IntegerField(
        min_value=1, max_value=BIG, required=False, allow_null=True, default=None
    )
    destination = serializers.IntegerField(min_value=1, max_value=BIG)


class Filters(serializers.Serializer[Any]):
    """The query of the list."""

    study = serializers.IntegerField(min_value=1, max_value=BIG, required=False)
    state = serializers.ChoiceField(
        choices=[("open", "Open"), *State.choices],
        required=False,
        help_text='"open" is queued or sending.',
    )
    offset = serializers.IntegerField(min_value=0, max_value=10_000, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=PAGE, default=PAGE)


class DestinationListView(APIView):
    """`GET /api/destinations/`: where one may send to; `?study=` only those of its site."""

    permission_classes = (CanSend,)
    http_method_names = ("get", "head", "options")

    @extend_schema(
        operation_id="destinations_list",
        parameters=[
            OpenApiParameter("study", {"type": "integer", "minimum": 1, "maximum": BIG}),
        ],
        responses={
            200: DestinationSerializer(many=True),
            400: BAD_REQUEST,
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
            404: NOT_FOUND,
        },
    )
    def get(self, request: Request) -> Response:
        filters = Filters(data=request.query_params)
        filters.is_valid(raise_exception=True)
        found = Destination.objects.visible_to(principal(request)).filter(is_enabled=True)
        if "study" in filters.validated_data:
            study = _study(request, filters.validated_data["study"])
            found = found.filter(site_id=study.site_id)
        return Response(DestinationSerializer(found, many=True).data)


class SendListView(APIView):
    """`GET /api/sends/` and `POST /api/sends/`."""

    permission_classes = (CanSend,)
    http_method_names = ("get", "post", "head", "options")

    @extend_schema(
        operation_id="sends_list",
        parameters=[Filters],
        responses={
            200: SendPageSerializer,
            400: BAD_REQUEST,
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
        },
    )
    def get(self, request: Request) -> Response:
        filters = Filters(data=request.query_params)
        filters.is_valid(raise_exception=True)
        asked = filters.validated_data
        found = Send.objects.visible_to(principal(request)).select_related(
            "requester", "destination"
        )
        if "study" in asked:
            found = found.filter(study_id=asked["study"])
        if "state" in asked:
            states = OPEN if asked["state"] == "open" else (asked["state"],)
            found = found.filter(state__in=states)
        record_read("sends.opened", actor=request.user, **origin(request))
        page = found[asked["offset"] : asked["offset"] + asked["limit"]]
        return Response({"count": found.count(), "results": SendSerializer(page, many=True).data})

    @extend_schema(
        operation_id="sends_create",
        request=Wanted,
        responses={
            201: OpenApiResponse(SendDetailSerializer, "It will be sent."),
            200: OpenApiResponse(SendDetailSerializer, "The same is being sent already."),
            400: BAD_REQUEST,
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
            404: NOT_FOUND,
            409: OpenApiResponse(Detail, "The destination is switched off or of another site."),
            415: OpenApiResponse(Detail, "The body is not JSON."),
        },
    )
    def post(self, request: Request) -> Response:
        wanted = Wanted(data=request.data)
        wanted.is_valid(raise_exception=True)
        asked = wanted.validated_data
        study = _study(request, asked["study"])
        series = None
        if asked["series"] is not None:
            series = _found(Series.objects.filter(study=study, pk=asked["series"]))
        destination = _found(
            Destination.objects.visible_to(principal(request)).filter(pk=asked["destination"])
        )
        try:
            send, is_new = requests.request_send(
                study, series, destination, actor=request.user, **origin(request)
            )
        except NotPossible as error:
            raise Conflict(str(error)) from error
        return Response(
            SendDetailSerializer(send).data,
            status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK,
        )


class SendView(APIView):
    """`GET /api/sends/{id}/`."""

    permission_classes = (CanSend,)
    http_method_names = ("get", "head", "options")

    @extend_schema(
        operation_id="sends_retrieve",
        responses={
            200: SendDetailSerializer,
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
            404: NOT_FOUND,
        },
    )
    def get(self, request: Request, pk: int) -> Response:
        send = _send(request, pk)
        where = origin(request)
        record_read(
            "send.read",
            actor=request.user,
            study=send.study,
            address=where["address"],
            session_key=where["session_key"],
        )
        return Response(SendDetailSerializer(send).data)


CHANGED = {
    200: SendDetailSerializer,
    401: UNAUTHENTICATED,
    403: FORBIDDEN,
    404: NOT_FOUND,
    409: OpenApiResponse(Detail, "Its state does not allow this."),
}


class SendCancelView(APIView):
    """`POST /api/sends/{id}/cancel/`: what has arrived stays there."""

    permission_classes = (CanSend,)
    http_method_names = ("post", "options")

    @extend_schema(operation_id="sends_cancel", request=None, responses=CHANGED)
    def post(self, request: Request, pk: int) -> Response:
        return _change(request, pk, requests.cancel)


class SendRetryView(APIView):
    """`POST /api/sends/{id}/retry/`: what has not arrived, now."""

    permission_classes = (CanSend,)
    http_method_names = ("post", "options")

    @extend_schema(operation_id="sends_retry", request=None, responses=CHANGED)
    def post(self, request: Request, pk: int) -> Response:
        return _change(request, pk, requests.retry)


def _change(request: Request, pk: int, change: Any) -> Response:
    send = _send(request, pk)
    try:
        change(send, actor=request.user, **origin(request))
    except NotPossible as error:
        raise Conflict(str(error)) from error
    return Response(SendDetailSerializer(send).data)


def _study(request: Request, pk: int) -> Study:
    """A study that may be sent: 404 where it is hidden, 403 where only a grant shows it."""
    who = principal(request)
    study: Study = _found(Study.objects.visible_to(who).filter(pk=pk))
    if who is None or not (who.is_superuser or study.site_id in who.whole_sites):
        raise exceptions.PermissionDenied("Your role does not send studies of this site.")
    return study


def _send(request: Request, pk: int) -> Send:
    visible = Send.objects.visible_to(principal(request))
    send: Send = _found(visible.select_related("study", "requester", "destination").filter(pk=pk))
    return send


def _found(rows: Any) -> Any:
    row = rows.first()
    if row is None:
        raise exceptions.NotFound
    return row
