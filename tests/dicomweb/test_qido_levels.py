"""Search at every level: who finds what, by which keys, in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from pacs.accounts.models import Role
from pacs.audit.models import AuditEvent
from studies.models import StudyGrant
from tests.dicomweb.asking import Stored, ct_file, store

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = "1.2.826.0.1.3680043.10.9"


@dataclass
class Files:
    """A CT of two series, an older MR, and a CT at the other site."""

    scout: Stored
    slices: list[Stored]
    mr: Stored
    theirs: Stored


def requests(*steps: str) -> Sequence:
    items = []
    for step in steps:
        item = Dataset()
        item.ScheduledProcedureStepID = step
        item.RequestedProcedureID = f"R{step}"
        items.append(item)
    return Sequence(items)


@pytest.fixture
def files(site: Any, other_site: Any) -> Files:
    ct = {"PatientID": "A1", "StudyDate": "20260301", "StudyDescription": "CT chest"}
    return Files(
        scout=store(
            site,
            ct_file(
                study=f"{ROOT}.1", series=f"{ROOT}.1.1", instance=f"{ROOT}.1.1.1", SeriesNumber=1,
                SeriesDescription="Scout", **ct,
            ),
        ),
        slices=[
            store(
                site,
                ct_file(
                    study=f"{ROOT}.1", series=f"{ROOT}.1.2", instance=f"{ROOT}.1.2.{number}",
                    number=number, seed=number, SeriesNumber=2, SeriesDescription="Axial",
                    BodyPartExamined="CHEST", ProtocolName="Thorax", SeriesDate="20260301",
                    SeriesTime="101500", PerformedProcedureStepStartDate="20260301",
                    PerformedProcedureStepStartTime="100000",
                    RequestAttributesSequence=requests("S1", "S2"), **ct,
                ),
            )
            for number in (2, 1)
        ],
        mr=store(
            site,
            ct_file(
                study=f"{ROOT}.2", series=f"{ROOT}.2.1", instance=f"{ROOT}.2.1.1", PatientID="A2",
                StudyDate="20250101", Modality="MR", Laterality="L", SeriesNumber=1,
            ),
        ),
        theirs=store(
            other_site,
            ct_file(
                study=f"{ROOT}.9", series=f"{ROOT}.9.1", instance=f"{ROOT}.9.1.1", PatientID="A1"
            ),
        ),
    )  # fmt: skip


LEAF = {"studies": "0020000D", "series": "0020000E", "instances": "00080018"}


def found(reply: Any, level: str) -> list[str]:
    assert reply.status == 200, reply.body
    return [one[LEAF[level]]["Value"][0].removeprefix(f"{ROOT}.") for one in reply.json]


LEVELS = {
    "studies": ["1", "2"],
    "series": ["1.1", "1.2", "2.1"],
    "instances": ["1.1.1", "1.2.1", "1.2.2", "2.1.1"],
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("root", ["/dicom-web", "/dicom-web/sites/main"])
def test_everything_of_a_level(
    client: Any, radiologist: Any, files: Files, level: str, root: str
) -> None:
    assert found(client(radiologist).get(f"{root}/{level}"), level) == LEVELS[level]


@pytest.mark.parametrize("level", LEVELS)
def test_stranger_finds_the_own_site_only(
    client: Any, stranger: Any, files: Files, level: str
) -> None:
    asking = client(stranger)
    assert len(found(asking.get(f"/dicom-web/{level}"), level)) == 1
    assert found(asking.get(f"/dicom-web/sites/main/{level}"), level) == []
    assert found(asking.get(f"/dicom-web/{level}?StudyInstanceUID={ROOT}.1"), level) == []


@pytest.mark.parametrize("level", LEVELS)
def test_anonymous_searches_nothing(client: Any, files: Files, level: str) -> None:
    assert client().get(f"/dicom-web/{level}").status == 401
    if level != "studies":
        assert client().get(f"{files.mr.study_path}/{level}").status == 401


@pytest.mark.parametrize("level", LEVELS)
def test_referrer_finds_what_is_granted(
    client: Any, referrer: Any, radiologist: Any, files: Files, level: str
) -> None:
    asking = client(referrer)
    assert found(asking.get(f"/dicom-web/{level}"), level) == []
    StudyGrant.objects.create(study_id=files.mr.study_pk, user=referrer, granted_by=radiologist)
    assert found(asking.get(f"/dicom-web/{level}"), level) == LEVELS[level][-1:]
    assert found(asking.get(f"/dicom-web/{level}?PatientID=A1"), level) == []
    assert found(asking.get(f"/dicom-web/sites/north/{level}"), level) == []


@pytest.mark.parametrize("level", LEVELS)
def test_superuser_finds_all_sites_merged(
    client: Any, admin: Any, files: Files, level: str
) -> None:
    # The other site's study is of 2 January 2026, between the two.
    last = {"studies": "9", "series": "9.1", "instances": "9.1.1"}[level]
    expected = [*LEVELS[level][:-1], last, LEVELS[level][-1]]
    assert found(client(admin).get(f"/dicom-web/{level}"), level) == expected


@pytest.mark.parametrize("level", LEVELS)
def test_whole_site_and_grant_elsewhere(
    client: Any, radiologist: Any, other_site: Any, files: Files, level: str
) -> None:
    radiologist.memberships.create(site=other_site, role=Role.REFERRER)
    asking = client(radiologist)
    assert len(found(asking.get(f"/dicom-web/{level}"), level)) == len(LEVELS[level])
    StudyGrant.objects.create(
        study_id=files.theirs.study_pk, user=radiologist, granted_by=radiologist
    )
    for query in ("", "?ModalitiesInStudy=CT,MR", "?PatientName=doe*", "?PatientName=*oe*"):
        reply = asking.get(f"/dicom-web/{level}{query}")
        assert len(found(reply, level)) == len(LEVELS[level]) + 1, query
    assert len(found(asking.get(f"/dicom-web/sites/north/{level}"), level)) == 1


@pytest.mark.parametrize("level", LEVELS)
def test_searches_are_audited(client: Any, radiologist: Any, files: Files, level: str) -> None:
    client(radiologist).get(f"/dicom-web/{level}?PatientID=A1&00181000=X")
    event = AuditEvent.objects.get(action="study.searched")
    assert event.actor_id == radiologist.pk
    assert event.detail == {"keys": ["00181000", "PatientID"], "level": level}


def test_a_search_below_a_study_is_audited_with_it(
    client: Any, radiologist: Any, files: Files
) -> None:
    client(radiologist).get(f"{files.mr.study_path}/instances")
    assert AuditEvent.objects.get(action="study.searched").study_id == files.mr.study_pk


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("PatientID=A1&Modality=CT", "1.1 1.2"),
        ("PatientID=A1&Modality=MR", ""),
        ("Modality=MR", "2.1"),
        ("00080060=M*", "2.1"),
        ("ModalitiesInStudy=MR", "2.1"),
        ("SeriesDescription=Ax*", "1.2"),
        ("SeriesDescription=ax*", ""),
        ("SeriesNumber=2", "1.2"),
        ("SeriesNumber=99999999999", ""),
        (f"SeriesInstanceUID={ROOT}.1.2,{ROOT}.2.1", "1.2 2.1"),
        (f"SeriesInstanceUID={ROOT}.1.2&SeriesInstanceUID={ROOT}.2.1", "1.2 2.1"),
        ("BodyPartExamined=CHEST", "1.2"),
        ("Laterality=L", "2.1"),
        ("ProtocolName=T?orax", "1.2"),
        ("SeriesDate=20260301", "1.2"),
        ("SeriesDate=20260302-", ""),
        ("SeriesTime=1015", "1.2"),
        ("SeriesTime=1016-", ""),
        ("PerformedProcedureStepStartDate=-20260301", "1.2"),
        ("PerformedProcedureStepStartTime=09-10", "1.2"),
        ("RequestAttributesSequence.ScheduledProcedureStepID=S2", "1.2"),
        ("00400275.00400009=S1", "1.2"),
        ("00400275.00400009=S", ""),
        ("00400275.00400009=S*", "1.2"),
        ("00400275.00401001=RS1", "1.2"),
        ("StudyDate=20260101-&limit=1&offset=1", "1.2"),
        ("NumberOfSeriesRelatedInstances=2", "1.2"),
        ("PatientName=DOE%5EJ*&fuzzymatching=false", "1.1 1.2 2.1"),
        ("PatientName=jan&fuzzymatching=true", "1.1 1.2 2.1"),
    ],
)
def test_keys_of_series(
    client: Any, radiologist: Any, files: Files, query: str, expected: str
) -> None:
    reply = client(radiologist).get(f"/dicom-web/series?{query}")
    assert found(reply, "series") == expected.split()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"StudyInstanceUID={ROOT}.2", "2.1.1"),
        (f"SeriesInstanceUID={ROOT}.1.2", "1.2.1 1.2.2"),
        (f"SOPInstanceUID={ROOT}.1.2.2", "1.2.2"),
        (f"SOPInstanceUID={ROOT}.1.2.2%5C{ROOT}.2.1.1", "1.2.2 2.1.1"),
        ("SOPClassUID=1.2.840.10008.5.1.4.1.1.2&Modality=MR", "2.1.1"),
        ("SOPClassUID=1.2.840.10008.5.1.4.1.1.4", ""),
        ("SOPClassesInStudy=1.2.840.10008.5.1.4.1.1.2&PatientID=A2", "2.1.1"),
        ("SOPClassesInStudy=1.2.840.10008.5.1.4.1.1.4", ""),
        ("InstanceNumber=2", "1.2.2"),
        ("Rows=16&Columns=16&PatientID=A2", "2.1.1"),
        ("Rows=17", ""),
        ("BitsAllocated=16&PatientID=A2", "2.1.1"),
        ("BitsAllocated=8", ""),
        ("NumberOfFrames=1&PatientID=A2", "2.1.1"),
        ("AvailableTransferSyntaxUID=1.2.840.10008.1.2.1&PatientID=A2", "2.1.1"),
        ("PatientID=A1&SeriesNumber=2&limit=1&offset=1", "1.2.2"),
        ("StudyDescription=*CHEST*", ""),
        ("StudyDescription=*chest*&SeriesNumber=1", "1.1.1"),
    ],
)
def test_keys_of_instances(
    client: Any, radiologist: Any, files: Files, query: str, expected: str
) -> None:
    reply = client(radiologist).get(f"/dicom-web/instances?{query}")
    assert found(reply, "instances") == expected.split()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("studies?Modality=CT", "Modality is a key of series"),
        ("series?SOPInstanceUID=1.2", "SOPInstanceUID is a key of instances"),
        ("series?NoSuchKeyword=1", "NoSuchKeyword is no attribute"),
        ("series?0008=1", "0008 is no attribute"),
        ("instances?InstanceNumber=two", "whole number"),
        ("instances?Rows=", ""),
        ("series?SeriesTime=25", "HHMMSS"),
        ("series?SeriesTime=-", "range of times"),
        ("studies?StudyDate=-", "range of dates"),
        ("studies?00101020=tall", "number"),
        ("studies?" + ".".join(["00400275"] * 9) + "=1", "no attribute"),
    ],
)
def test_what_is_refused_says_why(
    client: Any, radiologist: Any, files: Files, path: str, words: str
) -> None:
    reply = client(radiologist).get(f"/dicom-web/{path}")
    assert reply.status == (400 if words else 200)
    assert words in reply.body.decode()


def test_a_search_below_a_study(client: Any, radiologist: Any, files: Files) -> None:
    asking = client(radiologist)
    study = files.scout.study_path
    assert found(asking.get(f"{study}/series"), "series") == ["1.1", "1.2"]
    assert found(asking.get(f"{study}/series?SeriesDescription=Axial"), "series") == ["1.2"]
    assert found(asking.get(f"{study}/instances?offset=1&limit=1"), "instances") == ["1.2.1"]
    slices = f"{files.slices[0].series_path}/instances"
    assert found(asking.get(slices), "instances") == ["1.2.1", "1.2.2"]
    assert found(asking.get(f"{slices}?InstanceNumber=1"), "instances") == ["1.2.1"]
    assert found(asking.get(f"{slices}?00180050=3"), "instances") == []
    assert asking.get(f"{files.slices[0].series_path}/series").status == 404
    assert asking.get(f"{files.slices[0].path}/instances").status == 404


@pytest.mark.parametrize(
    "path", ["/dicom-web/series", "/dicom-web/instances", "/dicom-web/sites/main/series"]
)
def test_methods_and_types(client: Any, radiologist: Any, files: Files, path: str) -> None:
    asking = client(radiologist)
    assert asking.get(path, headers={"accept": "application/dicom+xml"}).status == 406
    assert asking.get(path, headers={"accept": "application/json"}).status == 200
    assert asking.get(path, method="POST").status == 405
    assert asking.get(path, method="HEAD").body == b""


def test_truncation_is_said_at_every_level(client: Any, radiologist: Any, files: Files) -> None:
    asking = client(radiologist)
    for level, all_of_it in LEVELS.items():
        assert "warning" in asking.get(f"/dicom-web/{level}?limit=1").headers
        whole = asking.get(f"/dicom-web/{level}?limit={len(all_of_it)}")
        assert "warning" not in whole.headers
