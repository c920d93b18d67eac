"""Printing at the portal: who may ask for it, what is pinned, and what an agent is given, once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents import commands, protocol
from agents.consumers import _as_message
from agents.models import Agent, AgentCommand, AgentKey, CommandState, digest_of
from agents.printing import documents, orders, release
from agents.printing.documents import Printable
from agents.printing.models import PrintOrder, PrintToken
from pacs.accounts.models import Membership
from pacs.accounts.principal import principal_or_none
from pacs.audit.models import AuditEvent
from tests.servers.documents import pdf

pytestmark = pytest.mark.django_db
PAGE = pdf("Findings")
PRINTER = "Reading room"


class Reports:
    """Reports of one site, each a version of the same page; `change` makes them something else."""

    def __init__(self, site: int) -> None:
        self.fields: dict[str, Any] = {
            "site": site,
            "version": "1",
            "sha256": hashlib.sha256(PAGE).hexdigest(),
            "pdf": lambda: PAGE,
            "title": "Report 12",
        }

    def change(self, **fields: Any) -> None:
        self.fields |= fields

    def __call__(self, number: int, who: Any) -> Printable | None:
        reader = principal_or_none(who)
        known = number == 12 and reader is not None
        return Printable(**self.fields) if known and self._seen_by(reader) else None

    def _seen_by(self, reader: Any) -> bool:
        return reader.is_superuser or self.fields["site"] in reader.whole_sites


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch, site: Any) -> Reports:
    found = Reports(site.pk)
    monkeypatch.setitem(documents._providers, documents.REPORT, found)
    monkeypatch.setattr(release, "_asked_wrongly", type(release._asked_wrongly)(1, 60))
    return found


def key_of(agent: Agent) -> str:
    secret = f"lba_{agent.name}"
    AgentKey.objects.get_or_create(
        agent=agent,
        digest=digest_of(secret),
        defaults={"prefix": secret[:10], "expires_at": timezone.now() + timedelta(days=1)},
    )
    return secret


def ask(client: Client, agent: Agent, **params: Any) -> Any:
    body = {"type": "print-report", "params": {"printer": PRINTER, **params}}
    return client.post(f"/api/agents/{agent.pk}/commands/", body, content_type="application/json")


@pytest.fixture
def command(agent: Agent, radiologist: Any, reports: Reports) -> AgentCommand:
    """A radiologist's print of report 12."""
    params = {"reportId": 12, "printer": PRINTER}
    return commands.queue(agent, "print-report", params, requester=radiologist)[0]


def sent(agent: Agent, *, again: bool = False) -> protocol.Command:
    """The command as it goes to the agent."""
    send, _ = commands.take(agent, again=again)
    tickets = orders.tickets(send)
    (one,) = send
    return protocol.decode(protocol.encode(_as_message(one, tickets.get(one.pk))))  # type: ignore[return-value]


def fetch(command: AgentCommand, token: str, *, key: str | None = None) -> Any:
    headers = {"X-Print-Token": token, "Accept": "application/pdf"}
    if key != "":
        headers["Authorization"] = f"Bearer {key or key_of(command.agent)}"
    return Client().post(f"/api/agents/commands/{command.pk}/document/", headers=headers)


def audited() -> list[tuple[str, str, str]]:
    rows = AuditEvent.objects.filter(action="agent.print.document").order_by("id")
    return [(row.actor_name, row.outcome, row.detail.get("why", "")) for row in rows]


# Who may ask


@pytest.mark.parametrize(
    ("actor", "status"),
    [
        ("radiologist", 201),
        ("technician", 201),
        ("site_admin", 201),
        ("admin", 201),
        ("referrer", 403),
        ("stranger", 404),
    ],
)
def test_who_may_print(
    request: Any, logged_in: Any, reports: Reports, agent: Agent, actor: str, status: int
) -> None:
    client = logged_in(request.getfixturevalue(actor))
    assert ask(client, agent, reportId=12).status_code == status
    assert ask(client, agent, testPage=True).status_code == status
    assert PrintOrder.objects.count() == (2 if status == 201 else 0)


