"""REST of orders: `/api/orders/` and what has no counterpart."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs import audit
from pacs.accounts.permissions import origin, principal
from pacs.audit import record_read
from studies.models import Priority, Study
from studies.orders import matching
from studies.orders.models import MatchProblem, Order, OrderStatus
from studies.sending.permissions import CanSend
from studies.services.arrival import judged_sites
from studies.views.problems import (
    BAD_REQUEST,
    FORBIDDEN,
    NOT_FOUND,
    UNAUTHENTICATED,
    UNSUPPORTED,
    Conflict,
    Detail,
)

BIG = 2**63 - 1
PAGE = 100


class SeesOrders(CanSend):
    """Who sees a site whole; linking needs the scope "write"."""

    message = "Your role does not see orders, or the token lacks the scope for it."


class OrderSerializer(serializers.ModelSerializer[Order]):
    """An order; `match_problem` says why a study of its accession number is not linked to it."""

    status = serializers.ChoiceField(choices=OrderStatus.choices, read_only=True)
    priority = serializers.ChoiceField(choices=Priority.choices, read_only=True)
    match_problem = serializers.ChoiceField(
        choices=MatchProblem.choices, read_only=True, allow_blank=True
    )

    class Meta:
        model = Order
        fields = tuple(field.name for field in Order._meta.fields if field.name != "seq")
        read_only_fields = fields


class OrderPageSerializer(serializers.Serializer[Any]):
    """Orders, newest first: `results` of `count`, from `offset` on."""

    count = serializers.IntegerField()
    results = OrderSerializer(many=True)


class UnorderedSerializer(serializers.ModelSerializer[Study]):
    """A study without an order."""

    class Meta:
        model = Study
        fields = (
            *("id", "site", "study_instance_uid", "accession_number", "study_description"),
            *("modalities", "patient_name", "patient_id", "patient_birth_date", "received_at"),
        )
        read_only_fields = fields


class UnorderedPageSerializer(serializers.Serializer[Any]):
    """Studies without an order, newest first."""

    count = serializers.IntegerField()
    results = UnorderedSerializer(many=True)


class Page(serializers.Serializer[Any]):
    """Which part of a list."""

    offset = serializers.IntegerField(min_value=0, max_value=10_000, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=PAGE, default=PAGE)


class Filters(Page):
    """The query of the list of orders. `linked`: whether it has a study."""

    site = serializers.IntegerField(min_value=1, max_value=BIG, required=False)
    status = serializers.ChoiceField(choices=OrderStatus.choices, required=False)
    linked = serializers.BooleanField(required=False, allow_null=True, default=None)
    accession_number = serializers.CharField(required=False, max_length=16)
    patient_id = serializers.CharField(required=False, max_length=64)
    modality = serializers.CharField(required=False, max_length=16)
    study = serializers.IntegerField(min_value=1, max_value=BIG, required=False)


class StudyOfOrder(serializers.Serializer[Any]):
    """The study that came of the order."""

    study = serializers.IntegerField(min_value=1, max_value=BIG)


LIST_ANSWERS: dict[int, Any] = {400: BAD_REQUEST, 401: UNAUTHENTICATED, 403: FORBIDDEN}
ANSWERS: dict[int, Any] = {
    200: OrderSerializer,
    401: UNAUTHENTICATED,
    403: FORBIDDEN,
    404: NOT_FOUND,
}


class OrderListView(APIView):
    """`GET /api/orders/`."""

    permission_classes = (SeesOrders,)
    http_method_names = ("get", "head", "options")

    @extend_schema(
        operation_id="orders_list",
        parameters=[Filters],
        responses={200: OrderPageSerializer, **LIST_ANSWERS},
    )
    def get(self, request: Request) -> Response:
        filters = Filters(data=request.query_params)
        filters.is_valid(raise_exception=True)
        asked = dict(filters.validated_data)
        offset, limit, linked = asked.pop("offset"), asked.pop("limit"), asked.pop("linked")
        found = Order.objects.visible_to(principal(request)).filter(**asked)
        if linked is not None:
            found = found.filter(study__isnull=not linked)
        rows = list(found[offset : offset + limit])
        for site in sorted({row.site_id for row in rows}):
            record_read("orders.read", actor=request.user, site=site, **origin(request))
        return Response({"count": found.count(), "results": OrderSerializer(rows, many=True).data})


class OrderView(APIView):
    """`GET /api/orders/{id}/`."""

    permission_classes = (SeesOrders,)
    http_method_names = ("get", "head", "options")

    @extend_schema(operation_id="orders_retrieve", responses=ANSWERS)
    def get(self, request: Request, pk: int) -> Response:
        order = _order(request, pk)
        audit.record(
            "order.opened",
            actor=request.user,
            site=order.site_id,
            study=order.study_id,
            detail={"order": order.pk},
            **origin(request),
        )
        return Response(OrderSerializer(order).data)


class OrderLinkView(APIView):
    """`POST /api/orders/{id}/link/` a study of the same site; `DELETE` takes it away.

    Technicians and administrators of the site. 409 where the order has a study, or has none.
    """

    permission_classes = (SeesOrders,)
    http_method_names = ("post", "delete", "options")

    @extend_schema(
        operation_id="orders_link",
        request=StudyOfOrder,
        responses={
            **ANSWERS,
            400: BAD_REQUEST,
            409: Detail,
            415: UNSUPPORTED,
        },
    )
    def post(self, request: Request, pk: int) -> Response:
        order = self._judged(request, pk)
        wanted = StudyOfOrder(data=request.data)
        wanted.is_valid(raise_exception=True)
        study = (
            Study.objects.visible_to(principal(request))
            .filter(pk=wanted.validated_data["study"], site=order.site_id)
            .first()
        )
        if study is None:
            raise exceptions.NotFound
        with transaction.atomic():
            if not matching.link(order, study, request.user, **origin(request)):
                raise Conflict("The order has a study already.")
        return Response(OrderSerializer(order).data)

    @extend_schema(operation_id="orders_unlink", request=None, responses={**ANSWERS, 409: Detail})
    def delete(self, request: Request, pk: int) -> Response:
        order = self._judged(request, pk)
        if not matching.unlink(order, request.user, **origin(request)):
            raise Conflict("The order has no study.")
        return Response(OrderSerializer(order).data)

    @staticmethod
    def _judged(request: Request, pk: int) -> Order:
        order = _order(request, pk)
        who = principal(request)
        if who is None or order.site_id not in judged_sites(who):
            raise exceptions.PermissionDenied(
                "Only technicians and administrators of the site may say which study it is."
            )
        return order


class UnorderedView(APIView):
    """`GET /api/orders/unordered-studies/`: studies with an accession number and no order."""

    permission_classes = (SeesOrders,)
    http_method_names = ("get", "head", "options")

    @extend_schema(
        operation_id="orders_unordered_studies",
        parameters=[Page],
        responses={200: UnorderedPageSerializer, **LIST_ANSWERS},
    )
    def get(self, request: Request) -> Response:
        page = Page(data=request.query_params)
        page.is_valid(raise_exception=True)
        offset, limit = page.validated_data["offset"], page.validated_data["limit"]
        who = principal(request)
        visible = Study.objects.visible_to(who)
        if who is not None and not who.is_superuser:
            visible = visible.filter(site__in=who.whole_sites)
        found = visible.filter(orders=None).exclude(accession_number="").order_by("-id")
        rows = list(found[offset : offset + limit])
        for site in sorted({row.site_id for row in rows}):
            record_read("studies.unordered", actor=request.user, site=site, **origin(request))
        return Response(
            {"count": found.count(), "results": UnorderedSerializer(rows, many=True).data}
        )


def _order(request: Request, pk: int) -> Order:
    order: Order | None = Order.objects.visible_to(principal(request)).filter(pk=pk).first()
    if order is None:
        raise exceptions.NotFound
    return order
