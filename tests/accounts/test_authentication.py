from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import path
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs.accounts.models import ApiToken, Site, User
from pacs.accounts.permissions import CanUpload, IsMember, IsSiteAdmin

pytestmark = pytest.mark.urls(__name__)


class Probe(APIView):
    permission_classes = [IsMember]

    def get(self, request: Request) -> Response:
        who = request.principal  # type: ignore[attr-defined]
        return Response({"user": who.username, "sites": sorted(who.sites)})

    post = get


class Closed(APIView):
    def get(self, request: Request) -> Response:
        return Response({})


class Upload(Probe):
    permission_classes = [CanUpload]


class Manage(Probe):
    permission_classes = [IsSiteAdmin]


urlpatterns = [
    path("probe/", Probe.as_view()),
    path("closed/", Closed.as_view()),
    path("upload/", Upload.as_view()),
    path("manage/", Manage.as_view()),
]


def basic(secret: str) -> dict[str, str]:
    text = base64.b64encode(f"anything:{secret}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


def test_nobody_gets_401_with_a_challenge(client: Client, db: None) -> None:
    response = client.get("/probe/")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert response.headers["Cache-Control"] == "no-store"


def test_a_token_as_bearer_or_as_basic_password(
    client: Client, radiologist: User, site: Site
) -> None:
    _, secret = ApiToken.issue(radiologist, "test")
    for headers in [{"Authorization": f"Bearer {secret}"}, basic(secret)]:
        response = client.get("/probe/", headers=headers)
        assert response.json() == {"user": "radiologist", "sites": [site.pk]}


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer lbx_wrong", "Basic", "Basic !!!", "Basic eA==", "Digest x", "x" * 2000],
)
def test_damaged_or_unknown_credentials_get_401(
    client: Client, radiologist: User, header: str
) -> None:
    assert client.get("/probe/", headers={"Authorization": header}).status_code == 401


def test_a_password_is_no_token(client: Client, radiologist: User, password: str) -> None:
    assert client.get("/probe/", headers=basic(password)).status_code == 401


def test_a_wrong_token_beside_a_good_session_gets_401(
    radiologist: User, logged_in: Callable[[User], Client]
) -> None:
    client = logged_in(radiologist)
    headers = {"Authorization": "Bearer lbx_wrong"}
    assert client.get("/probe/", headers=headers).status_code == 401


@pytest.mark.parametrize("end", ["expired", "revoked", "inactive user"])
def test_an_ended_token_gets_401(client: Client, radiologist: User, end: str) -> None:
    _, secret = ApiToken.issue(radiologist, "test")
    headers = {"Authorization": f"Bearer {secret}"}
    assert client.get("/probe/", headers=headers).status_code == 200
    if end == "expired":
        ApiToken.objects.update(expires_at=timezone.now())
    elif end == "revoked":
        ApiToken.objects.update(revoked_at=timezone.now())
    else:
        User.objects.update(is_active=False)
    assert client.get("/probe/", headers=headers).status_code == 401


def test_use_is_noted_once_a_minute(client: Client, radiologist: User) -> None:
    token, secret = ApiToken.issue(radiologist, "test")
    headers = {"Authorization": f"Bearer {secret}"}

    def used() -> Any:
        client.get("/probe/", headers=headers)
        token.refresh_from_db()
        return token.last_used_at

    first = used()
    assert first is not None
    assert used() == first
    long_ago = timezone.now() - timedelta(seconds=61)
    ApiToken.objects.update(last_used_at=long_ago)
    assert used() > long_ago


def test_the_secret_is_not_stored(radiologist: User) -> None:
    token, secret = ApiToken.issue(radiologist, "test")
    assert len(secret) >= 4 + 43
    assert secret not in str(ApiToken.objects.filter(pk=token.pk).values().get())


def test_writing_needs_the_scope(
    client: Client, technician: User, bearer: Callable[..., dict[str, str]]
) -> None:
    reading, writing = bearer(technician), bearer(technician, scopes=["write"])
    assert client.get("/probe/", headers=reading).status_code == 200
    assert client.post("/probe/", headers=reading).status_code == 403
    assert client.post("/probe/", headers=writing).status_code == 200
    assert client.get("/probe/", headers=writing).status_code == 403


def test_a_session_needs_the_csrf_token_to_write(technician: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(technician)
    assert client.get("/probe/").status_code == 200
    assert client.post("/probe/").status_code == 403


def test_members_only(client: Client, db: None, logged_in: Callable[[User], Client]) -> None:
    nowhere = User.objects.create_user("nowhere")
    assert logged_in(nowhere).get("/probe/").status_code == 403


@pytest.mark.parametrize(
    ("actor", "upload", "manage"),
    [
        ("radiologist", 200, 403),
        ("technician", 200, 403),
        ("referrer", 403, 403),
        ("site_admin", 200, 200),
        ("admin", 200, 200),
    ],
)
def test_roles(
    request: pytest.FixtureRequest,
    logged_in: Callable[[User], Client],
    actor: str,
    upload: int,
    manage: int,
) -> None:
    client = logged_in(request.getfixturevalue(actor))
    assert client.post("/upload/").status_code == upload
    assert client.get("/manage/").status_code == manage


def test_a_view_without_a_permission_is_closed(
    admin: User, logged_in: Callable[[User], Client]
) -> None:
    assert logged_in(admin).get("/closed/").status_code == 403