def test_anonymous(reports: Reports, agent: Agent) -> None:
    assert ask(Client(), agent, reportId=12).status_code == 401
    assert Client().get("/print/report/12/").status_code == 401


def test_a_report_that_is_not_there(logged_in: Any, radiologist: Any, agent: Agent) -> None:
    assert ask(logged_in(radiologist), agent, reportId=12).status_code == 404
    assert logged_in(radiologist).get("/print/report/12/").status_code == 404
    assert logged_in(radiologist).get("/print/disc/12/").status_code == 404


def test_a_report_of_another_site_is_not_found(
    logged_in: Any, admin: Any, reports: Reports, agent: Agent, other_site: Any
) -> None:
    """Not even for somebody who sees both sites: the paper would come out at the wrong one."""
    reports.change(site=other_site.pk)
    assert ask(logged_in(admin), agent, reportId=12).status_code == 404


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"printer": "Cellar"}, "The agent has told of no such printer."),
        ({"duplex": "two-sided-long-edge"}, "This printer does not print on both sides."),
        ({"tray": "tray-2"}, "This printer has no such tray."),
    ],
)
def test_what_the_printer_cannot(
    logged_in: Any,
    radiologist: Any,
    reports: Reports,
    agent: Agent,
    params: dict[str, Any],
    words: str,
) -> None:
    answer = ask(logged_in(radiologist), agent, reportId=12, **params)
    assert (answer.status_code, answer.json()["detail"]) == (409, words)
    Agent.objects.update(
        printers=[
            {"name": each, "duplex": True, "trays": ["tray-2"]} for each in (PRINTER, "Cellar")
        ]
    )
    assert ask(logged_in(radiologist), agent, reportId=12, **params).status_code == 201


def test_what_may_not_be_printed(
    logged_in: Any, radiologist: Any, reports: Reports, agent: Agent
) -> None:
    reports.change(refusal="This report is not signed.")
    answer = ask(logged_in(radiologist), agent, reportId=12)
    assert (answer.status_code, answer.json()["detail"]) == (409, "This report is not signed.")


# What the agent is given


def test_the_document_once(command: AgentCommand, agent: Agent) -> None:
    message = sent(agent)
    assert message.document is not None
    assert message.document.sha256 == hashlib.sha256(PAGE).hexdigest()
    answer = fetch(command, message.document.token)
    assert (answer.status_code, answer.content) == (200, PAGE)
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-SHA256"] == message.document.sha256
    assert answer.headers["X-Document-Version"] == "1"
    again = fetch(command, message.document.token)
    assert (again.status_code, again.json()["code"]) == (410, "token")
    assert audited() == [("radiologist", "ok", ""), ("radiologist", "refused", "token")]
    assert message.document.token not in str(list(PrintToken.objects.values()))
    # A redelivery brings no second document.
    assert sent(agent, again=True).document is None


def test_a_redelivered_command_has_a_token_of_its_own(command: AgentCommand, agent: Agent) -> None:
    first, second = sent(agent), sent(agent, again=True)
    assert first.document is not None
    assert second.document is not None
    assert first.document.token != second.document.token
    assert fetch(command, first.document.token).status_code == 200
    assert fetch(command, second.document.token).status_code == 410


def test_who_is_given_nothing(command: AgentCommand, agent: Agent, other_agent: Agent) -> None:
    token = sent(agent).document.token  # type: ignore[union-attr]
    anonymous = fetch(command, token, key="")
    assert (anonymous.status_code, anonymous.json()["code"]) == (401, "key")
    assert fetch(command, token, key="lba_wrong").status_code == 401
    assert fetch(command, token, key=key_of(other_agent)).status_code == 404
    assert fetch(command, "").status_code == 410
    assert fetch(command, "x" * 2000).status_code == 410
    Agent.objects.filter(pk=agent.pk).update(allowed_networks=["10.9.0.0/16"])
    assert fetch(command, token).status_code == 401
    Agent.objects.filter(pk=agent.pk).update(allowed_networks=[])
    # None of these used it up.
    assert fetch(command, token).status_code == 200
    assert [why for _, _, why in audited()] == ["unknown", "token", "token", ""]
    refused = AuditEvent.objects.filter(action="agent.connect", outcome="refused")
    assert {row.detail["why"] for row in refused} == {"key", "network"}


