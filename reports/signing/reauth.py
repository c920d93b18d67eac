"""The password once more before signing: kept with the session on the server, for four hours.

A session that ends (logout, lock, idle) takes the confirmation with it, as does a new password.
Wrong passwords count like failed logins (django-axes) and lock this user name at this address.
"""

from __future__ import annotations

import time
from typing import Any

from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from pacs import audit
from pacs.accounts import password_again, sessions
from pacs.accounts.addresses import client_address
from pacs.accounts.password_again import Answer
from reports.errors import NotAllowed

KEY = "signing_confirmed"
HOURS = 4
ACTION = "signing.confirmed"


class PasswordNeeded(NotAllowed):
    """The signer has to give the password (again)."""

    code = "password-needed"


class WrongPassword(NotAllowed):
    """The password is not the signer's."""

    code = "wrong-password"


class TooManyAttempts(NotAllowed):
    """Too many wrong passwords; try again after a quarter of an hour."""

    status = 429
    code = "locked"


def is_confirmed(request: HttpRequest) -> bool:
    """Whether this session's user gave the password within the last four hours."""
    said = request.session.get(KEY)
    if not isinstance(said, dict) or said.get("user") != request.user.pk:
        return False
    user: Any = request.user
    fresh = 0 <= _now() - float(said.get("at") or 0) < HOURS * 3600
    same = constant_time_compare(str(said.get("hash") or ""), user.get_session_auth_hash())
    unlocked_since = said.get("unlocks") != sessions.unlocks(request.session)
    return fresh and same and not unlocked_since


def require(request: HttpRequest, password: str | None) -> None:
    """Return where the signer is confirmed, by `password` where one is given.

    Only for sessions: a token is not a person. Raises PasswordNeeded, WrongPassword,
    TooManyAttempts. Outside of transactions: what failed is counted and audited.
    """
    if not password:
        if is_confirmed(request):
            return
        raise PasswordNeeded("Give your password to sign.")
    confirm(request, password)


def confirm(request: HttpRequest, password: str) -> None:
    """Check the password of the session's user and keep that with the session."""
    user: Any = request.user
    facts = {
        "actor": user,
        "address": client_address(request),
        "session_key": request.session.session_key or "",
    }
    answer = password_again.check(request, password)
    if answer is not Answer.RIGHT:
        locked = answer is Answer.TOO_MANY
        audit.record(
            ACTION, outcome="refused", detail={"why": "locked" if locked else "password"}, **facts
        )
        if locked:
            raise TooManyAttempts(
                "Too many wrong passwords. Nothing was signed; try again in 15 minutes."
            )
        raise WrongPassword("That is not your password. Nothing was signed.")
    request.session[KEY] = {
        "user": user.pk,
        "at": int(_now()),
        "hash": user.get_session_auth_hash(),
        "unlocks": sessions.unlocks(request.session),
    }
    audit.record(ACTION, **facts)


def _now() -> float:
    return time.time()
