"""Orthanc's hint: "there is something new". It proves who it is, and makes the follower look."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    inline_serializer,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studies.models import OrthancServer

MAX_BODY = 64 * 1024
MAX_AGE = 300


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """`sha256=` and HMAC-SHA256 over timestamp, a dot and the body."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


PROBLEM = inline_serializer("Problem", {"error": serializers.CharField()})


class OrthancWebhookView(APIView):
    """`POST /api/orthanc/webhook/`, answered before any work is done.

    202 accepted; 401 bad signature or unknown server; 409 older or newer than five minutes;
    400 no JSON object; 413 above 64 KB. Only 202 makes the follower look.
    """

    authentication_classes: Any = ()
    permission_classes: Any = ()
    http_method_names = ("post", "options")

    @extend_schema(
        operation_id="orthanc_webhook",
        auth=[],
        parameters=[
            OpenApiParameter("X-Orthanc-Server", str, "header", required=True),
            OpenApiParameter("X-Orthanc-Timestamp", str, "header", required=True),
            OpenApiParameter("X-Orthanc-Signature", str, "header", required=True),
        ],
        request=inline_serializer(
            "Hint", {"events": serializers.ListField(child=serializers.JSONField(), required=False)}
        ),
        responses={
            202: inline_serializer("Accepted", {"accepted": serializers.BooleanField()}),
            **{
                status: OpenApiResponse(PROBLEM, words)
                for status, words in {
                    400: "No JSON object with a list of events.",
                    401: "Signature or server are not right.",
                    409: "The clocks differ by more than five minutes.",
                    413: "More than 64 KB.",
                }.items()
            },
        },
    )
    def post(self, request: Request) -> Response:
        body = self._body(request)
        if body is None:
            return _problem(413, "The hint is larger than 64 KB.")
        server = self._server(request, body)
        if server is None:
            return _problem(401, "The signature or the server's name is not right.")
        if abs(time.time() - int(request.headers["X-Orthanc-Timestamp"])) > MAX_AGE:
            return _problem(409, "The hint is older than five minutes; check the clocks.")
        try:
            hint = json.loads(body)
        except (ValueError, RecursionError):
            hint = None
        if not isinstance(hint, dict) or not isinstance(hint.get("events", []), list):
            return _problem(400, "The hint is not a JSON object with a list of events.")
        note_hint(server.pk)
        return Response({"accepted": True}, status=202)

    @staticmethod
    def _body(request: Request) -> bytes | None:
        declared = request.headers.get("Content-Length") or "0"
        if not declared.isdigit() or int(declared) > MAX_BODY:
            return None
        body = request._request.read(MAX_BODY + 1)
        return None if len(body) > MAX_BODY else body

    @staticmethod
    def _server(request: Request, body: bytes) -> OrthancServer | None:
        timestamp = request.headers.get("X-Orthanc-Timestamp", "")
        sent = request.headers.get("X-Orthanc-Signature", "")
        slug = request.headers.get("X-Orthanc-Server", "")
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            return None
        server = OrthancServer.objects.filter(slug=slug[:40], is_enabled=True).first()
        secret = server.webhook_secret if server is not None else ""
        # An unknown server costs the same time as a wrong signature.
        expected = signature(secret or "no such server", timestamp, body)
        right = hmac.compare_digest(expected.encode(), sent.encode("utf-8", "replace"))
        return server if right and secret else None


def note_hint(server_id: int) -> None:
    """Mark the server as hinted; the first of several hints enqueues the follower."""
    from studies.tasks import follow_changes

    now = timezone.now()
    with transaction.atomic():
        first = OrthancServer.objects.filter(pk=server_id, hint_pending=False).update(
            hint_pending=True, hinted_at=now, next_attempt_at=None
        )
        if first:
            transaction.on_commit(lambda: follow_changes.delay(server_id))


def _problem(status: int, words: str) -> Response:
    return Response({"error": words}, status=status)
