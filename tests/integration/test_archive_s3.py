"""The product with its archive at an S3 server: from the modality to the viewer, and troubles."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import generate_uid

from tests.servers.portal import Portal, wait
from tests.servers.s3 import S3Proxy
from tests.servers.stack import Stack

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def proxy(s3_server: str) -> Iterator[S3Proxy]:
    made = S3Proxy(s3_server)
    yield made
    made.close()


@pytest.fixture(scope="module")
def store(s3_server: str) -> Any:
    client = boto3.client(
        "s3",
        endpoint_url=s3_server,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="hospital")
    return client


@pytest.fixture(scope="module")
def remote(
    tmp_path_factory: pytest.TempPathFactory, proxy: S3Proxy, store: Any
) -> Iterator[Portal]:
    env = {"PACS_ARCHIVE_URL": f"s3://key:secret@hospital/pacs?endpoint_url={proxy.url}"}
    with Stack(tmp_path_factory.mktemp("remote"), env=env) as stack:
        yield Portal(stack)


def forget(portal: Portal) -> None:
    """As on another machine, or when nobody has looked at it for long."""
    portal.stack.kill("web")
    for folder in ("archive-copies", "cache"):
        shutil.rmtree(portal.stack.data_dir / folder, ignore_errors=True)
    portal.stack.wait_healthy()


def frame(portal: Portal, study: str, series: str, instance: str, number: int) -> tuple[int, bytes]:
    status, body, _ = portal.request(
        "GET",
        f"/dicom-web/studies/{study}/series/{series}/instances/{instance}/frames/{number}",
        headers={"Accept": "application/octet-stream; transfer-syntax=*"},
    )
    return status, body


def cine(folder: Path) -> tuple[Path, Any, list[bytes]]:
    """A multi-frame image above what is fetched whole, its frames of random bytes."""
    from random import Random

    source = dcmread(next(folder.glob("*.dcm")))
    random = Random(11)
    frames = [random.randbytes(400_000) for _ in range(30)]
    source.SOPClassUID = source.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.3.1"
    source.SOPInstanceUID = source.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    source.StudyInstanceUID, source.SeriesInstanceUID = generate_uid(), generate_uid()
    source.Modality, source.NumberOfFrames = "US", len(frames)
    source.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.50"
    source.BitsAllocated = source.BitsStored = 8
    source.HighBit = 7
    source.PixelData = encapsulate(frames)
    source["PixelData"].VR = "OB"
    path = folder / "cine.dcm"
    source.save_as(path, enforce_file_format=True)
    return path, source, frames


def test_sent_shown_and_every_byte_in_the_bucket(remote: Portal, series: Any, store: Any) -> None:
    files, uid = series(5)
    remote.stack.storescu(files)
    remote.wait_count(uid, 5)
    pages = store.get_paginator("list_objects_v2").paginate(Bucket="hospital", Prefix="pacs/1/")
    keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
    held = {
        hashlib.sha256(store.get_object(Bucket="hospital", Key=key)["Body"].read()).hexdigest()
        for key in keys
    }
    assert {key.rpartition("/")[2] for key in keys} == held
    assert set(remote.orthanc_hashes().values()) <= held
    assert not (remote.stack.data_dir / "archive").exists()
    forget(remote)
    for path in files:
        image = dcmread(path)
        status, body = frame(remote, uid, image.SeriesInstanceUID, image.SOPInstanceUID, 1)
        assert (status, body) == (200, image.PixelData)
    status, body, _ = remote.request("GET", f"/dicom-web/studies/{uid}", headers={"Accept": "*/*"})
    assert status == 200
    assert all(dcmread(path).PixelData in body for path in files)


def test_a_frame_of_a_long_cine_comes_without_the_rest(
    remote: Portal, series: Any, proxy: S3Proxy
) -> None:
    files, _ = series(1)
    path, image, frames = cine(files[0].parent)
    assert remote.upload(path.read_bytes())[0] == 201
    forget(remote)
    proxy.seen.clear()
    where = image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID
    status, body = frame(remote, *where, 17)
    assert status == 200
    assert body.startswith(frames[16])
    asked = [span for method, _, span in proxy.seen if method == "GET"]
    assert len(asked) == 1
    first, last = map(int, asked[0].removeprefix("bytes=").split("-"))
    assert last - first < 2 * 2**20
    for number in range(1, 31):
        status, body = frame(remote, *where, number)
        assert (status, body[:400_000]) == (200, frames[number - 1])


@pytest.mark.parametrize("trouble", ["SlowDown", "AccessDenied"])
def test_refused_for_a_while_loses_nothing(
    remote: Portal, series: Any, proxy: S3Proxy, trouble: str
) -> None:
    before, known = series(2)
    remote.stack.storescu(before)
    remote.wait_count(known, 2)
    forget(remote)
    proxy.trouble = trouble
    try:
        files, uid = series(6)
        remote.stack.storescu(files)
        words = {"SlowDown": "wants fewer requests", "AccessDenied": "refuses the portal"}[trouble]

        def told() -> bool:
            out = remote.stack.shell(
                "from studies.models import OrthancServer\n"
                "print(OrthancServer.objects.get().last_error)"
            )
            return words in out

        wait(told, 60, "the failure is told", remote)
        status, body, _ = remote.request(
            "POST",
            "/api/dicom/upload",
            who="technician",
            body=files[0].read_bytes(),
            headers={"Content-Type": "application/dicom"},
        )
        assert (status, body) == (503, b"The server cannot do this now. Try again.\n")
        image = dcmread(before[0])
        status, _ = frame(remote, known, image.SeriesInstanceUID, image.SOPInstanceUID, 1)
        assert status == 503
        assert remote.stack.health()[0] == 503
        assert remote.count(known) == 2
    finally:
        proxy.trouble = ""
    remote.wait_count(uid, 6, 90)
    assert frame(remote, known, image.SeriesInstanceUID, image.SOPInstanceUID, 1)[0] == 200
    assert set(remote.orthanc_hashes().items()) <= set(remote.archived().items())


def test_a_damaged_object_is_healed_from_orthanc_while_one_waits(
    remote: Portal, series: Any, store: Any
) -> None:
    files, uid = series(1)
    remote.stack.storescu(files)
    remote.wait_count(uid, 1)
    image = dcmread(files[0])
    digest = remote.orthanc_hashes()[image.SOPInstanceUID]
    key = f"pacs/1/{digest[:2]}/{digest}"
    data = store.get_object(Bucket="hospital", Key=key)["Body"].read()
    store.put_object(Bucket="hospital", Key=key, Body=data[:-50] + bytes(50))
    forget(remote)
    status, body = frame(remote, uid, image.SeriesInstanceUID, image.SOPInstanceUID, 1)
    assert (status, body) == (200, image.PixelData)
    assert store.get_object(Bucket="hospital", Key=key)["Body"].read() == data
