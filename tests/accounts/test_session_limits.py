from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from pacs.accounts.models import User
from pacs.audit.models import AuditEvent

PAGE = {"Accept": "text/html,*/*;q=0.8"}
NAVIGATE = {**PAGE, "Sec-Fetch-Mode": "navigate"}
FETCH = {"Accept": "text/html", "Sec-Fetch-Mode": "cors"}
HTMX = {"Accept": "text/html", "HX-Request": "true"}


@pytest.fixture
def client(radiologist: User, logged_in: Callable[[User], Client]) -> Client:
    return logged_in(radiologist)


def age(client: Client, *, idle: int = 0, login: int = 0) -> None:
    session = client.session
    session["active_at"] = int(time.time()) - idle
    session["login_at"] = int(time.time()) - login
    session.save()


def left(client: Client) -> int:
    response = client.get(reverse("session-state"))
    assert response.status_code == 200
    return int(response.json()["seconds_left"])


def test_login_starts_both_clocks(client: Client) -> None:
    assert settings.SESSION_IDLE_SECONDS - 3 <= left(client) <= settings.SESSION_IDLE_SECONDS


@pytest.mark.parametrize("headers", [PAGE, NAVIGATE])
def test_opening_a_page_restarts_the_idle_clock(client: Client, headers: dict[str, str]) -> None:
    age(client, idle=600)
    client.get(reverse("worklist"), headers=headers)
    assert left(client) > 600


def test_keys_and_pointer_restart_the_idle_clock(client: Client) -> None:
    age(client, idle=600)
    assert client.post(reverse("session-activity")).status_code == 204
    assert left(client) > 600


@pytest.mark.parametrize("headers", [FETCH, HTMX, {"Accept": "application/json"}, {}])
def test_background_requests_do_not(client: Client, headers: dict[str, str]) -> None:
    age(client, idle=600)
    client.get(reverse("worklist"), headers=headers)
    assert left(client) <= 300


def test_asking_for_the_state_does_not(client: Client) -> None:
    age(client, idle=600)
    left(client)
    assert left(client) <= 300


def test_a_session_that_is_over_leads_to_login(client: Client, radiologist: User) -> None:
    age(client, login=settings.SESSION_ABSOLUTE_SECONDS + 1)
    response = client.get(reverse("worklist") + "?q=DOE", headers=PAGE)
    assert response.status_code == 302
    assert response.url == "/login/?next=/"
    assert "_auth_user_id" not in client.session
    event = AuditEvent.objects.get(action="session.expired")
    assert event.actor_id == radiologist.pk
    assert not AuditEvent.objects.filter(action="logout").exists()


def test_activity_cannot_revive_an_ended_session(client: Client) -> None:
    age(client, idle=settings.SESSION_IDLE_SECONDS + 1)
    assert client.post(reverse("session-activity")).status_code == 401


def test_the_absolute_limit_holds_however_busy(client: Client) -> None:
    age(client, login=settings.SESSION_ABSOLUTE_SECONDS + 1)
    assert client.get(reverse("worklist"), headers=PAGE).status_code == 302


def test_htmx_is_told_to_go_to_login(client: Client) -> None:
    age(client, login=settings.SESSION_ABSOLUTE_SECONDS + 1)
    response = client.get(reverse("worklist"), headers=HTMX)
    assert response.status_code == 401
    assert response.headers["HX-Redirect"] == "/login/"


def test_scripts_get_401(client: Client) -> None:
    age(client, login=settings.SESSION_ABSOLUTE_SECONDS + 1)
    response = client.get(reverse("session-state"), headers={"Accept": "application/json"})
    assert response.status_code == 401
    assert response.headers["Content-Type"] == "application/json"


def test_the_login_page_itself_opens_with_an_ended_session(client: Client) -> None:
    age(client, idle=settings.SESSION_IDLE_SECONDS + 1)
    assert client.get(reverse("login"), headers=PAGE).status_code == 200


def test_a_session_without_clocks_is_over(client: Client) -> None:
    session = client.session
    del session["login_at"]
    session.save()
    assert client.get(reverse("worklist"), headers=PAGE).status_code == 302


def test_nobody_has_no_session(db: None) -> None:
    assert Client().get(reverse("session-state")).status_code == 401
    assert Client().post(reverse("session-activity")).status_code == 401
