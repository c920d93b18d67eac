"""WADO-URI: parameters, media types, who may."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pacs.audit.models import AuditEvent
from tests.dicomweb.asking import Stored, ct_file, store

pytestmark = pytest.mark.django_db(transaction=True)


def query(file: Stored, more: str = "", root: str = "/wado") -> str:
    return (
        f"{root}?requestType=WADO&studyUID={file.study}&seriesUID={file.series}"
        f"&objectUID={file.instance}{more}"
    )


def test_an_image_is_jpeg_unless_asked_otherwise(client: Any, radiologist: Any, ct: Any) -> None:
    asking = client(radiologist)
    for more, kind in (
        ("", "image/jpeg"),
        ("&contentType=image%2Fjpeg", "image/jpeg"),
        ("&contentType=image/png", "image/png"),
        ("&contentType=image/jp2,image/png", "image/png"),
        ("&contentType=application/dicom", "application/dicom"),
    ):
        reply = asking.get(query(ct, more))
        assert reply.status == 200
        assert reply.headers["content-type"].partition(";")[0] == kind
    assert asking.get(query(ct, "&contentType=application/dicom")).body == ct.file
    assert asking.get(query(ct, "&contentType=application/dicom&transferSyntax=*")).body == ct.file
    assert asking.get(query(ct, "&contentType=video/mp4")).status == 406


def test_another_transfer_syntax(client: Any, radiologist: Any, ct: Any) -> None:
    from pydicom import dcmread

    more = "&contentType=application/dicom&transferSyntax="
    reply = client(radiologist).get(query(ct, more + "1.2.840.10008.1.2.4.80"))
    assert reply.status == 200
    made = dcmread(BytesIO(reply.body))
    assert made.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.80"
    assert np.array_equal(made.pixel_array, ct.dataset.pixel_array)
    assert client(radiologist).get(query(ct, more + "1.2.840.10008.1.2.4.100")).status == 406


def test_several_frames_are_a_file_unless_one_is_named(
    client: Any, radiologist: Any, site: Any
) -> None:
    cine = store(site, ct_file(frames=3))
    asking = client(radiologist)
    assert asking.get(query(cine)).body == cine.file
    second = asking.get(query(cine, "&frameNumber=2"))
    assert second.body == asking.get(cine.path + "/frames/2/rendered").body
    assert asking.get(query(cine, "&frameNumber=4")).status == 404
    moving = asking.get(query(cine, "&contentType=image/gif"))
    assert Image.open(BytesIO(moving.body)).n_frames == 3


def test_picture_parameters(client: Any, radiologist: Any, site: Any) -> None:
    values = np.arange(256, dtype=np.uint16).reshape(16, 16) * 16
    file = store(site, ct_file(PixelData=values.tobytes()))
    asking = client(radiologist)

    def pixels(more: str) -> Any:
        reply = asking.get(query(file, f"&contentType=image/png{more}"))
        assert reply.status == 200, reply.body
        return np.asarray(Image.open(BytesIO(reply.body))).astype(int)

    whole = pixels("&windowCenter=2048&windowWidth=4096")
    assert np.abs(whole - (values - 2047.5) / 4095 * 255 - 127.5).max() <= 1
    part = pixels("&windowCenter=2048&windowWidth=4096&region=0.25,0.5,0.75,1")
    assert np.array_equal(part, whole[8:, 4:12])
    assert pixels("&rows=8").shape == (8, 8)
    assert pixels("&columns=40").shape == (40, 40)
    assert pixels("&rows=8&columns=4").shape == (4, 4)


@pytest.mark.parametrize(
    "more",
    [
        "&frameNumber=0", "&frameNumber=x", "&frameNumber=1,2", "&windowCenter=5",
        "&windowWidth=5", "&windowCenter=5&windowWidth=0", "&windowCenter=x&windowWidth=5",
        "&rows=0", "&rows=x", "&rows=1000000000", "&columns=-4", "&rows=16384&columns=16384",
        "&region=0,0,1", "&region=0,0,2,1", "&region=0.5,0,0.5,1", "&region=a,b,c,d",
        "&imageQuality=0", "&imageQuality=101", "&annotation=x", "&anonymize=yes",
        "&anonymize=maybe", "&presentationUID=1.2.3", "&presentationSeriesUID=1.2.3",
        "&presentationUID=x&presentationSeriesUID=1.2", "&transferSyntax=x",
        "&studyUID=1.2.3", "&rows=5&rows=5",
    ],
)  # fmt: skip
def test_bad_parameters(client: Any, radiologist: Any, ct: Any, more: str) -> None:
    reply = client(radiologist).get(query(ct, more))
    assert reply.status == 400
    assert len(reply.body) > 10


@pytest.mark.parametrize("name", ["requestType", "studyUID", "seriesUID", "objectUID"])
def test_missing_and_malformed(client: Any, radiologist: Any, ct: Any, name: str) -> None:
    path, _, text = query(ct).partition("?")
    others = [pair for pair in text.split("&") if not pair.startswith(f"{name}=")]
    asking = client(radiologist)
    assert asking.get(f"{path}?{'&'.join(others)}").status == 400
    assert asking.get(f"{path}?{'&'.join(others)}&{name}=%3Cscript%3E").status == 400


@pytest.mark.parametrize("root", ["/wado", "/dicom-web/wado", "/dicom-web/sites/main/wado"])
@pytest.mark.parametrize("more", ["", "&contentType=application/dicom", "&contentType=image/png"])
def test_who_may(
    client: Any, radiologist: Any, stranger: Any, ct: Any, root: str, more: str
) -> None:
    address = query(ct, more, root)
    assert client(radiologist).get(address).status == 200
    hidden = client(stranger).get(address)
    unknown = client(stranger).get(address.replace(ct.study, "1.2.3"))
    assert hidden.status == unknown.status == 404
    assert hidden.body == unknown.body
    assert client().get(address).status == 401
    assert client(radiologist).get(address, method="POST").status == 405


def test_other_site_by_name_and_wrong_parents(
    client: Any, radiologist: Any, other_site: Any, ct: Any
) -> None:
    asking = client(radiologist)
    assert asking.get(query(ct, root="/dicom-web/sites/north/wado")).status == 404
    assert asking.get(query(ct).replace(f"seriesUID={ct.series}", "seriesUID=1.2.3")).status == 404


def test_reading_is_in_the_trail(client: Any, radiologist: Any, ct: Any) -> None:
    client(radiologist).get(query(ct))
    assert AuditEvent.objects.get(action="study.retrieved").study_id == ct.study_pk


def test_a_report_is_a_file(client: Any, radiologist: Any, site: Any, test_file: Any) -> None:
    report = store(site, test_file("reportsi.dcm"))
    assert client(radiologist).get(query(report)).body == report.file
    assert client(radiologist).get(query(report, "&contentType=image/jpeg")).status == 406
