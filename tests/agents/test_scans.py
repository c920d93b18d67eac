"""Scanners: paired with one session, codes to nobody else, nothing late, nothing of a patient kept
that nobody waits for.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents import protocol, reception, scans
from agents.models import Agent, AgentEvent, ScannerPairing
from agents.protocol import ProtocolError
from pacs.accounts.principal import principal_of
from pacs.audit.models import AuditEvent
from pacs.events.models import SiteEvent

pytestmark = pytest.mark.django_db
CODE = "A-4711"


@pytest.fixture
def desk(agent: Agent) -> Agent:
    """An agent with two scanners."""
    names = ("Desk", "Door")
    Agent.objects.filter(pk=agent.pk).update(
        scanners=[{"name": name, "state": "ok"} for name in names]
    )
    agent.refresh_from_db()
    return agent


def read(agent: Agent, code: Any = CODE, **more: Any) -> protocol.Event:
    """What the agent says of a scan."""
    data = {"scanner": "Desk", "code": code, "age": 0.1, **more}
    return protocol.Event(
        id=uuid.uuid4().hex,
        event="scan",
        at=timezone.now(),
        data={name: each for name, each in data.items() if each is not None},
    )


def take(client: Client, agent: Agent, scanner: str = "Desk") -> Any:
    return client.post("/scanners/", {"scanner": f"{agent.pk}:{scanner}"})


def published() -> list[dict[str, Any]]:
    return [each.message() for each in SiteEvent.objects.filter(type="scan.read")]


def principal(client: Client, user: Any) -> Any:
    return principal_of(user, session_key=client.session.session_key or "")


def test_only_the_session_that_took_the_scanner_gets_the_code(
    logged_in: Any, technician: Any, radiologist: Any, desk: Agent
) -> None:
    mine, same_person, other = (
        logged_in(technician),
        logged_in(technician),
        logged_in(radiologist),
    )
    assert take(mine, desk).status_code == 200
    assert mine.get("/scanners/mine/").json() == {"scanner": "Desk"}
    reception.happened(desk, read(desk))
    (event,) = published()
    assert CODE not in str(event)
    assert event["study"] is None
    decide = scans._is_for
    assert decide(event, principal(mine, technician))
    assert not decide(event, principal(same_person, technician))
    assert not decide(event, principal(other, radiologist))
    path = f"/scanners/scans/{event['event']}/"
    for client in (same_person, other):
        assert client.post(path).status_code == 404
    assert mine.post(path).json() == {"code": CODE}
    assert mine.get(path).status_code == 405
    taken = AuditEvent.objects.get(action="scan.taken")
    assert (taken.actor_name, taken.site_id) == ("technician", desk.site_id)
    assert CODE not in str(taken.detail)


def test_the_newest_pairing_wins(
    logged_in: Any, technician: Any, radiologist: Any, desk: Agent
) -> None:
    first, second = logged_in(technician), logged_in(radiologist)
    take(first, desk)
    reception.happened(desk, read(desk))
    (event,) = published()
    shown = second.get("/scanners/").content.decode()
    assert "used by" in shown
    take(second, desk)
    assert first.get("/scanners/mine/").json() == {"scanner": None}
    assert second.get("/scanners/mine/").json() == {"scanner": "Desk"}
    # The one before hears of it, and gets no code any more, not even one that was his.
    assert SiteEvent.objects.filter(type="agent.changed").count() >= 2
    assert first.post(f"/scanners/scans/{event['event']}/").status_code == 404
    assert second.post(f"/scanners/scans/{event['event']}/").status_code == 404
    reception.happened(desk, read(desk))
    assert scans._is_for(published()[-1], principal(second, radiologist))
    assert AuditEvent.objects.filter(action="scanner.paired").count() == 2


def test_one_scanner_a_session_and_let_go(logged_in: Any, technician: Any, desk: Agent) -> None:
    client = logged_in(technician)
    take(client, desk)
    take(client, desk, "Door")
    assert client.get("/scanners/mine/").json() == {"scanner": "Door"}
    assert ScannerPairing.objects.current().count() == 1
    client.post("/scanners/", {"unpair": "1"})
    assert not ScannerPairing.objects.current().exists()
    client.post("/scanners/", {"unpair": "1"})
    assert AuditEvent.objects.filter(action="scanner.unpaired").count() == 1


def test_logout_lets_go(logged_in: Any, technician: Any, desk: Agent) -> None:
    client = logged_in(technician)
    take(client, desk)
    client.post("/logout/")
    assert not ScannerPairing.objects.current().exists()


@pytest.mark.parametrize("actor", ["stranger", "referrer"])
def test_hidden(request: Any, logged_in: Any, desk: Agent, actor: str) -> None:
    client = logged_in(request.getfixturevalue(actor))
    assert take(client, desk).status_code == 404
    assert not ScannerPairing.objects.exists()
    listed = client.get("/scanners/")
    assert listed.status_code == 404 or "Desk" not in listed.content.decode()
    assert 'id="scanner"' not in client.get("/").content.decode()


def test_anonymous(desk: Agent) -> None:
    for path in ("/scanners/", "/scanners/mine/"):
        assert Client().get(path).status_code in (302, 401)
    for path in ("/scanners/", "/scanners/scans/1/"):
        assert Client().post(path).status_code in (302, 401)


def test_a_scanner_that_is_none(logged_in: Any, technician: Any, desk: Agent) -> None:
    client = logged_in(technician)
    assert "no such scanner" in take(client, desk, "Roof").content.decode()
    for value in ("", ":", "x:Desk", f"{10**30}:Desk", "999999:Desk"):
        assert client.post("/scanners/", {"scanner": value}).status_code == 404
    assert not ScannerPairing.objects.exists()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"age": 31}, scans.EXPIRED),
        ({"scanner": "Door"}, scans.NOT_PAIRED),
    ],
)
def test_dropped_with_a_note_and_without_the_code(
    logged_in: Any, technician: Any, desk: Agent, changes: dict[str, Any], why: str
) -> None:
    client = logged_in(technician)
    take(client, desk)
    reception.happened(desk, read(desk, **changes))
    row = AgentEvent.objects.get(kind="scan")
    assert row.data == {"scanner": changes.get("scanner", "Desk"), "dropped": why}
    assert published() == []
    assert client.post(f"/scanners/scans/{row.pk}/").status_code == 404


def test_age_is_by_the_agents_clock_where_it_says_so(
    logged_in: Any, technician: Any, desk: Agent
) -> None:
    take(logged_in(technician), desk)
    wrong = timezone.now() - timedelta(hours=2)
    for age, count in ((0.5, 1), (None, 1)):
        event = read(desk, age=age)
        slow = protocol.Event(id=event.id, event="scan", at=wrong, data=event.data)
        reception.happened(desk, slow)
        assert len(published()) == count


def test_a_code_grows_old(logged_in: Any, technician: Any, desk: Agent) -> None:
    client = logged_in(technician)
    take(client, desk)
    reception.happened(desk, read(desk))
    row = AgentEvent.objects.get(kind="scan")
    AgentEvent.objects.update(received_at=timezone.now() - timedelta(seconds=31))
    assert client.post(f"/scanners/scans/{row.pk}/").status_code == 404


def test_the_same_scan_again_is_one(logged_in: Any, technician: Any, desk: Agent) -> None:
    take(logged_in(technician), desk)
    event = read(desk)
    for _ in range(2):
        reception.happened(desk, event)
    assert len(published()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"code": ""},
        {"code": "x" * 65},
        {"code": "A\n1"},
        {"code": "A\x1b[2J"},
        {"code": "A\u202e1"},
        {"code": " A1"},
        {"code": 4711},
        {"code": None},
        {"scanner": ""},
        {"scanner": "x" * 61},
        {"scanner": None},
    ],
)
def test_what_is_no_scan(desk: Agent, changes: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError) as refused:
        reception.happened(desk, read(desk, **changes))
    assert refused.value.code == "field"
    assert not AgentEvent.objects.filter(kind="scan").exists()


def test_exact_search(logged_in: Any, technician: Any, site: Any, make_study: Any) -> None:
    made = {
        "A-47": make_study(site, accession_number="A-47", patient_name="ONE^A"),
        "A-470": make_study(site, accession_number="A-470", patient_name="TWO^B"),
        "P": make_study(site, patient_id="A-47", patient_name="THREE^C", reading_state="final"),
    }
    for each in made.values():
        each.search_text = f"{each.accession_number} {each.patient_id}".casefold()
        each.save()
    shown = (
        logged_in(technician)
        .post("/worklist/table/", {"q": "=A-47", "state": "all"}, headers={"HX-Request": "true"})
        .content.decode()
    )
    assert ("ONE, A" in shown, "TWO, B" in shown, "THREE, C" in shown) == (True, False, True)
