"""The agent's printing against a real CUPS with virtual IPP printers."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web

from agents import protocol
from agents.site.printing import job
from tests.agents_site.printbench import PAGE, PrintBench
from tests.servers.cups import CupsSystem, VirtualPrinter
from tests.servers.peer import FaultyProxy
from tests.servers.ports import free_port, wait_until

pytestmark = pytest.mark.integration
TEXT = "Findings of the bench"


@pytest.fixture(scope="module")
def ward(cups: CupsSystem) -> VirtualPrinter:
    return cups.add("Ward")


@pytest.fixture(autouse=True)
def _empty_tray(ward: VirtualPrinter) -> Iterator[None]:
    ward.clear()
    yield
    ward.system.run("cupsenable", "Ward")
    ward.system.run("cupsaccept", "Ward")
    # What a test left in the queue comes out here, not in the tray of the next.
    wait_until(lambda: ward.system.jobs("Ward") == 0, 60, "the queue is empty")


@pytest.fixture
async def bench(
    cups: CupsSystem, ward: VirtualPrinter, tmp_path: Path
) -> AsyncIterator[PrintBench]:
    async with PrintBench(tmp_path / "state", cups.address) as bench:
        yield bench


async def test_what_is_printed_is_the_document(bench: PrintBench, ward: VirtualPrinter) -> None:
    with ward.held():
        command = await bench.give("Ward", copies=2, duplex="two-sided-long-edge", tray="main")
        await bench.printing_now()
        assert ward.printed() == []
    result = await bench.result(command)
    assert result.outcome == "done", result
    assert result.data["printer"] == "Ward"
    assert [TEXT in text for text in ward.printed()] == [True]
    options = ward.options()
    assert options["IPP_COPIES"] == "2"
    assert options["IPP_SIDES"] == "two-sided-long-edge"
    assert "media-source=main" in options["IPP_MEDIA_COL"]
    (asked,) = bench.documents.asked
    assert asked["X-Print-Token"] == "secret-token"
    assert asked["Authorization"] == "Bearer lba_test"
    assert "secret-token" not in (bench.folder / "audit.jsonl").read_text()


async def test_by_the_socket(cups: CupsSystem, ward: VirtualPrinter, tmp_path: Path) -> None:
    async with PrintBench(tmp_path / "state", str(cups.socket)) as bench:
        assert (await bench.print("Ward")).outcome == "done"
    assert len(ward.printed()) == 1


async def test_the_printers(cups: CupsSystem, ward: VirtualPrinter, tmp_path: Path) -> None:
    # The print system is shared with other tests and may have printers of theirs.
    async with PrintBench(tmp_path / "state", cups.address, printers=("Ward",)) as bench:
        await _told_of_the_printers(bench, cups)


async def _told_of_the_printers(bench: PrintBench, cups: CupsSystem) -> None:
    (known,) = bench.printing.status()
    assert (known.name, known.state, known.accepting, known.reason) == ("Ward", "idle", True, "")
    assert known.duplex
    assert "main" in known.trays
    cups.run("cupsdisable", "Ward")
    cups.run("cupsreject", "Ward")
    result = await bench.print("", command="list-printers")
    (told,) = result.data["printers"]
    assert (told["state"], told["accepting"], told["reason"]) == ("stopped", False, "paused")
    (event,) = bench.outbox.pending(10)
    assert event.event == "printer-state"
    assert event.data == {
        "name": "Ward",
        "state": "stopped",
        "accepting": False,
        "reason": "paused",
    }
    assert bench.changes >= 1


async def test_only_printers_that_are_allowed(
    cups: CupsSystem, ward: VirtualPrinter, tmp_path: Path
) -> None:
    async with PrintBench(tmp_path / "state", cups.address, printers=("Other",)) as bench:
        assert bench.printing.status() == ()
        assert (await bench.print("Ward")).code == "unknown-printer"
    assert ward.printed() == []


async def refused(
    bench: PrintBench, code: str, words: str, printer: str = "Ward", **more: str
) -> None:
    result = await bench.print(printer, **more)
    assert (result.outcome, result.code) == ("failed", code)
    assert result.message == words
    # Nothing was fetched, so nothing was used up.
    assert bench.documents.asked == []


async def test_printers_that_cannot(
    bench: PrintBench, cups: CupsSystem, ward: VirtualPrinter
) -> None:
    await refused(bench, "unknown-printer", "This agent has no printer of that name.", "Nowhere")
    await refused(bench, "tray", "This printer has no such tray.", tray="tray-9")
    cups.run("cupsdisable", "Ward")
    await refused(bench, "paused", "Paused: nothing was printed.")
    cups.run("cupsreject", "Ward")
    await refused(bench, "rejecting", "The printer takes no jobs: nothing was printed.")
    assert ward.printed() == []


async def test_print_system_that_is_away(bench: PrintBench, tmp_path: Path) -> None:
    async with PrintBench(tmp_path / "other", str(tmp_path / "no.sock")) as away:
        await refused(away, "cups", "CUPS cannot be reached: nothing was printed.")
        assert away.problems.latest()[0].code == "printing"


async def test_a_job_that_waits_too_long_is_taken_back(
    bench: PrintBench, cups: CupsSystem, ward: VirtualPrinter, tmp_path: Path
) -> None:
    with ward.held():
        first = await bench.give("Ward")
        await bench.printing_now()
        async with PrintBench(tmp_path / "other", cups.address, wait_seconds=1) as hasty:
            result = await hasty.print("Ward")
    assert (result.outcome, result.code) == ("failed", "printer")
    assert result.message == (
        "Not printed: the printer did not begin in time. The job was taken back."
    )
    assert (await bench.result(first)).outcome == "done"
    assert len(ward.printed()) == 1


async def test_out_of_paper(cups: CupsSystem, ward: VirtualPrinter, tmp_path: Path) -> None:
    async with PrintBench(tmp_path / "state", cups.address, print_seconds=4) as bench:
        with ward.held("empty"):
            result = await bench.print("Ward")
        assert (result.outcome, result.code) == ("failed", "printer")
        assert result.message == "The job was taken back: out of paper. Uncertain: check the tray."
        assert any("out of paper" in each.message for each in bench.said)


async def test_a_printer_that_vanished(cups: CupsSystem, tmp_path: Path) -> None:
    cellar = cups.add("Cellar")
    cellar.vanish()
    async with PrintBench(tmp_path / "state", cups.address, wait_seconds=2) as bench:
        result = await bench.print("Cellar")
    assert (result.outcome, result.code) == ("failed", "printer")
    assert "The job was taken back" in result.message
    assert cups.jobs("Cellar") == 0
    assert cellar.printed() == []


@pytest.mark.parametrize(
    ("answer", "outcome", "code", "words"),
    [
        (
            lambda: web.json_response({"code": "changed", "error": "Changed."}, status=409),
            *("cancelled", "changed", "Changed."),
        ),
        (
            lambda: web.json_response({"code": "too-late", "error": "Late."}, status=410),
            *("expired", "too-late", "Late."),
        ),
        (
            lambda: web.json_response({"code": "token", "error": "Used."}, status=410),
            *("failed", "token", "Used."),
        ),
        (
            lambda: web.Response(status=401, text="no"),
            *("failed", "portal"),
            "The portal does not give this agent the document: nothing was printed.",
        ),
        (
            lambda: web.Response(body=PAGE + b"x"),
            *("failed", "digest", "The document came damaged: nothing was printed."),
        ),
    ],
    ids=["changed", "too-late", "used", "unauthorised", "wrong-sha"],
)
async def test_documents_that_are_not_given(
    bench: PrintBench, ward: VirtualPrinter, answer: object, outcome: str, code: str, words: str
) -> None:
    bench.documents.answer = answer  # type: ignore[assignment]
    result = await bench.print("Ward")
    assert (result.outcome, result.code, result.message) == (outcome, code, words)
    assert len(bench.documents.asked) == 1
    assert ward.printed() == []


async def test_a_portal_that_is_busy_is_asked_again(bench: PrintBench) -> None:
    answers = [web.Response(status=503), web.Response(body=PAGE)]
    bench.documents.answer = lambda: answers.pop(0)
    assert (await bench.print("Ward")).outcome == "done"


async def test_cancelled_while_the_printer_has_it(
    bench: PrintBench, cups: CupsSystem, ward: VirtualPrinter
) -> None:
    with ward.held():
        first = await bench.give("Ward")
        await bench.printing_now()
        second = await bench.give("Ward")
        await bench.until(lambda: cups.jobs("Ward") == 2, "both wait")
        key = second.idempotency_key
        await bench.dispatcher.cancel(protocol.Cancel(id=second.id, idempotency_key=key))
        result = await bench.result(second)
        assert (result.outcome, result.code) == ("cancelled", "taken-back")
        assert cups.jobs("Ward") == 1
    assert (await bench.result(first)).outcome == "done"
    assert len(ward.printed()) == 1


async def test_the_same_command_twice_prints_once(bench: PrintBench, ward: VirtualPrinter) -> None:
    first = await bench.print("Ward", key="once", id="1")
    again = await bench.print("Ward", key="once", id="1")
    assert first == again
    assert len(ward.printed()) == 1


def stages(folder: Path) -> list[str]:
    connection = sqlite3.connect(folder / "agent.sqlite3", timeout=10)
    try:
        return [row[0] for row in connection.execute("SELECT stage FROM prints")]
    finally:
        connection.close()


@pytest.mark.parametrize("operation", ["create", "send"])
async def test_stopped_before_the_document_was_sent(
    cups: CupsSystem, ward: VirtualPrinter, tmp_path: Path, operation: str
) -> None:
    """The agent ends while CUPS is slow to answer; nothing comes out, now or after the restart."""
    state = tmp_path / "state"
    with FaultyProxy(cups.port) as slow:
        seen: list[str] = []

        def matches(path: str) -> bool:
            # The list of printers is asked at "/"; a job is made first, then its document sent.
            if path.startswith("/printers/"):
                seen.append(path)
            return len(seen) > (0 if operation == "create" else 1)

        slow.matches = matches
        slow.delay = 600
        async with PrintBench(state, f"127.0.0.1:{slow.port}") as bench:
            command = await bench.give("Ward")
            wanted = "creating" if operation == "create" else "sending"
            await bench.until(lambda: wanted in stages(state), wanted)
            await bench.until(lambda: len(seen) > (operation == "send"), "asked")
    assert stages(state) == [wanted]
    async with PrintBench(state, cups.address) as bench:
        result = await bench.result(command)
        assert (result.outcome, result.code) == ("failed", "interrupted")
        assert result.message.startswith(
            "The agent stopped before it printed: nothing was printed."
        )
        assert bench.documents.asked == []
    assert cups.jobs("Ward") == 0
    assert ward.printed() == []
    audit = (state / "audit.jsonl").read_text()
    actions = [json.loads(line)["action"] for line in audit.splitlines()]
    assert actions.count("command.begun") == 1
    assert "command.resumed" in actions


async def test_stopped_and_the_print_system_is_away(
    cups: CupsSystem, ward: VirtualPrinter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can tell how it ended: that is said, once CUPS has been asked for long enough."""
    state = tmp_path / "state"
    with ward.held():
        async with PrintBench(state, cups.address) as bench:
            command = await bench.give("Ward")
            await bench.printing_now()
        monkeypatch.setattr(job, "LOST_AFTER", 0.5)
        async with PrintBench(state, f"127.0.0.1:{free_port()}") as bench:
            result = await bench.result(command)
    assert (result.outcome, result.code) == ("failed", "uncertain")
    assert result.message == (
        "Uncertain: check the tray. How it ended is not known: CUPS cannot be reached."
    )
    # A later start does not look again, and prints nothing.
    async with PrintBench(state, cups.address) as bench:
        assert (await bench.result(command)).code == "uncertain"
        assert bench.documents.asked == []


async def test_stopped_while_it_prints(
    cups: CupsSystem, ward: VirtualPrinter, tmp_path: Path
) -> None:
    """A stop is no cancellation: the job goes on, and the next start tells how it ended."""
    state = tmp_path / "state"
    with ward.held():
        async with PrintBench(state, cups.address) as bench:
            command = await bench.give("Ward")
            await bench.printing_now()
    async with PrintBench(state, cups.address) as bench:
        assert (await bench.result(command)).outcome == "done"
    assert len(ward.printed()) == 1
