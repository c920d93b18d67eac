"""`GET /api/agents/deliveries/{id}/pdf/`: the PDF of a report that an agent is to send on."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from agents import admission, protocol
from agents.models import OPEN, AgentCommand
from agents.reporting.told import KEY
from agents.views.document import OneAnswer, PrintProblem, problem, without_key
from pacs import audit
from pacs.accounts.addresses import client_address
from reports.delivery import renderings
from reports.delivery.models import Delivery


class DeliveryPdfView(APIView):
    """With the agent's key, and only while it has the command to send this delivery."""

    authentication_classes: Any = ()
    permission_classes: Any = ()
    content_negotiation_class = OneAnswer
    http_method_names = ("get", "options")

    @extend_schema(
        operation_id="agent_deliveries_pdf",
        responses={
            (200, "application/pdf"): OpenApiTypes.BINARY,
            401: OpenApiResponse(PrintProblem, "No key of an agent."),
            404: OpenApiResponse(PrintProblem, "The agent has no such delivery in hand."),
        },
    )
    def get(self, request: Request, pk: int) -> HttpResponse:
        address = client_address(request._request)
        agent = admission.caller(request.headers.get("Authorization", ""), address)
        if agent is None:
            return without_key()
        command = AgentCommand.objects.filter(
            agent=agent,
            type=protocol.SEND_ORU,
            state__in=OPEN,
            attempts__gt=0,
            cancel_requested_at=None,
            idempotency_key__startswith=f"{KEY}{pk}:",
        ).first()
        delivery = (
            Delivery.objects.filter(pk=pk, site=agent.site_id)
            .select_related("version__report__study")
            .first()
            if command is not None
            else None
        )
        if command is None or delivery is None:
            return problem(404, "unknown", "This agent was given no such report.")
        pdf = renderings.pdf(delivery.version)
        audit.record(
            "agent.delivery.pdf",
            actor=delivery.requester,
            study=delivery.version.report.study,
            address=address,
            detail={"agent": agent.pk, "command": command.pk, "delivery": delivery.pk},
        )
        return HttpResponse(
            pdf, content_type="application/pdf", headers={"Cache-Control": "no-store"}
        )
