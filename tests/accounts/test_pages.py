"""What every page has in common: no caching, strict policy, times of the site, plain errors."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client
from django.urls import path
from django.utils import timezone

from pacs.accounts.models import User

pytestmark = pytest.mark.urls(__name__)


def zone(request: HttpRequest) -> HttpResponse:
    return HttpResponse(timezone.get_current_timezone_name())


def data(request: HttpRequest) -> HttpResponse:
    return JsonResponse({})


def picture(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        b"", content_type="image/png", headers={"Cache-Control": "private, max-age=60"}
    )


def broken(request: HttpRequest) -> HttpResponse:
    raise ValueError("patient text that nobody may see")


urlpatterns = [
    path("login/", zone, name="login"),
    path("zone/", zone),
    path("data/", data),
    path("picture/", picture),
    path("broken/", broken),
]


@pytest.mark.parametrize("url", ["/zone/", "/data/", "/missing/"])
def test_pages_and_json_are_not_stored(client: Client, db: None, url: str) -> None:
    response = client.get(url)
    assert response.headers["Cache-Control"] == "no-store"
    assert "unsafe" not in response.headers["Content-Security-Policy"].replace("wasm-unsafe", "")


def test_pictures_keep_their_own_rule(client: Client, db: None) -> None:
    assert client.get("/picture/").headers["Cache-Control"] == "private, max-age=60"


@pytest.mark.parametrize(
    ("actor", "name"),
    [("radiologist", "Europe/Berlin"), ("stranger", "America/New_York"), (None, "UTC")],
)
def test_times_are_of_the_users_site(
    request: pytest.FixtureRequest,
    logged_in: Callable[[User], Client],
    client: Client,
    db: None,
    actor: str | None,
    name: str,
) -> None:
    if actor:
        client = logged_in(request.getfixturevalue(actor))
    assert client.get("/zone/").content.decode() == name
    assert timezone.get_current_timezone_name() == "UTC"


def test_a_missing_page_says_so(client: Client, db: None) -> None:
    response = client.get("/missing/")
    assert response.status_code == 404
    assert b"There is nothing here" in response.content
    assert b"style=" not in response.content


@pytest.mark.filterwarnings("ignore")
def test_a_broken_page_tells_nothing(db: None) -> None:
    client = Client(raise_request_exception=False)
    response = client.get("/broken/")
    assert response.status_code == 500
    assert b"Something went wrong" in response.content
    assert b"patient text" not in response.content
