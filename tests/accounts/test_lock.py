"""The lock of a session: on the server it is one, whatever the page does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from pacs.accounts import sessions
from pacs.accounts.access import cached_principal, resolve
from pacs.accounts.models import User
from pacs.accounts.session_store import SessionStore
from pacs.audit.models import AuditEvent

PASSWORD = "a-long-enough-password"
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
SCRIPT = {"Accept": "application/json", "Sec-Fetch-Mode": "cors"}
LOCK, UNLOCK, STATE = "/session/lock/", "/session/unlock/", "/session/state/"


@pytest.fixture
def client(radiologist: User, logged_in: Callable[[User], Client]) -> Client:
    radiologist.set_password(PASSWORD)
    radiologist.save()
    return logged_in(radiologist)


def cookies(client: Client) -> dict[str, str]:
    return {settings.SESSION_COOKIE_NAME: client.cookies[settings.SESSION_COOKIE_NAME].value}


def events(action: str) -> list[tuple[str, int | None]]:
    found = AuditEvent.objects.filter(action=action).order_by("id")
    return list(found.values_list("outcome", "actor_id"))


def idle(client: Client) -> None:
    session = client.session
    session["active_at"] = int(time.time()) - settings.SESSION_IDLE_SECONDS - 1
    session.save()


@pytest.mark.parametrize("how", ["asked", "idle"])
def test_nothing_is_answered_but_the_password(client: Client, radiologist: User, how: str) -> None:
    assert cached_principal({}, cookies(client)) is not None
    if how == "asked":
        assert client.post(LOCK).status_code == 204
        assert cached_principal({}, cookies(client)) is None
    else:
        idle(client)
    assert client.get("/", headers=SCRIPT).status_code == 401
    assert client.post("/session/activity/").status_code == 401
    assert client.post("/api/studies/together/", {}, headers=SCRIPT).status_code == 401
    assert resolve({}, cookies(client)) is None
    page = client.get("/", headers=PAGE)
    assert page.status_code == 423
    assert "Password" in page.content.decode()
    assert page.headers["Cache-Control"] == "no-store"
    state = client.get(STATE).json()
    assert (state["locked"], state["seconds_left"]) == (True, 0)
    assert client.post(UNLOCK, {"password": "wrong"}).status_code == 403
    assert client.get("/", headers=SCRIPT).status_code == 401
    assert client.post(UNLOCK, {"password": PASSWORD}).status_code == 204
    assert client.get("/", headers=PAGE).status_code == 200
    assert client.get(STATE).json()["locked"] is False
    assert resolve({}, cookies(client)) is not None
    assert events("session.unlocked") == [
        ("refused", radiologist.pk),
        ("ok", radiologist.pk),
    ]
    assert len(events("session.locked")) == (how == "asked")


def test_the_page_unlocks_without_scripts(client: Client) -> None:
    client.post(LOCK)
    wrong = client.post(UNLOCK, {"password": "wrong", "next": "/status/"}, headers=PAGE)
    assert wrong.status_code == 403
    assert "not your password" in wrong.content.decode()
    right = client.post(UNLOCK, {"password": PASSWORD, "next": "/upload/"}, headers=PAGE)
    assert (right.status_code, right.url) == (302, "/upload/")
    client.post(LOCK)
    away = client.post(UNLOCK, {"password": PASSWORD, "next": "//evil.example/"}, headers=PAGE)
    assert away.url == "/"


def test_logout_from_the_lock(client: Client) -> None:
    client.post(LOCK)
    assert client.post("/logout/").status_code == 302
    assert client.get(STATE).status_code == 401
    assert len(events("logout")) == 1


def test_the_absolute_limit_ends_a_locked_session(client: Client) -> None:
    client.post(LOCK)
    session = client.session
    session["login_at"] = int(time.time()) - settings.SESSION_ABSOLUTE_SECONDS - 1
    session.save()
    assert client.post(UNLOCK, {"password": PASSWORD}).status_code == 401
    assert "_auth_user_id" not in client.session


def test_too_many_wrong_passwords(client: Client, settings: Any) -> None:
    client.post(LOCK)
    seen = [client.post(UNLOCK, {"password": "x"}).status_code for _ in range(12)]
    assert 429 in seen
    assert client.post(UNLOCK, {"password": PASSWORD}).status_code == 429


def test_another_password_does_not_unlock(
    client: Client, technician: User, django_user_model: Any
) -> None:
    technician.set_password("another-long-password")
    technician.save()
    client.post(LOCK)
    assert client.post(UNLOCK, {"password": "another-long-password"}).status_code == 403


def test_a_lock_takes_the_confirmation_of_signing_away(client: Client, rf: Any) -> None:
    from reports.signing import reauth

    request = rf.post("/")
    request.session = client.session
    request.user = User.objects.get(pk=client.session["_auth_user_id"])
    reauth.require(request, PASSWORD)
    request.session.save()
    assert reauth.is_confirmed(request)
    client.post(LOCK)
    client.post(UNLOCK, {"password": PASSWORD})
    request.session = client.session
    assert not reauth.is_confirmed(request)


@pytest.mark.parametrize("address", [LOCK, UNLOCK])
def test_nobody_has_nothing_to_lock(db: None, address: str) -> None:
    assert Client().post(address).status_code == 401
    assert Client().get(address).status_code == 405


def test_the_addresses() -> None:
    assert (reverse("session-lock"), reverse("session-unlock")) == (LOCK, UNLOCK)


def test_a_slow_request_does_not_unlock(client: Client) -> None:
    """It has read the session before the lock, and writes it after."""
    key = client.session.session_key
    slow = SessionStore(key)
    slow[sessions.ACTIVE_AT] = slow.get(sessions.ACTIVE_AT)
    assert client.post(LOCK).status_code == 204
    slow.save()
    assert sessions.is_locked(SessionStore(key))
    assert client.post(UNLOCK, {"password": PASSWORD}).status_code == 204
    assert not sessions.is_locked(SessionStore(key))
