"""From the portal's command to the page in the tray: portal, agent, CUPS and printer running."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.agents_site.office import Office
from tests.servers.cups import CupsSystem
from tests.servers.portal import Portal, wait

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def office(
    portal: Portal, cups: CupsSystem, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    office = Office(portal, cups, tmp_path_factory.mktemp("office"), "Office")
    office.start()
    yield office
    office.agent.stop()


@pytest.fixture(autouse=True)
def _empty_tray(office: Office) -> None:
    office.printer.clear()


def test_report_and_test_page(office: Office) -> None:
    report = office.report("Kein Pneumothorax")
    printed = office.print(reportId=report, who="radiologist").ended()
    assert printed["state"] == "done", printed
    assert printed["result"]["printer"] == "Office"
    page = office.print(testPage=True, who="technician").ended()
    assert page["state"] == "done", page
    first, second = office.printer.printed()
    assert "Kein Pneumothorax" in first
    assert "Lightbox PACS: test page" in second
    assert "Asked for by technician" in second
    events = office.portal.stack.shell(
        "from pacs.audit.models import AuditEvent\n"
        "found = AuditEvent.objects.filter(action='agent.print.document',"
        f" detail__agent={office.number})\n"
        "for e in found.order_by('id'):\n"
        "    print(e.actor_name, e.outcome, e.detail['kind'], e.detail['document'])"
    )
    assert events.splitlines() == [
        f"radiologist ok report {report}",
        "technician ok test-page None",
    ]


def test_what_cannot_be_printed_is_said_at_once(office: Office) -> None:
    report = office.report("One")
    refusals = [
        ({"reportId": report, "printer": "Nowhere"}, 409, "The agent has told of no such printer."),
        ({"reportId": report, "tray": "tray-9"}, 409, "This printer has no such tray."),
        ({"reportId": 999_999}, 404, "There is no such study or report at this site."),
    ]
    for params, status, words in refusals:
        answer = office.ask(**params)
        assert (answer[0], answer[1]["detail"]) == (status, words)
    office.change(report, refusal="This report was withdrawn.")
    assert office.ask(reportId=report)[1]["detail"] == "This report was withdrawn."
    assert office.ask(reportId=report, who="stranger")[0] == 404


def test_killed_while_it_prints(office: Office) -> None:
    """kill -9 between sending and reporting: the next start follows the job; printed once."""
    with office.printer.held():
        one = office.print(reportId=office.report("Killed in between"))
        wait(one.is_printing, 60, "printing", office.portal)
        office.agent.kill()
        office.start()
    assert one.ended()["state"] == "done", one.now()
    assert len(office.printer.printed()) == 1


def test_killed_and_the_print_system_forgot(office: Office, cups: CupsSystem) -> None:
    """Nobody knows: it is said, and nothing is printed again."""
    with office.printer.held():
        one = office.print(reportId=office.report("Never again"))
        wait(one.is_printing, 60, "printing", office.portal)
        office.agent.kill()
        cups.run("cancel", "-a")
        wait(lambda: cups.jobs("Office") == 0, 60, "the job is over")
        # What is over stays known until it is purged.
        cups.run("cancel", "-a", "-x")
        office.start()
        ended = one.ended()
    assert (ended["state"], ended["code"]) == ("failed", "uncertain")
    assert ended["message"].startswith("Uncertain: check the tray.")
    assert office.print(reportId=office.report("After")).ended()["state"] == "done"
    assert sum("Never again" in text for text in office.printer.printed()) <= 1


def test_nothing_of_what_was_queued_for_an_agent_that_was_away(office: Office) -> None:
    """Withdrawn, amended, too late, or no longer permitted when the agent comes back."""
    reports = [office.report(text) for text in ("Withdrawn", "Amended", "Too late", "Good")]
    office.stop()
    withdrawn, amended, good = (office.print(reportId=reports[each]) for each in (0, 1, 3))
    late = office.print(reportId=reports[2], ttl=1)
    office.change(reports[0], refusal="This report was withdrawn.")
    office.change(reports[1], version="2", text="Amended, with an addendum")
    expiry = datetime.fromisoformat(late.now()["expires_at"])
    wait(lambda: datetime.now(UTC) > expiry, 60, "the time to live")
    office.start()
    assert good.ended()["state"] == "done"
    assert (late.ended()["state"], late.now()["code"]) == ("expired", "ttl")
    assert (withdrawn.ended()["state"], withdrawn.now()["code"]) == ("cancelled", "withdrawn")
    assert withdrawn.now()["message"] == "This report was withdrawn. Nothing was printed."
    assert (amended.ended()["state"], amended.now()["code"]) == ("cancelled", "changed")
    assert ["Good" in text for text in office.printer.printed()] == [True]


def test_check_tells_of_the_printers(office: Office) -> None:
    office.stop()
    done = subprocess.run(
        office.agent.command("--check"), capture_output=True, text=True, timeout=60
    )
    line = next(line for line in done.stdout.splitlines() if " printing " in line)
    assert line.split(None, 2)[0] == "ok"
    assert "Office (ready)" in line
