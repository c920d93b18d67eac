"""RIS and HIS with real peers: simple-hl7 both ways, dcmtk's findscu, a database; nothing twice."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, Sequence, dcmread
from pydicom.uid import generate_uid
from pynetdicom import AE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ModalityPerformedProcedureStep,
    ModalityWorklistInformationFind,
    Verification,
)

from agents import protocol
from agents.site.worklist import matching
from tests.agents_site.running import RunningAgent
from tests.agents_site.scripted import ScriptedPortal
from tests.clients.hl7 import Receiver, Wire, send
from tests.servers.child import require
from tests.servers.ports import free_port, wait_until

PDF = b"%PDF-1.7 not much of one"
ORDERS = [
    {
        "id": number,
        "seq": number,
        "status": "scheduled",
        "accession_number": f"A{number}",
        "issuer_of_accession_number": "RIS",
        "placer_order_number": f"PL{number}",
        "filler_order_number": f"F{number}",
        "patient_id": f"P{number}",
        "issuer_of_patient_id": "HOSP",
        "patient_name": name,
        "patient_birth_date": "19700131",
        "patient_sex": "F",
        "requested_procedure_id": f"RP{number}",
        "requested_procedure_code": "CT01",
        "requested_procedure_scheme": "LOCAL",
        "requested_procedure_description": "CT chest",
        "scheduled_procedure_step_id": f"SPS{number}",
        "modality": modality,
        "scheduled_station_ae_title": station,
        "referring_physician_name": "House^Greg",
        "reason": "cough",
        "study_instance_uid": f"2.25.{number}",
        "scheduled_date": day,
        "scheduled_time": time,
        "priority": "ROUTINE",
    }
    for number, name, modality, station, day, time in (
        (1, "Müller^José", "CT", "CT1", "20261124", "080000"),
        (2, "MILLER^Ann", "CT", "CT2", "20261124", "143000"),
        (3, "Yamada^Tarou=山田^太郎", "MR", "MR1", "20261125", "090000"),
        (4, "Mul*er^Odd", "CT", "CT1", "20261126", "235959"),
    )
]


class Hospital:
    """An agent with everything of a RIS, its portal, and a HIS that takes reports."""

    def __init__(self, folder: Path, portal: ScriptedPortal, receiver: Receiver) -> None:
        self.portal, self.receiver = portal, receiver
        self.hl7_port, self.dicom_port = free_port(), free_port()
        database = folder / "ris.db"
        made = sqlite3.connect(database)
        made.execute("CREATE TABLE orders (accession TEXT, name TEXT)")
        made.execute("INSERT INTO orders VALUES ('A1', 'Müller^José')")
        made.commit()
        made.close()
        self.agent = RunningAgent(
            folder / "agent",
            portal.url,
            sections=f"""
[hl7]
port = {self.hl7_port}
address = "127.0.0.1"
peers = ["127.0.0.1"]
max_message_kb = 64
[worklist]
port = {self.dicom_port}
address = "127.0.0.1"
peers = ["CT1@127.0.0.1", "MR1@10.9.9.9"]
[[databases]]
name = "ris"
url = "sqlite:///{database}"
[[queries]]
name = "order"
database = "ris"
sql = "SELECT name FROM orders WHERE accession = :acc"
params = {{acc = {{type = "text", max = 40}}}}
[[oru]]
name = "his"
host = "127.0.0.1"
port = {receiver.port}
answer_seconds = 2
give_up_seconds = 20
[[oru]]
name = "hasty"
host = "127.0.0.1"
port = {receiver.port}
answer_seconds = 0.3
give_up_seconds = 1.2
""",
        )

    def start(self) -> None:
        before = len(self.portal.of(protocol.Register))
        self.agent.start()
        self.portal.wait_registered(before + 1)
        for port in (self.hl7_port, self.dicom_port):
            wait_until(lambda port=port: _open(port), 60, "the agent listens")

    def events(self, kind: str = protocol.HL7) -> list[dict[str, Any]]:
        """What the portal was told, in the order it was told."""
        return [each.data for each in self.portal.of(protocol.Event) if each.event == kind]

    def controls(self) -> list[str]:
        return [each["control_id"] for each in self.events()]

    def waiting(self) -> int:
        """Events in the agent's outbox."""
        made = sqlite3.connect(self.agent.state_dir / "agent.sqlite3", timeout=10)
        try:
            return int(made.execute("SELECT count(*) FROM events").fetchone()[0])
        finally:
            made.close()

    def oru(self, control_id: str, who: str = "P1", **params: Any) -> protocol.Result:
        key = params.pop("key", f"key {control_id}")
        command = self.portal.command(
            "send-oru",
            key=key,
            params={
                "receiver": "his",
                "controlId": control_id,
                "report": {"patientId": who, "patientName": "Müller^José", "status": "F"},
                "text": "Nodule 5|6 mm & stable\nNo change",
                **params,
            },
        )
        return self.portal.result(command, 60)


