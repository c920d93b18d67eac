"""Search for studies, series and instances."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings

from tests.dicomweb.asking import ct_file, store

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def studies(site: Any, other_site: Any) -> dict[str, Any]:
    def one(key: str, at: Any, **elements: Any) -> Any:
        uid = f"1.2.826.0.1.3680043.10.9.{key}"
        return store(at, ct_file(study=uid, series=f"{uid}.1", instance=f"{uid}.1.1", **elements))

    return {
        "1": one("1", site, PatientID="A1", PatientName="DOE^Jane", AccessionNumber="X1"),
        "2": one(
            "2",
            site,
            PatientID="A2",
            PatientName="MÜLLER^Jörg",
            SpecificCharacterSet="ISO_IR 100",
            StudyDate="20260203",
            Modality="MR",
        ),
        "3": one("3", site, PatientID="B%3", PatientName="DOERING^Max", StudyDate="20251231"),
        "4": one("4", other_site, PatientID="A1", PatientName="DOE^Jane"),
    }


def found(reply: Any) -> list[str]:
    assert reply.status == 200, reply.body
    assert reply.headers["content-type"] == "application/dicom+json"
    assert reply.headers["cache-control"] == "no-store"
    return [one["0020000D"]["Value"][0].rpartition(".")[2] for one in reply.json]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "213"),
        ("PatientID=A1", "1"),
        ("00100020=A1", "1"),
        ("PatientID=A*", "21"),
        ("PatientID=A?", "21"),
        ("PatientID=B%253", "3"),
        ("PatientID=B%25*", "3"),
        ("PatientID=%25", ""),
        ("PatientID=_1", ""),
        ("PatientID=", "213"),
        ("PatientName=doe*", "13"),
        ("PatientName=DOE%5EJANE", "1"),
        ("PatientName=Doe%5E*", "1"),
        ("PatientName=m%C3%BCller*", "2"),
        ("PatientName=MULLER*", "2"),
        ("PatientName=*j%C3%B6rg*", "2"),
        ("AccessionNumber=X1", "1"),
        ("StudyDate=20260102", "1"),
        ("StudyDate=20260101-20260201", "1"),
        ("StudyDate=-20260102", "13"),
        ("StudyDate=20260102-", "21"),
        ("ModalitiesInStudy=MR", "2"),
        ("ModalitiesInStudy=MR,CT", "213"),
        ("ModalitiesInStudy=M", ""),
        ("StudyInstanceUID=1.2.826.0.1.3680043.10.9.1,1.2.826.0.1.3680043.10.9.2", "21"),
        ("StudyInstanceUID=1.2.826.0.1.3680043.10.9.1%5C1.2.826.0.1.3680043.10.9.3", "13"),
        ("limit=1", "2"),
        ("limit=1&offset=1", "1"),
        ("limit=0", ""),
        ("offset=1000000000", ""),
        ("limit=101&offset=0&fuzzymatching=false&includefield=00081030%2C00080060", "213"),
        ("includefield=all", "213"),
        ("includefield=StudyDescription", "213"),
    ],
)
def test_studies(client: Any, radiologist: Any, studies: Any, query: str, expected: str) -> None:
    assert "".join(found(client(radiologist).get(f"/dicom-web/studies?{query}"))) == expected


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1",
        "offset=1e12",
        "offset=1000000000000",
        "limit=x",
        "Colour=red",
        "PatientID=A&PatientID=B",
        "StudyDate=2026",
        "StudyDate=20261399",
        "StudyDate=x-y",
        "StudyInstanceUID=1' OR 1=1",
        "StudyInstanceUID=",
        "includefield=Colour",
        "fuzzymatching=perhaps",
        "PatientName=%FF%FE",
        "PatientName=%00",
        "ModalitiesInStudy=ct'",
        "PatientID=" + "x" * 5000,
    ],
)
def test_bad_queries_are_400_in_words(
    client: Any, radiologist: Any, studies: Any, query: str
) -> None:
    reply = client(radiologist).get(f"/dicom-web/studies?{query}")
    if query == "StudyInstanceUID=":  # an empty value matches everything (PS3.4 C.2.2.2.3)
        assert reply.status == 200
        return
    assert reply.status == 400
    assert reply.headers["content-type"].startswith("text/plain")
    assert len(reply.body) > 10


def test_what_a_study_says(client: Any, radiologist: Any, studies: Any, site: Any) -> None:
    store(site, ct_file(study=studies["1"].study, series=studies["1"].study + ".2", PatientID="A1"))
    (one,) = client(radiologist).get("/dicom-web/studies?PatientID=A1").json
    assert one["00201206"] == {"vr": "IS", "Value": [2]}
    assert one["00201208"] == {"vr": "IS", "Value": [2]}
    assert one["00080061"] == {"vr": "CS", "Value": ["CT"]}
    assert one["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "DOE^Jane"}]}
    assert one["00081190"]["Value"] == [f"/dicom-web/sites/main/studies/{studies['1'].study}"]
    assert list(one) == sorted(one)


@override_settings(PUBLIC_URL="https://pacs.example.org/")
def test_retrieve_url_is_the_configured_one(client: Any, radiologist: Any, studies: Any) -> None:
    (one,) = (
        client(radiologist)
        .get("/dicom-web/studies?PatientID=A1", headers={"host": "evil.example"})
        .json
    )
    assert one["00081190"]["Value"][0].startswith("https://pacs.example.org/dicom-web/sites/main/")


def test_stranger_finds_only_the_own_site(client: Any, stranger: Any, studies: Any) -> None:
    asking = client(stranger)
    assert found(asking.get("/dicom-web/studies")) == ["4"]
    assert asking.get("/dicom-web/sites/main/studies").json == []
    assert asking.get(studies["1"].study_path + "/series").status == 404
    assert asking.get(studies["1"].study_path + "/instances").status == 404


def test_referrer_finds_nothing_without_grant(client: Any, referrer: Any, studies: Any) -> None:
    assert client(referrer).get("/dicom-web/studies").json == []


def test_anonymous_searches_nothing(client: Any, studies: Any) -> None:
    assert client().get("/dicom-web/studies").status == 401


def test_truncation_is_said(client: Any, radiologist: Any, studies: Any) -> None:
    asking = client(radiologist)
    assert "warning" in asking.get("/dicom-web/studies?limit=2").headers
    assert "warning" not in asking.get("/dicom-web/studies?limit=3").headers


def test_series_and_instances(client: Any, radiologist: Any, site: Any) -> None:
    files = [store(site, ct_file(number=n, seed=n, frames=2)) for n in (3, 1, 2)]
    second = files[0].series + ".9"
    store(site, ct_file(series=second, SeriesNumber=0, Modality="MR", seed=9))
    asking = client(radiologist)
    series = asking.get(files[0].study_path + "/series").json
    assert [one["0020000E"]["Value"][0] for one in series] == [second, files[0].series]
    assert series[1]["00201209"]["Value"] == [3]
    path = files[0].study_path + "/series?Modality=MR"
    assert len(asking.get(path).json) == 1
    instances = asking.get(files[0].series_path + "/instances").json
    assert [one["00200013"]["Value"][0] for one in instances] == [1, 2, 3]
    assert instances[0]["00280008"]["Value"] == [2]
    assert instances[0]["00081190"]["Value"][0].endswith(f"/instances/{files[1].instance}")
    assert len(asking.get(files[0].study_path + "/instances").json) == 4
    assert len(asking.get(files[0].study_path + "/instances?InstanceNumber=2").json) == 1
    assert asking.get(files[0].series_path + "/instances?InstanceNumber=x").status == 400
