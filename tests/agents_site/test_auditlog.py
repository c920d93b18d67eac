"""The agent's audit log shows what was done to it."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest

from agents.site.auditlog import AuditLog, verify


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path)
    for number in range(4):
        log.record("command.begun", requester="ann", detail={"n": number, "file": "/a/Müller"})
    log.close()
    return path


def test_goes_on_after_a_restart(path: Path) -> None:
    log = AuditLog(path)
    log.record("agent.started", detail={})
    log.close()
    assert verify(path) == []
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [each["action"] for each in lines] == ["command.begun"] * 4 + ["agent.started"]
    assert lines[0]["requester"] == "ann"
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [lines[0].replace("ann", "bob"), *lines[1:]],
        lambda lines: [lines[0], *lines[2:]],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: [*lines[:2], lines[1], *lines[2:]],
        lambda lines: [lines[0], "{}", *lines[1:]],
    ],
)
def test_a_change_shows(path: Path, change: object) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join(change(lines)) + "\n")  # type: ignore[operator]
    assert verify(path)


def test_a_line_cut_by_a_power_failure_is_named_and_is_no_fraud(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-20])
    log = AuditLog(path)
    log.record("agent.started", detail={})
    log.close()
    assert verify(path) == []
    assert [json.loads(line)["action"] for line in path.read_bytes().split(b"\n")[-3:-1]] == [
        "torn",
        "agent.started",
    ]


def test_full_disk_is_an_error_and_leaves_no_half_line(path: Path) -> None:
    """A limit of the file's size breaks the write in the middle, as a full disk does."""
    log = AuditLog(path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 50, before[1]))
    try:
        with pytest.raises(OSError, match="No space"):
            log.record("command.begun", detail={})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    log.record("command.begun", detail={})
    log.close()
    assert verify(path) == []
    assert len(path.read_text().splitlines()) == 5
