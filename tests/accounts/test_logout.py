from __future__ import annotations

from collections.abc import Callable

from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from pacs.accounts.models import User
from pacs.audit.models import AuditEvent


def test_ends_the_session_and_clears_the_browser(
    radiologist: User, logged_in: Callable[[User], Client]
) -> None:
    client = logged_in(radiologist)
    response = client.post(reverse("logout"))
    assert response.status_code == 302
    assert response.url == reverse("login")
    assert response.headers["Clear-Site-Data"] == '"cache", "cookies", "storage"'
    assert response.headers["Cache-Control"] == "no-store"
    assert not Session.objects.exists()
    assert AuditEvent.objects.get(action="logout").actor_id == radiologist.pk


def test_a_link_does_not_log_out(radiologist: User, logged_in: Callable[[User], Client]) -> None:
    client = logged_in(radiologist)
    assert client.get(reverse("logout")).status_code == 405
    assert Session.objects.exists()


def test_nobody_may_log_out_without_an_event(client: Client, db: None) -> None:
    assert client.post(reverse("logout")).status_code == 302
    assert not AuditEvent.objects.exists()
