"""Agents in the admin: enrolled, rotated and revoked by administrators of their own site."""

from __future__ import annotations

import re
from typing import Any

import pytest

from agents import admission, keys
from agents.models import Agent, AgentKey, EnrolmentCode
from pacs.audit.models import AuditEvent

pytestmark = pytest.mark.django_db
LIST = "/admin/agents/agent/"


def secret_of(answer: Any) -> str:
    found = re.search(r'id="new-secret">([^<]+)<', answer.content.decode())
    assert found, answer.content
    return found[1]


def test_from_a_new_agent_to_its_key(logged_in: Any, site_admin: Any, site: Any) -> None:
    client = logged_in(site_admin)
    form = {
        "site": site.pk,
        "name": "Ward 7",
        "networks": "10.1.0.0/16\n127.0.0.1",
        "commands": ["ping", "scan-folder"],
        "keys-TOTAL_FORMS": 0,
        "keys-INITIAL_FORMS": 0,
    }
    assert client.post(f"{LIST}add/", form).status_code == 302
    agent = Agent.objects.get()
    assert agent.allowed_networks == ["10.1.0.0/16", "127.0.0.1"]
    assert agent.allowed_commands == ["ping", "scan-folder"]
    page = client.get(f"{LIST}{agent.pk}/change/").content.decode()
    assert 'id="agent-code"' in page
    assert 'id="agent-rotate"' not in page

    code = secret_of(client.post(f"{LIST}{agent.pk}/code/"))
    _, key = keys.enrol(code, address="127.0.0.1")
    page = client.get(f"{LIST}{agent.pk}/change/").content.decode()
    assert key not in page
    assert AgentKey.objects.get().prefix in page
    fresh = secret_of(client.post(f"{LIST}{agent.pk}/rotate/"))
    assert admission.admit(f"Bearer {fresh}", "", "127.0.0.1")
    client.post(f"{LIST}{agent.pk}/switch/")
    agent.refresh_from_db()
    assert agent.state == "disabled"
    client.post(f"{LIST}{agent.pk}/switch/")
    client.post(f"{LIST}{agent.pk}/revoke/")
    assert not AgentKey.objects.filter(revoked_at=None).exists()
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert actions >= {
        *("admin.agent.added", "agent.code", "agent.enrolled", "agent.key.rotated"),
        *("agent.off", "agent.on", "agent.key.revoked"),
    }


def test_changing_keeps_what_the_agent_says(logged_in: Any, site_admin: Any, agent: Agent) -> None:
    client = logged_in(site_admin)
    form = {
        "name": "Renamed",
        "networks": "",
        "commands": ["ping"],
        "keys-TOTAL_FORMS": 0,
        "keys-INITIAL_FORMS": 0,
    }
    assert client.post(f"{LIST}{agent.pk}/change/", form).status_code == 302
    agent.refresh_from_db()
    assert (agent.name, agent.allowed_commands) == ("Renamed", ["ping"])
    assert agent.connection == "a-connection"
    wrong = client.post(f"{LIST}{agent.pk}/change/", {**form, "networks": "10.0.0.1/8"})
    assert "Not a network" in wrong.content.decode()


@pytest.mark.parametrize("action", ["code", "rotate", "revoke", "switch"])
def test_only_within_the_own_site(
    logged_in: Any, site_admin: Any, technician: Any, other_agent: Agent, action: str
) -> None:
    keys.rotate(other_agent, actor=None)
    path = f"{LIST}{other_agent.pk}/{action}/"
    assert logged_in(site_admin).post(path).status_code == 403
    assert logged_in(technician).post(path).status_code == 302  # to the login
    other_agent.refresh_from_db()
    assert other_agent.state == "active"
    assert AgentKey.objects.filter(revoked_at=None).count() == 1
    assert not EnrolmentCode.objects.exists()


def test_lists_are_of_the_own_site(
    logged_in: Any, site_admin: Any, admin: Any, agent: Agent, other_agent: Agent
) -> None:
    for each in (agent, other_agent):
        keys.rotate(each, actor=None)
    for path in (LIST, "/admin/agents/agentkey/"):
        own = logged_in(site_admin).get(path).content.decode()
        every = logged_in(admin).get(path).content.decode()
        assert ("Ward" in own, "North<" in own) == (True, False)
        assert "North" in every
    assert logged_in(site_admin).get("/admin/agents/agentcommand/").status_code == 200
    hidden = logged_in(site_admin).get(f"{LIST}{other_agent.pk}/change/")
    assert hidden.status_code in {302, 404}


def test_no_agent_for_another_site(logged_in: Any, site_admin: Any, other_site: Any) -> None:
    form = {
        "site": other_site.pk,
        "name": "Mole",
        "keys-TOTAL_FORMS": 0,
        "keys-INITIAL_FORMS": 0,
    }
    logged_in(site_admin).post(f"{LIST}add/", form)
    assert not Agent.objects.exists()


def test_reading_makes_no_secret(logged_in: Any, site_admin: Any, agent: Agent) -> None:
    client = logged_in(site_admin)
    for action in ("code", "rotate", "revoke", "switch"):
        assert client.get(f"{LIST}{agent.pk}/{action}/").status_code == 403
    assert not EnrolmentCode.objects.exists()
