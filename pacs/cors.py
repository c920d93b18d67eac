"""Which other web pages may read DICOMweb and the API from a browser (Fetch standard, CORS).

Only origins that `PACS_CORS_ORIGINS` names, one by one. Such pages bring a bearer token; a cookie
of the portal never counts for them, since `Access-Control-Allow-Credentials` is never sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

API = "/api/"
METHODS = "GET, HEAD, POST, DELETE, OPTIONS"
HEADERS = (
    "Accept, Authorization, Cache-Control, Content-Type, If-None-Match, Range,"
    " X-Content-SHA256, X-Lightbox-Site"
)
EXPOSED = (
    "Accept-Ranges, Content-Location, Content-Range, ETag, Location, Retry-After, Warning,"
    " WWW-Authenticate"
)
REMEMBERED_SECONDS = 600


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a browser asks in advance, for a page of a listed origin."""
    return (
        method == "OPTIONS"
        and "access-control-request-method" in headers
        and headers.get("origin", "") in settings.CORS_ORIGINS
    )


def preflight(headers: Mapping[str, str]) -> dict[str, str]:
    """What such a page may do."""
    return {
        "Access-Control-Allow-Origin": headers["origin"],
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": HEADERS,
        "Access-Control-Max-Age": str(REMEMBERED_SECONDS),
        "Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
    }


def marks(headers: Mapping[str, str]) -> dict[str, str]:
    """What lets the page of a listed origin read an answer; nothing for any other origin."""
    origin = headers.get("origin", "")
    if origin not in settings.CORS_ORIGINS:
        return {}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED}


class CorsMiddleware:
    """The same for Django's part of the API. Pages are for nobody else."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not settings.CORS_ORIGINS or not request.path.startswith(API):
            return self.get_response(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        if is_preflight(request.method or "", headers):
            return HttpResponse(status=204, headers=preflight(headers))
        response = self.get_response(request)
        for name, value in marks(headers).items():
            response.headers[name] = value
        patch_vary_headers(response, ["Origin"])
        return response
