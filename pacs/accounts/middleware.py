"""Session limits, no caching of pages and answers, and times in the site's zone."""

from __future__ import annotations

import zoneinfo
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.contrib import auth
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.utils import timezone
from django.utils.deprecation import MiddlewareMixin

from pacs import audit
from pacs.accounts import page_person, sessions
from pacs.accounts.addresses import client_address
from pacs.accounts.models import Site

ADMIN_PREFIX = "/admin/"
OPEN_WHILE_LOCKED = ("session-state", "session-lock", "session-unlock", "logout")
# The admin's own scripts evaluate expressions and set styles; nothing from elsewhere runs there.
ADMIN_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def is_navigation(request: HttpRequest) -> bool:
    """Whether a person opens or sends a page, as opposed to a script in the background."""
    if request.method not in {"GET", "POST"} or "HX-Request" in request.headers:
        return False
    mode = request.headers.get("Sec-Fetch-Mode")
    if mode is not None:
        return mode == "navigate"
    return "text/html" in request.headers.get("Accept", "")


def _session_over(request: HttpRequest) -> HttpResponseBase | None:
    """The answer that sends the person to the login page in the form the caller understands."""
    login = resolve_url(settings.LOGIN_URL)
    if request.path == login:
        return None
    # The path only: a query may hold what was searched for.
    target = f"{login}?next={quote(request.path)}" if request.method == "GET" else login
    if "HX-Request" in request.headers:
        return HttpResponse(status=401, headers={"HX-Redirect": login})
    if is_navigation(request):
        return HttpResponseRedirect(target)
    return JsonResponse({"detail": "The session is over. Log in again."}, status=401)


def _locked(request: HttpRequest) -> HttpResponseBase | None:
    """What a locked session gets: the way to unlock it, and nothing else."""
    if request.path in {reverse(name) for name in OPEN_WHILE_LOCKED}:
        return None
    if is_navigation(request):
        target = request.path if request.method == "GET" else "/"
        return render(request, "accounts/unlock.html", {"next": target}, status=423)
    return JsonResponse({"detail": "The session is locked. Give your password."}, status=401)


class SessionLimitMiddleware(MiddlewareMixin):
    """Refuses what comes to a locked session and ends one that is over.

    A page that a person opens restarts the idle clock.
    """

    def process_request(self, request: HttpRequest) -> HttpResponseBase | None:
        session = request.session
        if settings.SESSION_COOKIE_NAME not in request.COOKIES or auth.SESSION_KEY not in session:
            return None
        if sessions.seconds_left(session) > 0:
            if is_navigation(request):
                sessions.touch(session)
            return None
        if sessions.is_locked(session) and request.path != resolve_url(settings.LOGIN_URL):
            return _locked(request)
        user: Any = auth.get_user(request)
        if user.is_authenticated:
            audit.record(
                "session.expired",
                actor=user,
                address=client_address(request),
                session_key=session.session_key or "",
            )
        request.session_expired = True  # type: ignore[attr-defined]
        auth.logout(request)
        return _session_over(request)


class PagePersonMiddleware(MiddlewareMixin):
    """Refuses what a page sends for the person it was rendered for when another is logged in."""

    def process_request(self, request: HttpRequest) -> HttpResponseBase | None:
        said = request.headers.get(page_person.HEADER)
        if said is None or not request.user.is_authenticated:
            return None
        if not page_person.is_other(said, request.user.pk):
            return None
        return JsonResponse({"detail": page_person.WORDS}, status=401)


class NoStoreMiddleware(MiddlewareMixin):
    """Pages and JSON are never kept by a cache; the admin gets the policy its scripts need."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if kind == "text/html" or kind.endswith("json") or not kind:
            response.headers["Cache-Control"] = "no-store"
        if request.path_info.startswith(ADMIN_PREFIX):
            response.headers.setdefault("Content-Security-Policy", ADMIN_POLICY)
        return response


class SiteTimeZoneMiddleware(MiddlewareMixin):
    """Shows times in the zone of the user's first site, where a page says nothing better."""

    def process_request(self, request: HttpRequest) -> None:
        if auth.SESSION_KEY not in request.session or not request.user.is_authenticated:
            return
        sites = Site.objects.order_by("name")
        if not request.user.is_superuser:
            sites = sites.filter(memberships__user=request.user)
        name = sites.values_list("timezone", flat=True).first()
        if name:
            timezone.activate(zoneinfo.ZoneInfo(name))

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        timezone.deactivate()
        return response
