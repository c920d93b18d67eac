"""Login, logout, failure and lockout in the audit trail, whichever view they come from."""

from __future__ import annotations

from typing import Any

from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed

from pacs import audit
from pacs.accounts import sessions
from pacs.accounts.addresses import client_address
from pacs.accounts.models import User
from pacs.accounts.services import only_site


def _address(request: Any) -> str:
    return client_address(request) if request is not None else ""


def _session_key(request: Any) -> str:
    session = getattr(request, "session", None)
    return (session.session_key or "") if session is not None else ""


def _known(username: Any) -> User | None:
    """The existing user of that name. Other typed text may be a password and is not kept."""
    return User.objects.filter(username=username).first() if username else None


def _site(user: User | None) -> int | None:
    """The site of somebody who belongs to one; superusers belong to none."""
    return None if user is None or user.is_superuser else only_site(user)


def _logged_in(sender: Any, request: Any, user: User, **kwargs: Any) -> None:
    if getattr(request, "session", None) is not None:
        sessions.start(request.session)
    audit.record(
        "login",
        actor=user,
        site=_site(user),
        address=_address(request),
        session_key=_session_key(request),
    )


def _logged_out(sender: Any, request: Any, user: User | None, **kwargs: Any) -> None:
    if user is None or getattr(request, "session_expired", False):
        return
    audit.record(
        "logout",
        actor=user,
        site=_site(user),
        address=_address(request),
        session_key=_session_key(request),
    )


def _failed(sender: Any, credentials: dict[str, Any], request: Any = None, **kwargs: Any) -> None:
    user = _known(credentials.get("username"))
    audit.record(
        "login",
        actor=user,
        site=_site(user),
        address=_address(request),
        outcome="refused",
    )


def _locked_out(sender: Any, request: Any, username: Any, **kwargs: Any) -> None:
    user = _known(username)
    audit.record(
        "login.locked",
        actor=user,
        site=_site(user),
        address=_address(request),
        outcome="refused",
    )


def connect() -> None:
    """Connect the signals; called once at start."""
    user_logged_in.connect(_logged_in, dispatch_uid="audit-login")
    user_logged_out.connect(_logged_out, dispatch_uid="audit-logout")
    user_login_failed.connect(_failed, dispatch_uid="audit-login-failed")
    user_locked_out.connect(_locked_out, dispatch_uid="audit-locked-out")
