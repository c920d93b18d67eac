"""What a command's REST request asks of the database, and what it believes for some seconds."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agents.models import Agent
from pacs.accounts import access, services
from pacs.accounts.models import ApiToken, Membership

pytestmark = pytest.mark.django_db


@pytest.fixture
def token(technician: Any) -> tuple[ApiToken, str]:
    return ApiToken.issue(technician, "program", scopes=["read", "write"])


def ping(agent: Agent, secret: str) -> int:
    client = Client(headers={"authorization": f"Bearer {secret}"})
    path = f"/api/agents/{agent.pk}/commands/"
    return int(client.post(path, {"type": "ping"}, content_type="application/json").status_code)


def test_who_asks_is_read_once(agent: Agent, token: tuple[ApiToken, str]) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert [ping(agent, token[1]) for _ in range(4)] == [201] * 4
    asked = [query["sql"] for query in queries]
    for table in ("accounts_apitoken", "accounts_membership"):
        assert sum(f'FROM "{table}"' in sql for sql in asked) == 1, table


def test_what_is_taken_away_counts_at_once(
    agent: Agent, technician: Any, token: tuple[ApiToken, str]
) -> None:
    assert ping(agent, token[1]) == 201
    membership = Membership.objects.get(user=technician)
    membership.role = "referrer"
    membership.save()
    assert ping(agent, token[1]) == 403
    membership.role = "technician"
    membership.save()
    assert ping(agent, token[1]) == 201
    services.revoke_token(None, token[0])
    assert ping(agent, token[1]) == 401


def test_what_another_process_took_away_counts_soon(
    agent: Agent, token: tuple[ApiToken, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an update() without signals: believed until the memory is over, and no longer."""
    now = [1000.0]
    monkeypatch.setattr(access.time, "monotonic", lambda: now[0])
    assert ping(agent, token[1]) == 201
    services.revoke_token(None, ApiToken.issue(token[0].user, "other")[0])
    assert ping(agent, token[1]) == 201
    ApiToken.objects.filter(pk=token[0].pk).update(revoked_at=token[0].created_at)
    now[0] += access.CACHE_SECONDS - 0.1
    assert ping(agent, token[1]) == 201
    now[0] += 0.2
    assert ping(agent, token[1]) == 401


@pytest.mark.parametrize("body", ["[]", "null", '"ping"', "{}", '{"type": "ping", "ttl": -1}'])
def test_bad_bodies(agent: Agent, token: tuple[ApiToken, str], body: str) -> None:
    client = Client(headers={"authorization": f"Bearer {token[1]}"})
    for path in (f"/api/agents/{agent.pk}/commands/", "/api/local-command"):
        answer = client.post(path, body, content_type="application/json")
        assert answer.status_code == 400, answer.content
