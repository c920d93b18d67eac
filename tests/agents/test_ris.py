"""Events of the RIS by way of an agent, and the orders that agents fetch."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from agents import keys, protocol, reception, ris
from agents.models import Agent, AgentEvent
from pacs.audit.models import AuditEvent
from studies.orders import intake
from studies.orders.models import CorrectionProposal, Order

pytestmark = pytest.mark.django_db
PATH = "/api/agents/worklist/"
ORDER = {
    "control": "new",
    "accession_number": "A1",
    "patient_id": "P1",
    "patient_name": "DOE^Jane",
    "patient_birth_date": "19700131",
    "scheduled": "202611241430",
    "priority": 0,
}


def event(number: int, kind: str = protocol.HL7, **data: Any) -> protocol.Event:
    if kind == protocol.HL7:
        data = {"sender": "RIS^HOSP", "control_id": f"M{number}", "type": "ORM^O01", **data}
    return protocol.Event(id=f"e{number}", event=kind, at=datetime.now(UTC), data=data)


def outcomes(number: int) -> Any:
    return AgentEvent.objects.get(event_id=f"e{number}").data["outcomes"]


def test_an_order_message_once(agent: Agent) -> None:
    for _ in range(2):
        reception.happened(agent, event(1, orders=[ORDER, {**ORDER, "accession_number": "A2"}]))
    rows = list(Order.objects.order_by("id"))
    assert [(row.accession_number, row.priority, row.site_id) for row in rows] == [
        ("A1", 0, agent.site_id),
        ("A2", 0, agent.site_id),
    ]
    assert outcomes(1) == [{"what": "created", "order": row.pk} for row in rows]
    assert rows[0].source == f"agent:{agent.pk}:RIS^HOSP"
    reception.happened(agent, event(2, orders=[{**ORDER, "control": "cancel"}]))
    assert outcomes(2) == [{"what": "cancelled", "order": rows[0].pk}]
    # A lost acknowledgement: the first message once more does not undo the second.
    reception.happened(agent, event(1, orders=[ORDER]))
    assert Order.objects.get(accession_number="A1").status == "cancelled"


def test_patient_messages(agent: Agent) -> None:
    merge = {"patient_id": "P1", "prior_patient_id": "OLD"}
    reception.happened(agent, event(1, type="ADT^A40", patient=merge))
    proposal = CorrectionProposal.objects.get()
    assert outcomes(1) == [{"what": "proposed", "proposal": proposal.pk}]
    assert (proposal.kind, proposal.prior_patient_id) == ("merge", "OLD")
    reception.happened(agent, event(2, type="ADT^A04", patient={"patient_id": "P1"}))
    assert outcomes(2) == []


def test_a_procedure_step(agent: Agent) -> None:
    reception.happened(agent, event(1, orders=[ORDER]))
    uid = Order.objects.get().study_instance_uid
    reception.happened(
        agent,
        event(2, protocol.MPPS, study_instance_uid=uid, status="completed", images=12),
    )
    row = Order.objects.get()
    assert (row.status, row.expected_instances) == ("completed", 12)
    reception.happened(agent, event(3, protocol.MPPS, study_instance_uid="1.2", images=1))
    assert outcomes(3) == [{"what": "refused", "why": "unknown-order"}]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"orders": [{**ORDER, "accession_number": "X" * 17}]}, "fields: orders"),
        ({"orders": [{**ORDER, "patient_id": ""}]}, "fields: orders"),
        ({"orders": [{**ORDER, "priority": 9}]}, "fields: orders"),
        ({"orders": [{**ORDER, "study_instance_uid": "'; DROP"}]}, "fields: orders"),
        ({"orders": "x"}, "fields: orders"),
        ({"orders": [ORDER], "control_id": ""}, "fields: control_id"),
        ({}, "neither orders nor a patient"),
    ],
)
def test_what_breaks_the_rules_is_kept_with_its_reason(
    agent: Agent, data: dict[str, Any], why: str
) -> None:
    reception.happened(agent, event(1, **data))
    assert outcomes(1) == [{"what": "refused", "why": why}]
    assert not Order.objects.exists()


def test_the_agents_fields_are_those_of_the_intake() -> None:
    for reader, facts in (
        (ris.OrderFacts, intake.OrderFacts),
        (ris.PatientFacts, intake.PatientFacts),
    ):
        assert set(reader().fields) == {each.name for each in dataclasses.fields(facts)}


def ask(key: str, since: int | str = 0) -> Any:
    return Client(headers={"Authorization": f"Bearer {key}"}).get(PATH, {"since": since})


def test_worklist_for_the_agents_own_site(
    agent: Agent, other_agent: Agent, other_site: Any
) -> None:
    key, other_key = (keys.rotate(each, actor=None) for each in (agent, other_agent))
    reception.happened(agent, event(1, orders=[ORDER]))
    first = ask(key).json()
    (row,) = first["orders"]
    # Local to the site, which is Berlin's.
    assert (row["scheduled_date"], row["scheduled_time"]) == ("20261124", "143000")
    assert (row["priority"], row["study_instance_uid"]) == (
        "STAT",
        Order.objects.get().study_instance_uid,
    )
    assert ask(key, first["cursor"]).json() == {
        "cursor": first["cursor"],
        "more": False,
        "orders": [],
    }
    reception.happened(agent, event(2, orders=[{**ORDER, "control": "cancel"}]))
    later = ask(key, first["cursor"]).json()
    assert [each["status"] for each in later["orders"]] == ["cancelled"]
    # Who asks for the first time need not know what is closed.
    assert ask(key).json()["orders"] == []
    assert ask(other_key).json()["orders"] == []
    read = AuditEvent.objects.get(action="orders.worklist")
    assert (read.site_id, read.detail) == (agent.site_id, {"agent": agent.pk})


def test_worklist_in_pages(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    from agents import worklist

    monkeypatch.setattr(worklist, "PAGE", 2)
    key = keys.rotate(agent, actor=None)
    for number in range(5):
        reception.happened(
            agent, event(number, orders=[{**ORDER, "accession_number": str(number)}])
        )
    Order.objects.filter(accession_number__in=["2", "3", "4"]).update(seq=7_000)
    seen, cursor, more = [], 0, True
    while more:
        page = ask(key, cursor).json()
        seen += [each["accession_number"] for each in page["orders"]]
        cursor, more = page["cursor"], page["more"]
    assert sorted(seen) == ["0", "1", "2", "3", "4"]


def test_worklist_for_nobody_else(
    agent: Agent, bearer: Any, technician: Any, logged_in: Any
) -> None:
    key = keys.rotate(agent, actor=None)
    assert Client().get(PATH).status_code == 401
    assert logged_in(technician).get(PATH).status_code == 401
    assert Client(headers=bearer(technician)).get(PATH).status_code == 401
    assert ask("lba_wrong").status_code == 401
    assert Client().get(PATH, {"key": key}).status_code == 401
    assert ask(key, "x").status_code == 400
    assert ask(key, 2**63).status_code == 400
    Agent.objects.filter(pk=agent.pk).update(allowed_networks=["10.9.0.0/16"])
    assert ask(key).status_code == 401
    assert ask(key).json() == {"detail": "Not the key of an agent."}


def test_agents_hear_of_changed_orders(
    agent: Agent, django_capture_on_commit_callbacks: Any
) -> None:
    from agents import wake

    calls: list[dict[str, Any]] = []
    wake.here[agent.pk] = calls.append
    try:
        with django_capture_on_commit_callbacks(execute=True):
            reception.happened(agent, event(1, orders=[ORDER]))
        assert [call for call in calls if call["what"] == "news"] == []
        Agent.objects.filter(pk=agent.pk).update(capabilities=["ping", "worklist"])
        with django_capture_on_commit_callbacks(execute=True):
            reception.happened(agent, event(2, orders=[{**ORDER, "reason": "x"}]))
    finally:
        del wake.here[agent.pk]
    assert {"agent": agent.pk, "what": "news", "of": "orders"} in calls
    assert json.dumps(calls)


def test_the_agents_page_says_what_was_not_applied(
    agent: Agent, logged_in: Any, technician: Any
) -> None:
    reception.happened(agent, event(1, orders=[{**ORDER, "control": "cancel"}]))
    page = logged_in(technician).get(f"/agents/{agent.pk}/").content.decode()
    assert "ORM^O01 M1" in page
    assert "Not applied: there is no such order" in page
    assert "DOE" not in page
