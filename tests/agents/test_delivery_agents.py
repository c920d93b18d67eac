"""Deliveries by way of an agent: what is handed over, what comes of it, what is printed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.test import Client
from django.utils import timezone

from agents import commands, protocol
from agents.models import Agent, AgentCommand, AgentKey, digest_of
from agents.printing import documents, orders, release
from agents.reporting import handing, printable
from pacs.accounts.models import Membership
from pacs.audit.models import AuditEvent
from reports.delivery import deliver as delivering
from reports.delivery import following
from reports.delivery.models import Delivery, DeliveryPlace, DeliveryRule
from reports.models import Report
from reports.output.pdf import pdf
from tests.reports.factories_delivery import sign

pytestmark = pytest.mark.django_db
PRINTER = "Reading room"


@pytest.fixture
def printed(agent: Agent, study: Any, radiologist: Any) -> Delivery:
    """A final report with the auto-print rule, handed over to the agent."""
    target = {"agent": agent.pk, "printer": PRINTER, "copies": 2}
    DeliveryRule.objects.create(
        site=study.site, name="print", transport="printer", target=target, on_addendum=False
    )
    sign(study, radiologist)
    return work()


@pytest.fixture
def told(agent: Agent, study: Any, radiologist: Any) -> Delivery:
    """A final report with a rule for the RIS behind the agent, handed over to it."""
    place = DeliveryPlace.objects.create(
        site=study.site,
        transport="oru-agent",
        name="HIS",
        settings={"agent": agent.pk, "receiver": "his"},
    )
    DeliveryRule.objects.create(
        site=study.site, name="his", transport="oru-agent", target={"place": place.pk}
    )
    sign(study, radiologist)
    return work()


def work() -> Delivery:
    """Have a worker work at the place of the newest delivery."""
    past = timezone.now() - timedelta(seconds=1)
    Delivery.objects.filter(next_attempt_at__isnull=False).update(next_attempt_at=past)
    delivery = Delivery.objects.latest("id")
    delivering.deliver(delivery.place_id)
    delivery.refresh_from_db()
    return delivery


def result(delivery: Delivery, outcome: str, **fields: Any) -> Delivery:
    """The agent takes the command and says how it ended; the delivery after that."""
    command = AgentCommand.objects.get(pk=int(delivery.reference))
    commands.take(command.agent, again=False)
    said = protocol.Result(id=str(command.pk), outcome=outcome, **fields)
    commands.ended(command.agent, command.pk, said)
    following.follow(delivery.pk)
    delivery.refresh_from_db()
    return delivery


def key_of(agent: Agent) -> str:
    secret = f"lba_{agent.name}"
    AgentKey.objects.create(
        agent=agent,
        digest=digest_of(secret),
        prefix=secret[:10],
        expires_at=timezone.now() + timedelta(days=1),
    )
    return secret


# Paper


def test_handed_over_printing_and_printed(printed: Delivery, radiologist: Any) -> None:
    assert (printed.state, printed.progress) == ("handed_over", "Queued")
    command = AgentCommand.objects.get(pk=int(printed.reference))
    assert (command.type, command.requester) == ("print-report", radiologist)
    assert command.params["copies"] == 2
    assert command.expires_at - timezone.now() > timedelta(days=2), "an agent away for days"
    assert command.print_order.sha256 == hashlib.sha256(pdf(printed.version)).hexdigest()
    Agent.objects.update(last_seen_at=timezone.now() - timedelta(days=1))
    following.sweep()
    printed.refresh_from_db()
    assert printed.progress == "Queued: the site agent is offline"
    commands.take(command.agent, again=False)
    commands.accepted(command.agent, command.pk)
    commands.progressed(command.agent, command.pk, 1, 2, "")
    following.sweep()
    printed.refresh_from_db()
    assert printed.progress == "Printing"
    ended = result(printed, "done")
    assert (ended.state, ended.progress, ended.may_have_arrived) == ("done", "Printed", True)


@pytest.mark.parametrize(
    ("outcome", "code", "state", "may_have_arrived"),
    [
        ("failed", "paused", "queued", False),
        ("failed", "cups", "queued", False),
        ("failed", "interrupted", "queued", False),
        ("failed", "uncertain", "failed", True),
        ("failed", "printer", "failed", True),
        ("failed", "unknown-printer", "failed", False),
        ("expired", "ttl", "failed", False),
        ("cancelled", "changed", "cancelled", False),
    ],
)
def test_how_a_print_ends(
    printed: Delivery, outcome: str, code: str, state: str, may_have_arrived: bool
) -> None:
    ended = result(printed, outcome, code=code, message="In words.")
    assert (ended.state, ended.may_have_arrived) == (state, may_have_arrived)
    assert ended.last_error == "In words."


def test_tried_again_with_a_new_command(printed: Delivery) -> None:
    first = printed.reference
    result(printed, "failed", code="paused", message="Paused.")
    again = work()
    assert again.state == "handed_over"
    assert again.reference != first


def a_day_passes() -> None:
    """And three hours: every time of deliveries and commands is so much longer ago."""
    day = timedelta(days=1, hours=3)
    Delivery.objects.update(created_at=F("created_at") - day, give_up_at=F("give_up_at") - day)
    AgentCommand.objects.update(created_at=F("created_at") - day, expires_at=F("expires_at") - day)
    AgentKey.objects.update(expires_at=F("expires_at") - day)
    Agent.objects.update(last_seen_at=F("last_seen_at") - day)
    commands.expire()
    commands.give_up()
    delivering.give_up()
    following.sweep()


@pytest.mark.parametrize("way", ["printed", "told"])
def test_the_agent_is_away_for_a_day(way: str, request: pytest.FixtureRequest) -> None:
    """Paper and RIS alike: it waits for the agent, and goes once when that is back."""
    delivery: Delivery = request.getfixturevalue(way)
    a_day_passes()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.progress) == (
        "handed_over",
        "Queued: the site agent is offline",
    )
    assert AgentCommand.objects.count() == 1
    assert result(delivery, "done").state == "done"
    assert Delivery.objects.count() == 1


def test_the_printer_is_away_for_a_day(printed: Delivery) -> None:
    """Tried again and again, printed once when it answers."""
    for _ in range(10):
        assert result(printed, "failed", code="cups", message="No printer.").state == "queued"
        printed = work()
    a_day_passes()
    printed.refresh_from_db()
    assert printed.state == "handed_over"
    assert result(printed, "done").state == "done"
    states = AgentCommand.objects.values_list("state", flat=True)
    assert list(states).count("done") == 1


def test_killed_between_handing_over_and_noting_it(printed: Delivery) -> None:
    """The same try is the same command: it is printed once."""
    Delivery.objects.update(state="sending", reference="")
    again = work()
    assert again.reference == printed.reference
    assert AgentCommand.objects.count() == 1


def test_an_addendum_takes_the_print_back(printed: Delivery, study: Any, radiologist: Any) -> None:
    sign(study, radiologist, "addendum")
    printed.refresh_from_db()
    assert (printed.state, printed.may_have_arrived) == ("cancelled", False)
    assert AgentCommand.objects.get().state == "cancelled"
    assert Delivery.objects.count() == 1


def test_withdrawn_paper_is_to_be_collected(
    printed: Delivery, study: Any, radiologist: Any
) -> None:
    result(printed, "done")
    sign(study, radiologist, "withdrawal")
    recall = Delivery.objects.get(is_recall=True)
    assert (recall.state, recall.label) == ("failed", f"{PRINTER} (Ward)")
    assert "collected by hand" in recall.last_error


# Reports as documents to print


def fetch(delivery: Delivery) -> Any:
    command = AgentCommand.objects.get(pk=int(delivery.reference))
    ticket = orders.tickets([command])[command.pk]
    return release.release(command.agent, command.pk, ticket.token, address="")


def test_the_agent_gets_the_pdf_of_the_version(printed: Delivery) -> None:
    commands.take(Agent.objects.get(), again=False)
    content, order = fetch(printed)
    assert content == pdf(printed.version)
    assert order.version == "1-final"


@pytest.mark.parametrize(
    ("change", "code"),
    [("addendum", "changed"), ("withdrawal", "withdrawn"), ("role", "permission")],
)
def test_what_changed_before_it_is_fetched(
    printed: Delivery, study: Any, radiologist: Any, change: str, code: str
) -> None:
    commands.take(Agent.objects.get(), again=False)
    if change == "role":
        Membership.objects.filter(user=radiologist).delete()
    else:
        sign(study, radiologist, change, planned=False)
    with pytest.raises(release.Refused) as refused:
        fetch(printed)
    assert refused.value.code == code


def test_who_finds_which_report(
    study: Any, radiologist: Any, technician: Any, referrer: Any, stranger: Any
) -> None:
    report = Report.objects.create(
        site=study.site, study=study, author=radiologist, saved_by=radiologist
    )
    draft = printable.provider(report.pk, radiologist)
    assert draft is not None
    assert draft.refusal == "Nothing of this report is signed yet."
    version = sign(study, radiologist)
    for who in (radiologist, technician):
        found = documents.find(documents.REPORT, version.report_id, who)
        assert found is not None
        assert (found.refusal, found.version) == ("", "1-final")
    for who in (referrer, stranger, None):
        assert documents.find(documents.REPORT, version.report_id, who) is None


# To the RIS


def test_handed_over_and_acknowledged(told: Delivery, study: Any) -> None:
    assert told.state == "handed_over"
    command = AgentCommand.objects.get(pk=int(told.reference))
    assert command.type == "send-oru"
    params = command.params
    assert (params["receiver"], params["report"]["patientId"]) == ("his", study.patient_id)
    assert params["pdfSha256"] == hashlib.sha256(pdf(told.version)).hexdigest()
    ended = result(told, "done", data={"acknowledgement": "AA", "controlId": params["controlId"]})
    assert (ended.state, ended.progress) == ("done", "Acknowledged AA")


@pytest.mark.parametrize(
    ("code", "message", "state", "words"),
    [
        ("refused", "his answered AR: JONES Tom", "failed", "The receiver answered AR."),
        ("refused", "his answered AE: JONES Tom", "queued", "The receiver answered AE."),
        ("unreachable", "his cannot be reached", "queued", "The site agent could not send it"),
        ("uncertain", "It was sent", "queued", "sent again under the same number"),
        ("params", "patientId is missing", "failed", "The site agent refused to send it"),
    ],
)
def test_how_a_message_ends(
    told: Delivery, code: str, message: str, state: str, words: str
) -> None:
    number = AgentCommand.objects.get().params["controlId"]
    ended = result(told, "failed", code=code, message=message)
    assert ended.state == state
    assert words in ended.last_error
    assert "JONES" not in ended.last_error
    assert ended.may_have_arrived is (code == "uncertain")
    if state == "queued":
        again = work()
        command = AgentCommand.objects.get(pk=int(again.reference))
        assert again.reference != told.reference
        assert command.params["controlId"] == number


def test_the_agent_fetches_the_pdf(told: Delivery, other_agent: Agent, study: Any) -> None:
    agent = Agent.objects.get(name="Ward")
    path = AgentCommand.objects.get().params["pdfPath"]
    mine = {"Authorization": f"Bearer {key_of(agent)}"}
    theirs = {"Authorization": f"Bearer {key_of(other_agent)}"}
    assert Client().get(path, headers=mine).status_code == 404, "before it was sent"
    commands.take(agent, again=False)
    answer = Client().get(path, headers=mine)
    assert (answer.status_code, answer.content) == (200, pdf(told.version))
    assert Client().get(path, headers=theirs).status_code == 404
    assert Client().get(path).status_code == 401
    event = AuditEvent.objects.get(action="agent.delivery.pdf")
    assert (event.study_id, event.detail["delivery"]) == (study.pk, told.pk)
    result(told, "done")
    assert Client().get(path, headers=mine).status_code == 404, "after its end"


def test_taken_back_before_it_was_sent(told: Delivery) -> None:
    assert handing.take_back(told) is True


def test_taken_back_too_late(told: Delivery) -> None:
    commands.take(Agent.objects.get(), again=False)
    assert handing.take_back(told) is False
    assert AgentCommand.objects.get().cancel_requested_at is not None


def test_an_agent_that_is_switched_off(
    told: Delivery, study: Any, radiologist: Any, make_study: Callable[..., Any]
) -> None:
    Agent.objects.update(state="disabled")
    sign(make_study(study.site), radiologist)
    delivery = work()
    assert (delivery.state, delivery.last_error) == ("failed", handing.AGENT_GONE)