def _open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("hospital")
    with ScriptedPortal() as portal, Receiver(folder) as receiver:
        portal.pages["/api/agents/worklist/"] = json.dumps(
            {"cursor": 4, "more": False, "orders": ORDERS}
        ).encode()
        portal.pages["/reports/1.pdf"] = PDF
        made = Hospital(folder, portal, receiver)
        made.start()
        yield made
        made.agent.stop()


def order(control_id: str, control: str = "NW", *, name: str = "Doe^Jane", number: str = "") -> str:
    number = number or control_id
    return "\r".join(
        [
            f"MSH|^~\\&|RIS|HOSP|PACS|HOSP|20261124||ORM^O01|{control_id}|P|2.3",
            f"PID|||P1||{name}||19700131|F",
            f"ORC|{control}|{number}",
            f"OBR|1|{number}||CT01^CT chest",
        ]
    )


# HL7 in


def test_orders_of_a_ris(hospital: Hospital) -> None:
    answers = send(
        hospital.hl7_port, order("M1", name="Müller^José"), order("M2", "CA", number="M1")
    )
    assert answers == [["AA", "M1", ""], ["AA", "M2", ""]]
    hospital.portal.wait(lambda: {"M1", "M2"} <= set(hospital.controls()), "two messages", 60)
    first = hospital.events()[0]
    assert (first["sender"], first["type"]) == ("RIS^HOSP", "ORM^O01")
    assert first["orders"][0]["patient_name"] == "Müller^José"
    # Once more, with another time in MSH-7, and another message under a known id.
    again = order("M1", name="Müller^José").replace("|20261124|", "|20261125|")
    answers = send(hospital.hl7_port, again, order("M1", name="Other^One"), order("M3"))
    assert [each[0] for each in answers] == ["AA", "AE", "AA"]
    assert "another message" in answers[1][2]
    hospital.portal.wait(lambda: "M3" in hospital.controls(), "the third", 60)
    assert hospital.controls() == ["M1", "M2", "M3"]
    assert "Müller" not in hospital.agent.log


def test_samples_of_a_vendor(hospital: Hospital) -> None:
    from tests.clients.packages import package

    samples = package("simple-hl7@3.3.0") / "test" / "samples"
    texts = {
        name: (samples / f"{name}.hl7").read_text().replace("\r\n", "\r").replace("\n", "\r")
        for name in ("orm", "adt", "oru")
    }
    answers = {name: send(hospital.hl7_port, text)[0] for name, text in texts.items()}
    assert answers["orm"][0] == "AA"
    assert answers["adt"][0] == "AR"
    assert "MSH-11" in answers["adt"][2]
    assert answers["oru"][0] == "AA"
    accepted = send(hospital.hl7_port, texts["adt"].replace("|D|2.5|", "|P|2.5|"))
    assert accepted[0][0] == "AA"
    hospital.portal.wait(
        lambda: any(each.get("patient", {}).get("patient_id") for each in hospital.events()),
        "the patient",
        60,
    )


