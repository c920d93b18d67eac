"""Releases of the agent: signed offline, checked when published, for agents alone, in steps."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from agents import keys, release, releases, rollouts, tasks
from agents.models import Agent, AgentCommand, AgentEvent, AgentRelease, AgentRollout
from pacs.audit.models import AuditEvent
from tests.agents_site.releases import Signer
from tests.agents_site.running import CHECKOUT

pytestmark = pytest.mark.django_db
SCRIPT = CHECKOUT / "deploy" / "agent" / "release.py"
FILE = "/api/agents/release/5/file"


@pytest.fixture
def signer(settings: Any) -> Signer:
    made = Signer()
    settings.AGENT_RELEASE_KEYS = [made.public]
    return made


@pytest.fixture
def zipapp(tmp_path: Path) -> Path:
    path = tmp_path / "agent.pyz"
    path.write_bytes(bytes(range(256)) * 20_000)
    return path


@pytest.fixture
def published(signer: Signer, zipapp: Path) -> AgentRelease:
    return releases.publish(signer.envelope(zipapp, "2.0.0", 5), zipapp)[0]


def script(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=60
    )


def test_signed_by_the_script_and_published(
    zipapp: Path, tmp_path: Path, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    made = script("new-key", tmp_path / "release.key")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "release.key").stat().st_mode & 0o777 == 0o600
    assert script("new-key", tmp_path / "release.key").returncode == 1
    settings.AGENT_RELEASE_KEYS = [made.stdout.split()[2]]
    given = ["--key", str(tmp_path / "release.key"), "--version", "2.0.0"]
    signed = script("sign", zipapp, *given, "--seq", "5")
    assert signed.returncode == 0, signed.stderr
    manifest = f"{zipapp}.manifest"
    for words in ("published", "was published before"):
        call_command("publish_agent", zipapp, manifest)
        assert f"2.0.0 (release 5): {words}" in capsys.readouterr().out
    found = AgentRelease.objects.get()
    assert releases.read(found, 0, found.size) == zipapp.read_bytes()
    assert AuditEvent.objects.filter(action="agent.release.published").count() == 1
    assert script("sign", zipapp, *given, "--seq", "4").returncode == 0
    with pytest.raises(CommandError, match="larger seq"):
        call_command("publish_agent", zipapp, manifest)
    assert script("sign", zipapp, *given, "--seq", "6", "--days", "-1").returncode == 0
    with pytest.raises(CommandError, match="expired"):
        call_command("publish_agent", zipapp, manifest)
    zipapp.write_bytes(b"other")
    assert script("sign", zipapp, *given, "--seq", "6").returncode == 0
    zipapp.write_bytes(b"OTHER")
    with pytest.raises(CommandError, match="SHA-256"):
        call_command("publish_agent", zipapp, manifest)
    settings.AGENT_RELEASE_KEYS = [Signer().public]
    with pytest.raises(CommandError, match="not accepted"):
        call_command("publish_agent", zipapp, manifest)
    settings.AGENT_RELEASE_KEYS = []
    with pytest.raises(CommandError, match="PACS_AGENT_RELEASE_KEYS"):
        call_command("publish_agent", zipapp, manifest)
    assert AgentRelease.objects.count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 0},
        {"seq": True},
        {"seq": "5"},
        {"size": -1},
        {"version": "2.0.0; rm"},
        {"version": "../2"},
        {"sha256": "A" * 64},
        {"minimum": 5},
        {"add_keys": ("no key",)},
        {"withdraw_keys": (7,)},
        {"expires": 1.5},
    ],
)
def test_signed_nonsense(signer: Signer, zipapp: Path, change: dict[str, Any]) -> None:
    envelope = signer.envelope(zipapp, **{"version": "2.0.0", "seq": 5, **change})
    with pytest.raises(release.ReleaseError) as caught:
        release.verify(envelope, {signer.id: signer.public})
    assert caught.value.code == "manifest"


def key_of(agent: Agent) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {keys.rotate(agent, actor=None)}"}}


def test_agents_of_any_site_fetch_it_in_parts(
    client: Client, published: AgentRelease, zipapp: Path, agent: Agent, other_agent: Agent
) -> None:
    data = zipapp.read_bytes()
    for who in (agent, other_agent):
        sent = key_of(who)
        answer = client.get("/api/agents/release/?version=", **sent)
        assert answer.status_code == 200
        assert answer.content.decode() == published.envelope
        assert client.get("/api/agents/release/?version=9.9.9", **sent).status_code == 404
    sent["headers"]["Range"] = "bytes=100-199"
    answer = client.get(FILE, **sent)
    assert (answer.status_code, answer.content) == (206, data[100:200])
    assert answer["Content-Range"] == f"bytes 100-199/{len(data)}"
    sent["headers"]["Range"] = "bytes=0-99999999"
    assert client.get(FILE, **sent).content == data[: 4 * 2**20]
    for wrong in ("bytes=6000000-7000000", "bytes=5-4", "bytes=0-1,5-6", "bytes=-5", "x"):
        sent["headers"]["Range"] = wrong
        assert client.get(FILE, **sent).status_code == 416, wrong
    assert client.get("/api/agents/release/6/file", **sent).status_code == 404
    read = AuditEvent.objects.filter(action="agent.release.read")
    assert {event.detail["agent"] for event in read} == {agent.pk, other_agent.pk}
    releases.withdraw(published, actor=None)
    assert client.get("/api/agents/release/", **sent).status_code == 404
    assert client.get(FILE, **sent).status_code == 404


def test_nobody_else_fetches_it(
    client: Client, logged_in: Any, published: AgentRelease, agent: Agent, admin: Any
) -> None:
    sent = key_of(agent)
    Agent.objects.filter(pk=agent.pk).update(allowed_networks=["10.9.0.0/16"])
    for who, headers in (
        (client, {}),
        (logged_in(admin), {}),
        (client, {"headers": {"Authorization": "Bearer lba_wrong"}}),
        (client, sent),
    ):
        for path in ("/api/agents/release/", FILE):
            assert who.get(path, **headers).status_code == 401
    assert AuditEvent.objects.filter(action="agent.connect", outcome="refused").exists()


def able(site: Any, name: str, **fields: Any) -> Agent:
    """A connected agent that can update itself."""
    given = {
        "state": "active",
        "connection": "c",
        "last_seen_at": timezone.now(),
        "version": "1.0.0",
        "capabilities": ["ping", "update"],
    }
    return Agent.objects.create(site=site, name=name, **{**given, **fields})


def told() -> set[str]:
    rows = AgentCommand.objects.filter(type="update").select_related("agent")
    return {row.agent.name for row in rows}


def test_rollout_reaches_who_is_due_and_once(
    published: AgentRelease, site: Any, other_site: Any
) -> None:
    able(site, "due")
    able(site, "due by release", version="2.0.0", release_seq=4)
    able(site, "has it", version="2.0.0", release_seq=5)
    able(site, "newer by hand", version="2.0.1")
    able(site, "cannot", capabilities=["ping"])
    able(site, "may not", allowed_commands=["ping"])
    able(site, "offline", connection="")
    able(site, "off", state="disabled")
    able(other_site, "elsewhere")
    rollout = AgentRollout.objects.create(release=published, site=site, percent=100, paused=True)
    tasks.rollout_sweep()
    assert told() == set()
    rollout.paused = False
    rollout.save()
    for _ in range(2):
        tasks.rollout_sweep()
        assert told() == {"due", "due by release"}
    command = AgentCommand.objects.filter(type="update").first()
    assert command is not None
    assert (command.params, command.requester) == ({"version": "2.0.0"}, None)
    AgentCommand.objects.update(state="failed", finished_at=timezone.now())
    tasks.rollout_sweep()
    assert AgentCommand.objects.count() == 2
    AgentRollout.objects.create(release=published, percent=100)
    tasks.rollout_sweep()
    assert told() == {"due", "due by release", "elsewhere"}
    events = AuditEvent.objects.filter(action="agent.command")
    assert {event.site_id for event in events} == {site.pk, other_site.pk}


def test_rollout_by_share_and_by_list(published: AgentRelease, site: Any) -> None:
    agents = [able(site, f"{number}") for number in range(60)]
    rollout = AgentRollout.objects.create(release=published, percent=25)
    first = {agent.pk for agent in rollouts.due(rollout)}
    assert 5 <= len(first) <= 27
    rollout.percent = 60
    second = {agent.pk for agent in rollouts.due(rollout)}
    assert first < second < {agent.pk for agent in agents}
    rollout.percent = 100
    rollout.agents.set(agents[:2])
    assert {agent.pk for agent in rollouts.due(rollout)} == {agents[0].pk, agents[1].pk}
    rollout.agents.clear()
    rollout.save()
    assert [rollouts.sweep() for _ in range(4)] == [20, 20, 20, 0]


def test_nothing_of_a_release_that_is_withdrawn_or_expired(
    published: AgentRelease, site: Any, admin: Any
) -> None:
    able(site, "due")
    AgentRollout.objects.create(release=published, percent=100)
    AgentRelease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert rollouts.sweep() == 0
    AgentRelease.objects.update(expires_at=timezone.now() + timedelta(days=1))
    assert releases.withdraw(published, actor=admin)
    assert not releases.withdraw(published, actor=admin)
    assert rollouts.sweep() == 0
    assert told() == set()


def test_admin_pages(
    logged_in: Any,
    published: AgentRelease,
    site_admin: Any,
    admin: Any,
    technician: Any,
    agent: Agent,
    other_agent: Agent,
) -> None:
    client, root = logged_in(site_admin), logged_in(admin)
    page = client.get("/admin/agents/agentrollout/add/").content.decode()
    assert (agent.name in page, other_agent.name in page) == (True, False)
    form = {"release": published.pk, "agents": [agent.pk], "percent": 50}
    assert (
        "site" in client.post("/admin/agents/agentrollout/add/", form).context["errors"].as_text()
    )
    wrong = {**form, "site": other_agent.site_id}
    assert client.post("/admin/agents/agentrollout/add/", wrong).status_code == 200
    foreign = {**form, "site": agent.site_id, "agents": [other_agent.pk]}
    assert client.post("/admin/agents/agentrollout/add/", foreign).status_code == 200
    assert not AgentRollout.objects.exists()
    good = {**form, "site": agent.site_id}
    assert client.post("/admin/agents/agentrollout/add/", good).status_code == 302
    everywhere = {"release": published.pk, "percent": 10}
    assert root.post("/admin/agents/agentrollout/add/", everywhere).status_code == 302
    mine, all_sites = AgentRollout.objects.order_by("id")
    listed = client.get("/admin/agents/agentrollout/").content.decode()
    assert f"/agentrollout/{mine.pk}/" in listed
    assert f"/agentrollout/{all_sites.pk}/" not in listed
    chosen = {"action": "pause", "_selected_action": [mine.pk, all_sites.pk]}
    client.post("/admin/agents/agentrollout/", chosen)
    mine.refresh_from_db()
    all_sites.refresh_from_db()
    assert (mine.paused, all_sites.paused) == (True, False)
    assert AuditEvent.objects.filter(action="admin.agentrollout.changed").count() == 1
    chosen = {"action": "withdraw", "_selected_action": [published.pk]}
    client.post("/admin/agents/agentrelease/", chosen)
    published.refresh_from_db()
    assert published.withdrawn_at is None
    root.post("/admin/agents/agentrelease/", chosen)
    published.refresh_from_db()
    assert published.withdrawn_at is not None
    assert AuditEvent.objects.filter(action="agent.release.withdrawn").count() == 1
    refused = logged_in(technician).get("/admin/agents/agentrollout/")
    assert refused.status_code in (302, 403)
    assert Client().get("/admin/agents/agentrelease/").status_code == 302


def test_page_of_the_agent(logged_in: Any, technician: Any, stranger: Any, agent: Agent) -> None:
    Agent.objects.filter(pk=agent.pk).update(version="2.0.0", release_seq=5)
    AgentEvent.objects.create(
        agent=agent,
        kind="update-failed",
        data={"version": "2.1.0", "seq": 6, "reason": "it did not connect in time"},
    )
    page = logged_in(technician).get(f"/agents/{agent.pk}/").content.decode()
    for words in ("release 5", "Not updated", "2.1.0", "it did not connect in time"):
        assert words in page
    assert logged_in(stranger).get(f"/agents/{agent.pk}/").status_code == 404
