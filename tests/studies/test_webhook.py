"""`POST /api/orthanc/webhook/`: only a right hint makes work."""

from __future__ import annotations

import json
import time

import pytest

from studies.models import OrthancServer
from studies.webhooks import signature

pytestmark = pytest.mark.django_db
URL = "/api/orthanc/webhook/"
SECRET = "a-secret-of-the-test"


@pytest.fixture
def server(site):
    return OrthancServer.objects.create(
        site=site, slug="ct1", name="CT 1", base_url="http://127.0.0.1:1", webhook_secret=SECRET
    )


@pytest.fixture
def enqueued(monkeypatch):
    calls: list[int] = []
    monkeypatch.setattr("studies.tasks.follow_changes.delay", calls.append)
    return calls


def hint(client, body=None, *, slug="ct1", secret=SECRET, at=None, signed=None):
    body = json.dumps({"source": slug, "events": []}).encode() if body is None else body
    stamp = str(int(time.time()) if at is None else at)
    headers = {"X-Orthanc-Server": slug, "X-Orthanc-Timestamp": stamp}
    headers["X-Orthanc-Signature"] = signature(secret, stamp, body) if signed is None else signed
    return client.post(URL, body, content_type="application/json", headers=headers)


def test_right_hint_is_accepted_and_enqueues_once(
    client, server, enqueued, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        assert hint(client).status_code == 202
        assert hint(client).status_code == 202
    assert enqueued == [server.pk]
    server.refresh_from_db()
    assert server.hint_pending


@pytest.mark.parametrize(
    ("case", "status"),
    [
        ({"secret": "wrong"}, 401),
        ({"signed": ""}, 401),
        ({"signed": "sha256=é"}, 401),
        ({"slug": "unknown"}, 401),
        ({"at": 1_000_000_000}, 409),
        ({"at": 99_999_999_999}, 409),
        ({"body": b"{nonsense"}, 400),
        ({"body": b"[1, 2]"}, 400),
        ({"body": b"[" * 60_000}, 400),
        ({"body": b"x" * (5 * 2**20)}, 413),
    ],
)
def test_anything_else_makes_no_work(
    client, server, enqueued, case, status, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        answer = hint(client, **case)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert enqueued == []
    server.refresh_from_db()
    assert not server.hint_pending


def test_missing_signature_and_disabled_server(client, server, enqueued):
    assert client.post(URL, b"{}", content_type="application/json").status_code == 401
    OrthancServer.objects.update(is_enabled=False)
    assert hint(client).status_code == 401
    assert enqueued == []


def test_get_is_no_way_in(client, server):
    assert client.get(URL).status_code == 405


def test_secrets_are_encrypted_at_rest(server):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT webhook_secret FROM studies_orthancserver")
        assert SECRET not in cursor.fetchone()[0]
