"""Pages of other origins: listed, unlisted, `null`, preflight; never with cookies."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from pacs.settings.env import envorigins
from tests.dicomweb.asking import AsgiClient, Reply


def ask(asking: AsgiClient, path: str, **options: Any) -> Reply:
    return asyncio.run(asking.ask(path, **options))


pytestmark = pytest.mark.django_db(transaction=True)
VIEWER = "https://viewer.example"
ASK = {"access-control-request-method": "GET", "access-control-request-headers": "authorization"}
FOREIGN = [
    "https://evil.example",
    "null",
    "https://viewer.example.evil.example",
    "http://viewer.example",
    "https://viewer.example:8443",
    "HTTPS://VIEWER.EXAMPLE",
    "*",
    "",
]


@pytest.fixture(autouse=True)
def _listed(settings: Any) -> None:
    settings.CORS_ORIGINS = [VIEWER, "http://localhost:3000"]


def test_a_listed_origin_reads(client: Any, radiologist: Any, ct: Any) -> None:
    for path in (ct.path + "/frames/1", "/dicom-web/studies", "/dicom-web/", ct.path + "/metadata"):
        reply = client(radiologist).get(path, headers={"origin": VIEWER})
        assert reply.status == 200
        assert reply.headers["access-control-allow-origin"] == VIEWER
        assert "Content-Location" in reply.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in reply.headers
        assert "Origin" in reply.headers["vary"]


def test_a_listed_origin_reads_errors(client: Any, ct: Any) -> None:
    reply = client().get(ct.path, headers={"origin": VIEWER})
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (401, VIEWER)


@pytest.mark.parametrize("origin", FOREIGN)
def test_other_origins_get_no_mark(client: Any, radiologist: Any, ct: Any, origin: str) -> None:
    reply = client(radiologist).get(ct.path + "/frames/1", headers={"origin": origin})
    assert reply.status == 200
    assert not any(name.startswith("access-control") for name in reply.headers)
    assert "Origin" in reply.headers["vary"]
    asked = ask(client(), ct.path, method="OPTIONS", headers={"origin": origin, **ASK})
    assert asked.status == 204
    assert not any(name.startswith("access-control") for name in asked.headers)


def test_preflight_needs_no_credentials(client: Any, ct: Any) -> None:
    for path in (ct.path, "/dicom-web/studies", "/api/dicom/upload", "/wado", "/dicom-web"):
        reply = ask(client(), path, method="OPTIONS", headers={"origin": VIEWER, **ASK})
        assert (reply.status, reply.body) == (204, b"")
        assert reply.headers["access-control-allow-origin"] == VIEWER
        assert "Authorization" in reply.headers["access-control-allow-headers"]
        assert "POST" in reply.headers["access-control-allow-methods"]
        assert "access-control-allow-credentials" not in reply.headers


def test_options_without_a_preflight(client: Any, ct: Any) -> None:
    reply = ask(client(), ct.path, method="OPTIONS", headers={"origin": VIEWER})
    assert reply.headers["allow"] == "GET, HEAD, OPTIONS"


def test_nothing_where_nothing_is_configured(
    client: Any, radiologist: Any, ct: Any, settings: Any
) -> None:
    settings.CORS_ORIGINS = []
    reply = client(radiologist).get(ct.path + "/frames/1", headers={"origin": VIEWER})
    assert not any(name.startswith("access-control") for name in reply.headers)


def test_the_rest_api(radiologist: Any, bearer: Any) -> None:
    browser = Client(headers={"origin": VIEWER, **bearer(radiologist)})
    answer = browser.get("/api/sends/")
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == VIEWER
    assert "Origin" in answer.headers["Vary"]
    preflight = Client(headers={"origin": VIEWER, **ASK}).options("/api/sends/")
    assert (preflight.status_code, preflight.content) == (204, b"")
    assert preflight.headers["Access-Control-Allow-Origin"] == VIEWER
    assert "Access-Control-Allow-Credentials" not in preflight.headers
    evil = Client(headers={"origin": "https://evil.example", **ASK}).options("/api/sends/")
    assert "Access-Control-Allow-Origin" not in evil.headers


def test_pages_are_for_nobody_else(radiologist: Any, logged_in: Any) -> None:
    answer = logged_in(radiologist).get("/", headers={"origin": VIEWER})
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "value",
    ["*", "null", "viewer.example", "https://viewer.example/", "https://*.example", "ftp://x.y"],
)
def test_what_cannot_be_listed(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PACS_CORS_ORIGINS", f"https://good.example, {value}")
    with pytest.raises(ImproperlyConfigured):
        envorigins("PACS_CORS_ORIGINS")


def test_what_can_be_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACS_CORS_ORIGINS", "https://viewer.example,http://localhost:3000")
    assert envorigins("PACS_CORS_ORIGINS") == ["https://viewer.example", "http://localhost:3000"]