def test_a_person_is_no_agent(command: AgentCommand, agent: Agent, bearer: Any, admin: Any) -> None:
    token = sent(agent).document.token  # type: ignore[union-attr]
    path = f"/api/agents/commands/{command.pk}/document/"
    answer = Client().post(path, headers={**bearer(admin), "X-Print-Token": token})
    assert answer.status_code == 401
    assert Client().get(path).status_code == 405


def test_a_token_lives_five_minutes(command: AgentCommand, agent: Agent) -> None:
    token = sent(agent).document.token  # type: ignore[union-attr]
    row = PrintToken.objects.get()
    assert row.expires_at - row.created_at == timedelta(minutes=5)
    PrintToken.objects.update(expires_at=timezone.now())
    answer = fetch(command, token)
    assert (answer.status_code, answer.json()["code"]) == (410, "token")


def test_another_command_s_token_opens_nothing(
    command: AgentCommand, agent: Agent, radiologist: Any
) -> None:
    token = sent(agent).document.token  # type: ignore[union-attr]
    other, _ = commands.queue(agent, "print-report", command.params, requester=radiologist)
    assert fetch(other, token).status_code == 410


Change = Callable[[Any], Any]


def demoted(command: AgentCommand) -> None:
    Membership.objects.filter(user=command.requester).update(role="referrer")


def left(command: AgentCommand) -> None:
    assert command.requester is not None
    command.requester.is_active = False
    command.requester.save()


def without_printer(command: AgentCommand) -> None:
    Agent.objects.update(printers=[])


def too_late(command: AgentCommand) -> None:
    AgentCommand.objects.update(expires_at=timezone.now())


def cancelled(command: AgentCommand) -> None:
    commands.cancel(command, actor=command.requester)


def over(command: AgentCommand) -> None:
    AgentCommand.objects.update(state=CommandState.EXPIRED)


@pytest.mark.parametrize(
    ("happens", "status", "code"),
    [
        (demoted, 409, "permission"),
        (left, 409, "permission"),
        (without_printer, 409, "printer"),
        (too_late, 410, "too-late"),
        (cancelled, 409, "over"),
        (over, 409, "over"),
    ],
)
def test_what_happens_in_between(
    command: AgentCommand, agent: Agent, happens: Change, status: int, code: str
) -> None:
    token = sent(agent).document.token  # type: ignore[union-attr]
    happens(command)
    answer = fetch(command, token)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert audited() == [("radiologist", "refused", code)]
    # The token is spent: what comes back later is not printed either.
    assert fetch(command, token).json()["code"] == "token"


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (
            {"version": "2"},
            "changed",
            "The report was changed meanwhile: the older version was not printed.",
        ),
        (
            {"sha256": "0" * 64},
            "changed",
            "The report was changed meanwhile: the older version was not printed.",
        ),
        (
            {"refusal": "This report was withdrawn."},
            "withdrawn",
            "This report was withdrawn. Nothing was printed.",
        ),
        (
            {"pdf": lambda: b"%PDF-something else"},
            "damaged",
            "The document is damaged at the portal: nothing was printed.",
        ),
        (
            {"site": 0},
            "permission",
            "The person who asked may not print this any more: nothing was printed.",
        ),
    ],
    ids=["addendum", "other-bytes", "withdrawn", "damaged", "hidden"],
)
def test_a_report_that_changed(
    command: AgentCommand,
    agent: Agent,
    reports: Reports,
    change: dict[str, Any],
    code: str,
    words: str,
) -> None:
    token = sent(agent).document.token  # type: ignore[union-attr]
    reports.change(**change)
    answer = fetch(command, token)
    assert answer.status_code == 409
    assert answer.json() == {"code": code, "error": words}