def test_hostile_input(hospital: Hospital) -> None:
    with Wire(hospital.hl7_port) as wire:
        for data in (
            b"",
            b"MSH",
            b"\x00" * 100,
            b"MSH|^~\\&|" + b"|" * 5000,
            b"MSH|^~\\&|A|B|C|D|||ORM^O01|X1|P|2.3\rPID|||P1||\xff\xfe",
            order("X2").replace("P1", "'; DROP TABLE events; --" * 40).encode(),
            order("X3").replace("|NW|", "|\\X00\\\\X|").encode(),
            order("").encode(),
        ):
            answer = wire.ask(data)
            assert b"\rMSA|A" in answer, data[:40]
            assert b"\rMSA|AA" not in answer, data[:40]
        # Two at once, in pieces, the first one broken off.
        wire.write(b"\x0bMSH|half" + b"\x0b" + order("X4").encode()[:50])
        wire.write(order("X4").encode()[50:] + b"\x1c")
        wire.write(b"\r")
        assert b"MSA|AA|X4" in wire.read()
    for data in (b"\x0b" + b"x" * 70_000, b"GET / HTTP/1.1\r\n" * 100):
        with Wire(hospital.hl7_port) as wire:
            wire.write(data)
            assert b"MSA|AR" in wire.read()
            assert wire.read() == b""
    assert send(hospital.hl7_port, order("X5"))[0][0] == "AA"


def test_peers_that_are_not_listed(hospital: Hospital) -> None:
    with Wire(hospital.hl7_port, "127.0.0.2") as wire:
        wire.socket.settimeout(30)
        assert wire.read() == b""
    hospital.agent.wait_log("127.0.0.2 is not a listed peer")
    with Wire(hospital.dicom_port, "127.0.0.2") as wire:
        assert wire.read() == b""
    hospital.agent.wait_log("worklist: 127.0.0.2 is not a listed peer")


def test_portal_away_and_agent_killed_before_the_acknowledgement(hospital: Hospital) -> None:
    """Each message is on the disk before it is acknowledged: whenever the agent dies, the sender's
    next try is acknowledged, and the portal hears of it once and in order."""
    portal = hospital.portal
    portal.wait(lambda: hospital.waiting() == 0, "an empty outbox", 60)
    before = len(hospital.controls())
    portal.acknowledge = False
    names = [f"K{number}" for number in range(2)]
    for number, name in enumerate(names):
        if number % 2:
            assert send(hospital.hl7_port, order(name))[0][0] == "AA"
            continue
        with Wire(hospital.hl7_port) as wire:
            wire.write(b"\x0b" + order(name).encode() + b"\x1c\r")
            wait_until(lambda: hospital.waiting() > number, 60, "kept")  # noqa: B023
            hospital.agent.kill()
        hospital.start()
        assert send(hospital.hl7_port, order(name))[0] == ["AA", name, ""]
    assert hospital.waiting() == len(names)
    portal.acknowledge = True
    portal.close()
    portal.wait(lambda: hospital.waiting() == 0, "an empty outbox", 60)
    told = hospital.controls()[before:]
    # Sent again after each death, at least once; the last round is complete and in order.
    assert told[-len(names) :] == names
    ids = [each.id for each in portal.of(protocol.Event) if each.data.get("control_id") == "K0"]
    assert len(set(ids)) == 1


def test_one_at_a_time_and_again_after_a_fault(hospital: Hospital) -> None:
    """What the portal cannot take now holds back what builds on it."""
    portal = hospital.portal
    portal.acknowledge = False
    before = len(hospital.controls())
    send(hospital.hl7_port, order("F1"), order("F2", "CA", number="F1"))
    portal.wait(lambda: len(hospital.controls()) > before, "the first", 60)
    (event,) = [each for each in portal.of(protocol.Event) if each.data["control_id"] == "F1"]
    portal.say(protocol.Error(code="portal", message="a fault", ref=event.id))
    portal.wait(lambda: hospital.controls()[before:] == ["F1", "F1"], "the first again", 60)
    portal.acknowledge = True
    portal.say(protocol.Accepted(id=event.id, of="event"))
    portal.wait(lambda: hospital.controls()[before:] == ["F1", "F1", "F2"], "the second", 60)


