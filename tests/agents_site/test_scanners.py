"""Scanners on ptys, read by the real agent: codes become events, what is pulled out comes back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents import protocol
from agents.site import auditlog
from agents.site.check import _scanner
from agents.site.config import load
from tests.agents_site.running import RunningAgent
from tests.agents_site.scripted import ScriptedPortal


class Plug:
    """A serial port that can be pulled out and put in again, always under the same name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.master = -1

    def put_in(self) -> None:
        self.master, slave = os.openpty()
        self.path.symlink_to(os.ttyname(slave))
        os.close(slave)

    def pull_out(self) -> None:
        if self.master >= 0:
            self.path.unlink()
            os.close(self.master)
            self.master = -1

    def read(self, data: bytes) -> None:
        """What the scanner sends."""
        os.write(self.master, data)


@pytest.fixture
def plug(tmp_path: Path) -> Iterator[Plug]:
    made = Plug(tmp_path / "ttyScanner")
    yield made
    made.pull_out()


@pytest.fixture
def portal() -> Iterator[ScriptedPortal]:
    with ScriptedPortal() as made:
        made.heartbeat_seconds = 1
        yield made


def section(plug: Plug, **options: Any) -> str:
    more = "".join(f"{name} = {each!r}\n" for name, each in options.items())
    return f'[[scanners]]\nname = "Desk"\nport = "{plug.path}"\nbaud = 115200\n{more}'


def codes(portal: ScriptedPortal) -> list[str]:
    return [each.data["code"] for each in portal.of(protocol.Event)]


def state(portal: ScriptedPortal) -> str:
    beats = [each for each in portal.of(protocol.Heartbeat) if each.scanners]
    return beats[-1].scanners[0].state if beats else ""


def test_read_pulled_out_and_read_again(plug: Plug, portal: ScriptedPortal, tmp_path: Path) -> None:
    plug.put_in()
    with RunningAgent(
        tmp_path / "agent", portal.url, sections=section(plug, prefix="]C1")
    ) as agent:
        portal.wait_registered()
        portal.wait(lambda: state(portal) == "ok", "it listens", 60)
        plug.read(b"]C1A-47")
        plug.read(b"11\r\n\xff\xff\r\nA-4711\rMUELLER-1\r")
        portal.wait(lambda: len(codes(portal)) == 2, "two codes", 60)
        assert codes(portal) == ["A-4711", "MUELLER-1"]
        first = portal.of(protocol.Event)[0]
        assert (first.event, first.data["scanner"]) == ("scan", "Desk")
        assert 0 <= first.data["age"] < 30
        plug.pull_out()
        portal.wait(lambda: state(portal).startswith("not connected"), "it is missed", 60)
        plug.put_in()
        portal.wait(lambda: state(portal) == "ok", "it is back", 60)
        plug.read(b"B-1\r")
        portal.wait(lambda: "B-1" in codes(portal), "it reads again", 60)
        assert "something unreadable came" in agent.log
        assert "4711" not in agent.log + str(agent.audit())
        assert "MUELLER" not in agent.log
        assert auditlog.verify(agent.state_dir / "audit.jsonl") == []


def test_a_scan_that_waited_says_how_long(
    plug: Plug, portal: ScriptedPortal, tmp_path: Path
) -> None:
    plug.put_in()
    with RunningAgent(tmp_path / "agent", portal.url, sections=section(plug)):
        portal.wait(lambda: state(portal) == "ok", "it listens", 60)
        portal.refuse = (503, {})
        portal.close()
        plug.read(b"LATE\r")
        tried = len(portal.connected_at)
        portal.wait(lambda: len(portal.connected_at) >= tried + 2, "it tries in vain", 60)
        portal.refuse = None
        portal.wait(lambda: codes(portal) == ["LATE"], "it comes at last", 60)
        assert portal.of(protocol.Event)[0].data["age"] > 0.1


def test_check_names_the_scanner(plug: Plug, portal: ScriptedPortal, tmp_path: Path) -> None:
    agent = RunningAgent(tmp_path / "agent", portal.url, sections=section(plug))
    (read,) = load(agent.config, insecure_localhost=True).scanners
    missing = _scanner(read)
    assert (missing.subject, missing.good) == ("scanner Desk", False)
    plug.put_in()
    assert _scanner(read).good
