"""ORU^R01: what a receiver reads in it, in every state of a report."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from agents.site.hl7 import message
from agents.site.hl7.message import Message
from agents.site.hl7.oru import build, checked
from agents.site.options import OruSection
from pacs.accounts.models import User
from reports.models import ReportVersion, VersionKind
from reports.output import hl7, pdf
from reports.output.typesetter import typesetter
from studies.orders.models import Order
from tests.clients.hl7 import _environment
from tests.reports import factories_output as made
from tests.servers.child import require

pytestmark = pytest.mark.django_db
HOSTILE = "<p>10 &lt; x | y ^ z ~ \\ &amp; end</p><p>MSH|^~\\&amp;|second line</p><p>ü 結節</p>"
PARSE = """
const hl7 = require("simple-hl7"), parser = new hl7.Parser();
const msg = parser.parse(require("fs").readFileSync(0, "utf8"));
const obx = msg.getSegments("OBX").map((s) => [2, 3, 5, 11].map((n) => String(s.getField(n))));
const pid = msg.getSegment("PID"), obr = msg.getSegment("OBR");
console.log(JSON.stringify({
  type: String(msg.header.getField(7)), id: String(msg.header.getField(8)),
  name: String(pid.getField(5)), status: String(obr.getField(25)), obx}));
"""


@pytest.fixture(scope="module", autouse=True)
def _typesetter() -> Iterator[None]:
    yield
    typesetter().close()


@pytest.fixture
def signed(study: Any, radiologist: User) -> ReportVersion:
    radiologist.first_name, radiologist.last_name = "Änne", "Müller"
    radiologist.save()
    study.accession_number, study.study_date, study.study_time = "A-1", "20260318", "101542.5"
    study.patient_name, study.issuer_of_patient_id = "O'Neil^Seán^^Dr.^Jr", "HOSP"
    study.referring_physician_name = "Haddad^Samir"
    study.save()
    Order.objects.create(
        site=study.site,
        study=study,
        patient_id=study.patient_id,
        placer_order_number="PL|1",
        filler_order_number="FI1",
        requested_procedure_code="CTTHX",
        requested_procedure_description="CT thorax",
    )
    return made.version(
        study,
        radiologist,
        sections={"findings": HOSTILE, "impression": "<ol><li>One</li><li>Two</li></ol>"},
        measurements=[made.measurement()],
    )


def again(signed: ReportVersion, kind: str, **fields: Any) -> ReportVersion:
    return made.version(
        signed.report.study, signed.signer, report=signed.report, kind=kind, **fields
    )


def read(data: bytes) -> Message:
    return message.read(data)


def observations(data: bytes) -> list[tuple[str, str, str, str]]:
    """Type, code, value and status of each OBX."""
    return [
        (one.raw(2), one.get(3), one.get(5), one.raw(11))
        for one in read(data).segments
        if one.name == "OBX"
    ]


def test_what_a_receiver_reads(signed: ReportVersion) -> None:
    data = hl7.er7(signed, hl7.Ends(receiving_application="RIS", receiving_facility="A|B"))
    got = read(data)
    assert (got.header.get(9), got.header.get(9, 2), got.header.get(12)) == ("ORU", "R01", "2.5.1")
    assert got.header.get(6) == "A|B"
    assert got.header.get(10) == f"LB{signed.pk}"
    pid, orc, obr = (got.first(name) for name in ("PID", "ORC", "OBR"))
    assert pid is not None
    assert orc is not None
    assert obr is not None
    assert (pid.get(3), pid.get(3, 4)) == (signed.content["patient"]["id"], "HOSP")
    assert [pid.get(5, part) for part in (1, 2, 4, 5)] == ["O'Neil", "Seán", "Jr", "Dr."]
    assert (orc.get(1), orc.get(2), orc.get(3)) == ("RE", "PL|1", "FI1")
    assert (obr.get(4), obr.get(4, 2)) == ("CTTHX", "CT thorax")
    assert (obr.get(7), obr.get(18), obr.get(25)) == ("20260318101542", "A-1", "F")
    assert obr.get(16, 2) == "Haddad"
    assert obr.get(32, sub=2) == "Müller"


def test_one_observation_a_section_and_nothing_breaks_out(signed: ReportVersion) -> None:
    found = observations(hl7.er7(signed, with_pdf=False))
    assert [(kind, code, status) for kind, code, _, status in found] == [
        ("ST", "113014", "F"),
        ("FT", "18782-3", "F"),
        ("FT", "19005-8", "F"),
        ("FT", "18782-3", "F"),
    ]
    assert found[1][2] == "10 < x | y ^ z ~ \\ & end\nMSH|^~\\&|second line\nü 結節"
    assert found[2][2] == "1. One\n2. Two"
    assert found[3][2] == "Nodule, right upper lobe: 12.3 mm"


def test_the_pdf_is_in_it(signed: ReportVersion) -> None:
    *_, last = [one for one in read(hl7.er7(signed)).segments if one.name == "OBX"]
    assert [last.get(5, part) for part in (2, 3, 4)] == ["application", "pdf", "Base64"]
    assert base64.b64decode(last.get(5, 5)) == pdf.pdf(signed)


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        ([VersionKind.PRELIMINARY], "P"),
        ([VersionKind.PRELIMINARY, VersionKind.FINAL], "F"),
        ([VersionKind.FINAL, VersionKind.ADDENDUM], "C"),
        ([VersionKind.FINAL, VersionKind.WITHDRAWAL], "W"),
    ],
)
def test_states(study: Any, radiologist: Any, kinds: list[str], status: str) -> None:
    first, *more = kinds
    version = made.version(study, radiologist, kind=first)
    for kind in more:
        version = again(version, kind)
    data = hl7.er7(version, with_pdf=False)
    assert {one[3] for one in observations(data)} == {status}
    obr = read(data).first("OBR")
    assert obr is not None
    assert obr.get(25) == ("C" if status == "W" else status)


def test_a_recall_takes_back_what_was_sent_and_says_none_of_it(signed: ReportVersion) -> None:
    sent = observations(hl7.er7(signed, with_pdf=False))
    signed.report.study.patient_id = "OTHER"
    signed.report.study.save()
    withdrawal = again(
        signed,
        VersionKind.WITHDRAWAL,
        sections={},
        reason="Wrong patient",
        patient=signed.content["patient"],
    )
    data = hl7.er7(withdrawal, with_pdf=False)
    recalled = observations(data)
    assert [one[:2] for one in recalled] == [one[:2] for one in sent]
    assert {one[2] for one in recalled[1:]} == {
        "This report was withdrawn. Do not use it.\nReason: Wrong patient"
    }
    assert "結節" not in data.decode()
    pid = read(data).first("PID")
    assert pid is not None
    assert pid.get(3) == signed.content["patient"]["id"]
    of_the_first = hl7.er7(signed, withdrawn=True)
    assert {one[3] for one in observations(of_the_first)} == {"W"}
    assert b"application^pdf" not in of_the_first
    assert hl7.control_id(signed) != hl7.control_id(signed, withdrawn=True)


def test_what_the_agent_takes(signed: ReportVersion) -> None:
    """The agent's own check and message, with what it is given."""
    params = hl7.oru(signed)
    report = checked(params["report"])
    section = OruSection(name="HIS", host="127.0.0.1", port=1)
    document = base64.b64decode(params["pdf"])
    assert made.sha256(document) == params["pdfSha256"]
    got = read(build(section, params["controlId"], report, params["text"], document))
    texts = [one.get(5) for one in got.segments if one.name == "OBX" and one.raw(2) == "TX"]
    assert texts
    assert "10 < x | y ^ z ~ \\ & end" in texts[0]
    recalled = hl7.oru(signed, withdrawn=True)
    got = read(build(section, "X", checked(recalled["report"]), recalled["text"], b""))
    assert {one.raw(11) for one in got.segments if one.name == "OBX"} == {"W"}
    assert "pdf" not in recalled