# Reports out


def test_a_report_is_taken_once(hospital: Hospital) -> None:
    sha = hashlib.sha256(PDF).hexdigest()
    done = hospital.oru("R1", pdf=base64.b64encode(PDF).decode(), pdfSha256=sha)
    assert (done.outcome, done.data) == ("done", {"acknowledgement": "AA", "controlId": "R1"})
    (got,) = hospital.receiver.got("R1")
    assert got["name"] == "Müller^José"
    # simple-hl7 leaves escapes as they come.
    assert got["obx"][0][4] == "Nodule 5\\F\\6 mm \\T\\ stable\\.br\\No change"
    assert base64.b64decode(got["obx"][1][4].split("^")[-1]) == PDF
    # Asked for again, under another key: it is known and not sent.
    again = hospital.oru("R1", key="another", pdf=base64.b64encode(PDF).decode(), pdfSha256=sha)
    assert (again.outcome, again.data["again"]) == ("done", True)
    assert hospital.oru("R1", key="third", text="Other").code == "reused"
    assert len(hospital.receiver.got("R1")) == 1
    assert "Nodule" not in json.dumps(hospital.agent.audit())


def test_a_pdf_from_the_portal(hospital: Hospital) -> None:
    sha = hashlib.sha256(PDF).hexdigest()
    done = hospital.oru("R2", text="", pdfPath="/reports/1.pdf", pdfSha256=sha)
    assert done.outcome == "done", done
    (got,) = hospital.receiver.got("R2")
    assert base64.b64decode(got["obx"][0][4].split("^")[-1]) == PDF
    asked = hospital.portal.headers[hospital.portal.paths.index("/reports/1.pdf")]
    assert asked["authorization"] == "Bearer lba_none"
    for number, path in enumerate(("/none.pdf", "//127.0.0.1:9/x", "http://127.0.0.1:9/x")):
        assert hospital.oru(f"R3{number}", pdfPath=path, pdfSha256=sha).code == "pdf"
    assert hospital.oru("R4", pdfPath="/reports/1.pdf", pdfSha256="0" * 64).code == "pdf"


def test_reports_that_are_refused_or_not_answered(hospital: Hospital) -> None:
    refused = hospital.oru("R5", "AE")
    assert (refused.outcome, refused.code) == ("failed", "refused")
    assert "AE: no such patient" in refused.message
    assert hospital.oru("R6", "AR").code == "refused"
    late = hospital.oru("R7", "LATE")
    assert late.outcome == "done"
    assert len(hospital.receiver.got("R7")) == 2
    silent = hospital.oru("R8", "SILENT", receiver="hasty")
    assert (silent.code, "Look there" in silent.message) == ("uncertain", True)
    for params in (
        {"receiver": "nobody"},
        {"report": {}},
        {"report": {"patientId": "P1", "status": "Q"}},
        {"report": {"patientId": "P1", "secret": "x"}},
        {"text": ""},
        {"text": "", "pdf": "%%%"},
    ):
        name = f"B{hashlib.sha256(repr(params).encode()).hexdigest()[:8]}"
        assert hospital.oru(name, **params).outcome == "failed", params
        assert not hospital.receiver.got(name)
    hospital.receiver.stop()
    assert hospital.oru("R9", receiver="hasty").code == "unreachable"
    hospital.receiver.start()
    assert hospital.oru("R9", key="R9 again").outcome == "done"


