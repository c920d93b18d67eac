"""The agent and the product as they run: socket, commands, uploads, Orthanc, `--check`."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from tests.agents_site.running import RunningAgent, folder_section
from tests.clients.agent import make_agent
from tests.servers.orthanc import OrthancServer
from tests.servers.peer import FaultyProxy
from tests.servers.portal import Portal, wait

pytestmark = pytest.mark.integration

Series = Callable[..., tuple[list[Path], str]]


def site_agent(portal: Portal, folder: Path, sections: str = "") -> tuple[int, RunningAgent]:
    number, key = make_agent(portal, folder.name)
    running = RunningAgent(
        folder / "agent",
        portal.stack.base_url,
        key=key,
        upload_token=portal.tokens["technician"],
        sections=sections,
    )
    return number, running


def ask(portal: Portal, agent: int, command: str, **params: Any) -> dict[str, Any]:
    """Queue a command and wait for its end."""
    status, body, _ = portal.request(
        "POST",
        f"/api/agents/{agent}/commands/",
        who="technician",
        body=json.dumps({"type": command, "params": params}).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert status == 201, body
    path = f"/api/agents/{agent}/commands/{json.loads(body)['id']}/"
    found: dict[str, Any] = {}

    def ended() -> bool:
        found.update(json.loads(portal.request("GET", path)[1]))
        return found["state"] in {"done", "failed", "expired", "cancelled"}

    wait(ended, 30, f"{command} ends", portal)
    return found


def about(portal: Portal, agent: int) -> dict[str, Any]:
    return json.loads(portal.request("GET", f"/api/agents/{agent}/")[1])


def put(files: list[Path], folder: Path) -> None:
    for file in files:
        (folder / file.name).write_bytes(file.read_bytes())


def test_a_folder_reaches_the_worklist(portal: Portal, series: Series, tmp_path: Path) -> None:
    files, study = series(12)
    section = folder_section(tmp_path / "in", after="move", done_dir=tmp_path / "done")
    number, running = site_agent(portal, tmp_path, section)
    with running:
        wait(lambda: about(portal, number)["is_online"], 20, "online", portal)
        put(files, tmp_path / "in")
        running.wait_states(moved=12)
        portal.wait_count(study, 12)
        wait(lambda: about(portal, number)["folders"] != [], 20, "folders are told", portal)
        assert about(portal, number)["folders"][0]["path"] == str(tmp_path / "in")
        ping = ask(portal, number, "ping")
        assert ping["state"] == "done"
        assert ping["result"]["version"]
    assert {path.name for path in (tmp_path / "done").iterdir()} == {path.name for path in files}
    events = portal.stack.shell(
        "from agents.models import AgentEvent\n"
        f"rows = AgentEvent.objects.filter(agent={number}, kind='upload-complete')\n"
        "print([row.data for row in rows])"
    )
    assert "'outcome': 'stored'" in events


def test_commands_by_the_rest_interface(portal: Portal, series: Series, tmp_path: Path) -> None:
    files, study = series(3)
    section = folder_section(tmp_path / "in", scan_seconds=3600, settle_seconds=1)
    number, running = site_agent(portal, tmp_path, section)
    put(files[:1], tmp_path / "in")
    with running:
        path = str(tmp_path / "in" / files[0].name)
        done = ask(portal, number, "upload-dicom", filePath=path)
        assert done["result"]["instance"] == dcmread(files[0]).SOPInstanceUID
        put(files[1:], tmp_path / "in")
        scan = ask(portal, number, "scan-folder", path=str(tmp_path / "in"))
        assert (scan["state"], scan["result"]["folder"]) == ("done", "in")
        assert portal.count(study) == 3
        refused = ask(portal, number, "upload-dicom", filePath="/etc/shadow")
        assert (refused["state"], refused["code"]) == ("failed", "outside")


def test_what_the_portal_quarantines_is_put_aside(
    portal: Portal, series: Series, tmp_path: Path
) -> None:
    files, _ = series(1)
    dataset = dcmread(files[0])
    put(files, tmp_path)
    dataset.PatientName = "SOMEBODY^ELSE"
    section = folder_section(tmp_path / "in", failed_dir=tmp_path / "failed")
    _, running = site_agent(portal, tmp_path, section)
    with running:
        put(files, tmp_path / "in")
        running.wait_states(done=1)
        dataset.save_as(tmp_path / "in" / "conflict.dcm")
        running.wait_states(done=1, failed=1)
        wait(lambda: (tmp_path / "failed" / "conflict.dcm").exists(), 5, "put aside")
    reason = (tmp_path / "failed" / "conflict.dcm.reason.txt").read_text()
    assert reason.startswith("in the portal's quarantine: ")
    assert "ELSE" not in reason


def test_killed_and_portal_restarted_in_between(
    portal: Portal, series: Series, tmp_path: Path
) -> None:
    files, study = series(120)
    _, running = site_agent(portal, tmp_path, folder_section(tmp_path / "in"))
    running.start()
    put(files, tmp_path / "in")
    for wanted in (20, 50):
        wait(lambda wanted=wanted: portal.count(study) >= wanted, 60, f"{wanted}", portal)
        running.kill()
        running.start()
    old = portal.stack.kill("web")
    portal.stack.wait_restarted("web", old)
    portal.stack.wait_healthy()
    running.wait_states(done=120)
    assert portal.count(study) == 120
    running.stop()


@pytest.fixture
def orthanc(tmp_path: Path) -> Any:
    with OrthancServer(tmp_path / "orthanc") as server:
        yield server


def relay_section(url: str, tmp_path: Path) -> str:
    password = tmp_path / "orthanc-password"
    password.write_text(OrthancServer.password)
    password.chmod(0o600)
    return (
        f'[upload]\nretry_max_seconds = 1\n[[relay]]\nname = "local"\nurl = "{url}"\n'
        f'user = "{OrthancServer.user}"\npassword_file = "{password}"\npoll_seconds = 0.3\n'
    )


def test_relay_of_a_local_orthanc(
    portal: Portal, series: Series, orthanc: OrthancServer, tmp_path: Path
) -> None:
    first, study = series(20)
    second, other = series(5)
    _, running = site_agent(portal, tmp_path, relay_section(orthanc.url, tmp_path))
    orthanc.storescu(first)
    with running:
        portal.wait_count(study, 20)
        running.kill()
        orthanc.storescu(second)
        running.start()
        portal.wait_count(other, 5)
        # Another Orthanc under the same address: its numbers begin anew.
        orthanc.wipe()
        third, again = series(3)
        orthanc.storescu(third)
        portal.wait_count(again, 3)
        running.wait_log("Orthanc was reset")
    sent = {dcmread(file).SOPInstanceUID for file in [*first, *second, *third]}
    assert sent <= portal.archived().keys()


def test_relay_past_faults_of_orthanc(
    portal: Portal, series: Series, orthanc: OrthancServer, tmp_path: Path
) -> None:
    """A 500 or a broken answer is asked again; an image that is gone (404) is passed over."""
    files, study = series(30)
    with FaultyProxy(orthanc.http_port) as proxy:
        proxy.matches = lambda path: path.endswith("/file")
        proxy.fail_next = 3
        _, running = site_agent(portal, tmp_path, relay_section(proxy.url, tmp_path))
        orthanc.storescu(files)
        with running:
            portal.wait_count(study, 30)
            running.wait_log("Orthanc answered 503")
            proxy.cut_next = 2
            more, other = series(4)
            orthanc.storescu(more[:2])
            portal.wait_count(other, 2)
            running.wait_log("an image could not be read")
            proxy.status, proxy.fail_next = 404, 1
            orthanc.storescu(more[2:3])
            time.sleep(1)
            orthanc.storescu(more[3:])
            portal.wait_count(other, 3)


def test_relay_waits_for_the_portal(
    portal: Portal, series: Series, orthanc: OrthancServer, tmp_path: Path
) -> None:
    files, study = series(10)
    with FaultyProxy(portal.stack.port) as front:
        front.fail_next = 10_000
        _, key = make_agent(portal, "relay-waits")
        running = RunningAgent(
            tmp_path / "agent",
            front.url,
            key=key,
            upload_token=portal.tokens["technician"],
            sections=relay_section(orthanc.url, tmp_path),
        )
        orthanc.storescu(files)
        with running:
            running.wait_log("relay: local: the portal answered 503")
            assert portal.count(study) == 0
            front.heal()
            portal.wait_count(study, 10)


def check(running: RunningAgent) -> tuple[int, dict[str, tuple[str, str]]]:
    done = subprocess.run(
        running.command("--check"),
        capture_output=True,
        text=True,
        timeout=60,
        env=dict(os.environ),
    )
    rows = [line.split(None, 1) for line in done.stdout.splitlines()]
    table = {
        name.strip(): (verdict, words.strip())
        for verdict, rest in rows
        for name, _, words in [rest.partition("  ")]
    }
    return done.returncode, table


def test_check(portal: Portal, orthanc: OrthancServer, tmp_path: Path) -> None:
    section = folder_section(tmp_path / "in", failed_dir=tmp_path / "failed")
    _, running = site_agent(portal, tmp_path, relay_section(orthanc.url, tmp_path) + section)
    status, table = check(running)
    assert status == 0, table
    assert {name: verdict for name, (verdict, _) in table.items()} == {
        "state_dir": "ok",
        "connection": "ok",
        "upload": "ok",
        "folder in": "ok",
        "folder in failed_dir": "ok",
        "relay local": "ok",
        "commands": "ok",
    }
    assert "registered as" in table["connection"][1]
    (running.folder / "key").write_text("lba_wrong")
    (running.folder / "token").write_text("lbx_wrong")
    (tmp_path / "in").rmdir()
    orthanc.stop()
    status, table = check(running)
    assert status == 1
    assert {name for name, (verdict, _) in table.items() if verdict == "FAIL"} == {
        "connection",
        "upload",
        "folder in",
        "relay local",
    }
    assert table["upload"][1] == "the token may not upload"


def test_enrolled_with_a_one_time_code(portal: Portal, tmp_path: Path) -> None:
    number, running = site_agent(portal, tmp_path)
    code = portal.stack.shell(
        "from agents import keys\nfrom agents.models import Agent\n"
        f"print(keys.new_code(Agent.objects.get(pk={number}), actor=None))"
    ).strip()
    key = running.folder / "key"
    key.unlink()

    def enrol(given: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            running.command("--enrol"),
            input=given + "\n",
            capture_output=True,
            text=True,
            timeout=60,
            env=dict(os.environ),
        )

    wrong = enrol("AAAAA-BBBBB-CCCCC-DDDDD-EEEEE")
    assert (wrong.returncode, key.exists()) == (1, False)
    assert "wrong, used or expired" in wrong.stderr
    done = enrol(code)
    assert done.returncode == 0, done.stderr
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text().strip() not in done.stdout
    assert enrol(code).returncode == 1
    assert key.read_text().startswith("lba_")
    with running:
        wait(lambda: about(portal, number)["is_online"], 20, "online", portal)
