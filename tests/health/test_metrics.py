"""`/metrics` and `/readyz`."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from agents.models import Agent, AgentState
from pacs.health import metrics
from studies.models import OrthancServer

pytestmark = pytest.mark.django_db


def test_metrics_are_not_public(client: Client, settings: Any) -> None:
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404
    settings.METRICS_TOKEN = "a-token"
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers={"Authorization": "Bearer b"}).status_code == 404


def test_metrics(client: Client, settings: Any, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.METRICS_TOKEN = "a-token"
    OrthancServer.objects.create(
        site=site, slug="ct", name="CT", base_url="http://127.0.0.1:1", remote_last=7, cursor=4
    )
    Agent.objects.create(site=site, name="A", state=AgentState.ACTIVE)
    answer = client.get("/metrics", headers={"Authorization": "Bearer a-token"})
    lines = answer.content.decode().splitlines()
    assert answer.status_code == 200
    for line in (
        'lightbox_orthanc_lag{server="ct"} 3.0',
        'lightbox_queue_depth{queue="follow"} 0.0',
        "lightbox_backup_lag_seconds 0.0",
        "lightbox_agents 1.0",
        "lightbox_agents_online 0.0",
        "lightbox_metrics_failed 0.0",
    ):
        assert line in lines
    assert any(each.startswith("django_http_requests_total_by_method") for each in lines)

    def broken() -> Any:
        raise RuntimeError

    monkeypatch.setattr(metrics, "_sources", [broken, *metrics._sources])
    answer = client.get("/metrics", headers={"Authorization": "Bearer a-token"})
    assert "lightbox_metrics_failed 1.0" in answer.content.decode().splitlines()
    assert "lightbox_agents 1.0" in answer.content.decode().splitlines()


def test_ready_without_a_worker(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["parts"] == dict.fromkeys(
        ("database", "migrations", "channel_layer"), "ok"
    )
