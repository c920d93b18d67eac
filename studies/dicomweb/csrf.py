"""Django's own CSRF check for requests that bring a session cookie and no Django request."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.cookie import parse_cookie
from django.middleware.csrf import CsrfViewMiddleware

from studies.dicomweb.errors import ForbiddenError
from studies.dicomweb.exchange import Exchange


class _Head(HttpRequest):
    """The request line and headers, as Django's middleware reads them. It has no body."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self.method = exchange.method
        self.path = self.path_info = exchange.path
        self.COOKIES = parse_cookie(exchange.headers.get("cookie", ""))
        host, port = exchange.scope.get("server") or ("", 0)
        self.META = {"SERVER_NAME": host, "SERVER_PORT": str(port or 0)}
        for name, value in exchange.headers.items():
            self.META[f"HTTP_{name.upper().replace('-', '_')}"] = value
        self._scheme = exchange.scope.get("scheme", "http")

    def _get_scheme(self) -> str:
        return str(self._scheme)


def _no_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def _no_callback(*args: Any, **kwargs: Any) -> HttpResponse:
    return HttpResponse()


def check(exchange: Exchange) -> None:
    """Raises ForbiddenError unless Origin (or Referer) and X-CSRFToken prove our own page."""
    request = _Head(exchange)
    middleware = CsrfViewMiddleware(_no_view)
    middleware.process_request(request)
    if middleware.process_view(request, _no_callback, (), {}) is not None:
        raise ForbiddenError("The request does not come from a page of this portal.")
