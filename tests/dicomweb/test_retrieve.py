"""Whole files, metadata, pictures."""

from __future__ import annotations

import gzip
import json
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from pydicom.dataset import Dataset

from studies import archive
from studies.models import Instance
from studies.services import thumbnails
from tests.dicomweb.asking import Gone, ct_file, store

pytestmark = pytest.mark.django_db(transaction=True)


def test_instance_is_the_file_as_received(client: Any, radiologist: Any, site: Any) -> None:
    file = store(site, ct_file(size=1024))
    asking = client(radiologist)
    single = asking.get(file.path, headers={"accept": "application/dicom"})
    assert single.body == file.file
    assert single.headers["content-type"] == (
        "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    )
    assert single.pieces > 2
    (part,) = asking.get(file.path).parts
    assert part.body == file.file


def test_study_and_series_are_every_file(client: Any, radiologist: Any, site: Any) -> None:
    first = store(site, ct_file(number=1, seed=1))
    second = store(site, ct_file(number=2, seed=2))
    third = store(site, ct_file(series="1.2.826.0.1.3680043.10.9.1.2", SeriesNumber=2))
    asking = client(radiologist)
    assert [part.body for part in asking.get(first.study_path).parts] == [
        first.file,
        second.file,
        third.file,
    ]
    assert [part.body for part in asking.get(third.series_path).parts] == [third.file]


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("multipart/related; type=application/dicom", 200),
        ('multipart/related; type="application/dicom"; transfer-syntax=*', 200),
        ("application/dicom", 406),
        ("image/jpeg", 406),
        ('multipart/related; type="image/jpeg"', 406),
    ],
)
def test_accept_of_a_study(
    client: Any, radiologist: Any, ct: Any, accept: str, status: int
) -> None:
    assert client(radiologist).get(ct.study_path, headers={"accept": accept}).status == status


