"""The journal: a command begins once, whatever dies in between; results and events wait."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agents import protocol
from agents.site.database import Database
from agents.site.journal import Journal, Outbox
from agents.site.ledger import DONE, FAILED, FORGET_AFTER, RETRY, Entry, Ledger


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "agent.sqlite3")
    yield made
    made.close()


def command(key: str = "k", id_: str = "1") -> protocol.Command:
    return protocol.Command(
        id=id_,
        idempotency_key=key,
        command="ping",
        ttl=60,
        expires_at=datetime.now(UTC),
        requester="ann",
    )


def cancel(key: str = "k", id_: str = "1") -> protocol.Cancel:
    return protocol.Cancel(id=id_, idempotency_key=key)


def test_begins_once(database: Database) -> None:
    journal = Journal(database)
    assert journal.take(command()) == "accepted"
    assert journal.take(command()) == "accepted"
    assert journal.begin("k")
    assert not journal.begin("k")
    assert journal.take(command()) == "running"
    journal.end("k", protocol.Result(id="1", outcome="done", data={"a": 1}))
    assert journal.take(command()) == "ended"
    assert not journal.begin("k")


def test_result_waits_until_it_is_taken_and_is_told_again(database: Database) -> None:
    journal = Journal(database)
    journal.take(command())
    journal.begin("k")
    assert journal.unreported() == []
    journal.end("k", protocol.Result(id="1", outcome="done", data={"a": 1}))
    journal.end("k", protocol.Result(id="1", outcome="failed", message="later"))
    assert [(each.outcome, each.data) for each in journal.unreported()] == [("done", {"a": 1})]
    journal.reported("1")
    assert journal.unreported() == []
    journal.take(command(id_="2"))  # the same command under another number
    assert [each.id for each in journal.unreported()] == ["2"]


def test_cancelled_before_it_came_never_begins(database: Database) -> None:
    journal = Journal(database)
    assert journal.cancel(cancel()) == ""
    assert journal.take(command()) == "ended"
    assert not journal.begin("k")
    assert [each.outcome for each in journal.unreported()] == ["cancelled"]


def test_cancel_of_what_waits_and_what_runs(database: Database) -> None:
    journal = Journal(database)
    journal.take(command("a", "1"))
    journal.take(command("b", "2"))
    journal.begin("b")
    assert journal.cancel(cancel("a", "1")) == "accepted"
    assert journal.cancel(cancel("b", "2")) == "running"
    assert not journal.begin("a")
    assert [(each.id, each.outcome) for each in journal.unreported()] == [("1", "cancelled")]


DIES = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from agents import protocol
from agents.site.database import Database
from agents.site.journal import Journal
journal = Journal(Database(Path(sys.argv[1])))
journal.take(protocol.Command(id="1", idempotency_key="k", command="ping", ttl=60,
                              expires_at=datetime.now(UTC), requester="ann"))
step = sys.argv[2]
if step == "taken": os.kill(os.getpid(), signal.SIGKILL)
assert journal.begin("k")
print("executed", flush=True)
if step == "begun": os.kill(os.getpid(), signal.SIGKILL)
journal.end("k", protocol.Result(id="1", outcome="done"))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("step", "interrupted", "may_begin", "outcome"),
    [
        ("taken", [], True, None),
        ("begun", [("k", "ping", "ann")], False, "failed"),
        ("ended", [], False, "done"),
    ],
)
def test_killed_at_each_step(
    tmp_path: Path, step: str, interrupted: list[object], may_begin: bool, outcome: str | None
) -> None:
    path = tmp_path / "agent.sqlite3"
    done = subprocess.run(
        [sys.executable, "-c", DIES, str(path), step], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    database = Database(path)
    journal = Journal(database)
    assert journal.interrupted() == interrupted
    journal.take(command())
    assert journal.begin("k") is may_begin
    assert [each.outcome for each in journal.unreported()] == ([outcome] if outcome else [])
    database.close()


def test_events_keep_their_order_and_wait(database: Database) -> None:
    outbox = Outbox(database)
    outbox.add([("upload-complete", {"n": number}) for number in range(5)])
    first = outbox.pending(2)
    assert [each.data["n"] for each in first] == [0, 1]
    outbox.delivered(first[0].id)
    assert [each.data["n"] for each in outbox.pending(10)] == [1, 2, 3, 4]
    assert protocol.decode(protocol.encode(first[0])) == first[0]


def test_ledger(database: Database) -> None:
    ledger = Ledger(database)
    ledger.put("in", [Entry("a/b", "x", 1, 2, DONE), Entry("a", "y", 1, 2, FAILED, reason="r")])
    ledger.put("in", [Entry("a", "q", 1, 2, FAILED, instance="quarantine")])
    ledger.put("in", [Entry("ab", "z", 1, 2, RETRY, attempts=3)])
    assert ledger.known("in", "a")["y"].reason == "r"
    assert ledger.known("other", "a") == {}
    assert ledger.entry("in", "ab", "z") == Entry("ab", "z", 1, 2, RETRY, attempts=3)
    ledger.try_again("in", "a")
    assert ledger.entry("in", "a", "y") is None
    assert ledger.entry("in", "ab", "z") is not None
    assert ledger.entry("in", "a", "q") is not None
    ledger.try_again("in", "")
    assert ledger.counts("in") == {DONE: 1, FAILED: 1}


def test_ledger_forgets_only_what_is_gone_for_long(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(database)
    ledger.put("in", [Entry("", "gone", 1, 2, DONE), Entry("", "back", 1, 2, DONE)])
    monkeypatch.setattr("time.time", lambda: 1000.0)
    ledger.missing("in", "", ["gone", "back"])
    ledger.put("in", [Entry("", "back", 1, 2, DONE)])
    monkeypatch.setattr("time.time", lambda: 999.0 + FORGET_AFTER)
    ledger.forget()
    assert len(ledger.known("in", "")) == 2
    monkeypatch.setattr("time.time", lambda: 1001.0 + FORGET_AFTER)
    ledger.forget()
    assert list(ledger.known("in", "")) == ["back"]


def test_full_disk_undoes_the_whole_batch(database: Database) -> None:
    ledger = Ledger(database)
    (pages,) = database.rows("PRAGMA page_count")[0]
    database.rows(f"PRAGMA max_page_count={pages}")
    many = [Entry("d" * 200, f"{number:0200}", 1, 2, DONE) for number in range(500)]
    with pytest.raises(sqlite3.OperationalError, match="full"):
        ledger.put("in", many)
    assert ledger.counts("in") == {}
    database.rows(f"PRAGMA max_page_count={pages + 1000}")
    ledger.put("in", many)
    assert ledger.counts("in") == {DONE: 500}


def test_only_the_agent_reads_its_files(tmp_path: Path) -> None:
    Database(tmp_path / "agent.sqlite3").close()
    assert os.stat(tmp_path / "agent.sqlite3").st_mode & 0o077 == 0
