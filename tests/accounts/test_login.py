from __future__ import annotations

from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pacs.accounts.models import User
from pacs.audit.models import AuditEvent

HERE = "198.51.100.7"


def post(client: Client, username: str, password: str, address: str = HERE, **data: str) -> object:
    return client.post(
        reverse("login"),
        {"username": username, "password": password, **data},
        REMOTE_ADDR=address,
    )


def test_shows_a_form(client: Client) -> None:
    response = client.get(reverse("login"))
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert b'autocomplete="current-password"' in response.content
    assert b"<script" not in response.content
    assert b"style=" not in response.content


def test_logs_in_whatever_the_case_of_the_name(
    client: Client, radiologist: User, password: str
) -> None:
    response = post(client, "RadioLogist", password)
    assert response.status_code == 302
    assert response.url == reverse("worklist")
    event = AuditEvent.objects.get(action="login")
    assert (event.actor_id, event.outcome, event.address) == (radiologist.pk, "ok", HERE)


def test_cycles_the_session_key(client: Client, radiologist: User, password: str) -> None:
    session = client.session
    session["planted"] = "by somebody else"
    session.save()
    before = session.session_key
    client.cookies["lightbox_session"] = before
    post(client, "radiologist", password)
    assert client.session.session_key != before
    assert not client.session.exists(before)


def test_goes_on_to_the_next_page_of_this_portal_only(
    client: Client, radiologist: User, password: str
) -> None:
    assert post(client, "radiologist", password, next="/admin/").url == "/admin/"
    client.logout()
    elsewhere = post(client, "radiologist", password, next="https://evil.example/")
    assert elsewhere.url == reverse("worklist")


def test_a_wrong_password_is_audited_without_typed_text(client: Client, radiologist: User) -> None:
    assert post(client, "radiologist", "wrong").status_code == 200
    assert post(client, "my-secret-password", "x").status_code == 200
    known, unknown = AuditEvent.objects.order_by("id")
    assert (known.action, known.outcome, known.actor_id) == ("login", "refused", radiologist.pk)
    assert "my-secret-password" not in str(AccessAttempt.objects.values())
    assert (unknown.actor_id, unknown.actor_name, unknown.detail) == (None, "", {})


def test_inactive_users_stay_out(client: Client, radiologist: User, password: str) -> None:
    User.objects.filter(pk=radiologist.pk).update(is_active=False)
    assert post(client, "radiologist", password).status_code == 200
    assert "_auth_user_id" not in client.session


@pytest.fixture
def locked_out(client: Client, radiologist: User) -> None:
    spellings = ["radiologist", "RADIOLOGIST", "Radiologist", "radiologist"]
    for spelling in spellings:
        assert post(client, spelling, "wrong").status_code == 200
    assert post(client, "radiOlogist", "wrong").status_code == 429


@pytest.mark.usefixtures("locked_out")
class TestAfterFiveFailures:
    def test_the_pair_is_locked_even_with_the_right_password(
        self, client: Client, password: str
    ) -> None:
        response = post(client, "radiologist", password)
        assert response.status_code == 429
        assert b"Wait 15 minutes" in response.content
        assert "_auth_user_id" not in client.session
        assert AuditEvent.objects.filter(action="login.locked").exists()

    def test_another_address_is_not(self, client: Client, password: str) -> None:
        assert post(client, "radiologist", password, "203.0.113.9").status_code == 302

    def test_another_user_at_the_address_is_not(
        self, client: Client, technician: User, password: str
    ) -> None:
        assert post(client, "technician", password).status_code == 302

    def test_another_browser_is(self, password: str) -> None:
        client = Client(headers={"User-Agent": "another"})
        assert post(client, "radiologist", password).status_code == 429

    def test_a_made_up_forwarded_address_does_not_help(self, client: Client, password: str) -> None:
        response = client.post(
            reverse("login"),
            {"username": "radiologist", "password": password},
            REMOTE_ADDR=HERE,
            headers={"X-Forwarded-For": "203.0.113.9"},
        )
        assert response.status_code == 429

    def test_fifteen_minutes_later_it_is_open_again(self, client: Client, password: str) -> None:
        AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=15, seconds=1))
        assert post(client, "radiologist", password).status_code == 302


def test_unknown_names_are_throttled_alike(client: Client, db: None) -> None:
    statuses = [post(client, name, "x").status_code for name in ["nobody", "Nobody"] * 3]
    assert statuses == [200, 200, 200, 200, 429, 429]


def test_csrf_is_enforced(radiologist: User, password: str) -> None:
    client = Client(enforce_csrf_checks=True)
    assert post(client, "radiologist", password).status_code == 403


def test_the_admin_has_no_login_of_its_own(client: Client, db: None) -> None:
    response = client.get("/admin/login/?next=/admin/")
    assert response.status_code == 302
    assert response.url == f"{reverse('login')}?next=/admin/"
    posted = client.post("/admin/login/", {"username": "admin", "password": "x"})
    assert posted.status_code == 302


def test_the_admin_is_closed_to_plain_users(client: Client, radiologist: User) -> None:
    client.force_login(radiologist)
    assert client.get("/admin/", follow=True).status_code == 403