@pytest.mark.parametrize("level", ["study_path", "series_path", "path"])
def test_metadata_at_every_level(client: Any, radiologist: Any, site: Any, level: str) -> None:
    files = [store(site, ct_file(number=n, seed=n)) for n in (1, 2)]
    asking = client(radiologist)
    path = getattr(files[0], level) + "/metadata"
    plain = asking.get(path, headers={"accept": "application/dicom+json"})
    assert plain.headers["content-type"] == "application/dicom+json"
    assert plain.headers["cache-control"] == "no-store"
    uids = [one["00080018"]["Value"][0] for one in plain.json]
    assert uids == [file.instance for file in files][: 1 if level == "path" else 2]
    zipped = asking.get(path, headers={"accept-encoding": "gzip, br"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(zipped.body)) == plain.json
    again = asking.get(path, headers={"if-none-match": plain.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


def test_metadata_say_how_the_instance_is_stored(
    client: Any, radiologist: Any, site: Any, test_file: Any
) -> None:
    stored = [
        store(site, ct_file(AvailableTransferSyntaxUID="1.2.3")),
        store(site, test_file("MR_small_RLE.dcm")),
    ]
    asking = client(radiologist)
    for file, syntax in zip(stored, ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"), strict=True):
        for path in (file.series_path + "/metadata", file.series_path + "/instances"):
            (one,) = asking.get(path).json
            assert one["00083002"] == {"vr": "UI", "Value": [syntax]}
            assert list(one) == sorted(one)


def test_bulk_data_urls_lead_to_the_values(
    client: Any, radiologist: Any, site: Any, test_file: Any
) -> None:
    palette = store(site, test_file("examples_palette.dcm"))
    other = store(site, ct_file(number=2))
    asking = client(radiologist)
    for file in (palette, other):
        for level in (file.study_path, file.series_path, file.path):
            (one,) = asking.get(level + "/metadata").json
            url = f"{file.path}/bulkdata/7FE00010".replace("/dicom-web/", "/dicom-web/sites/main/")
            assert one["7FE00010"]["BulkDataURI"] == url
            assert asking.get(url).status == 200
    value = palette.dataset.RedPaletteColorLookupTableData
    path = palette.path + "/bulkdata/00281201"
    assert asking.get(path).parts[0].body == value
    assert asking.get(path, headers={"accept": "application/octet-stream"}).body == value


def test_bulk_data_in_a_sequence(client: Any, radiologist: Any, site: Any) -> None:
    item = Dataset()
    item.EncapsulatedDocument = b"%PDF" * 1000
    file = store(site, ct_file(IconImageSequence=[item]))
    asking = client(radiologist)
    (one,) = asking.get(file.series_path + "/metadata").json
    url = one["00880200"]["Value"][0]["00420011"]["BulkDataURI"]
    assert url.endswith("/bulkdata/00880200/1/00420011")
    assert asking.get(url).parts[0].body == item.EncapsulatedDocument
    for wrong in ("00880200/2/00420011", "00880200", "00100010", "00420011", "00880200/1"):
        try:
            assert asking.get(f"{file.path}/bulkdata/{wrong}").status == 404
        except Gone:
            assert wrong == "00880200/1"


def test_metadata_of_a_growing_series(client: Any, radiologist: Any, ct: Any, site: Any) -> None:
    asking = client(radiologist)
    before = asking.get(ct.series_path + "/metadata")
    store(site, ct_file(number=2, seed=2))
    after = asking.get(
        ct.series_path + "/metadata", headers={"if-none-match": before.headers["etag"]}
    )
    assert after.status == 200
    assert len(after.json) == 2


def test_metadata_as_a_picture_is_406(client: Any, radiologist: Any, ct: Any) -> None:
    reply = client(radiologist).get(ct.path + "/metadata", headers={"accept": "image/png"})
    assert reply.status == 406


def test_instance_under_another_series_is_unknown(
    client: Any, radiologist: Any, ct: Any, site: Any
) -> None:
    other = store(site, ct_file(series="1.2.826.0.1.3680043.10.9.1.2", seed=3))
    wrong = f"{other.series_path}/instances/{ct.instance}"
    for way in ("", "/metadata", "/frames/1", "/thumbnail"):
        assert client(radiologist).get(wrong + way).status == 404


def test_thumbnails_are_kept(client: Any, radiologist: Any, site: Any) -> None:
    files = [store(site, ct_file(number=n, seed=n, size=300)) for n in (1, 2, 3)]
    asking = client(radiologist)
    middle = asking.get(files[1].path + "/thumbnail")
    assert middle.headers["content-type"] == "image/jpeg"
    assert max(Image.open(BytesIO(middle.body)).size) <= 200
    assert asking.get(files[0].series_path + "/thumbnail").body == middle.body
    pk = Instance.objects.get(sop_instance_uid=files[1].instance).pk
    assert thumbnails.cache_file(pk, 1, 200).read_bytes() == middle.body
    small = asking.get(files[1].path + "/thumbnail?viewport=60,60")
    assert max(Image.open(BytesIO(small.body)).size) <= 64
    assert asking.get(files[1].path + "/thumbnail?viewport=x").status == 400


def test_rendered_jpeg_and_png(client: Any, radiologist: Any, site: Any) -> None:
    file = store(site, ct_file(size=64, frames=3))
    asking = client(radiologist)
    for accept, kind in (("", "JPEG"), ("image/jpeg", "JPEG"), ("image/png", "PNG")):
        reply = asking.get(file.path + "/frames/2/rendered", headers={"accept": accept})
        picture = Image.open(BytesIO(reply.body))
        assert (picture.format, picture.size) == (kind, (64, 64))
    assert asking.get(file.path + "/rendered").status == 200
    assert asking.get(file.path + "/frames/4/rendered").status == 404
    assert asking.get(file.path + "/rendered", headers={"accept": "video/mp4"}).status == 406


@pytest.mark.parametrize("way", ["/thumbnail", "/rendered", "/frames/1", "/bulkdata/7FE00010"])
def test_no_pixels_is_404_in_words(
    client: Any, radiologist: Any, site: Any, test_file: Any, way: str
) -> None:
    plan = store(site, test_file("rtplan.dcm"))
    reply = client(radiologist).get(plan.path + way)
    assert reply.status == 404
    assert reply.body.startswith(b"This instance has no ")


def test_file_missing_from_the_archive_fails_without_words(
    client: Any, radiologist: Any, ct: Any
) -> None:
    key = Instance.objects.get().archive_key
    archive.local_path(key).unlink()
    reply = client(radiologist).get(ct.path + "/frames/1")
    assert (reply.status, reply.body) == (500, b"The server failed.\n")
