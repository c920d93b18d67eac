"""Login, logout and the session's clock."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from pacs import audit
from pacs.accounts import password_again, sessions
from pacs.accounts.access import drop_cache
from pacs.accounts.addresses import client_address
from pacs.accounts.forms import LoginForm
from pacs.accounts.password_again import Answer

REFUSED = {
    Answer.WRONG: (403, "That is not your password."),
    Answer.TOO_MANY: (429, "Too many wrong passwords. Try again in 15 minutes, or log out."),
}


class Login(LoginView):
    """The only login, for pages and admin alike."""

    template_name = "accounts/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True


class Logout(LogoutView):
    """Ends the session; the browser forgets what it kept of the portal."""

    http_method_names = ["post", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().dispatch(request, *args, **kwargs)
        if request.method == "POST":
            response.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'
        return response


def _nobody() -> JsonResponse:
    return JsonResponse({"detail": "Not logged in."}, status=401)


@require_POST
def activity(request: HttpRequest) -> HttpResponse:
    """A key or the pointer was used: the idle clock starts again."""
    if not request.user.is_authenticated:
        return _nobody()
    sessions.touch(request.session)
    return HttpResponse(status=204)


@require_GET
def state(request: HttpRequest) -> HttpResponse:
    """Seconds until the session is locked, whether it is, and whose. Asking does not extend it."""
    if SESSION_KEY not in request.session or not request.user.is_authenticated:
        return _nobody()
    return JsonResponse(
        {
            "seconds_left": sessions.seconds_left(request.session),
            "locked": sessions.is_locked(request.session),
            "user": request.user.pk,
            "name": str(request.user),
        }
    )


@require_POST
def lock(request: HttpRequest) -> HttpResponse:
    """Locks the session at once. Other processes hear of it within five seconds."""
    if not request.user.is_authenticated:
        return _nobody()
    if not sessions.is_locked(request.session):
        sessions.lock(request.session)
        request.session.save()
        drop_cache()
        audit.record("session.locked", **_facts(request))
    return HttpResponse(status=204)


@require_POST
def unlock(request: HttpRequest) -> HttpResponse:
    """The password of the session's person: all goes on. 403 for a wrong one, 429 after too many.

    A form (`next`) is answered with a page, a script with JSON.
    """
    if not request.user.is_authenticated:
        return _nobody()
    target = request.POST.get("next")
    if not sessions.is_locked(request.session):
        return redirect(_safe(target)) if target else HttpResponse(status=204)
    answer = password_again.check(request, request.POST.get("password", ""))
    if answer is Answer.RIGHT:
        sessions.unlock(request.session)
        audit.record("session.unlocked", **_facts(request))
        return redirect(_safe(target)) if target else HttpResponse(status=204)
    audit.record("session.unlocked", outcome="refused", **_facts(request))
    status, words = REFUSED[answer]
    if target:
        page = {"next": _safe(target), "problem": words}
        return render(request, "accounts/unlock.html", page, status=status)
    return JsonResponse({"detail": words}, status=status)


def _facts(request: HttpRequest) -> dict[str, Any]:
    return {
        "actor": request.user,
        "address": client_address(request),
        "session_key": request.session.session_key or "",
    }


def _safe(target: str) -> str:
    """An address of this portal; the worklist for anything else."""
    return target if url_has_allowed_host_and_scheme(target, allowed_hosts=None) else "/"