def test_numbers_that_are_too_long_are_left_out(signed: ReportVersion) -> None:
    long = again(
        signed,
        VersionKind.FINAL,
        changed={
            "study": {
                **signed.content["study"],
                "accession_number": "A" * 17,
                "description": "d" * 90,
            }
        },
    )
    Order.objects.all().delete()
    report = checked(hl7.oru(long, with_pdf=False)["report"])
    assert "accessionNumber" not in report
    assert report["procedureText"] == "d" * 64


def test_what_latin_1_does_not_have(signed: ReportVersion) -> None:
    data = hl7.er7(signed, hl7.Ends(charset="8859/1"), with_pdf=False)
    assert "ü ??" in data.decode("iso8859_1")


def test_another_program_reads_it(signed: ReportVersion) -> None:
    done = subprocess.run(
        [require("node"), "-e", PARSE],
        input=hl7.er7(signed),
        capture_output=True,
        timeout=60,
        check=True,
        env=_environment(),
    )
    said = json.loads(done.stdout)
    assert said["type"] == "ORU^R01^ORU_R01"
    assert said["id"] == f"LB{signed.pk}"
    assert said["status"] == "F"
    assert said["name"].startswith("O'Neil^Seán")
    assert [one[0] for one in said["obx"]] == ["ST", "FT", "FT", "FT", "ED"]
    assert [one[3] for one in said["obx"]] == ["F"] * 5
