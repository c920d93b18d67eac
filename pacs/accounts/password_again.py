"""The password of somebody who is logged in, asked for once more."""

from __future__ import annotations

import enum
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from django.contrib.auth import authenticate
from django.http import HttpRequest

from pacs.accounts.addresses import client_address


class Answer(enum.Enum):
    """What became of it. Wrong ones count like failed logins (django-axes)."""

    RIGHT = "right"
    WRONG = "wrong"
    TOO_MANY = "too many"


def check(request: HttpRequest, password: str) -> Answer:
    """Whether this is the password of the session's user. Outside of transactions."""
    user: Any = request.user
    bare = _without_form(request)
    found = authenticate(bare, username=user.get_username(), password=password)
    if found is None or found.pk != user.pk:
        too_many = bool(getattr(bare, "axes_locked_out", False))
        return Answer.TOO_MANY if too_many else Answer.WRONG
    AxesProxyHandler.reset_attempts(
        username=user.get_username(), ip_address=client_address(request)
    )
    return Answer.RIGHT


def _without_form(request: HttpRequest) -> HttpRequest:
    """The request without what was typed: axes keeps form fields, and answers are no business
    of the login's records."""
    bare = HttpRequest()
    bare.method, bare.path, bare.path_info = "POST", request.path, request.path_info
    bare.META = request.META
    bare.session = request.session
    bare.user = request.user
    return bare
