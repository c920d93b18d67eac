"""From the RIS to the study: order by HL7, worklist, images, procedure step, with the product."""

from __future__ import annotations

import base64
import hashlib
import json
import random
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
from tests.reports.factories_find import large_pdf
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


ORU = "\r".join(
    [
        "MSH|^~\\&|RIS|HOSP|PACS|HOSP|20261124||ORU^R01|{id}|P|2.3",
        "PID|||{who}||Large^Lara||19700131|F",
        "OBR|1|PL1|{number}|CT01^CT chest|||202411231015",
        "OBX|1|ED|PDF^Report||RIS^application^PDF^Base64^{pdf}||||||{status}",
    ]
)


def test_a_report_of_a_megabyte_comes_whole_and_in_order(
    portal: Portal, series: Callable[..., Any], tmp_path: Path
) -> None:
    """simple-hl7 sends PDFs of 1 and 3 MB while the portal is away; one corrects the other."""
    port = free_port()
    number, running = site_agent(
        portal, tmp_path, f'[hl7]\nport = {port}\naddress = "127.0.0.1"\npeers = ["127.0.0.1"]\n'
    )
    who, accession = f"LARGE-{number}", f"LRG{number}"
    files, _ = series(
        1, patient_name="Large^Lara", patient_id=who, patient_birth_date="19700131",
        accession_number=accession,
    )  # fmt: skip
    for path in files:
        assert portal.upload(path.read_bytes())[0] == 201
    old, new = (large_pdf(random.Random(size).randbytes(size * 2**20)) for size in (1, 3))
    with running:
        wait(lambda: about(portal, number)["is_online"], 60, "online", portal)
        web = portal.stack.kill("web")
        texts = [
            ORU.format(id=f"L{at}", who=who, number=accession, status=status,
                       pdf=base64.b64encode(data).decode())
            for at, (status, data) in enumerate((("F", old), ("C", new)))
        ]  # fmt: skip
        # Taken once, whatever is sent again.
        assert [each[0] for each in send(port, texts[0], texts[1], texts[0])] == ["AA"] * 3
        portal.stack.wait_restarted("web", web)
        portal.stack.wait_healthy()
        wait(lambda: len(_kept(portal, who)) == 2, 90, "both reports", portal)
    (first, replaced, was), (second, valid, status) = _kept(portal, who)
    assert (replaced, was, valid, status) == ("True", "final", "False", "corrected")
    for pk, data in ((first, old), (second, new)):
        code, body, headers = portal.request("GET", f"/api/attachments/{pk}/")
        assert code == 200
        assert hashlib.sha256(body).hexdigest() == hashlib.sha256(data).hexdigest()
        assert "sandbox" in headers["content-security-policy"]
    assert portal.request("GET", f"/api/attachments/{first}/", who=None)[0] == 401


def _kept(portal: Portal, who: str) -> list[list[str]]:
    out = portal.stack.shell(
        "from reports.attachments.models import Attachment\n"
        f"rows = Attachment.objects.filter(patient__patient_id={who!r})\n"
        "for each in rows.order_by('added_at'):\n"
        "    print('kept', each.pk, each.replaced_at is not None, each.status)"
    )
    return [line.split()[1:] for line in out.splitlines() if line.startswith("kept ")]


def _bytes(image: Dataset, path: Path) -> bytes:
    image.save_as(path)
    return path.read_bytes()
