from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from agents import admission
from agents.models import Agent, AgentState
from agents.views import api


@pytest.fixture
def agent(site: Any) -> Agent:
    """An active agent of the first site, connected and just heard of."""
    return Agent.objects.create(
        site=site,
        name="Ward",
        state=AgentState.ACTIVE,
        connection="a-connection",
        last_seen_at=timezone.now(),
        printers=[{"name": "Reading room", "state": "idle", "accepting": True, "reason": ""}],
    )


@pytest.fixture
def other_agent(other_site: Any) -> Agent:
    return Agent.objects.create(site=other_site, name="North", state=AgentState.ACTIVE)


@pytest.fixture(autouse=True)
def _nothing_counted() -> None:
    admission.forget()
    api.enrolments_refused.forget()
