"""Login, logout and the session's clock."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET, require_POST

from pacs.accounts import sessions
from pacs.accounts.forms import LoginForm


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
    """Seconds until the session ends. Asking does not extend it."""
    if SESSION_KEY not in request.session or not request.user.is_authenticated:
        return _nobody()
    return JsonResponse({"seconds_left": sessions.seconds_left(request.session)})
