"""REST of agents: who sees and commands what, and what is answered."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from agents.models import Agent, AgentCommand
from pacs.accounts.models import Membership, Role
from pacs.audit.models import AuditEvent
from pacs.events.models import SiteEvent

pytestmark = pytest.mark.django_db
JSON = "application/json"
PARAMS: dict[str, dict[str, Any]] = {
    "ping": {},
    "scan-folder": {"path": "/in"},
    "upload-dicom": {"filePath": "/in/a.dcm"},
    "list-printers": {},
    "query-ris": {"name": "orders", "params": {"day": "2026-11-24"}},
    "send-oru": {"receiver": "his", "controlId": "R1", "report": {"patientId": "P1"}},
    "collect-log": {},
    "update": {},
}
HANDS = {"technician", "site_admin", "admin"}
EVERYONE = {"radiologist", *HANDS}
MAY = {
    "ping": EVERYONE,
    "scan-folder": HANDS,
    "upload-dicom": HANDS,
    "list-printers": HANDS,
    "query-ris": EVERYONE,
    "send-oru": {"site_admin", "admin"},
    "collect-log": {"site_admin", "admin"},
    "update": {"site_admin", "admin"},
}
ACTORS = ["radiologist", "technician", "site_admin", "admin"]


def give(client: Client, agent: Agent, type: str, params: Any = None, **more: Any) -> Any:
    body = {"type": type, "params": PARAMS.get(type, {}) if params is None else params, **more}
    return client.post(f"/api/agents/{agent.pk}/commands/", body, content_type=JSON)


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("type", sorted(MAY))
def test_roles(request: Any, logged_in: Any, agent: Agent, actor: str, type: str) -> None:
    client = logged_in(request.getfixturevalue(actor))
    answer = give(client, agent, type)
    if actor not in MAY[type]:
        assert answer.status_code == 403
        assert not AgentCommand.objects.exists()
        return
    assert answer.status_code == 201, answer.json()
    body = answer.json()
    assert (body["type"], body["state"], body["requester"]) == (type, "queued", actor)
    event = AuditEvent.objects.get(action="agent.command")
    assert (event.actor_name, event.site_id, event.address) == (actor, agent.site_id, "127.0.0.1")
    assert event.detail == {"agent": agent.pk, "command": body["id"], "type": type}
    told = SiteEvent.objects.get(type="command.changed")
    assert told.extra == {"agent": agent.pk, "command": body["id"]}
    one = client.get(f"/api/agents/{agent.pk}/commands/{body['id']}/")
    assert one.json() == body
    assert client.get(f"/api/agents/{agent.pk}/commands/").json() == [body]


@pytest.mark.parametrize("actor", ["stranger", "referrer"])
def test_hidden(request: Any, logged_in: Any, technician: Any, agent: Agent, actor: str) -> None:
    command = give(logged_in(technician), agent, "ping").json()
    client = logged_in(request.getfixturevalue(actor))
    hidden = 404 if actor == "stranger" else 403
    base = f"/api/agents/{agent.pk}/"
    for path in (base, f"{base}commands/", f"{base}commands/{command['id']}/"):
        assert client.get(path).status_code == hidden, path
    assert give(client, agent, "ping").status_code == hidden
    cancelled = client.post(f"{base}commands/{command['id']}/cancel/", {}, content_type=JSON)
    assert cancelled.status_code == hidden
    short = client.post(
        "/api/local-command", {"agentId": agent.pk, "command": "ping"}, content_type=JSON
    )
    assert short.status_code == hidden
    listed = client.get("/api/agents/")
    assert listed.status_code == 403 if actor == "referrer" else listed.json() == []
    assert AgentCommand.objects.get().state == "queued"


def test_anonymous(agent: Agent) -> None:
    client = Client()
    for path in ("/api/agents/", f"/api/agents/{agent.pk}/", f"/api/agents/{agent.pk}/commands/"):
        assert client.get(path).status_code == 401
    assert give(client, agent, "ping").status_code == 401
    for path in ("/api/local-command", "/api/local-agent/command"):
        body = {"agentId": agent.pk, "command": "ping"}
        assert client.post(path, body, content_type=JSON).status_code == 401


def test_a_command_of_another_agent(
    logged_in: Any, technician: Any, agent: Agent, other_agent: Agent, admin: Any
) -> None:
    command = give(logged_in(admin), other_agent, "ping").json()
    client = logged_in(technician)
    path = f"/api/agents/{agent.pk}/commands/{command['id']}/"
    assert client.get(path).status_code == 404
    assert client.post(f"{path}cancel/", {}, content_type=JSON).status_code == 404


def test_tokens_need_their_scopes(bearer: Any, technician: Any, agent: Agent) -> None:
    client = Client(headers=bearer(technician, scopes=["read"]))
    assert client.get("/api/agents/").json()[0]["id"] == agent.pk
    assert give(client, agent, "ping").status_code == 403
    client = Client(headers=bearer(technician, scopes=["write"]))
    assert give(client, agent, "ping").status_code == 201


def test_a_role_at_another_site_counts_for_nothing(
    logged_in: Any, radiologist: Any, other_site: Any, agent: Agent
) -> None:
    Membership.objects.create(user=radiologist, site=other_site, role=Role.SITE_ADMIN)
    client = logged_in(radiologist)
    assert give(client, agent, "update").status_code == 403
    assert give(client, agent, "ping").status_code == 201


def test_the_same_key_is_the_same_command(logged_in: Any, technician: Any, agent: Agent) -> None:
    client = logged_in(technician)
    first = give(client, agent, "scan-folder", idempotency_key="once")
    again = give(client, agent, "scan-folder", idempotency_key="once")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    other = give(client, agent, "scan-folder", {"path": "/else"}, idempotency_key="once")
    assert other.status_code == 409
    assert AuditEvent.objects.filter(action="agent.command").count() == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "format-disk"},
        {"type": "ping", "params": []},
        {"type": "scan-folder"},
        {"type": "scan-folder", "params": {"path": "a\0b"}},
        {"type": "ping", "ttl": 0},
        {"type": "ping", "ttl": 10**9},
        {"type": "ping", "idempotency_key": "a b"},
        {"type": "ping", "idempotency_key": "x" * 101},
        {"type": "query-ris", "params": {"name": "x", "params": {"a": 2**70}}},
    ],
)
def test_malformed(logged_in: Any, technician: Any, agent: Agent, body: Any) -> None:
    client = logged_in(technician)
    answer = client.post(f"/api/agents/{agent.pk}/commands/", body, content_type=JSON)
    assert answer.status_code == 400, answer.content
    assert not AgentCommand.objects.exists()


def test_not_json(logged_in: Any, technician: Any, agent: Agent) -> None:
    client = logged_in(technician)
    for path in (f"/api/agents/{agent.pk}/commands/", "/api/local-command"):
        assert client.post(path, "{", content_type=JSON).status_code == 400
        assert client.post(path, "[1]", content_type=JSON).status_code == 400
        assert client.post(path, "x", content_type="text/plain").status_code == 415


def test_what_the_agent_does_not_allow(logged_in: Any, technician: Any, agent: Agent) -> None:
    client = logged_in(technician)
    Agent.objects.update(allowed_commands=["ping"])
    assert give(client, agent, "scan-folder").status_code == 409
    Agent.objects.update(capabilities=["scan-folder"])
    assert give(client, agent, "ping").json() == {"detail": "This agent cannot do this."}
    Agent.objects.update(capabilities=[], state="disabled")
    assert give(client, agent, "ping").status_code == 409


def test_offline(logged_in: Any, technician: Any, agent: Agent) -> None:
    client = logged_in(technician)
    assert give(client, agent, "ping", wait=False).status_code == 201
    Agent.objects.update(connection="")
    answer = give(client, agent, "ping", wait=False)
    assert (answer.status_code, answer.json()) == (404, {"error": "Agent not connected"})
    assert give(client, agent, "ping").status_code == 201


def test_discs_of_studies_that_one_sees(
    logged_in: Any, technician: Any, agent: Agent, study: Any, other_study: Any
) -> None:
    client = logged_in(technician)
    assert give(client, agent, "burn-disc", {"studyIds": [study.pk]}).status_code == 201
    for wanted in ([other_study.pk], [study.pk, other_study.pk], [10**6]):
        assert give(client, agent, "burn-disc", {"studyIds": wanted}).status_code == 404


def test_a_superuser_mixes_no_sites(
    logged_in: Any, admin: Any, agent: Agent, other_study: Any
) -> None:
    answer = give(logged_in(admin), agent, "burn-disc", {"studyIds": [other_study.pk]})
    assert answer.status_code == 404


def test_printing(logged_in: Any, radiologist: Any, technician: Any, agent: Agent) -> None:
    page = {"testPage": True, "printer": "Reading room"}
    assert give(logged_in(technician), agent, "print-report", page).status_code == 201
    assert give(logged_in(radiologist), agent, "print-report", page).status_code == 201
    report = {"reportId": 1, "printer": "Reading room"}
    assert give(logged_in(technician), agent, "print-report", report).status_code == 404
    assert give(logged_in(radiologist), agent, "print-report", report).status_code == 404


@pytest.mark.parametrize("path", ["/api/local-command", "/api/local-agent/command"])
def test_short_forms(logged_in: Any, technician: Any, agent: Agent, path: str) -> None:
    client = logged_in(technician)

    def short(**body: Any) -> Any:
        return client.post(path, {"agentId": agent.pk, **body}, content_type=JSON)

    answer = short(command="upload-dicom", filePath="/in/a.dcm")
    assert answer.status_code == 201
    assert answer.json()["success"] is True
    assert answer.json()["command"]["params"] == {"filePath": "/in/a.dcm"}
    nested = short(command="scan-folder", params={"path": "/in"}, idempotencyKey="k")
    assert nested.json()["command"]["params"] == {"path": "/in"}
    assert short(command="scan-folder", path="/in", idempotencyKey="k").status_code == 200
    ris = short(command="query-ris", name="orders", params={"day": "today"})
    assert ris.json()["command"]["params"] == {"name": "orders", "params": {"day": "today"}}
    assert short(command="update").status_code == 403
    assert short(command="scan-folder").status_code == 400
    assert short(command="ping", agentId=10**12).status_code == 404
    Agent.objects.update(connection="")
    gone = short(command="ping", wait=False)
    assert (gone.status_code, gone.json()) == (404, {"error": "Agent not connected"})


def test_cancelling(logged_in: Any, technician: Any, radiologist: Any, agent: Agent) -> None:
    client = logged_in(technician)
    command = give(client, agent, "scan-folder").json()
    path = f"/api/agents/{agent.pk}/commands/{command['id']}/cancel/"
    assert logged_in(radiologist).post(path, {}, content_type=JSON).status_code == 403
    assert client.post(path, {}, content_type=JSON).json()["state"] == "cancelled"
    assert client.post(path, {}, content_type=JSON).status_code == 409
    assert AuditEvent.objects.filter(action="agent.command.cancelled").count() == 1


def test_keys_and_networks_are_not_shown(logged_in: Any, technician: Any, agent: Agent) -> None:
    Agent.objects.update(allowed_networks=["10.0.0.0/8"])
    body = logged_in(technician).get(f"/api/agents/{agent.pk}/").content.decode()
    assert "10.0.0.0" not in body
    assert "a-connection" not in body


def test_numbers_beyond_every_key(logged_in: Any, technician: Any, agent: Agent) -> None:
    client, huge = logged_in(technician), 2**90
    for path in (f"{huge}/", f"{huge}/commands/", f"{huge}/commands/1/", f"1/commands/{huge}/"):
        assert client.get(f"/api/agents/{path}").status_code == 404, path
    for path in (f"{huge}/", f"{huge}/commands/1/", f"{agent.pk}/commands/{huge}/"):
        assert client.get(f"/agents/{path}").status_code == 404, path
