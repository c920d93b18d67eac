"""PDFs that an agent leaves before the ORU that names them: with its key, by digest, once."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from agents import protocol, reception
from agents.models import Agent, AgentEvent, AgentState
from agents.protocol import ProtocolError
from pacs.audit.models import AuditEvent
from reports.attachments import received
from reports.attachments.models import Attachment, ReceivedDocument
from tests.agents.test_delivery_agents import key_of
from tests.reports.factories_find import PDF, large_pdf

pytestmark = pytest.mark.django_db
LARGE = large_pdf(b"x" * 300_000)


@pytest.fixture
def agent(site: Any) -> Agent:
    return Agent.objects.create(site=site, name="Ward", state=AgentState.ACTIVE)


def leave(agent: Any, data: bytes, sha256: str = "", **more: Any) -> Any:
    if agent is not None and not hasattr(agent, "key"):
        agent.key = key_of(agent)
    headers = {"Authorization": f"Bearer {agent.key}"} if agent else {}
    digest = sha256 or hashlib.sha256(data).hexdigest()
    return Client(headers=headers).put(
        f"/api/agents/documents/{digest}/", data, content_type="application/pdf", **more
    )


def message(number: int, data: bytes = LARGE, **report: Any) -> protocol.Event:
    told = {
        "sender": "RIS^HOSP",
        "control_id": f"M{number}",
        "type": "ORU^R01",
        "reports": [
            {
                "patient_id": "P1",
                "status": "final",
                "filler_order_number": "F1",
                "pdf_sha256": hashlib.sha256(data).hexdigest(),
                **report,
            }
        ],
    }
    return protocol.Event(id=f"d{number}", event=protocol.HL7, at=datetime.now(UTC), data=told)


def test_left_named_and_read(agent: Agent, radiologist: Any, logged_in: Any) -> None:
    assert leave(agent, LARGE).status_code == 201
    assert leave(agent, LARGE).status_code == 200
    assert ReceivedDocument.objects.count() == 1
    assert AuditEvent.objects.filter(action="report.document_received").count() == 1
    reception.happened(agent, message(1))
    (row,) = Attachment.objects.all()
    assert (row.media_type, row.file_size) == ("application/pdf", len(LARGE))
    assert logged_in(radiologist).get(f"/attachments/{row.pk}/file/").content == LARGE
    # The same once more, and under another number, is nothing new.
    reception.happened(agent, message(1))
    reception.happened(agent, message(2))
    assert Attachment.objects.count() == 1


def test_a_message_before_its_document_comes_again(agent: Agent) -> None:
    with pytest.raises(ProtocolError) as caught:
        reception.happened(agent, message(1))
    assert (caught.value.code, caught.value.ref) == ("document-missing", "d1")
    assert not AgentEvent.objects.filter(event_id="d1").exists()
    assert leave(agent, LARGE).status_code == 201
    reception.happened(agent, message(1))
    assert Attachment.objects.count() == 1


def test_who_and_what(agent: Agent, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert leave(None, LARGE).status_code == 401
    assert leave(agent, LARGE, "0" * 64).status_code == 400
    monkeypatch.setattr(received, "MOST_BYTES", 1000)
    assert leave(agent, LARGE).status_code == 413
    assert not ReceivedDocument.objects.exists()
    monkeypatch.undo()
    # What another agent left, of the same site even, cannot be named.
    other = Agent.objects.create(site=site, name="Other", state=AgentState.ACTIVE)
    assert leave(other, LARGE).status_code == 201
    with pytest.raises(ProtocolError, match="not left here"):
        reception.happened(agent, message(1))
    Agent.objects.filter(pk=other.pk).update(state=AgentState.DISABLED)
    assert leave(other, PDF).status_code == 401


def test_what_is_no_pdf_is_kept_and_refused_with_a_reason(agent: Agent) -> None:
    data = b"%PDF-1.4 half of it" + b"x" * 200_000
    assert leave(agent, data).status_code == 201
    reception.happened(agent, message(1, data))
    (outcome,) = AgentEvent.objects.get(event_id="d1").data["outcomes"]
    assert (outcome["what"], outcome["why"]) == ("refused", "no-pdf")
    assert ReceivedDocument.objects.get().file_size == len(data)
