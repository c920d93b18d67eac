"""From the RIS to the study: order by HL7, worklist, images, procedure step, with the product."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, Sequence, dcmread
from pydicom.uid import generate_uid
from pynetdicom import AE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ModalityPerformedProcedureStep,
    ModalityWorklistInformationFind,
)

from tests.agents_site.test_with_portal import about, check, site_agent
from tests.clients.hl7 import send
from tests.servers.portal import Portal, wait
from tests.servers.ports import free_port

pytestmark = pytest.mark.integration

ORM = "\r".join(
    [
        "MSH|^~\\&|RIS|HOSP|PACS|HOSP|20261124||ORM^O01|{id}|P|2.5||||||UNICODE UTF-8",
        "PID|||RIS-P1^^^^MR||Müller^José||19700131|M",
        "ORC|{control}|{number}",
        "OBR|1|{number}||CT01^CT chest^LOCAL|S|||||||||||||||||||CT|||^^^202611241430^^S",
    ]
)


def orders(portal: Portal, number: str) -> list[dict[str, Any]]:
    status, body, _ = portal.request("GET", f"/api/orders/?accession_number={number}")
    assert status == 200, body
    return json.loads(body)["results"]


def worklist(port: int, number: str) -> list[Dataset]:
    entity = AE("CT1")
    entity.add_requested_context(ModalityWorklistInformationFind)
    association = entity.associate("127.0.0.1", port, ae_title="LIGHTBOX")
    assert association.is_established
    query = Dataset()
    query.AccessionNumber = number
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "StudyInstanceUID"):
        setattr(query, keyword, "")
    step = Dataset()
    step.ScheduledProcedureStepStartDate = step.Modality = ""
    query.ScheduledProcedureStepSequence = Sequence([step])
    found = [
        item for _, item in association.send_c_find(query, ModalityWorklistInformationFind) if item
    ]
    association.release()
    return found


def performed(port: int, study: str, images: list[Path]) -> None:
    entity = AE("CT1")
    entity.add_requested_context(ModalityPerformedProcedureStep)
    association = entity.associate("127.0.0.1", port, ae_title="LIGHTBOX")
    scheduled, begin, end, series = Dataset(), Dataset(), Dataset(), Dataset()
    scheduled.StudyInstanceUID = study
    begin.PerformedProcedureStepStatus = "IN PROGRESS"
    begin.ScheduledStepAttributesSequence = Sequence([scheduled])
    references = []
    for path in images:
        reference = Dataset()
        reference.ReferencedSOPInstanceUID = dcmread(path).SOPInstanceUID
        references.append(reference)
    series.ReferencedImageSequence = Sequence(references)
    end.PerformedProcedureStepStatus = "COMPLETED"
    end.PerformedSeriesSequence = Sequence([series])
    uid = generate_uid()
    created, _ = association.send_n_create(begin, ModalityPerformedProcedureStep, uid)
    changed, _ = association.send_n_set(end, ModalityPerformedProcedureStep, uid)
    association.release()
    assert (created.Status, changed.Status) == (0, 0)


def test_from_the_order_to_the_complete_study(
    portal: Portal, series: Callable[..., Any], tmp_path: Path
) -> None:
    hl7_port, dicom_port, free = free_port(), free_port(), free_port()
    number, running = site_agent(
        portal,
        tmp_path,
        f"""
[hl7]
port = {hl7_port}
address = "127.0.0.1"
peers = ["127.0.0.1"]
[worklist]
port = {dicom_port}
address = "127.0.0.1"
peers = ["CT1@127.0.0.0/8"]
refresh_seconds = 3600
[[databases]]
name = "ris"
url = "sqlite:///{tmp_path}/none.db"
[[oru]]
name = "his"
host = "127.0.0.1"
port = {free}
""",
    )
    _, table = check(running)
    wanted = ("hl7", "worklist", "worklist orders", "database ris", "oru his")
    assert [table[name][0] for name in wanted] == ["ok", "ok", "ok", "FAIL", "FAIL"], table
    with running:
        wait(lambda: about(portal, number)["is_online"], 60, "online", portal)
        assert {"hl7", "worklist"} <= set(about(portal, number)["capabilities"])
        accession = f"ACC{number}"
        ordered = ORM.format(id="I1", control="NW", number=accession)
        assert send(hl7_port, ordered) == [["AA", "I1", ""]]
        wait(lambda: len(orders(portal, accession)) == 1, 60, "the order", portal)
        # The portal says that orders have changed; by itself the agent would ask in an hour.
        wait(lambda: len(worklist(dicom_port, accession)) == 1, 60, "the item", portal)
        (item,) = worklist(dicom_port, accession)
        order = orders(portal, accession)[0]
        assert item.StudyInstanceUID == order["study_instance_uid"]
        assert str(item.PatientName) == "Müller^José"
        day = item.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartDate
        assert day == "20261124"

        files, _ = series(
            3,
            patient_name="Müller^José",
            patient_id=str(item.PatientID),
            patient_birth_date=str(item.PatientBirthDate),
            accession_number=accession,
        )
        for path in files:
            image = dcmread(path)
            image.StudyInstanceUID = item.StudyInstanceUID
            assert portal.upload(_bytes(image, tmp_path / "image.dcm"))[0] == 201
        order = orders(portal, accession)[0]
        assert order["study"] is not None
        assert order["match_problem"] == ""

        # The portal is away while the modality ends and the RIS goes on.
        old = portal.stack.kill("web")
        performed(dicom_port, item.StudyInstanceUID, files)
        second = ORM.format(id="I2", control="NW", number=f"{accession}B")
        cancel = ORM.format(id="I3", control="CA", number=f"{accession}B")
        assert [each[0] for each in send(hl7_port, second, cancel, second)] == ["AA", "AA", "AA"]
        portal.stack.wait_restarted("web", old)
        portal.stack.wait_healthy()

        def cancelled() -> bool:
            found = orders(portal, f"{accession}B")
            return [each["status"] for each in found] == ["cancelled"]

        wait(cancelled, 60, "ordered and cancelled, in this order", portal)
        order = orders(portal, accession)[0]
        assert (order["status"], order["expected_instances"]) == ("completed", 3)
        state = portal.stack.shell(
            "from studies.models import Study\n"
            f"study = Study.objects.get(pk={order['study']})\n"
            "print(study.priority, study.arrival, study.expected_instances)"
        )
        assert state.strip() == "0 complete 3"
        wait(lambda: worklist(dicom_port, accession) == [], 60, "no longer to be done", portal)


def _bytes(image: Dataset, path: Path) -> bytes:
    image.save_as(path)
    return path.read_bytes()
