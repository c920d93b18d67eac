"""Commands of a portal that need not be honest: local list, roots, times, once each, all logged."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents import protocol
from agents.site import auditlog
from tests.agents_site.running import RunningAgent, folder_section
from tests.agents_site.scripted import ScriptedPortal
from tests.agents_site.test_folders import image

SHADOW = "/etc/shadow"


@pytest.fixture
def portal() -> Iterator[ScriptedPortal]:
    with ScriptedPortal() as made:
        yield made


@pytest.fixture
def agent(tmp_path: Path, portal: ScriptedPortal) -> Iterator[RunningAgent]:
    with RunningAgent(
        tmp_path / "agent",
        portal.url,
        sections=folder_section(tmp_path / "in", scan_seconds=3600, settle_seconds=1.0),
    ) as made:
        portal.wait_registered()
        yield made


def logged(agent: RunningAgent, action: str) -> list[dict[str, Any]]:
    return [each for each in agent.audit() if each["action"] == action]


def test_ping_and_its_trail(agent: RunningAgent, portal: ScriptedPortal) -> None:
    command = portal.command("ping", requester="dr-house")
    result = portal.result(command)
    assert result.outcome == "done"
    assert [each.id for each in portal.of(protocol.Accepted)] == [command.id]
    begun, ended = logged(agent, "command.begun"), logged(agent, "command.ended")
    assert (begun[0]["requester"], begun[0]["detail"]["command"]) == ("dr-house", "ping")
    assert ended[0]["detail"] == {
        "key": command.idempotency_key,
        "outcome": "done",
        "code": "",
    }
    head = result.data["auditHead"]
    assert head in [each["hash"] for each in agent.audit()]
    assert auditlog.verify(agent.state_dir / "audit.jsonl") == []


@pytest.mark.parametrize(
    ("name", "params", "code"),
    [
        ("upload-dicom", {"filePath": SHADOW}, "outside"),
        ("upload-dicom", {"filePath": "{in}/../../../etc/shadow"}, "outside"),
        ("upload-dicom", {"filePath": "{in}/shadow"}, "outside"),
        ("upload-dicom", {"filePath": "{in}/etc/shadow"}, "outside"),
        ("upload-dicom", {"filePath": "{in}/none.dcm"}, "file"),
        ("upload-dicom", {"filePath": "{in}/notes.txt"}, "outside"),
        ("upload-dicom", {"filePath": ["a"]}, "params"),
        ("upload-dicom", {}, "params"),
        ("scan-folder", {"path": "/"}, "outside"),
        ("scan-folder", {"path": "/etc"}, "outside"),
        ("scan-folder", {"path": "{in}/etc"}, "outside"),
        ("scan-folder", {"path": "{in}/none"}, "folder"),
        ("burn-disc", {"studyIds": [1], "target": "/dev/sda"}, "not-allowed"),
        ("update", {"version": "99.0"}, "not-allowed"),
        ("print-report", {"reportId": 1, "printer": "x"}, "not-allowed"),
        ("query-ris", {"name": "'; DROP TABLE patients; --"}, "not-allowed"),
        ("shell", {"command": "id"}, "not-allowed"),
        ("__init__", {}, "not-allowed"),
    ],
)
def test_taken_over_portal(
    agent: RunningAgent,
    portal: ScriptedPortal,
    tmp_path: Path,
    name: str,
    params: dict[str, Any],
    code: str,
) -> None:
    """What no honest portal asks is refused by the agent itself, and its log says who asked."""
    inbox = tmp_path / "in"
    (inbox / "shadow").symlink_to(SHADOW)
    (inbox / "etc").symlink_to("/etc")
    (inbox / "notes.txt").write_text("no image")
    params = {
        key: each.replace("{in}", str(inbox)) if isinstance(each, str) else each
        for key, each in params.items()
    }
    command = portal.command(name, params=params, requester="mallory")
    result = portal.result(command)
    assert (result.outcome, result.code) == ("failed", code)
    assert result.message
    assert not result.data
    trail = logged(agent, "command.refused") + logged(agent, "command.ended")
    assert {each["requester"] for each in trail} == {"mallory"}
    assert trail[0]["detail"]["key"] == command.idempotency_key
    assert "root:" not in agent.log


def test_own_list_is_narrower_than_what_the_agent_can(
    portal: ScriptedPortal, tmp_path: Path
) -> None:
    with RunningAgent(
        tmp_path / "agent", portal.url, sections='[commands]\nallow = ["ping"]\n'
    ) as agent:
        portal.wait_registered()
        assert portal.of(protocol.Register)[0].capabilities == ("ping",)
        result = portal.result(portal.command("collect-log"))
        assert result.code == "not-allowed"
        assert logged(agent, "command.refused")
        assert portal.result(portal.command("ping")).outcome == "done"


def test_the_same_command_again_is_answered_from_the_journal(
    agent: RunningAgent, portal: ScriptedPortal
) -> None:
    first = portal.command("ping")
    told = portal.result(first)
    portal.command("ping", key=first.idempotency_key, id=first.id)
    portal.wait(lambda: len(portal.of(protocol.Result)) == 2, "the result again")
    assert portal.of(protocol.Result)[1] == told
    other = portal.command("ping", key=first.idempotency_key)
    assert portal.result(other).data == told.data
    assert len(logged(agent, "command.begun")) == 1


def test_too_late_is_not_begun(agent: RunningAgent, portal: ScriptedPortal) -> None:
    result = portal.result(portal.command("ping", ttl=0))
    assert result.outcome == "expired"
    assert not logged(agent, "command.begun")
    assert len(logged(agent, "command.expired")) == 1


def test_cancelled_before_and_while_it_runs(
    agent: RunningAgent, portal: ScriptedPortal, tmp_path: Path
) -> None:
    portal.say(protocol.Cancel(id="77", idempotency_key="never"))
    portal.wait(lambda: portal.of(protocol.Result), "an answer")
    assert (portal.of(protocol.Result)[0].id, portal.of(protocol.Result)[0].outcome) == (
        "77",
        "cancelled",
    )
    late = portal.command("ping", key="never")
    assert portal.result(late).outcome == "cancelled"
    # Runs for as long as the upload endpoint, which is not there, does not take the file.
    (tmp_path / "in" / "1.dcm").write_bytes(image(1))
    scan = portal.command("scan-folder", params={"path": str(tmp_path / "in")})
    portal.wait(lambda: portal.of(protocol.Progress), "progress")
    portal.say(protocol.Cancel(id=scan.id, idempotency_key=scan.idempotency_key))
    assert portal.result(scan).outcome == "cancelled"
    assert [each["detail"]["command"] for each in logged(agent, "command.begun")] == ["scan-folder"]


def test_killed_at_random_in_a_command(portal: ScriptedPortal, tmp_path: Path) -> None:
    """Whenever it dies: a command begins at most once, and each gets exactly one kind of end."""
    chance = random.Random(3)
    agent = RunningAgent(tmp_path / "agent", portal.url)
    sent = []
    agent.start()
    portal.wait_registered()
    for _ in range(8):
        registered = len(portal.of(protocol.Register))
        sent += [portal.command("ping") for _ in range(3)]
        time.sleep(chance.uniform(0, 0.03))
        agent.kill()
        agent.start()
        portal.wait_registered(registered + 1)
        done = {each.id for each in portal.of(protocol.Result)}
        # As the portal does after a reconnect.
        for each in [each for each in sent if each.id not in done]:
            portal.say(each)
    for each in sent:
        portal.result(each)
    agent.stop()
    begun = [each["detail"]["key"] for each in logged(agent, "command.begun")]
    ends: dict[str, set[str]] = {}
    for result in portal.of(protocol.Result):
        ends.setdefault(result.id, set()).add(f"{result.outcome} {result.code}".strip())
    assert set(ends) == {each.id for each in sent}
    assert all(len(each) == 1 for each in ends.values())
    assert set().union(*ends.values()) <= {"done", "failed interrupted"}
    assert len(begun) == len(set(begun))
    assert auditlog.verify(agent.state_dir / "audit.jsonl") == []


def test_result_is_kept_until_the_portal_takes_it(portal: ScriptedPortal, tmp_path: Path) -> None:
    portal.acknowledge = False
    agent = RunningAgent(tmp_path / "agent", portal.url)
    agent.start()
    portal.wait_registered()
    command = portal.command("ping")
    portal.result(command)
    agent.kill()
    portal.heard.clear()
    portal.acknowledge = True
    agent.start()
    assert portal.result(command).outcome == "done"
    portal.close()
    portal.heard.clear()
    portal.wait_registered()
    time.sleep(0.5)
    assert not portal.of(protocol.Result)
    agent.stop()


def test_log_holds_no_key_and_is_cut_to_size(agent: RunningAgent, portal: ScriptedPortal) -> None:
    for _ in range(5):
        portal.result(portal.command("shell"))
    result = portal.result(portal.command("collect-log", params={"lines": 3}))
    assert len(result.data["lines"]) == 3
    whole = portal.result(portal.command("collect-log"))
    assert any("the portal asked for 'shell'" in line for line in whole.data["lines"])
    assert "lba_none" not in str(whole.data)


def test_no_agent_without_its_audit_log(agent: RunningAgent, portal: ScriptedPortal) -> None:
    """/dev/full stands for a full disk."""
    path = agent.state_dir / "audit.jsonl"
    agent.stop()
    path.rename(path.with_name("kept"))
    path.symlink_to("/dev/full")
    agent.start()
    agent.wait_log("the agent cannot start")
    agent.stop()
    path.unlink()
    path.with_name("kept").rename(path)
    agent.start()
    portal.wait_registered(2)
    assert portal.result(portal.command("ping")).outcome == "done"


def test_verify_audit_on_the_command_line(agent: RunningAgent, portal: ScriptedPortal) -> None:
    portal.result(portal.command("ping"))
    path = agent.state_dir / "audit.jsonl"
    command = agent.command("--verify-audit")
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=os.environ)
    assert (done.returncode, done.stdout) == (0, "the audit log is as it was written\n")
    path.write_text(path.read_text().replace("ann", "bob"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=os.environ)
    assert done.returncode == 1
    assert "not what was written" in done.stdout
