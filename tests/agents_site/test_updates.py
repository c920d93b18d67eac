"""Updates of a running agent by its launcher: signed, newer, working, or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents import protocol
from tests.agents_site.releases import LaunchedAgent, Shelf, Signer, program
from tests.agents_site.scripted import ScriptedPortal
from tests.servers.ports import wait_until


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("programs")
    return {
        "1.0.0": program(folder / "1.pyz", "1.0.0"),
        "2.0.0": program(folder / "2.pyz", "2.0.0", padding=2_500_000),
        "3.0.0": program(folder / "3.pyz", "3.0.0"),
        **{
            broken: program(folder / f"{broken}.pyz", "2.0.0", broken=broken)
            for broken in ("self-test", "other-version", "crash", "deaf")
        },
    }


@pytest.fixture
def portal() -> Iterator[ScriptedPortal]:
    with ScriptedPortal() as made:
        made.http = Shelf()
        yield made


def shelf(portal: ScriptedPortal) -> Shelf:
    found = portal.http
    assert isinstance(found, Shelf)
    return found


def events(portal: ScriptedPortal, kind: str) -> list[dict[str, Any]]:
    return [each.data for each in portal.of(protocol.Event) if each.event == kind]


def audited(agent: LaunchedAgent, action: str) -> list[dict[str, Any]]:
    return [each["detail"] for each in agent.audit() if each["action"] == action]


def running(portal: ScriptedPortal) -> tuple[str, int]:
    """Version and release that registered last."""
    last = portal.of(protocol.Register)[-1]
    return last.version, last.release


def state(agent: LaunchedAgent) -> dict[str, Any]:
    return json.loads((agent.updates / "state.json").read_text())


def wait_event(portal: ScriptedPortal, kind: str, count: int = 1) -> dict[str, Any]:
    portal.wait(lambda: len(events(portal, kind)) >= count, kind, 60)
    return events(portal, kind)[count - 1]


def test_taken_switched_and_kept(
    portal: ScriptedPortal, programs: dict[str, Path], tmp_path: Path
) -> None:
    signer = Signer()
    shelf(portal).put(signer.envelope(programs["2.0.0"], "2.0.0", 5), programs["2.0.0"])
    with LaunchedAgent(tmp_path / "a", portal.url, programs["1.0.0"], [signer]) as agent:
        portal.wait_registered()
        assert running(portal) == ("1.0.0", 0)
        result = portal.result(portal.command("update", requester="ann"), 60)
        assert (result.outcome, result.data["state"]) == ("done", "staged"), result
        done = wait_event(portal, "update-done")
        assert (done["version"], done["seq"]) == ("2.0.0", 5)
        assert running(portal) == ("2.0.0", 5)
        assert state(agent)["current"] == 5
        assert [each["seq"] for each in audited(agent, "update.staged")] == [5]
        assert [each["seq"] for each in audited(agent, "update.done")] == [5]
        agent.stop()
        agent.start()
        portal.wait_registered(3)
        assert running(portal) == ("2.0.0", 5)
        again = portal.result(portal.command("update"), 60)
        assert (again.outcome, again.code) == ("failed", "downgrade")
        # What an administrator installs by hand wins, and is no way back to old releases.
        agent.stop()
        other = tmp_path / "by-hand.pyz"
        other.write_bytes(programs["3.0.0"].read_bytes())
        agent.installed = other
        agent.start()
        portal.wait_registered(4)
        assert running(portal) == ("3.0.0", 0)
        again = portal.result(portal.command("update"), 60)
        assert (again.outcome, again.code) == ("failed", "downgrade")
    assert len(events(portal, "update-done")) == 1


REFUSED: list[tuple[str, str, dict[str, Any]]] = [
    ("self-signed", "signature", {}),
    ("forged-key-id", "signature", {}),
    ("tampered", "signature", {}),
    ("not-json", "envelope", {}),
    ("other-file", "digest", {"sha256": "0" * 64}),
    ("longer-file", "portal", {"size": 5000}),
    ("shorter-file", "portal", {"size": 9_000_000}),
    ("expired", "expired", {"expires": 1_600_000_000}),
    ("minimum", "minimum", {"minimum": 3}),
    ("older", "downgrade", {"version": "0.9.9"}),
    ("too-large", "size", {"size": 150_000_000}),
    ("version", "version", {}),
    ("self-test", "self-test", {}),
    ("other-version", "self-test", {}),
]


def test_refused_and_logged(
    portal: ScriptedPortal, programs: dict[str, Path], tmp_path: Path
) -> None:
    """Each by the running agent, which stays what it was."""
    signer, mallory = Signer(), Signer()
    with LaunchedAgent(tmp_path / "a", portal.url, programs["1.0.0"], [signer]) as agent:
        portal.wait_registered()
        for number, (name, code, changes) in enumerate(REFUSED, 1):
            file = programs.get(name, programs["2.0.0"])
            by = mallory if name == "self-signed" else signer
            envelope = by.envelope(file, **{"version": "2.0.0", "seq": 5, **changes})
            outer = json.loads(envelope)
            if name == "forged-key-id":
                outer = json.loads(mallory.envelope(file, "2.0.0", 5)) | {"key": signer.id}
            elif name == "tampered":
                outer["payload"] = json.loads(signer.envelope(file, "9.0.0", 9))["payload"]
            shelf(portal).put("{}" if name == "not-json" else json.dumps(outer), file)
            wanted = {"version": "7.0.0"} if name == "version" else {}
            result = portal.result(portal.command("update", params=wanted, requester="mallory"), 60)
            assert (name, result.outcome, result.code) == (name, "failed", code)
            assert result.message
            assert [each["code"] for each in audited(agent, "update.refused")] == [
                each[1] for each in REFUSED[:number]
            ]
            assert wait_event(portal, "update-failed", number)["reason"] == result.message
        begun = [each for each in agent.audit() if each["action"] == "command.begun"]
        assert {each["requester"] for each in begun} == {"mallory"}
        assert not (agent.updates / "staged").exists()
        assert running(portal) == ("1.0.0", 0)
        assert len(portal.of(protocol.Register)) == 1


@pytest.mark.parametrize("broken", ["crash", "deaf"])
def test_rolled_back_and_remembered(
    portal: ScriptedPortal, programs: dict[str, Path], tmp_path: Path, broken: str
) -> None:
    signer = Signer()
    shelf(portal).put(signer.envelope(programs[broken], "2.0.0", 5), programs[broken])
    made = LaunchedAgent(
        tmp_path / "a",
        portal.url,
        programs["1.0.0"],
        [signer],
        health=2 if broken == "deaf" else 60,
    )
    with made as agent:
        portal.wait_registered()
        assert portal.result(portal.command("update"), 60).outcome == "done"
        told = wait_event(portal, "update-failed")
        assert told["reason"] == (
            "it ended with 1" if broken == "crash" else "it did not connect in time"
        )
        assert running(portal) == ("1.0.0", 0)
        assert state(agent)["bad"] == [5]
        assert [each["seq"] for each in audited(agent, "update.rolled-back")] == [5]
        again = portal.result(portal.command("update"), 60)
        assert (again.outcome, again.code) == ("failed", "known-bad")
        if broken == "crash":
            shelf(portal).put(signer.envelope(programs["3.0.0"], "3.0.0", 6), programs["3.0.0"])
            assert portal.result(portal.command("update"), 60).outcome == "done"
            wait_event(portal, "update-done")
            assert running(portal) == ("3.0.0", 6)


def test_download_goes_on_where_it_was(
    portal: ScriptedPortal, programs: dict[str, Path], tmp_path: Path
) -> None:
    signer = Signer()
    shelf(portal).put(signer.envelope(programs["2.0.0"], "2.0.0", 5), programs["2.0.0"])
    shelf(portal).give = 2
    with LaunchedAgent(tmp_path / "a", portal.url, programs["1.0.0"], [signer]) as agent:
        portal.wait_registered()
        failed = portal.result(portal.command("update"), 60)
        assert (failed.outcome, failed.code) == ("failed", "portal")
        agent.kill()
        shelf(portal).give = 100
        agent.start()
        portal.wait_registered(2)
        assert portal.result(portal.command("update"), 60).outcome == "done"
        wait_event(portal, "update-done")
    assert [first for first, _ in shelf(portal).ranges] == [0, 1 << 20, 2 << 20]


def test_keys_are_rotated_by_a_signed_release(
    portal: ScriptedPortal, programs: dict[str, Path], tmp_path: Path
) -> None:
    old, new = Signer(), Signer()
    two, three = programs["2.0.0"], programs["3.0.0"]
    with LaunchedAgent(tmp_path / "a", portal.url, programs["1.0.0"], [old]) as agent:
        portal.wait_registered()
        shelf(portal).put(old.envelope(two, "2.0.0", 5, withdraw_keys=(old.id,)), two)
        assert portal.result(portal.command("update"), 60).code == "keys"
        shelf(portal).put(new.envelope(two, "2.0.0", 6), two)
        assert portal.result(portal.command("update"), 60).code == "signature"
        shelf(portal).put(old.envelope(two, "2.0.0", 7, add_keys=(new.public,)), two)
        assert portal.result(portal.command("update"), 60).outcome == "done"
        wait_event(portal, "update-done")
        shelf(portal).put(new.envelope(three, "3.0.0", 8, withdraw_keys=(old.id,)), three)
        assert portal.result(portal.command("update"), 60).outcome == "done"
        wait_event(portal, "update-done", 2)
        shelf(portal).put(old.envelope(three, "3.0.0", 9), three)
        assert portal.result(portal.command("update"), 60).code == "signature"
        agent.stop()
        known = json.loads((agent.updates / "keys.json").read_text())
        assert known == {"seq": 8, "added": [new.public], "withdrawn": [old.id]}


def test_a_damaged_release_is_not_started(
    portal: ScriptedPortal, programs: dict[str, Path], tmp_path: Path
) -> None:
    signer = Signer()
    shelf(portal).put(signer.envelope(programs["2.0.0"], "2.0.0", 5), programs["2.0.0"])
    with LaunchedAgent(tmp_path / "a", portal.url, programs["1.0.0"], [signer]) as agent:
        portal.wait_registered()
        portal.result(portal.command("update"), 60)
        wait_event(portal, "update-done")
        agent.stop()
        file = agent.updates / "releases" / "5" / "agent.pyz"
        file.write_bytes(file.read_bytes()[:-100])
        agent.start()
        portal.wait_registered(3)
        assert running(portal) == ("1.0.0", 0)


def test_update_without_the_launcher(
    portal: ScriptedPortal, programs: dict[str, Path], tmp_path: Path
) -> None:
    import sys

    class Bare(LaunchedAgent):
        def command(self, *more: str) -> list[str]:
            given = ["--config", str(self.config), "--insecure-localhost", *more]
            return [sys.executable, str(self.installed), *given]

    with Bare(tmp_path / "a", portal.url, programs["1.0.0"], [Signer()]):
        portal.wait_registered()
        assert portal.result(portal.command("update")).code == "no-launcher"


def test_the_agent_dies_with_its_launcher(
    portal: ScriptedPortal, programs: dict[str, Path], tmp_path: Path
) -> None:
    with LaunchedAgent(tmp_path / "a", portal.url, programs["1.0.0"], [Signer()]) as agent:
        portal.wait_registered()
        process = agent.child.process
        assert process is not None
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
        process.wait(10)
        wait_until(lambda: not Path(f"/proc/{children[0]}/cmdline").exists(), 20, "the agent's end")
