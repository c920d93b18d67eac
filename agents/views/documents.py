"""`PUT /api/agents/documents/{sha256}/`: what an agent leaves before the message that names it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import admission, ris
from agents.views.document import OneAnswer, PrintProblem, problem, without_key
from pacs.accounts.addresses import client_address
from reports.attachments import received
from studies.dicom.payload import Payload, TooLargeError
from studies.services import ingest

CHUNK = 256 * 1024


class Left(serializers.Serializer[Any]):
    """What is kept now."""

    sha256 = serializers.CharField()
    size = serializers.IntegerField()


class AgentDocumentView(APIView):
    """With the agent's key, for its own site. The same bytes again change nothing."""

    authentication_classes: Any = ()
    permission_classes: Any = ()
    content_negotiation_class = OneAnswer
    http_method_names = ("put", "options")

    @extend_schema(
        operation_id="agent_documents_leave",
        parameters=[
            OpenApiParameter(
                "sha256",
                {"type": "string", "pattern": ris.SHA256},
                OpenApiParameter.PATH,
                description="Of the body, in hexadecimal.",
            )
        ],
        request={"application/pdf": OpenApiTypes.BINARY},
        responses={
            200: OpenApiResponse(Left, "It was here already."),
            201: OpenApiResponse(Left, "It is kept."),
            400: OpenApiResponse(PrintProblem, "The bytes have another digest."),
            401: OpenApiResponse(PrintProblem, "No key of an agent."),
            413: OpenApiResponse(PrintProblem, "More than 20 MB."),
        },
    )
    def put(self, request: Request, sha256: str) -> HttpResponse:
        address = client_address(request._request)
        agent = admission.caller(request.headers.get("Authorization", ""), address)
        if agent is None:
            return without_key()
        try:
            payload = Payload.read(
                _pieces(request),
                limit=received.MOST_BYTES,
                spool_dir=ingest.spool_dir(),
            )
        except TooLargeError:
            words = f"A document has at most {received.MOST_BYTES // 2**20} MB."
            return problem(413, "too-large", words)
        if payload.sha256 != sha256:
            return problem(400, "digest", "The bytes are not those of the digest. Send them again.")
        made = received.keep(agent.site, ris.left_by(agent), payload, address=address)
        left = {"sha256": payload.sha256, "size": len(payload)}
        return Response(left, status=201 if made else 200)


def _pieces(request: Request) -> Iterator[bytes]:
    while piece := request._request.read(CHUNK):
        yield piece
