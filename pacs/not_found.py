"""404: a page for people, JSON for programs that ask below `/api/`."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views import defaults


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's `handler404`; an address that no view has."""
    if request.path.startswith("/api/"):
        return JsonResponse({"detail": "There is nothing here."}, status=404)
    return defaults.page_not_found(request, exception)
