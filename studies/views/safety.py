"""Whether a study's images are archived and backed up: for technicians and their programs."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs.accounts.permissions import IsMember, principal
from studies.backup.safety import safety
from studies.models import Study
from studies.views.problems import FORBIDDEN, NOT_FOUND, UNAUTHENTICATED


class SafetyState(serializers.Serializer[Any]):
    """`safe` is never true without an expected number of images."""

    study = serializers.IntegerField()
    safe = serializers.BooleanField()
    received = serializers.IntegerField()
    backed_up = serializers.IntegerField()
    expected = serializers.IntegerField(allow_null=True)
    message = serializers.CharField()


class SafetyView(APIView):
    """`GET /api/studies/<id>/safety/`. 404 for a study that is not seen."""

    permission_classes = (IsMember,)
    http_method_names = ("get", "options")

    @extend_schema(
        operation_id="study_safety",
        responses={200: SafetyState, 401: UNAUTHENTICATED, 403: FORBIDDEN, 404: NOT_FOUND},
    )
    def get(self, request: Request, pk: int) -> Response:
        study = Study.objects.visible_to(principal(request)).filter(pk=pk).first()
        if study is None:
            raise exceptions.NotFound
        found = safety(study)
        return Response(
            {
                "study": study.pk,
                "safe": found.is_safe,
                "received": found.received,
                "backed_up": found.backed_up,
                "expected": found.expected,
                "message": found.words,
            }
        )
