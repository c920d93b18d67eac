"""Other people's Python clients, as published, against the running portal."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import requests
from dicomtrolley.core import Query
from dicomtrolley.qido_rs import QidoRS
from dicomtrolley.trolley import Trolley
from dicomtrolley.wado_rs import WadoRS
from dicomweb_client import DICOMwebClient
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.data import DATA_ROOT  # type: ignore[attr-defined]

from tests.servers.portal import Portal

pytestmark = pytest.mark.integration
FILES = Path(DATA_ROOT) / "test_files"


def session(portal: Portal, who: str) -> requests.Session:
    found = requests.Session()
    found.headers["Authorization"] = f"Bearer {portal.tokens[who]}"
    found.trust_env = False
    return found


@pytest.fixture
def client(portal: Portal) -> Callable[[str], DICOMwebClient]:
    """`client("radiologist")`: dicomweb-client with a user's token."""

    def make(who: str) -> DICOMwebClient:
        return DICOMwebClient(f"{portal.stack.base_url}/dicom-web", session=session(portal, who))

    return make


def test_dicomweb_client_stores_searches_and_retrieves(portal: Portal, client, series) -> None:
    files, uid = series(4, patient_name="Client^Python", patient_id="DWC-1")
    datasets = [dcmread(path) for path in files]
    answer = client("technician").store_instances(datasets)
    assert len(answer.ReferencedSOPSequence) == 4
    assert "FailedSOPSequence" not in answer

    reader = client("radiologist")
    found = reader.search_for_studies(
        search_filters={"PatientName": "client*", "StudyDate": "19000101-20991231"},
        fields=["StudyDescription", "NumberOfStudyRelatedInstances"],
        limit=10,
    )
    assert [study["0020000D"]["Value"][0] for study in found] == [uid]
    assert found[0]["00201208"]["Value"] == [4]
    assert len(reader.search_for_studies(get_remaining=True, limit=1)) >= 1
    series_uid = str(datasets[0].SeriesInstanceUID)
    rows = reader.search_for_series(uid, search_filters={"Modality": "CT"})
    assert [row["0020000E"]["Value"][0] for row in rows] == [series_uid]
    assert len(reader.search_for_instances(uid, series_uid)) == 4
    assert any(
        row["0020000E"]["Value"][0] == series_uid
        for row in reader.search_for_series(search_filters={"StudyInstanceUID": uid})
    )
    assert len(reader.search_for_instances(search_filters={"StudyInstanceUID": uid})) == 4

    sop = str(datasets[0].SOPInstanceUID)
    metadata = [Dataset.from_json(one) for one in reader.retrieve_study_metadata(uid)]
    assert {str(one.SOPInstanceUID) for one in metadata} == {
        str(one.SOPInstanceUID) for one in datasets
    }
    assert (
        Dataset.from_json(reader.retrieve_instance_metadata(uid, series_uid, sop)).PatientName
        == "Client^Python"
    )
    for got in (
        reader.retrieve_instance(uid, series_uid, sop),
        *reader.retrieve_series(uid, series_uid),
        *reader.retrieve_study(uid),
    ):
        own = next(one for one in datasets if one.SOPInstanceUID == got.SOPInstanceUID)
        assert got == own
    frame = reader.retrieve_instance_frames(uid, series_uid, sop, [1])[0]
    assert frame == datasets[0].PixelData
    for size in ({}, {"viewport": "64,64"}, {"window": "40,400,LINEAR"}):
        picture = reader.retrieve_instance_rendered(
            uid, series_uid, sop, media_types=("image/png",), params=size
        )
        assert picture.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "name",
    [
        "JPEG2000.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "SC_rgb_rle_2frame.dcm",
        "examples_ybr_color.dcm",
    ],
)
def test_dicomweb_client_takes_compressed_frames(portal: Portal, client, name: str) -> None:
    """Its default Accept is `multipart/related; type="*/*"`."""
    path = FILES / name
    assert portal.upload(path.read_bytes())[0] in (200, 201)
    head = dcmread(path)
    where = (str(head.StudyInstanceUID), str(head.SeriesInstanceUID), str(head.SOPInstanceUID))
    frames = client("radiologist").retrieve_instance_frames(*where, [1])
    assert len(frames) == 1
    assert frames[0]
    raw = client("radiologist").retrieve_instance_frames(
        *where, [1], media_types=(("application/octet-stream", "1.2.840.10008.1.2.1"),)
    )[0]
    pixels = head.pixel_array[0] if int(head.get("NumberOfFrames", 1)) > 1 else head.pixel_array
    assert np.frombuffer(raw, pixels.dtype.newbyteorder("<")).size == pixels.size


def test_dicomweb_client_sees_nothing_of_another_site(portal: Portal, client, series) -> None:
    files, uid = series(1, patient_id="DWC-2")
    assert portal.upload(files[0].read_bytes())[0] == 201
    stranger = client("stranger")
    assert stranger.search_for_studies(search_filters={"StudyInstanceUID": uid}) == []
    with pytest.raises(requests.HTTPError) as refused:
        stranger.retrieve_study_metadata(uid)
    assert refused.value.response.status_code == 404


def test_dicomtrolley_finds_and_downloads(portal: Portal, series, tmp_path: Path) -> None:
    files, uid = series(3, patient_name="Trolley^Full", patient_id="TRL-1")
    for path in files:
        assert portal.upload(path.read_bytes())[0] == 201
    root = f"{portal.stack.base_url}/dicom-web"
    caller = session(portal, "radiologist")
    trolley = Trolley(
        searcher=QidoRS(caller, root), downloader=WadoRS(caller, root, request_per_series=False)
    )
    studies = trolley.find_studies(Query(PatientID="TRL-1", include_fields=["PatientName"]))
    assert [str(study.uid) for study in studies] == [uid]
    trolley.download(studies, tmp_path / "out")
    got = {
        str(dcmread(path).SOPInstanceUID): dcmread(path).PixelData
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert got == {str(dcmread(path).SOPInstanceUID): dcmread(path).PixelData for path in files}


def test_rendered_parameters_may_come_with_encoded_commas(portal: Portal, series) -> None:
    """requests writes `viewport=32%2C32`, which Orthanc refuses."""
    files, uid = series(1, patient_id="DWC-3")
    assert portal.upload(files[0].read_bytes())[0] == 201
    head = dcmread(files[0], stop_before_pixels=True)
    answer = session(portal, "radiologist").get(
        f"{portal.stack.base_url}/dicom-web/studies/{uid}/series/{head.SeriesInstanceUID}"
        f"/instances/{head.SOPInstanceUID}/rendered",
        params={"viewport": "32,32", "window": "40,400,linear"},
        headers={"Accept": "image/png"},
        timeout=30,
    )
    assert "%2C" in answer.request.url
    assert answer.status_code == 200
    assert max(Image.open(BytesIO(answer.content)).size) == 32