def test_killed_between_the_acknowledgement_and_its_report(hospital: Hospital) -> None:
    portal, agent = hospital.portal, hospital.agent
    portal.acknowledge = False
    done = hospital.oru("D1")
    assert done.outcome == "done"
    agent.kill()
    # As if it had died one step earlier: the receiver has it, the journal says "running".
    made = sqlite3.connect(agent.state_dir / "agent.sqlite3", timeout=10)
    made.execute("UPDATE commands SET state = 'running', outcome = '' WHERE key = 'key D1'")
    made.execute(
        "INSERT INTO commands (key, id, command, requester, state, at)"
        " VALUES ('key D2', 'id-d2', 'send-oru', '', 'running', 0)"
    )
    made.execute("INSERT INTO oru VALUES ('his', 'D2', 'x', 'sending', '', 'key D2', 0)")
    made.commit()
    made.close()
    heard = len(portal.of(protocol.Result))
    hospital.start()
    portal.acknowledge = True
    portal.wait(lambda: len(portal.of(protocol.Result)) >= heard + 2, "both results", 60)
    found = {each.id: each for each in portal.of(protocol.Result)[heard:]}
    assert (found[done.id].outcome, found[done.id].data["controlId"]) == ("done", "D1")
    assert (found["id-d2"].outcome, found["id-d2"].code) == ("failed", "uncertain")
    again = hospital.oru("D1", key="asked again")
    assert again.data["again"] is True
    assert len(hospital.receiver.got("D1")) == 1


# Queries


def test_a_query(hospital: Hospital) -> None:
    portal = hospital.portal

    def ask(name: str, **params: Any) -> protocol.Result:
        return portal.result(
            portal.command("query-ris", params={"name": name, "params": params}), 60
        )

    assert ask("order", acc="A1").data == {
        "columns": ["name"],
        "rows": [["Müller^José"]],
        "truncated": False,
    }
    assert ask("order", acc="x' OR '1'='1").data["rows"] == []
    assert ask("orders; DROP TABLE orders", acc="A1").code == "query"
    assert ask("order", acc=7).code == "params"


# Worklist


