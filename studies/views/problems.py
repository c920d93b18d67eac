"""How REST views say that something is wrong, and how the schema describes it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework import exceptions, serializers, status


class Conflict(exceptions.APIException):
    """What was asked for does not fit the state of things."""

    status_code = status.HTTP_409_CONFLICT


class Detail(serializers.Serializer[Any]):
    """One sentence."""

    detail = serializers.CharField()


BAD_REQUEST = OpenApiResponse(
    {
        "description": "One sentence as `detail`, or sentences by the name of the field.",
        "type": "object",
        "additionalProperties": True,
    },
    "The request is malformed.",
)
UNAUTHENTICATED = OpenApiResponse(Detail, "No session and no valid token.")
FORBIDDEN = OpenApiResponse(Detail, "Role or token do not allow this.")
NOT_FOUND = OpenApiResponse(Detail, "There is no such thing, or it is hidden from you.")
UNSUPPORTED = OpenApiResponse(Detail, "This address does not take that Content-Type.")
