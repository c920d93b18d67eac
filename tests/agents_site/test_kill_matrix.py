"""kill -9 before every durable step of every command; docs/reliability.md shows what came of it.

A command that another part brings gets a line in COMMANDS.
"""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.site import auditlog
from tests.agents_site.releases import Signer
from tests.agents_site.running import CHECKOUT, RunningAgent, folder_section
from tests.agents_site.test_folders import digest, image
from tests.agents_site.whole import WholePortal
from tests.servers.ports import wait_until

DOCS = CHECKOUT / "docs" / "reliability.md"
COMMANDS = ("ping", "collect-log", "scan-folder", "upload-dicom", "update")
# What the step makes durable, in the order of the table.
STEPS = {
    "Journal.take": "noted in the journal",
    "Journal.begin": "noted as begun",
    "AuditLog.record command.begun": "audit line of its beginning",
    "Ledger.try_again": "failed files looked at anew",
    "Ledger.put": "upload noted in the ledger",
    "Outbox.add": "event noted for the portal",
    "Updates._download": "download begun",
    "_place": "release laid down",
    "AuditLog.record update.staged": "audit line of the release",
    "Updates._stage": "release handed to the launcher",
    "Journal.end": "result noted",
    "AuditLog.record command.ended": "audit line of its end",
    "Journal.reported": "portal has the result",
}
WORDS = {
    "done": "done, once",
    "interrupted": "failed as `interrupted`; not begun again",
}


class Nursery:
    """The agents of this file, forked one after the other with the same state."""

    def __init__(self, folder: Path, portal: WholePortal) -> None:
        self.folder, self.portal = folder, portal
        # What one is given by name must not be looked for, and the other not before the command.
        self.inboxes = {"upload-dicom": folder / "named", "scan-folder": folder / "scanned"}
        self.signer = Signer()
        section = folder_section(
            self.inboxes["upload-dicom"], settle_seconds=3600, scan_seconds=3600
        ) + folder_section(self.inboxes["scan-folder"], settle_seconds=0.6, scan_seconds=3600)
        sections = (
            f"[commands]\nallow = {json.dumps(COMMANDS)}\n"
            f'[update]\nkeys = ["{self.signer.public}"]\n{section}'
        )
        self.agent = RunningAgent(folder / "agent", portal.url, sections=sections)
        self.updates = folder / "updates"
        self.updates.mkdir()
        self.pid = 0
        self.mother = subprocess.Popen(
            [sys.executable, "-m", "tests.agents_site.nursery"],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self) -> None:
        before = self.portal.registered
        wanted = {
            "argv": ["--config", str(self.agent.config), "--insecure-localhost"],
            "log": str(self.folder / "log"),
            "env": {"LIGHTBOX_AGENT_UPDATES": str(self.updates)},
            "folder": str(self.folder),
        }
        assert self.mother.stdin is not None
        assert self.mother.stdout is not None
        self.mother.stdin.write(json.dumps(wanted) + "\n")
        self.mother.stdin.flush()
        self.pid = int(self.mother.stdout.readline())
        self.portal.wait(lambda: self.portal.registered > before, "registered")

    def is_alive(self) -> bool:
        return Path(f"/proc/{self.pid}/cmdline").exists()

    def wait_dead(self) -> None:
        wait_until(lambda: not self.is_alive(), 60, "the agent's end")

    def arm(self, fatal: str) -> None:
        (self.folder / "dead").unlink(missing_ok=True)
        (self.folder / "steps").write_text("")
        (self.folder / "arm.new").write_text(fatal)
        (self.folder / "arm.new").replace(self.folder / "arm")

    def disarm(self) -> list[str]:
        (self.folder / "arm").unlink()
        return (self.folder / "steps").read_text().split("\n")[:-1]

    def kill(self) -> None:
        if self.is_alive():
            os.kill(self.pid, 9)
            self.wait_dead()

    def close(self) -> None:
        self.kill()
        assert self.mother.stdin is not None
        self.mother.stdin.close()
        self.mother.wait(10)
        if self.mother.stdout is not None:
            self.mother.stdout.close()


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with WholePortal() as portal:
        made = Nursery(tmp_path_factory.mktemp("matrix"), portal)
        try:
            made.start()
            yield made
        finally:
            made.close()


numbers = itertools.count(1)