def findscu(hospital: Hospital, folder: Path, *keys: str, title: str = "CT1") -> list[Dataset]:
    """What dcmtk's findscu is answered."""
    folder.mkdir()
    done = subprocess.run(
        [
            *(require("findscu"), "-W", "-X", "-od", folder, "-aet", title, "-aec", "LIGHTBOX"),
            *("127.0.0.1", str(hospital.dicom_port)),
            *(part for key in keys for part in ("-k", key)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [dcmread(path, force=True) for path in sorted(folder.glob("*.dcm"))]


STEP = "ScheduledProcedureStepSequence[0]."


CASES: list[tuple[list[str], str]] = [
    ([], "1234"),
    (["PatientName=müller*"], "1"),
    (["PatientName=MULLER*"], "1"),
    (["PatientName=M?ller^*"], "12"),
    (["PatientName=miller^ann"], "2"),
    (["PatientName=山田*"], "3"),
    (["PatientName=*"], "1234"),
    (["PatientName=[M]*"], ""),
    (["AccessionNumber=A2"], "2"),
    (["AccessionNumber=a2"], ""),
    (["PatientID=P?"], "1234"),
    (["PatientBirthDate=19700131"], "1234"),
    (["PatientBirthDate=19700201-"], ""),
    ([f"{STEP}Modality=CT"], "124"),
    ([f"{STEP}Modality=MR", "PatientID=P1"], ""),
    ([f"{STEP}ScheduledStationAETitle=CT1"], "14"),
    ([f"{STEP}ScheduledProcedureStepStartDate=20261124"], "12"),
    ([f"{STEP}ScheduledProcedureStepStartDate=20261125-"], "34"),
    ([f"{STEP}ScheduledProcedureStepStartDate=-20261124"], "12"),
    (
        [
            f"{STEP}ScheduledProcedureStepStartDate=20261124-20261125",
            f"{STEP}ScheduledProcedureStepStartTime=100000-093000",
        ],
        "23",
    ),
    (
        [
            f"{STEP}ScheduledProcedureStepStartDate=20261124",
            f"{STEP}ScheduledProcedureStepStartTime=0700-0900",
        ],
        "1",
    ),
    ([f"{STEP}ScheduledProcedureStepStatus=STARTED"], ""),
    (["StudyInstanceUID=2.25.1\\2.25.3"], "13"),
    (["PatientWeight=80"], "1234"),
]


@pytest.mark.parametrize(("keys", "wanted"), CASES)
def test_matching(keys: list[str], wanted: str) -> None:
    query = Dataset()
    query.PatientID = ""
    for key in keys:
        path, _, value = key.partition("=")
        if path.startswith(STEP):
            if "ScheduledProcedureStepSequence" not in query:
                query.ScheduledProcedureStepSequence = Sequence([Dataset()])
            setattr(query.ScheduledProcedureStepSequence[0], path.removeprefix(STEP), value)
        else:
            setattr(query, path, value.split("\\") if "\\" in value else value)
    one_by_one = [matching.answer(query, matching.item(each)) for each in ORDERS]
    for answers in (one_by_one, matching.answers(query, ORDERS)):
        assert "".join(each.PatientID[1:] for each in answers if each is not None) == wanted


@pytest.mark.parametrize(("keys", "wanted"), [CASES[place] for place in (0, 1, 5, 9, 19, 22)])
def test_worklist_by_findscu(
    hospital: Hospital, tmp_path: Path, keys: list[str], wanted: str
) -> None:
    found = findscu(
        hospital,
        tmp_path / "found",
        *("SpecificCharacterSet=ISO_IR 192", "PatientID", "AccessionNumber", *keys),
    )
    assert "".join(sorted(each.PatientID[1:] for each in found)) == wanted


def test_what_a_modality_is_told(hospital: Hospital, tmp_path: Path) -> None:
    (found,) = findscu(
        hospital,
        tmp_path / "found",
        *("PatientID=P3", "PatientName", "StudyInstanceUID", "RequestedProcedureID"),
        *("RequestedProcedureCodeSequence", f"{STEP}Modality", "PatientWeight"),
        *(f"{STEP}ScheduledProcedureStepStartTime", f"{STEP}ScheduledProcedureStepID"),
    )
    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert found.PatientName.ideographic == "山田^太郎"
    assert (found.StudyInstanceUID, found.RequestedProcedureID) == ("2.25.3", "RP3")
    assert found.RequestedProcedureCodeSequence[0].CodeValue == "CT01"
    (step,) = found.ScheduledProcedureStepSequence
    assert (step.Modality, step.ScheduledProcedureStepStartTime) == ("MR", "090000")
    assert step.ScheduledProcedureStepID == "SPS3"
    assert "ScheduledStationAETitle" not in step
    assert found["PatientWeight"].is_empty
    assert "AccessionNumber" not in found


def test_titles_that_are_not_listed(hospital: Hospital) -> None:
    def associates(title: str, called: str = "LIGHTBOX") -> bool:
        entity = AE(title)
        entity.add_requested_context(Verification)
        association = entity.associate("127.0.0.1", hospital.dicom_port, ae_title=called)
        found = association.is_established
        if found:
            assert association.send_c_echo().Status == 0
            association.release()
        return found

    assert associates("CT1")
    assert not associates("CT9")
    assert not associates("MR1")
    assert not associates("CT1", "OTHER")
    hospital.agent.wait_log("MR1 is not at 127.0.0.1")


def test_changed_orders_are_fetched_at_once(hospital: Hospital, tmp_path: Path) -> None:
    portal = hospital.portal
    changed = [{**ORDERS[0], "patient_name": "Later^Name"}, {**ORDERS[1], "status": "cancelled"}]
    portal.pages["/api/agents/worklist/"] = json.dumps(
        {"cursor": 9, "more": False, "orders": changed}
    ).encode()
    portal.say(protocol.News(of="orders"))
    counter = iter(range(1000))

    def names() -> dict[str, str]:
        folder = tmp_path / f"found{next(counter)}"
        return {
            each.PatientID: str(each.PatientName)
            for each in findscu(hospital, folder, "PatientID", "PatientName")
        }

    wait_until(lambda: names().get("P1") == "Later^Name", 60, "the change")
    assert set(names()) == {"P1", "P3", "P4"}
    assert any(path.endswith("since=4") for path in portal.paths)
    # The portal is away and the agent starts anew: it still answers.
    portal.refuse = (503, {})
    page = portal.pages.pop("/api/agents/worklist/")
    try:
        hospital.agent.kill()
        hospital.agent.start()
        wait_until(lambda: _open(hospital.dicom_port), 60, "the agent listens")
        assert set(names()) == {"P1", "P3", "P4"}
    finally:
        portal.refuse = None
        portal.pages["/api/agents/worklist/"] = page
    portal.wait_registered(len(portal.of(protocol.Register)) + 1)


def test_a_procedure_step_from_its_beginning_to_its_end(hospital: Hospital) -> None:
    entity = AE("CT1")
    entity.add_requested_context(ModalityPerformedProcedureStep)
    association = entity.associate("127.0.0.1", hospital.dicom_port, ae_title="LIGHTBOX")
    assert association.is_established
    scheduled = Dataset()
    scheduled.StudyInstanceUID, scheduled.AccessionNumber = "2.25.1", "A1"
    step = Dataset()
    step.PerformedProcedureStepStatus = "IN PROGRESS"
    step.ScheduledStepAttributesSequence = Sequence([scheduled])
    uid = generate_uid()
    send_create = association.send_n_create
    assert send_create(step, ModalityPerformedProcedureStep, uid)[0].Status == 0
    assert send_create(step, ModalityPerformedProcedureStep, uid)[0].Status == 0x0111
    images = []
    for number in range(3):
        image = Dataset()
        image.ReferencedSOPInstanceUID = f"1.2.{number}"
        images.append(image)
    series = Dataset()
    series.ReferencedImageSequence = Sequence(images)
    end = Dataset()
    end.PerformedProcedureStepStatus = "COMPLETED"
    end.PerformedSeriesSequence = Sequence([series])
    send_set = association.send_n_set
    assert send_set(end, ModalityPerformedProcedureStep, uid)[0].Status == 0
    assert send_set(end, ModalityPerformedProcedureStep, uid)[0].Status == 0x0110
    unknown = send_set(end, ModalityPerformedProcedureStep, generate_uid())[0].Status
    assert unknown == 0x0112
    association.release()
    hospital.portal.wait(lambda: len(hospital.events(protocol.MPPS)) == 2, "two events", 60)
    assert hospital.events(protocol.MPPS) == [
        {"study_instance_uid": "2.25.1", "accession_number": "A1", "status": "in_progress"},
        {
            "study_instance_uid": "2.25.1",
            "accession_number": "A1",
            "status": "completed",
            "images": 3,
        },
    ]


def test_queries_of_odd_shape(hospital: Hospital) -> None:
    entity = AE("CT1")
    entity.add_requested_context(ModalityWorklistInformationFind)
    association = entity.associate("127.0.0.1", hospital.dicom_port, ae_title="LIGHTBOX")
    deep = Dataset()
    deep.ScheduledProcedureStepSequence = Sequence([Dataset(), Dataset()])
    nonsense = Dataset()
    nonsense.ScheduledProcedureStepSequence = Sequence([Dataset()])
    step = nonsense.ScheduledProcedureStepSequence[0]
    step.ScheduledProcedureStepStartTime = "090000-"
    step.ScheduledProcedureStepStartDate = "-"
    for query in (Dataset(), deep, nonsense):
        query.PatientName = "*"
        found = list(association.send_c_find(query, ModalityWorklistInformationFind))
        assert found[-1][0].Status == 0x0000
        assert {status.Status for status, _ in found[:-1]} == {0xFF00}
    association.release()
    assert association.is_released