def test_the_test_page(agent: Agent, technician: Any, site: Any) -> None:
    Agent.objects.update(printers=[{"name": r"Büro (1) \ Лаборатория"}])
    agent.refresh_from_db()
    params = {"testPage": True, "printer": r"Büro (1) \ Лаборатория"}
    command, _ = commands.queue(agent, "print-report", params, requester=technician)
    answer = fetch(command, sent(agent).document.token)  # type: ignore[union-attr]
    assert answer.status_code == 200, answer.content
    assert b"B\xfcro \\(1\\) \\\\ ???????????" in answer.content
    assert hashlib.sha256(answer.content).hexdigest() == PrintOrder.objects.get().sha256


def test_old_tokens_are_dropped(command: AgentCommand, agent: Agent) -> None:
    sent(agent)
    orders.forget()
    assert PrintToken.objects.count() == 1
    PrintToken.objects.update(expires_at=timezone.now() - timedelta(days=2))
    orders.forget()
    assert not PrintToken.objects.exists()


# The dialog


def give(client: Client, agent: Agent, **more: str) -> Any:
    form = {"printer": f"{agent.pk}:{PRINTER}", "copies": "2", "duplex": "one-sided", "key": "k"}
    return client.post("/print/report/12/", {**form, **more})


def test_dialog(logged_in: Any, radiologist: Any, reports: Reports, agent: Agent) -> None:
    client = logged_in(radiologist)
    page = client.get("/print/report/12/").content.decode()
    assert "Report 12" in page
    assert "Prints of this document" not in page
    for _ in range(2):  # a form that is sent twice is one print
        answer = give(client, agent)
        assert 'data-stage="queued"' in answer.content.decode()
    command = AgentCommand.objects.get()
    assert (command.params["reportId"], command.params["copies"]) == (12, 2)
    assert AuditEvent.objects.filter(action="agent.command").count() == 1
    assert AuditEvent.objects.filter(action="agent.prints").count() == 1
    stages = [
        ({"state": "running", "steps_done": 1, "progress": "out of paper"}, "printing"),
        ({"state": "done"}, "printed"),
        ({"state": "failed", "message": "Uncertain: check the tray."}, "failed"),
    ]
    for fields, stage in stages:
        AgentCommand.objects.update(**fields)
        page = client.get("/print/report/12/").content.decode()
        assert f'data-stage="{stage}"' in page
        assert (fields.get("progress") or fields.get("message") or "") in page


@pytest.mark.parametrize("actor", ["stranger", "referrer"])
def test_dialog_hidden(
    request: Any, logged_in: Any, reports: Reports, agent: Agent, actor: str
) -> None:
    client = logged_in(request.getfixturevalue(actor))
    assert client.get("/print/report/12/").status_code == 404
    assert give(client, agent).status_code == 404
    assert not AgentCommand.objects.exists()


def test_dialog_says_what_is_wrong(
    logged_in: Any, radiologist: Any, reports: Reports, agent: Agent, other_agent: Agent
) -> None:
    client = logged_in(radiologist)
    Agent.objects.filter(pk=other_agent.pk).update(printers=agent.printers)
    assert "Select a valid choice" in give(client, other_agent).content.decode()
    assert "less than or equal to 99" in give(client, agent, copies="100").content.decode()
    Agent.objects.filter(pk=agent.pk).update(allowed_commands=["ping"])
    assert "has told of a printer yet" in client.get("/print/report/12/").content.decode()
    reports.change(refusal="This report was withdrawn.")
    page = give(client, agent).content.decode()
    assert "This report was withdrawn." in page
    assert 'type="submit"' not in page
    assert client.get("/print/letter/12/").status_code == 404
    assert client.get("/print/report/13/").status_code == 404
    assert not AgentCommand.objects.exists()


def test_what_the_agent_s_pages_say_of_a_print(
    logged_in: Any, radiologist: Any, command: AgentCommand
) -> None:
    client = logged_in(radiologist)
    AgentCommand.objects.update(state="running", steps_done=1, steps_total=2)
    for path in (
        f"/agents/{command.agent_id}/",
        f"/agents/{command.agent_id}/commands/{command.pk}/",
    ):
        page = client.get(path).content.decode()
        assert "Printing" in page
        assert "1 of 2" not in page
