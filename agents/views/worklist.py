"""REST for agents: the site's orders, by the agent's key."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import admission, worklist
from pacs.accounts.addresses import client_address
from pacs.audit import record_read
from studies.models import Priority
from studies.orders.models import Order, OrderStatus
from studies.views.problems import BAD_REQUEST, Detail

BIG = 2**63 - 1


class Since(serializers.Serializer[Any]):
    """The cursor of the answer before; 0 the first time."""

    since = serializers.IntegerField(min_value=0, max_value=BIG, default=0)


class WorklistOrder(serializers.ModelSerializer[Order]):
    """An order as the worklist has it; date and time are local to the site."""

    status = serializers.ChoiceField(choices=OrderStatus.choices, read_only=True)
    priority = serializers.ChoiceField(
        choices=[worklist.PRIORITIES[each] for each in Priority.values], read_only=True
    )
    scheduled_date = serializers.CharField(read_only=True)
    scheduled_time = serializers.CharField(read_only=True)

    class Meta:
        model = Order
        fields = (*worklist.FIELDS, "scheduled_date", "scheduled_time", "priority")
        read_only_fields = fields


class WorklistChanges(serializers.Serializer[Any]):
    """What changed since, oldest change first."""

    cursor = serializers.IntegerField()
    more = serializers.BooleanField()
    orders = WorklistOrder(many=True)


class WorklistView(APIView):
    """`GET /api/agents/worklist/?since=`: for agents, with their key; nobody else.

    401 for a key that opens no connection, and for one from a network that is not the agent's.
    """

    authentication_classes: Any = ()
    permission_classes: Any = ()
    http_method_names = ("get", "options")

    @extend_schema(
        operation_id="agents_worklist",
        parameters=[Since],
        responses={
            200: WorklistChanges,
            400: BAD_REQUEST,
            401: OpenApiResponse(Detail, "No key of an agent, or not from its networks."),
        },
    )
    def get(self, request: Request) -> Response:
        address = client_address(request._request)
        admitted = admission.admit(
            request.headers.get("Authorization", ""),
            request.META.get("QUERY_STRING", ""),
            address,
        )
        if admitted is None:
            return Response(
                {"detail": "Not the key of an agent."},
                status=401,
                headers={"WWW-Authenticate": "Bearer"},
            )
        asked = Since(data=request.query_params)
        asked.is_valid(raise_exception=True)
        agent = admitted.agent
        found = worklist.changes(agent, asked.validated_data["since"])
        if found["orders"]:
            record_read(
                "orders.worklist",
                site=agent.site_id,
                address=address,
                session_key=f"agent:{agent.pk}",
                detail={"agent": agent.pk},
            )
        return Response(found)
