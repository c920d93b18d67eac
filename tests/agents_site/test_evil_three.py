"""The evil three: what a taken-over portal would ask first. The agent refuses and logs each."""

from __future__ import annotations

from pathlib import Path

from agents import protocol
from agents.site import auditlog
from tests.agents_site.releases import LaunchedAgent, Shelf, Signer, program
from tests.agents_site.running import folder_section
from tests.agents_site.scripted import ScriptedPortal
from tests.agents_site.test_folders import image

SHADOW = Path("/etc/shadow")


def test_refused_and_logged(tmp_path: Path) -> None:
    """An agent that uploads and updates itself for an honest portal, on a machine with a disk."""
    owner, mallory = Signer(), Signer()
    inbox = tmp_path / "in"
    device = tmp_path / "device"
    device.write_bytes(b"somebody's disk")
    first = program(tmp_path / "1.pyz", "1.0.0")
    evil = program(tmp_path / "evil.pyz", "6.6.6")
    shelf = Shelf()
    shelf.put(mallory.envelope(evil, "6.6.6", 666), evil)
    asked: list[str] = []

    def web(path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes] | None:
        if path != "/ws/agents/":
            asked.append(path)
        return shelf(path, headers)

    with ScriptedPortal() as portal:
        portal.http = web
        agent = LaunchedAgent(
            tmp_path / "a",
            portal.url,
            first,
            [owner],
            allow=("ping", "update", "upload-dicom"),
            sections=folder_section(inbox, scan_seconds=3600, settle_seconds=600),
        )
        (inbox / "1.dcm").write_bytes(image(1))
        (inbox / "link.dcm").symlink_to(SHADOW)
        with agent:
            portal.wait_registered()
            evils = [
                ("upload-dicom", {"filePath": str(SHADOW)}, "outside"),
                ("upload-dicom", {"filePath": f"{inbox}/link.dcm"}, "outside"),
                ("burn-disc", {"studyIds": [1], "target": str(device)}, "not-allowed"),
                ("update", {}, "signature"),
                ("update", {"version": "6.6.6"}, "signature"),
            ]
            for name, params, code in evils:
                sent = portal.command(name, params=params, requester="mallory")
                result = portal.result(sent, 60)
                assert (name, result.outcome, result.code) == (name, "failed", code)
                trail = [
                    each
                    for each in agent.audit()
                    if each["detail"].get("key") == sent.idempotency_key
                ]
                assert {each["requester"] for each in trail} == {"mallory"}
                assert trail[0]["detail"]["command"] == name
                assert trail[0]["detail"]["params"].items() >= params.items()
                assert trail[-1]["detail"]["code"] == code
            refused = [each for each in agent.audit() if each["action"] == "update.refused"]
            assert [each["detail"]["code"] for each in refused] == ["signature"] * 2
            assert portal.result(portal.command("ping")).data["version"] == "1.0.0"
        assert len(portal.of(protocol.Register)) == 1
        log = agent.log
    assert auditlog.verify(agent.state_dir / "audit.jsonl") == []
    assert {path.partition("?")[0] for path in asked} == {"/api/agents/release/"}
    assert device.read_bytes() == b"somebody's disk"
    assert not (agent.updates / "releases" / "666").exists()
    assert SHADOW.read_text().splitlines()[0] not in log


def test_update_is_off_where_agent_toml_does_not_name_it(tmp_path: Path) -> None:
    """Even a release with a good signature: permission is the machine's, not the portal's."""
    owner = Signer()
    good = program(tmp_path / "2.pyz", "2.0.0")
    with ScriptedPortal() as portal:
        shelf = Shelf()
        shelf.put(owner.envelope(good, "2.0.0", 5), good)
        portal.http = shelf
        agent = LaunchedAgent(tmp_path / "a", portal.url, good, [owner], allow=("ping",))
        with agent:
            portal.wait_registered()
            result = portal.result(portal.command("update", requester="mallory"))
            assert (result.outcome, result.code) == ("failed", "not-allowed")
            refused = [each for each in agent.audit() if each["action"] == "command.refused"]
            assert refused[0]["requester"] == "mallory"
        assert shelf.ranges == []
