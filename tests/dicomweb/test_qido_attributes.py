"""What a search returns, and search by attributes that no index holds."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from studies.dicomweb.search import results
from tests.dicomweb.asking import Stored, ct_file, store

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = "1.2.826.0.1.3680043.10.9"


def item(**elements: Any) -> Dataset:
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


@pytest.fixture
def image(site: Any) -> Stored:
    return store(
        site,
        ct_file(
            study=f"{ROOT}.1",
            series=f"{ROOT}.1.1",
            instance=f"{ROOT}.1.1.1",
            SpecificCharacterSet="ISO_IR 192",
            PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう",
            PatientBirthDate="19700203",
            PatientComments="likes jazz",
            TimezoneOffsetFromUTC="+0100",
            ReferringPhysicianName="Müller^Jörg",
            InstitutionName="Main",
            PerformedProcedureStepStartDate="20260102",
            PerformedProcedureStepStartTime="101000",
            RequestAttributesSequence=Sequence(
                [
                    item(ScheduledProcedureStepID="S1", RequestedProcedureID="R1"),
                    item(ScheduledProcedureStepID="S2", RequestedProcedureDescription="Chest"),
                ]
            ),
            Manufacturer="Acme",
            DeviceSerialNumber="D-1",
            SliceThickness="2.5",
            KVP="120",
            ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
            ContentDate="20260102",
            AcquisitionDateTime="20260102101112.5",
            RedPaletteColorLookupTableData=b"\x01\x02" * 2000,
            ProcedureCodeSequence=Sequence([item(CodeValue="P1", CodeMeaning="Chest")]),
        ),
    )


def one(client: Any, user: Any, path: str) -> Any:
    reply = client(user).get(path)
    assert reply.status == 200, reply.body
    (found,) = reply.json
    assert list(found) == sorted(found)
    return found


STUDY = """00080005 00080020 00080030 00080050 00080056 00080061 00080090 00080201 00081190
    00100010 00100020 00100030 00100040 0020000D 00200010 00201206 00201208"""
SERIES = """00080005 00080056 00080060 00080201 0008103E 00081190 0020000E 00200011 00201209
    00400244 00400245 00400275"""
INSTANCE = """00080005 00080016 00080018 00080056 00080201 00081190 00083002 00200013 00280010
    00280011 00280100"""


@pytest.mark.parametrize(
    ("path", "required"),
    [
        ("/dicom-web/studies", STUDY),
        ("/dicom-web/series", f"{STUDY} {SERIES}"),
        (f"/dicom-web/studies/{ROOT}.1/series", SERIES),
        ("/dicom-web/instances", f"{STUDY} {SERIES} {INSTANCE}"),
        (f"/dicom-web/studies/{ROOT}.1/instances", f"{SERIES} {INSTANCE}"),
        (f"/dicom-web/studies/{ROOT}.1/series/{ROOT}.1.1/instances", INSTANCE),
    ],
)
def test_required_attributes(
    client: Any, radiologist: Any, image: Stored, path: str, required: str
) -> None:
    found = one(client, radiologist, path)
    assert set(required.split()) <= set(found)
    assert found["00080056"]["Value"] == ["ONLINE"]
    assert found["00080201"] == {"vr": "SH", "Value": ["+0100"]}
    assert found["0020000D"]["Value"] == [f"{ROOT}.1"]


def test_values_of_a_series(client: Any, radiologist: Any, image: Stored) -> None:
    found = one(client, radiologist, "/dicom-web/series")
    assert found["00400275"]["Value"] == [
        {
            "00400009": {"vr": "SH", "Value": ["S1"]},
            "00401001": {"vr": "SH", "Value": ["R1"]},
        },
        {"00400009": {"vr": "SH", "Value": ["S2"]}},
    ]
    assert found["00081190"]["Value"] == [
        f"/dicom-web/sites/main/studies/{ROOT}.1/series/{ROOT}.1.1"
    ]
    assert found["00100010"]["Value"] == [
        {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}
    ]


def test_absent_attributes_are_left_out(client: Any, radiologist: Any, site: Any) -> None:
    store(site, ct_file())
    found = one(client, radiologist, "/dicom-web/instances")
    assert not {"00080201", "00400244", "00400275", "00280008"} & set(found)


def test_values_with_backslashes_and_quotes(client: Any, radiologist: Any, site: Any) -> None:
    store(site, ct_file(StudyDescription='a "quoted" one', ProtocolName="x\ty"))
    found = one(client, radiologist, "/dicom-web/series")
    assert found["00081030"]["Value"] == ['a "quoted" one']
    assert found["00181030"]["Value"] == ["x\ty"]


@pytest.mark.parametrize(
    ("path", "there", "absent"),
    [
        ("studies?includefield=PatientComments", ["00104000"], ["00081032"]),
        ("studies?includefield=00104000,ProcedureCodeSequence", ["00104000", "00081032"], []),
        ("studies?includefield=00104000&includefield=00081032", ["00104000", "00081032"], []),
        ("studies?includefield=all", ["00104000", "00081032"], ["00180050", "00080070"]),
        ("studies?includefield=Modality,SOPInstanceUID", [], ["00080060", "00080018"]),
        ("studies?includefield=00091001", [], ["00091001"]),
        ("series?includefield=Manufacturer", ["00080070"], ["00181000"]),
        ("series?includefield=all", ["00104000", "00080070", "00181000"], ["00180050", "00080008"]),
        ("instances?includefield=SliceThickness", ["00180050"], ["00180060"]),
        ("instances?includefield=ALL", ["00180050", "00080008", "00104000"], ["7FE00010"]),
        (f"studies/{ROOT}.1/series?includefield=PatientName", ["00100010"], ["00100020"]),
    ],
)
def test_includefield(
    client: Any, radiologist: Any, image: Stored, path: str, there: list[str], absent: list[str]
) -> None:
    found = one(client, radiologist, f"/dicom-web/{path}")
    assert set(there) <= set(found)
    assert not set(absent) & set(found)
    assert found["00080005"]["Value"] == ["ISO_IR 192"]
    assert "BulkDataURI" not in str(found)


def test_includefield_narrows_sequences(client: Any, radiologist: Any, image: Stored) -> None:
    path = "/dicom-web/studies?includefield=ProcedureCodeSequence.CodeValue"
    found = one(client, radiologist, path)
    assert found["00081032"]["Value"] == [{"00080100": {"vr": "SH", "Value": ["P1"]}}]


def test_includefield_of_many_studies(
    client: Any, radiologist: Any, site: Any, other_site: Any
) -> None:
    for number in range(3):
        uid = f"{ROOT}.{number}"
        store(
            site,
            ct_file(study=uid, series=f"{uid}.1", PatientID=f"A{number}", PatientComments=uid),
        )
    store(other_site, ct_file(study=f"{ROOT}.0", series=f"{ROOT}.0.1", PatientComments="hidden"))
    found = client(radiologist).get("/dicom-web/studies?includefield=PatientComments").json
    assert [study["00104000"]["Value"][0] for study in found] == [
        study["0020000D"]["Value"][0] for study in found
    ]
    assert len(found) == 3


OTHERS = [
    ("KVP=120", True),
    ("KVP=1.2e2", True),
    ("KVP=121", False),
    ("00180050=2.5", True),
    ("DeviceSerialNumber=D-1", True),
    ("DeviceSerialNumber=d-1", False),
    ("DeviceSerialNumber=D*", True),
    ("DeviceSerialNumber=?-?", True),
    ("DeviceSerialNumber=?", False),
    ("ImageType=AXIAL", True),
    ("ImageType=AX", False),
    ("ContentDate=20260101-20260103", True),
    ("ContentDate=20260103-", False),
    ("AcquisitionDateTime=20260102-", True),
    ("AcquisitionDateTime=20260102101112", True),
    ("AcquisitionDateTime=-2025", False),
    ("ProcedureCodeSequence.CodeValue=P1", True),
    ("00081032.00080100=P2", False),
    ("RequestAttributesSequence.RequestedProcedureDescription=Ch*", True),
    ("DeviceSerialNumber=D-1&KVP=120", True),
    ("DeviceSerialNumber=D-1&KVP=1", False),
    ("DeviceSerialNumber=D-1&PatientID=P-1", True),
    ("DeviceSerialNumber=D-1&PatientID=P-2", False),
    ("SliceThickness=2.5&StudyDate=20260102&limit=1", True),
    ("SliceThickness=2.5&offset=1", False),
    ("00091001=private", False),
]


@pytest.mark.parametrize("level", ["studies", "series", "instances"])
@pytest.mark.parametrize(("query", "matches"), OTHERS)
def test_attributes_that_no_index_holds(
    client: Any, radiologist: Any, image: Stored, level: str, query: str, matches: bool
) -> None:
    reply = client(radiologist).get(f"/dicom-web/{level}?{query}")
    assert reply.status == 200, reply.body
    assert len(reply.json) == matches


def test_they_are_not_found_at_another_site(client: Any, stranger: Any, image: Stored) -> None:
    for level in ("studies", "series", "instances"):
        assert client(stranger).get(f"/dicom-web/{level}?KVP=120").json == []


def test_pages_of_them_are_in_order_and_whole(client: Any, radiologist: Any, site: Any) -> None:
    for number in range(5):
        uid = f"{ROOT}.{number}"
        date = f"2026010{number + 1}"
        store(site, ct_file(study=uid, series=f"{uid}.1", StudyDate=date, KVP=str(number % 2)))
    asking = client(radiologist)
    first = asking.get("/dicom-web/studies?KVP=0&limit=2")
    rest = asking.get("/dicom-web/studies?KVP=0&limit=2&offset=2")
    days = [one["00080020"]["Value"][0] for one in first.json + rest.json]
    assert days == ["20260105", "20260103", "20260101"]
    assert "warning" in first.headers
    assert "warning" not in rest.headers


def test_too_many_to_look_at_is_said(
    client: Any, radiologist: Any, image: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "MAX_DOCUMENTS", 0)
    for level in ("studies", "series", "instances"):
        reply = client(radiologist).get(f"/dicom-web/{level}?KVP=120")
        assert reply.status == 400
        assert b"Narrow the search" in reply.body


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("yamada%5Etarou", True),
        ("yamada", False),
        ("YAMADA*", True),
        ("Yamada%5ET*", True),
        ("*tarou", True),
        ("*mada*", True),
        ("tarou*", False),
        ("山田*", True),
        ("*太郎", True),
        ("*田*", True),
        ("やまだ%5Eたろう", True),
        ("やま?%5E*", True),
        ("Yamada%5ETarou=山田%5E太郎=やまだ%5Eたろう", True),
        ("Yamada*=山田*", True),
        ("Yamada*=田中*", False),
        ("=山田*", True),
        ("*CT*", False),
        ("*P-1*", False),
        ("yamada%25", False),
        ("_amada*", False),
        ("[y]amada*", False),
    ],
)
@pytest.mark.parametrize("level", ["studies", "instances"])
def test_names(
    client: Any, radiologist: Any, image: Stored, level: str, query: str, matches: bool
) -> None:
    reply = client(radiologist).get(f"/dicom-web/{level}?PatientName={query}")
    assert len(reply.json) == matches


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("tarou yam", True),
        ("TAR", True),
        ("山", True),
        ("amada", False),
        ("yamada hanako", False),
        ("tarou*", True),
        ("Yamada^Tarou", True),
    ],
)
def test_fuzzy_matching_is_by_beginnings_of_words(
    client: Any, radiologist: Any, image: Stored, query: str, matches: bool
) -> None:
    asking = client(radiologist)
    reply = asking.get(f"/dicom-web/studies?PatientName={query}&fuzzymatching=true")
    assert len(reply.json) == matches
    assert "warning" not in reply.headers


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("ReferringPhysicianName=muller*", True),
        ("ReferringPhysicianName=M%C3%BCller%5EJ%C3%B6rg", True),
        ("ReferringPhysicianName=jorg*", False),
        ("InstitutionName=M*", True),
        ("PatientBirthDate=19700203", True),
        ("PatientBirthDate=19700204-", False),
        ("PatientBirthDate=-19701231", True),
        ("StudyTime=101112", True),
        ("StudyTime=10", True),
        ("StudyTime=11", False),
        ("StudyTime=1000-1011", True),
        ("StudyTime=1012-", False),
        ("StudyTime=-101111", False),
        ("StudyDate=20260101-20260103&StudyTime=2300-0100", True),
        ("StudyDate=20260102-20260103&StudyTime=1000-0900", True),
        ("StudyDate=20260102-20260103&StudyTime=1100-0900", False),
        ("StudyDate=20260102&StudyTime=1000-1100", True),
        ("StudyDate=20260102&StudyTime=1030-1100", False),
        ("StudyDate=20260102-&StudyTime=1030-", False),
        ("StudyID=S1", True),
        ("StudyID=S?", True),
        ("TimezoneOffsetFromUTC=%2B0100", True),
        ("NumberOfStudyRelatedInstances=1", True),
        ("NumberOfStudyRelatedInstances=2", False),
    ],
)
def test_other_keys_of_studies(
    client: Any, radiologist: Any, image: Stored, query: str, matches: bool
) -> None:
    reply = client(radiologist).get(f"/dicom-web/studies?{query}")
    assert reply.status == 200, reply.body
    assert len(reply.json) == matches
