"""REST of deliveries: of a report, and what may be done with each."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import exceptions, serializers, status
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs.accounts.models import Scope
from pacs.accounts.permissions import origin, principal
from pacs.audit import record_read
from reports.delivery import requests
from reports.delivery.models import Delivery, DeliveryState
from reports.errors import Refused
from reports.models import Report
from reports.permissions import may_deliver
from studies.views.problems import (
    BAD_REQUEST,
    FORBIDDEN,
    NOT_FOUND,
    UNAUTHENTICATED,
    Conflict,
    Detail,
)

MOST = 200
NOT_YOURS = "Your role does not deliver reports of this site."


class SeesDeliveries(BasePermission):
    """Who sees a site whole; changing needs the scope "write", and a role at the report's site."""

    message = "Your role has no deliveries, or the token lacks the scope for it."

    def has_permission(self, request: Request, view: Any) -> bool:
        who = principal(request)
        scope = Scope.READ if request.method in SAFE_METHODS else Scope.WRITE
        return (
            who is not None
            and (who.is_superuser or bool(who.whole_sites))
            and scope.value in who.scopes
        )


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """A delivery and how it does. `error` is the latest reason for waiting or failing, in words."""

    report = serializers.IntegerField(source="version.report_id", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    state = serializers.ChoiceField(choices=DeliveryState.choices, read_only=True)
    error = serializers.CharField(source="why", read_only=True)
    requester = serializers.CharField(source="requester.username", read_only=True, default="")

    class Meta:
        model = Delivery
        fields = (
            *("id", "report", "version", "transport", "label", "is_recall", "state", "progress"),
            *("error", "attempts", "next_attempt_at", "give_up_at", "requester", "created_at"),
            "finished_at",
        )
        read_only_fields = fields


class DeliveryPlaceSerializer(serializers.Serializer[Any]):
    """Where this report may be sent: `value` is what `place` takes."""

    value = serializers.CharField()
    transport = serializers.CharField()
    title = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]


class ReportDeliveriesSerializer(serializers.Serializer[Any]):
    """Deliveries of a report, newest first, and where else it may go."""

    results = DeliverySerializer(many=True)
    places = DeliveryPlaceSerializer(many=True)


class DeliveryWanted(serializers.Serializer[Any]):
    """Where to send the newest version."""

    place = serializers.CharField(max_length=200)


class ReportDeliveriesView(APIView):
    """`GET` and `POST /api/reports/{id}/deliveries/`."""

    permission_classes = (SeesDeliveries,)
    http_method_names = ("get", "post", "head", "options")

    @extend_schema(
        operation_id="report_deliveries_list",
        responses={
            200: ReportDeliveriesSerializer,
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
            404: NOT_FOUND,
        },
    )
    def get(self, request: Request, pk: int) -> Response:
        report = _report(request, pk)
        rows = Delivery.objects.visible_to(principal(request)).filter(version__report=report)
        record_read("report.deliveries", actor=request.user, study=report.study, **origin(request))
        body = {
            "results": rows.select_related("version", "place", "requester").order_by("-id")[:MOST],
            "places": requests.choices(report.site_id),
        }
        return Response(ReportDeliveriesSerializer(body).data)

    @extend_schema(
        operation_id="report_deliveries_create",
        request=DeliveryWanted,
        responses={
            201: OpenApiResponse(DeliverySerializer, "It will be delivered."),
            400: BAD_REQUEST,
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
            404: NOT_FOUND,
            409: OpenApiResponse(Detail, "No such place, nothing signed, or withdrawn."),
            415: OpenApiResponse(Detail, "The body is not JSON."),
        },
    )
    def post(self, request: Request, pk: int) -> Response:
        wanted = DeliveryWanted(data=request.data)
        wanted.is_valid(raise_exception=True)
        report = _report(request, pk)
        _require(request, report.site_id)
        try:
            delivery = requests.send(
                report, wanted.validated_data["place"], actor=request.user, **origin(request)
            )
        except Refused as error:
            raise Conflict(error.words) from error
        return Response(DeliverySerializer(delivery).data, status=status.HTTP_201_CREATED)


CHANGED = {
    200: DeliverySerializer,
    401: UNAUTHENTICATED,
    403: FORBIDDEN,
    404: NOT_FOUND,
    409: OpenApiResponse(Detail, "Its state does not allow this."),
}


class DeliveryCancelView(APIView):
    """`POST /api/deliveries/{id}/cancel/`: what has arrived stays there."""

    permission_classes = (SeesDeliveries,)
    http_method_names = ("post", "options")

    @extend_schema(operation_id="deliveries_cancel", request=None, responses=CHANGED)
    def post(self, request: Request, pk: int) -> Response:
        return _change(request, pk, requests.cancel)


class DeliveryRetryView(APIView):
    """`POST /api/deliveries/{id}/retry/`: again, now."""

    permission_classes = (SeesDeliveries,)
    http_method_names = ("post", "options")

    @extend_schema(operation_id="deliveries_retry", request=None, responses=CHANGED)
    def post(self, request: Request, pk: int) -> Response:
        return _change(request, pk, requests.retry)


def _change(request: Request, pk: int, change: Any) -> Response:
    rows = Delivery.objects.visible_to(principal(request)).filter(pk=pk)
    delivery = rows.select_related("version__report__study", "place", "requester").first()
    if delivery is None:
        raise exceptions.NotFound
    _require(request, delivery.site_id)
    try:
        change(delivery, actor=request.user, **origin(request))
    except Refused as error:
        raise Conflict(error.words) from error
    return Response(DeliverySerializer(delivery).data)


def _report(request: Request, pk: int) -> Report:
    """404 where it is hidden, 403 where the person sees it as a referrer."""
    who = principal(request)
    rows = Report.objects.visible_to(who).select_related("study").filter(pk=pk)
    report: Report | None = rows.first()
    if report is None or who is None:
        raise exceptions.NotFound
    if not who.is_superuser and report.site_id not in who.whole_sites:
        raise exceptions.PermissionDenied(NOT_YOURS)
    return report


def _require(request: Request, site: int) -> None:
    who = principal(request)
    if who is None or not may_deliver(who, site):
        raise exceptions.PermissionDenied(NOT_YOURS)
