"""Other people's STOW-RS clients against the running portal: Orthanc's own, and dicomweb-client."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from dicomweb_client.api import DICOMwebClient
from dicomweb_client.session_utils import create_session_from_user_pass
from pydicom import dcmread

from tests.servers.orthanc import OrthancServer
from tests.servers.portal import Portal

pytestmark = pytest.mark.integration
SLICES = 200


def pushing(folder: Path, portal: Portal, server: dict[str, Any]) -> OrthancServer:
    """An Orthanc that knows the portal as a DICOMweb server, as docs/orthanc.md says."""
    web = {"Enable": True, "Root": "/dicom-web/", "Servers": {"portal": server}}
    return OrthancServer(folder, options={"DicomWeb": web})


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "whole"])
def test_orthanc_pushes_a_study(
    portal: Portal, series: Callable[..., tuple[list[Path], str]], tmp_path: Path, chunked: bool
) -> None:
    files, study = series(SLICES, size=512)
    server = {
        "Url": f"{portal.stack.base_url}/dicom-web/",
        "HttpHeaders": {"Authorization": f"Bearer {portal.tokens['technician']}"},
        "ChunkedTransfers": chunked,
    }
    with pushing(tmp_path / "orthanc", portal, server) as orthanc:
        orthanc.storescu(files)
        [resource] = orthanc.json("/studies")
        for _ in range(2):  # the second time all is there already
            status, body = orthanc.rest(
                "POST",
                "/dicom-web/servers/portal/stow",
                {"Resources": [resource], "Synchronous": True},
                timeout=120,
            )
            assert status == 200, body
            answer = json.loads(body)
            assert answer["InstancesCount"] == str(SLICES)
            assert portal.count(study) == SLICES
        held = {
            uid: hashlib.sha256(file).hexdigest() for uid, file in orthanc.instance_files().items()
        }
    archived = portal.archived()
    assert {uid: archived[uid] for uid in held} == held


def test_orthanc_pushes_with_user_and_password(
    portal: Portal, series: Callable[..., tuple[list[Path], str]], tmp_path: Path
) -> None:
    """Basic authentication: any name, the token as the password."""
    files, study = series(3)
    server = {
        "Url": f"{portal.stack.base_url}/dicom-web/sites/north/",
        "Username": "orthanc",
        "Password": portal.tokens["northtech"],
    }
    with pushing(tmp_path / "orthanc", portal, server) as orthanc:
        orthanc.storescu(files)
        [resource] = orthanc.json("/studies")
        status, body = orthanc.rest(
            "POST", "/dicom-web/servers/portal/stow", {"Resources": [resource], "Synchronous": True}
        )
    assert status == 200, body
    assert portal.count(study, who="stranger") == 3
    assert portal.count(study) == 0


def test_orthanc_hears_of_a_refusal(
    portal: Portal, series: Callable[..., tuple[list[Path], str]], tmp_path: Path
) -> None:
    files, study = series(3)
    server = {
        "Url": f"{portal.stack.base_url}/dicom-web/",
        "HttpHeaders": {"Authorization": "Bearer wrong"},
    }
    with pushing(tmp_path / "orthanc", portal, server) as orthanc:
        orthanc.storescu(files)
        [resource] = orthanc.json("/studies")
        status, _ = orthanc.rest(
            "POST", "/dicom-web/servers/portal/stow", {"Resources": [resource], "Synchronous": True}
        )
    assert status >= 400
    assert portal.count(study) == 0


@pytest.fixture
def web(portal: Portal) -> DICOMwebClient:
    return DICOMwebClient(
        url=f"{portal.stack.base_url}/dicom-web",
        headers={"Authorization": f"Bearer {portal.tokens['technician']}"},
    )


def test_dicomweb_client_stores(
    portal: Portal, series: Callable[..., tuple[list[Path], str]], web: DICOMwebClient
) -> None:
    files, study = series(12)
    datasets = [dcmread(file) for file in files]
    answer = web.store_instances(datasets)
    stored = {item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence}
    assert stored == {dataset.SOPInstanceUID for dataset in datasets}
    assert "FailedSOPSequence" not in answer
    assert answer.RetrieveURL.endswith(f"/studies/{study}")
    assert portal.count(study) == 12
    assert len(web.retrieve_study(study)) == 12


def test_dicomweb_client_hears_of_a_failure(
    portal: Portal, series: Callable[..., tuple[list[Path], str]], web: DICOMwebClient
) -> None:
    files, study = series(2)
    good, wrong = (dcmread(file) for file in files)
    wrong.PatientID = "SOMEBODY-ELSE"
    answer = web.store_instances([good, wrong], study_instance_uid=study)
    [failed] = answer.FailedSOPSequence
    assert failed.ReferencedSOPInstanceUID == wrong.SOPInstanceUID
    assert failed.FailureReason == 0xA900
    assert portal.count(study) == 1


def test_dicomweb_client_with_user_and_password(
    portal: Portal, series: Callable[..., tuple[list[Path], str]]
) -> None:
    files, study = series(1)
    session = create_session_from_user_pass("anyone", portal.tokens["technician"])
    web = DICOMwebClient(url=f"{portal.stack.base_url}/dicom-web", session=session)
    web.store_instances([dcmread(BytesIO(files[0].read_bytes()))])
    assert portal.count(study) == 1
