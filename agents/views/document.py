"""`POST /api/agents/commands/{cid}/document/`: where an agent fetches what it is to print."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import admission
from agents.printing.release import Refused, release
from pacs.accounts.addresses import client_address


class PrintProblem(serializers.Serializer[Any]):
    """Why there is no document: a code for programs, words for people."""

    code = serializers.CharField()
    error = serializers.CharField()


class OneAnswer(BaseContentNegotiation):
    """A PDF, or a problem as JSON, whatever was asked for."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return next(iter(parsers))

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class PrintDocumentView(APIView):
    """The PDF of a print command, once: the agent's key and the token that came with the command.

    `X-Document-Version` and `X-Content-SHA256` say what it is. Looked at again at this moment:
    version, permission of who asked, printer, time to live.
    """

    authentication_classes: Any = ()
    permission_classes: Any = ()
    content_negotiation_class = OneAnswer
    http_method_names = ("post", "options")

    @extend_schema(
        operation_id="agent_commands_document",
        request=None,
        parameters=[
            OpenApiParameter("X-Print-Token", str, OpenApiParameter.HEADER, required=False),
        ],
        responses={
            (200, "application/pdf"): OpenApiTypes.BINARY,
            401: OpenApiResponse(PrintProblem, "No key of an agent."),
            404: OpenApiResponse(PrintProblem, "Not a print command of this agent."),
            409: OpenApiResponse(PrintProblem, "It may not be printed any more."),
            410: OpenApiResponse(PrintProblem, "Token or command are wrong, used or too old."),
        },
    )
    def post(self, request: Request, cid: int) -> HttpResponse:
        address = client_address(request._request)
        agent = admission.caller(request.headers.get("Authorization", ""), address)
        if agent is None:
            return without_key()
        token = request.headers.get("X-Print-Token", "")
        try:
            pdf, order = release(agent, cid, token, address=address)
        except Refused as refused:
            return problem(refused.status, refused.code, refused.words)
        return HttpResponse(
            pdf,
            content_type="application/pdf",
            headers={
                "Cache-Control": "no-store",
                "X-Content-SHA256": order.sha256,
                "X-Document-Version": order.version,
            },
        )


def problem(status: int, code: str, words: str) -> Response:
    return Response({"code": code, "error": words}, status=status)


def without_key() -> Response:
    """The answer to whoever is no agent."""
    answer = problem(401, "key", "This is for site agents, with their key.")
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer
