"""Earlier reports by ORU^R01: simple-hl7 sends, the agent's listener takes, the portal keeps."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.test import Client

from agents import protocol, reception
from agents.models import Agent, AgentEvent, AgentState
from agents.site.database import Database
from agents.site.hl7 import facts, results
from agents.site.hl7.inbox import Inbox
from agents.site.hl7.message import Unacceptable, read
from agents.site.journal import Outbox
from agents.site.options import Hl7Section
from agents.site.problems import Problems
from pacs.audit.models import AuditEvent
from reports.attachments import intake
from reports.attachments.models import Attachment
from studies.models import Patient
from tests.agents_site.running import RunningAgent
from tests.agents_site.scripted import ScriptedPortal
from tests.clients.hl7 import Wire, send
from tests.reports.factories_find import PDF, large_pdf
from tests.servers.ports import free_port, wait_until

pytestmark = pytest.mark.django_db
ED = f"ED|PDF^Report||RIS^application^PDF^Base64^{base64.b64encode(PDF).decode()}||||||"


def oru(
    control_id: str,
    *lines: str,
    number: str = "A1",
    who: str = "P1",
    status: str = "F",
    name: str = "Doe^Jane",
    born: str = "19700131",
) -> str:
    """A message with one report; `lines` are OBX from OBX-2 on, or texts."""
    text = [
        f"MSH|^~\\&|RIS|HOSP|PACS|HOSP|20261124||ORU^R01|{control_id}|P|2.3",
        f"PID|||{who}||{name}||{born}|F",
        f"OBR|1|PL1|{number}|CT01^CT chest|||202411231015",
    ]
    for at, line in enumerate(lines, 1):
        value = line if line[2:3] == "|" else f"TX|GDT^Text||{line}||||||"
        text.append(f"OBX|{at}|{value}{status}")
    return "\r".join(text)


class Ris:
    """The agent's listener, and what the portal was told."""

    def __init__(self, folder: Any, portal: ScriptedPortal) -> None:
        self.portal, self.port = portal, free_port()
        self.agent = RunningAgent(
            folder,
            portal.url,
            sections=f'[hl7]\nport = {self.port}\naddress = "127.0.0.1"\npeers = ["127.0.0.1"]\n',
        )
        self._seen = 0

    def told(self, count: int) -> list[protocol.Event]:
        """The next events, so many of them."""

        def events() -> list[Any]:
            return [each for each in self.portal.of(protocol.Event) if each.event == protocol.HL7]

        self.portal.wait(lambda: len(events()) >= self._seen + count, "reports", 60)
        found = events()[self._seen : self._seen + count]
        self._seen += count
        return found


@pytest.fixture(scope="module")
def ris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ris]:
    folder = tmp_path_factory.mktemp("reports")
    with ScriptedPortal() as portal:
        made = Ris(folder, portal)
        with made.agent:
            portal.wait_registered()
            wait_until(lambda: _listens(made.port), 60, "the agent listens")
            yield made


def _listens(port: int) -> bool:
    try:
        with Wire(port):
            return True
    except OSError:
        return False


@pytest.fixture
def agent(site: Any) -> Agent:
    return Agent.objects.create(site=site, name="Ward", state=AgentState.ACTIVE)


@pytest.fixture
def patient(site: Any) -> Patient:
    return Patient.objects.create(
        site=site, patient_id="P1", patient_name="DOE^Jane", patient_birth_date="19700131"
    )


def outcomes(event: protocol.Event) -> list[str]:
    return [each["what"] for each in AgentEvent.objects.get(event_id=event.id).data["outcomes"]]


def test_kept_corrected_and_withdrawn(
    ris: Ris, agent: Agent, patient: Patient, site: Any, make_study: Any, radiologist: Any,
    logged_in: Any,
) -> None:  # fmt: skip
    study = make_study(site, patient_ref=patient, patient_id="P1", accession_number="A1")
    answers = send(
        ris.port,
        oru("R1", "Nodule 5\\F\\6 mm\\.br\\unchanged", "Größe normal", ED),
        oru("R2", "Nodule 7 mm", status="C"),
        oru("R3", "Another study", number="A2"),
        oru("R4", "", status="W"),
    )
    assert [each[0] for each in answers] == ["AA"] * 4
    events = ris.told(4)
    for event in events[:2]:
        reception.happened(agent, event)
    old, new = Attachment.objects.order_by("added_at")
    assert (old.text, old.study, old.status) == ("Nodule 5|6 mm\nunchanged\nGröße normal", study,
                                                  "final")  # fmt: skip
    assert (old.media_type, old.dated) == ("application/pdf", date(2024, 11, 23))
    assert (new.text, new.status, new.replaced_at) == ("Nodule 7 mm", "corrected", None)
    assert old.replaced_at is not None
    client = logged_in(radiologist)
    assert client.get(f"/attachments/{old.pk}/file/").content == PDF
    assert "Replaced." in client.get(f"/attachments/{old.pk}/").content.decode()
    page = client.get(f"/studies/{study.pk}/priors/").content.decode()
    assert (str(new.pk) in page, str(old.pk) in page) == (True, False)
    # Each once, whatever is sent again.
    for event in events[:2]:
        reception.happened(agent, event)
        again = protocol.Event(
            id=f"again {event.id[:20]}", event=event.event, at=event.at, data=event.data
        )
        reception.happened(agent, again)
        assert outcomes(again) == ["unchanged"]
    assert Attachment.objects.count() == 2
    for event in events[2:]:
        reception.happened(agent, event)
    assert [outcomes(each) for each in events] == [["kept"], ["corrected"], ["kept"],
                                                   ["withdrawn"]]  # fmt: skip
    new.refresh_from_db()
    assert (new.status, new.text) == ("withdrawn", "Nodule 7 mm")
    # A2 names no study that is here: it is kept for the patient.
    assert Attachment.objects.get(text="Another study").study is None
    # The text is kept once, not in the list of events as well.
    assert "Nodule" not in json.dumps(AgentEvent.objects.get(event_id=events[0].id).data)
    assert "Nodule" not in ris.agent.log
    assert not AuditEvent.objects.filter(detail__icontains="Nodule").exists()


def test_hostile_reports_are_refused_by_the_agent(ris: Ris) -> None:
    with Wire(ris.port) as wire:
        for number, data in enumerate(
            (
                oru("H1"),
                oru("H2", ""),
                oru("H3", "x").replace("|P1|", "||"),
                oru("H4", ED.replace("Base64", "Hex")),
                oru("H5", ED.replace(base64.b64encode(PDF).decode(), "%%%")),
                oru("H6", ED.replace(base64.b64encode(PDF).decode(), "TVo=")),
                oru("H7", "x" * 60_001),
                oru("H9", "x").replace("PID", "ZZZ"),
                oru("H10", "x", who="P" * 65),
                oru("H11", "x") + "\r" + "\r".join(
                    f"OBR|{n}|||X\rOBX|1|TX|||y||||||F" for n in range(30)),
            )
        ):  # fmt: skip
            answer = wire.ask(data.encode())
            assert b"\rMSA|A" in answer, number
            assert b"\rMSA|AA" not in answer, number
    assert send(ris.port, oru("H99", "still there"))[0][0] == "AA"
    assert [event.data["control_id"] for event in ris.told(1)] == ["H99"]


def test_large_pdfs_go_apart_and_before_their_message(ris: Ris, tmp_path: Any) -> None:
    """Whole in the agent's database, named by digest in the event, gone when that is taken."""
    large = large_pdf(random.Random(3).randbytes(400_000))
    small = PDF + b"%" + b"x" * 30_000
    text = oru("G1", "Nodule", _ed(large)) + "\rOBR|2|PL2|A2\rOBX|1|" + _ed(small) + "F"
    database = Database(tmp_path / "agent.sqlite3")
    inbox = Inbox(Hl7Section(port=1), database, Problems())
    assert b"MSA|AA" in inbox.take(text.encode())
    assert b"MSA|AA" in inbox.take(text.encode())
    outbox = Outbox(database)
    (told,) = outbox.pending(9)
    first, second = told.data["reports"]
    digest = hashlib.sha256(large).hexdigest()
    assert (first["pdf_sha256"], "pdf" in first) == (digest, False)
    assert base64.b64decode(second["pdf"]) == small
    assert len(protocol.encode(told)) < protocol.MAX_BYTES
    assert outbox.documents(told.id) == [digest]
    assert outbox.document(told.id, digest) == large
    outbox.delivered(told.id)
    assert database.rows("SELECT * FROM documents") == []
    database.close()


def test_a_pdf_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "MOST_PDF", 100)
    with pytest.raises(Unacceptable, match="more than 100 bytes"):
        facts.told(read(oru("X", _ed(PDF + b"%" * 100)).encode()))


def _ed(data: bytes) -> str:
    return ED.replace(base64.b64encode(PDF).decode(), base64.b64encode(data).decode())


def event(number: int, **report: Any) -> protocol.Event:
    data = {
        "sender": "RIS^HOSP",
        "control_id": f"M{number}",
        "type": "ORU^R01",
        "reports": [{"patient_id": "P1", "status": "final", "text": "x", **report}],
    }
    return protocol.Event(id=f"o{number}", event=protocol.HL7, at=datetime.now(UTC), data=data)


@pytest.mark.parametrize(
    ("report", "why"),
    [
        ({"patient_birth_date": "19990101"}, "birth-date"),
        ({"text": ""}, "empty"),
        ({"text": "\u200b"}, "empty"),
        ({"pdf": "%%%"}, "base64"),
        ({"pdf": base64.b64encode(b"MZ").decode()}, "no-pdf"),
        ({"pdf": base64.b64encode(b"%PDF-1.7 half").decode()}, "no-pdf"),
        ({"status": "withdrawn", "filler_order_number": "Z"}, "unknown-report"),
        ({"status": "no"}, "fields: reports"),
        ({"patient_id": ""}, "fields: reports"),
        ({"accession_number": "A" * 17}, "fields: reports"),
        ({"text": "x" * 190_000}, ""),
    ],
)
def test_what_the_portal_does_not_take(
    agent: Agent, patient: Patient, report: dict[str, Any], why: str
) -> None:
    told = event(1, **report)
    reception.happened(agent, told)
    (found,) = AgentEvent.objects.get(event_id="o1").data["outcomes"]
    if not why:  # long texts are cut at the limit, not lost
        assert len(Attachment.objects.get().text) == intake.MOST_TEXT
        return
    assert (found["what"], found["why"]) == ("refused", why)
    assert not Attachment.objects.exists()


def test_whose_report_it_is(agent: Agent, patient: Patient, site: Any, other_site: Any) -> None:
    # Never by name, and never at another site.
    Patient.objects.create(site=other_site, patient_id="P9", patient_name="ROE^R")
    reception.happened(agent, event(1, patient_id="P9", patient_name="ROE^R", text="a"))
    made = Attachment.objects.get(text="a")
    assert (made.site, made.patient.site, made.patient.patient_name) == (site, site, "ROE^R")
    # Images named no issuer; another issuer's number is another person.
    reception.happened(agent, event(2, issuer_of_patient_id="HOSP", text="b"))
    assert Attachment.objects.get(text="b").patient == patient
    Patient.objects.filter(pk=patient.pk).update(issuer_of_patient_id="A")
    reception.happened(agent, event(3, issuer_of_patient_id="B", text="c"))
    assert Attachment.objects.get(text="c").patient != patient
    # Without an issuer in the message and with two in the index nobody guesses.
    reception.happened(agent, event(4, text="d"))
    assert outcomes(event(4)) == ["refused"]


def test_another_patients_number_corrects_nothing(agent: Agent, patient: Patient) -> None:
    reception.happened(agent, event(1, filler_order_number="F1", text="mine"))
    reception.happened(agent, event(2, filler_order_number="F1", text="other", patient_id="P2"))
    assert Attachment.objects.filter(replaced_at=None).count() == 2
    other = Agent.objects.create(site=agent.site, name="Other", state=AgentState.ACTIVE)
    reception.happened(other, event(3, filler_order_number="F1", text="other sender"))
    assert Attachment.objects.filter(replaced_at=None).count() == 3


def test_the_agents_fields_are_those_of_the_intake() -> None:
    import dataclasses

    from agents import ris as portal_ris

    names = {each.name for each in dataclasses.fields(intake.ReportFacts)}
    assert set(portal_ris.ReportFacts().fields) == names
    told = facts.told(read(oru("X", "a", ED).encode()))["reports"][0]
    assert set(told) <= names


@pytest.mark.parametrize(
    ("lines", "status", "found"),
    [
        (["TX|||a||||||F"], "", ("final", "a")),
        (["TX|||a||||||P", "TX|||b||||||F"], "", ("preliminary", "a\nb")),
        (["TX|||a||||||C", "TX|||b||||||F"], "", ("corrected", "a\nb")),
        (["TX|||a||||||D", "TX|||b||||||F"], "", ("corrected", "b")),
        (["TX|||a||||||W"], "", ("withdrawn", "")),
        (["TX|||a~b||||||F", "FT|||c\\.br\\d||||||F"], "", ("final", "a\nb\nc\nd")),
        (["NM|1^Size||12|mm|||||F"], "", ("final", "Size: 12 mm")),
        (["CE|1^BI-RADS||4^suspicious||||||F"], "", ("final", "BI-RADS: suspicious")),
        (["RP|||x||||||F", "TX|||a||||||F"], "", ("final", "a")),
    ],
)
def test_texts_and_states(lines: list[str], status: str, found: tuple[str, str]) -> None:
    obx = "\r".join(f"OBX|{at}|{line}" for at, line in enumerate(lines, 1))
    text = oru("X").replace("\rOBX", "") + "\r" + obx
    (report,) = facts.told(read(text.encode()))["reports"]
    assert (report["status"], report.get("text", "")) == found


def test_what_is_no_report() -> None:
    with pytest.raises(Unacceptable):
        results.reports(read(oru("X").encode()), {})


def test_nobody_reads_them_without_the_site(
    agent: Agent, patient: Patient, logged_in: Any, stranger: Any, referrer: Any
) -> None:
    reception.happened(agent, event(1))
    path = f"/attachments/{Attachment.objects.get().pk}/"
    assert logged_in(stranger).get(path).status_code == 404
    assert logged_in(referrer).get(path).status_code == 404
    assert Client().get(path).status_code in (302, 401)