def prepared(nursery: Nursery, command: str) -> tuple[dict[str, Any], Callable[[str], None]]:
    """Parameters of a command that has not been before, and the check of what it did."""
    number = next(numbers)
    name = f"{number}.dcm"
    data = image(number)
    if command == "ping":
        return {}, lambda _outcome: None
    if command == "collect-log":
        return {"lines": 5}, lambda _outcome: None
    if command == "update":
        file = nursery.folder / "2.pyz"
        file.write_text(f"print('2.0.0')  # {number}\n")
        (nursery.updates / "staged").unlink(missing_ok=True)
        nursery.portal.shelf.put(nursery.signer.envelope(file, "2.0.0", number), file)

        def staged(outcome: str) -> None:
            told = nursery.updates / "staged"
            if outcome == "done" or told.exists():
                assert json.loads(told.read_text())["seq"] == number
                whole = nursery.updates / "releases" / str(number) / "agent.pyz"
                assert whole.read_bytes() == file.read_bytes()

        return {}, staged
    inbox = nursery.inboxes[command]
    (inbox / f".{name}").write_bytes(data)
    (inbox / f".{name}").rename(inbox / name)

    def uploaded(outcome: str) -> None:
        """A second command does what the first may not have done, and no more."""
        again = nursery.portal.command("upload-dicom", {"filePath": str(inbox / name)})
        assert end(nursery, again) == "done"
        assert 1 <= nursery.portal.posts[digest(data)] <= 2

    if command == "scan-folder":
        return {"path": str(inbox)}, uploaded
    return {"filePath": str(inbox / name)}, uploaded


def end(nursery: Nursery, number: str) -> str:
    """How a command ended by all that the portal was told: one story, however often."""

    def told() -> list[Any]:
        return [each for each in nursery.portal.results if each.id == number]

    nursery.portal.wait(told, "a result")
    stories = {(each.outcome, each.code, json.dumps(each.data)) for each in told()}
    assert len(stories) == 1
    outcome, code, _ = stories.pop()
    return code or outcome


def one(nursery: Nursery, command: str, fatal: str) -> tuple[str, list[str]]:
    """The outcome of a command with one death, and the steps up to it; "" where nothing died."""
    params, check = prepared(nursery, command)
    nursery.arm(fatal)
    number = nursery.portal.command(command, params)
    nursery.portal.wait(
        lambda: not nursery.is_alive() or is_over(nursery, number), "the end of either"
    )
    if command == "update":
        nursery.kill()  # a release waits: this one would end by itself
    steps = nursery.disarm()
    if not nursery.is_alive():
        nursery.start()
    outcome = end(nursery, number)
    check(outcome)
    begun = steps.index("Journal.begin") if "Journal.begin" in steps else len(steps)
    if command == "scan-folder" and "Ledger.put" in steps[:begun]:
        return one(nursery, command, fatal)  # so slow that the file had settled before
    return outcome if (nursery.folder / "dead").exists() else "", steps


def is_over(nursery: Nursery, number: str) -> bool:
    """The result is with the portal, and the agent has noted that, and that of all events."""
    if number in nursery.portal.open:
        return False
    connection = sqlite3.connect(nursery.agent.state_dir / "agent.sqlite3", timeout=20)
    try:
        left = connection.execute(
            "SELECT (SELECT count(*) FROM commands WHERE NOT reported)"
            " + (SELECT count(*) FROM events)"
        ).fetchone()[0]
    finally:
        connection.close()
    return left == 0


def is_of(command: str, step: str) -> bool:
    """Whether the step is one of the command, and not of what an earlier one left to do."""
    if step == "Outbox.add":
        return command == "upload-dicom"  # elsewhere beside the command, at no certain moment
    uploads = step == "Ledger.put"
    return step in STEPS and (not uploads or command in ("scan-folder", "upload-dicom"))


def documented() -> set[tuple[str, str, str]]:
    """Command, step and outcome of the table in docs/reliability.md."""
    rows = [line.strip("|").split("|") for line in DOCS.read_text().splitlines() if "|" in line]
    cells = [tuple(cell.strip() for cell in row) for row in rows]
    return {(row[0].strip("`"), row[1], row[2]) for row in cells if row[0].strip("`") in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
def test_killed_before_every_durable_step(nursery: Nursery, command: str) -> None:
    found: set[tuple[str, str, str]] = set()
    _, steps = one(nursery, command, "nothing#0")
    seen = Counter(step for step in steps if is_of(command, step))
    for step, count in seen.items():
        for which in range(1, count + 1):
            outcome, _ = one(nursery, command, f"{step}#{which}")
            if outcome:
                found.add((command, STEPS[step], WORDS[outcome]))
    assert auditlog.verify(nursery.agent.state_dir / "audit.jsonl") == []
    lines = [
        f"| `{command}` | {words} | {outcome} |"
        for words in STEPS.values()
        for outcome in WORDS.values()
        if (command, words, outcome) in found
    ]
    assert found == {row for row in documented() if row[0] == command}, "\n".join(lines)
