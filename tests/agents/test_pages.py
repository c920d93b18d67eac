"""Pages of agents: who finds them, what they offer, what their buttons do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents import commands
from agents.models import Agent, AgentCommand, AgentEvent
from pacs.audit.models import AuditEvent

pytestmark = pytest.mark.django_db
HX = {"HX-Request": "true"}


@pytest.fixture
def command(agent: Agent, technician: Any) -> AgentCommand:
    return commands.queue(agent, "scan-folder", {"path": "/in/<b>"}, requester=technician)[0]


def paths(agent: Agent, command: AgentCommand) -> list[str]:
    one = f"/agents/{agent.pk}/"
    return ["/agents/", one, f"{one}commands/{command.pk}/"]


@pytest.mark.parametrize("actor", ["radiologist", "technician", "site_admin", "admin"])
def test_permitted(
    request: Any, logged_in: Any, actor: str, agent: Agent, command: AgentCommand
) -> None:
    client = logged_in(request.getfixturevalue(actor))
    for path in paths(agent, command):
        page, part = client.get(path), client.get(path, headers=HX)
        assert (page.status_code, part.status_code) == (200, 200), path
        assert "<html" in page.content.decode()
        assert "<html" not in part.content.decode()
        assert "Ward" in page.content.decode()
    assert "/in/&lt;b&gt;" in page.content.decode()


@pytest.mark.parametrize("actor", ["stranger", "referrer"])
def test_hidden(
    request: Any, logged_in: Any, actor: str, agent: Agent, command: AgentCommand
) -> None:
    client = logged_in(request.getfixturevalue(actor))
    first, *rest = paths(agent, command)
    for path in rest:
        assert client.get(path).status_code == 404, path
    for path in (f"/agents/{agent.pk}/command/", f"{rest[1]}cancel/"):
        assert client.post(path, {"command": "ping"}).status_code == 404
    listed = client.get(first)
    if actor == "referrer":
        assert listed.status_code == 404
        assert 'href="/agents/"' not in client.get("/").content.decode()
    else:
        assert "Ward" not in listed.content.decode()
        assert "No agents yet" in listed.content.decode()


def test_anonymous(agent: Agent, command: AgentCommand) -> None:
    for path in paths(agent, command):
        assert Client().get(path).status_code == 401
        page = Client().get(path, headers={"Accept": "text/html"})
        assert page.headers["Location"].startswith("/login/")
    assert Client().post(f"/agents/{agent.pk}/command/", {"command": "ping"}).status_code == 401


@pytest.mark.parametrize(
    ("actor", "offered"),
    [
        ("radiologist", ["ping", "test-page"]),
        ("technician", ["ping", "list-printers", "scan-folder", "upload-dicom", "test-page"]),
        (
            "site_admin",
            [
                *("ping", "list-printers", "scan-folder", "upload-dicom", "test-page"),
                *("collect-log", "update"),
            ],
        ),
    ],
)
def test_buttons_by_role(
    request: Any, logged_in: Any, actor: str, offered: list[str], agent: Agent
) -> None:
    client = logged_in(request.getfixturevalue(actor))
    page = client.get(f"/agents/{agent.pk}/")
    assert [each["name"] for each in page.context["offered"]] == offered
    for name in ("ping", "scan-folder", "test-page", "update"):
        form = {"command": name, "path": "/in", "printer": "Reading room"}
        answer = client.post(f"/agents/{agent.pk}/command/", form, headers=HX)
        assert answer.status_code == (200 if name in offered else 404), name
    # Asked for elsewhere, not here.
    for name in ("burn-disc", "query-ris", "print-report", "", "x"):
        answer = client.post(f"/agents/{agent.pk}/command/", {"command": name}, headers=HX)
        assert answer.status_code == 404, name


def test_a_form_sent_twice_is_one_command(logged_in: Any, technician: Any, agent: Agent) -> None:
    client = logged_in(technician)
    form = {"command": "ping", "key": "one-form"}
    for _ in range(2):
        answer = client.post(f"/agents/{agent.pk}/command/", form)
        made = AgentCommand.objects.get()
        assert answer.headers["Location"] == f"/agents/{agent.pk}/commands/{made.pk}/"
    assert AuditEvent.objects.filter(action="agent.command").count() == 1


def test_what_is_wrong_is_said(logged_in: Any, technician: Any, agent: Agent) -> None:
    client = logged_in(technician)

    def give(**form: str) -> str:
        return client.post(f"/agents/{agent.pk}/command/", form, headers=HX).content.decode()

    assert "path must have 1 to 1024 characters." in give(command="scan-folder", path=" ")
    Agent.objects.update(connection="")
    assert "The agent is offline." in give(command="ping")
    Agent.objects.update(state="disabled")
    assert "switched off" in give(command="ping")


def test_cancelling(
    logged_in: Any, technician: Any, radiologist: Any, command: AgentCommand
) -> None:
    path = f"/agents/{command.agent_id}/commands/{command.pk}/"
    seen = logged_in(radiologist).get(path).content.decode()
    assert "cancel-command" not in seen
    assert logged_in(radiologist).post(f"{path}cancel/").status_code == 404
    client = logged_in(technician)
    assert "cancel-command" in client.get(path).content.decode()
    assert "Cancelled" in client.post(f"{path}cancel/", headers=HX).content.decode()
    assert "This is over already." in client.post(f"{path}cancel/", headers=HX).content.decode()


def test_silence_is_on_every_page(logged_in: Any, radiologist: Any, agent: Agent) -> None:
    client = logged_in(radiologist)
    assert "silent" not in client.get("/agents/", headers=HX).content.decode().lower()
    Agent.objects.update(
        silent_since=timezone.now(), last_seen_at=timezone.now() - timedelta(hours=1)
    )
    assert "An agent is silent:" in client.get("/agents/").content.decode()
    assert '<span class="unseen"> silent</span>' in client.get("/").content.decode()


def test_many_commands_and_events(logged_in: Any, technician: Any, agent: Agent) -> None:
    for number in range(30):
        commands.queue(agent, "ping", {}, requester=technician)
        AgentEvent.objects.create(
            agent=agent,
            event_id=str(number),
            kind="upload-complete",
            data={"file": f"{number}.dcm"},
        )
    client = logged_in(technician)
    page = client.get(f"/agents/{agent.pk}/").content.decode()
    assert "Page 1 of 2" in page
    assert "29.dcm" in page
    assert ">0.dcm" not in page
    assert "Page 2 of 2" in client.get(f"/agents/{agent.pk}/?page=2").content.decode()


def test_reads_are_audited(logged_in: Any, technician: Any, command: AgentCommand) -> None:
    client = logged_in(technician)
    for _ in range(3):
        client.get(f"/agents/{command.agent_id}/commands/{command.pk}/")
    event = AuditEvent.objects.get(action="agent.commands")
    assert (event.actor_name, event.site_id) == ("technician", command.agent.site_id)
