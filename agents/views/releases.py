"""What agents fetch to update themselves: the signed manifest, and the program in pieces."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from agents import admission, releases
from agents.models import Agent, AgentRelease
from pacs import audit
from pacs.accounts.addresses import client_address

MOST_PIECE = 4 * 2**20
REFUSED = OpenApiResponse(description="No agent's key, or from a network that it may not use.")


class OfAgents(APIView):
    """Read with an agent's key alone; people have nothing to fetch here."""

    authentication_classes: Any = ()
    permission_classes: Any = ()
    http_method_names = ("get", "options")

    def agent(self, request: Request) -> Agent | None:
        """The agent that asks; None, and an audit event, for everybody else."""
        found = admission.admit(
            request.headers.get("Authorization", ""),
            request.META.get("QUERY_STRING", ""),
            client_address(request._request),
        )
        return found.agent if found else None


class ReleaseView(OfAgents):
    """`GET /api/agents/release/?version=`: the signed manifest of the newest release offered."""

    @extend_schema(
        operation_id="agent_release",
        parameters=[OpenApiParameter("version", OpenApiTypes.STR)],
        responses={
            200: OpenApiResponse(OpenApiTypes.OBJECT, "The envelope, as it was signed."),
            401: REFUSED,
            404: OpenApiResponse(description="There is no such release."),
        },
    )
    def get(self, request: Request) -> HttpResponse:
        agent = self.agent(request)
        if agent is None:
            return _refused()
        found = releases.offered(request.query_params.get("version", "")[:40])
        if found is None:
            return HttpResponse("There is no such release.\n", "text/plain", 404)
        audit.record(
            "agent.release.read",
            site=agent.site_id,
            address=client_address(request._request),
            detail={"agent": agent.pk, "seq": found.seq},
        )
        return HttpResponse(found.envelope, "application/json")


class ReleaseFileView(OfAgents):
    """`GET /api/agents/release/{seq}/file` with `Range`: at most 4 MB of the program at a time."""

    @extend_schema(
        operation_id="agent_release_file",
        parameters=[
            OpenApiParameter("Range", OpenApiTypes.STR, OpenApiParameter.HEADER, required=True)
        ],
        responses={
            (206, "application/octet-stream"): OpenApiTypes.BINARY,
            401: REFUSED,
            404: OpenApiResponse(description="There is no such release."),
            416: OpenApiResponse(description="No `bytes=first-last` inside the file."),
        },
    )
    def get(self, request: Request, seq: int) -> HttpResponse:
        if self.agent(request) is None:
            return _refused()
        found = AgentRelease.objects.filter(seq=seq).first()
        if found is None or not found.is_offered:
            return HttpResponse("There is no such release.\n", "text/plain", 404)
        wanted = re.fullmatch(r"bytes=(\d{1,12})-(\d{1,12})", request.headers.get("Range", ""))
        start, last = (int(wanted[1]), int(wanted[2])) if wanted else (0, -1)
        last = min(last, found.size - 1, start + MOST_PIECE - 1)
        if start > last:
            answer = HttpResponse("Ask for a part of the file.\n", "text/plain", 416)
            answer["Content-Range"] = f"bytes */{found.size}"
            return answer
        data = releases.read(found, start, last - start + 1)
        answer = HttpResponse(data, "application/octet-stream", 206)
        answer["Content-Range"] = f"bytes {start}-{last}/{found.size}"
        answer["Accept-Ranges"] = "bytes"
        return answer


def _refused() -> HttpResponse:
    answer = HttpResponse("An agent's key is needed.\n", "text/plain", 401)
    answer["WWW-Authenticate"] = "Bearer"
    return answer
