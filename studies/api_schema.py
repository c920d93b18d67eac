"""The OpenAPI description of everything under `/api/` and `/dicom-web/`, at `/api/schema/`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from drf_spectacular.views import SpectacularAPIView

from pacs.accounts.permissions import IsMember
from studies.dicomweb.openapi import PATHS, SCHEMAS
from studies.views.problems import FORBIDDEN, UNAUTHENTICATED, Detail


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "pacs.accounts.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "pacs.accounts.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "apiKey", "in": "cookie", "name": "lightbox_session"}


def add_data_plane(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """Adds what Django's URLs do not know: DICOMweb and uploads, described by hand."""
    result["paths"].update(PATHS)
    result["components"].setdefault("schemas", {}).update(SCHEMAS)
    return result


class SchemaView(SpectacularAPIView):
    """For those who may use the API."""

    permission_classes = (IsMember,)

    @extend_schema(
        operation_id="schema",
        parameters=[
            OpenApiParameter("format", enum=["json", "yaml"]),
            OpenApiParameter("lang", exclude=True),
        ],
        responses={
            (200, "application/vnd.oai.openapi"): {"type": "string"},
            (200, "application/yaml"): {"type": "string"},
            (200, "application/vnd.oai.openapi+json"): {"type": "object"},
            (200, "application/json"): {"type": "object"},
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
            404: OpenApiResponse(Detail, "There is no such format."),
            406: OpenApiResponse(Detail, "None of the media types in Accept is there."),
        },
    )
    def get(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        return super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
