"""Frames of every kind of file equal the file's own bytes, or pydicom's decode of them."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames
from pydicom.pixels import iter_pixels
from pydicom.uid import UID

from studies.dicomweb.negotiation import UNSHOWABLE
from studies.models import Instance
from studies.services import ingest
from tests.dicomweb.asking import FRAMES_ACCEPT, TEST_FILES, ct_file, store

pytestmark = pytest.mark.django_db(transaction=True)

EXPLICIT = "1.2.840.10008.1.2.1"


def expected_frames(file: bytes, syntax: str, count: int = 1) -> list[bytes]:
    dataset = pydicom.dcmread(BytesIO(file))
    stored = UID(dataset.file_meta.TransferSyntaxUID)
    if stored.is_encapsulated and syntax == stored:
        return list(generate_frames(dataset.PixelData, number_of_frames=count))
    if stored in UNSHOWABLE and stored.is_encapsulated:  # pydicom's decoders refuse 12 bits
        found = generate_frames(dataset.PixelData, number_of_frames=count)
        return [imagecodecs.jpeg8_decode(frame).astype("<u2").tobytes() for frame in found]
    if not stored.is_encapsulated and not stored.is_deflated and stored.is_little_endian:
        bits = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated
        if bits % 8 == 0:
            size = bits // 8
            return [dataset.PixelData[n * size : (n + 1) * size] for n in range(count)]
    arrays = iter_pixels(dataset, raw=True)
    if dataset.BitsAllocated == 1:
        return [np.packbits(array, bitorder="little").tobytes() for array in arrays]
    return [little_endian(array) for array in arrays]


def little_endian(array: Any) -> bytes:
    return bytes(array.astype(array.dtype.newbyteorder("<")).tobytes())


def files_with_frames() -> list[str]:
    return sorted(path.name for path in TEST_FILES.glob("*.dcm"))


@pytest.mark.parametrize("name", files_with_frames())
def test_every_real_file(
    client: Any, radiologist: Any, site: Any, test_file: Any, name: str
) -> None:
    file = test_file(name)
    result = ingest.store(BytesIO(file), source="test", site=site)
    if result.outcome != "stored":
        assert result.reason is not None
        return
    row = Instance.objects.select_related("series__study").get(
        sop_instance_uid=result.sop_instance_uid
    )
    path = (
        f"/dicom-web/studies/{row.series.study.study_instance_uid}"
        f"/series/{row.series.series_instance_uid}/instances/{row.sop_instance_uid}"
    )
    asking = client(radiologist)
    accept = {"accept": FRAMES_ACCEPT}
    if row.number_of_frames == 0:
        assert asking.get(path + "/frames/1", headers=accept).status == 404
        return
    numbers = sorted({1, (row.number_of_frames + 1) // 2, row.number_of_frames})
    for number in numbers:
        reply = asking.get(f"{path}/frames/{number}", headers=accept)
        if reply.status == 404:
            pytest.fail(f"{name}: {reply.body!r}")
        assert reply.status == 200
        (part,) = reply.parts
        expected = expected_frames(file, part.transfer_syntax, row.number_of_frames)[number - 1]
        assert part.body == expected
    assert asking.get(f"{path}/frames/{row.number_of_frames + 1}").status == 404
    whole = asking.get(path, headers={"accept": "application/dicom"})
    assert whole.body == file


def test_list_of_frames_in_its_order(client: Any, radiologist: Any, site: Any) -> None:
    file = store(site, ct_file(frames=5))
    reply = client(radiologist).get(file.path + "/frames/5,1,3,3")
    frames = expected_frames(file.file, EXPLICIT, 5)
    assert [part.body for part in reply.parts] == [frames[4], frames[0], frames[2], frames[2]]
    assert {part.transfer_syntax for part in reply.parts} == {EXPLICIT}


@pytest.mark.parametrize(
    ("frames", "status"),
    [
        ("0", 400),
        ("-1", 400),
        ("1,", 400),
        ("1,,2", 400),
        ("x", 400),
        ("1;2", 400),
        ("%31%00", 400),
        ("9999999999999999999", 400),
        ("2", 404),
        ("1,2", 404),
        (",".join(["1"] * 10_001), 400),
    ],
)
def test_nonsense_frames(client: Any, radiologist: Any, ct: Any, frames: str, status: int) -> None:
    assert client(radiologist).get(f"{ct.path}/frames/{frames}").status == status


@pytest.mark.parametrize(
    ("accept", "status", "content_type"),
    [
        ("", 200, "multipart/related"),
        ("*/*", 200, "multipart/related"),
        (FRAMES_ACCEPT, 200, "multipart/related"),
        ('multipart/related; type="*/*"', 200, "multipart/related"),
        ("multipart/related; type=application/octet-stream", 200, "multipart/related"),
        ("multipart/related", 200, "multipart/related"),
        ("application/octet-stream", 200, "application/octet-stream"),
        ('multipart/related; type="image/jpeg"', 406, ""),
        ("text/html", 406, ""),
        ('multipart/related; type="application/octet-stream"; transfer-syntax=1.2.3', 406, ""),
        ("image/jpeg, multipart/related; type=*/*; q=0.1", 200, "multipart/related"),
        (";;;=,,\x7f", 406, ""),
    ],
)
def test_accept(
    client: Any, radiologist: Any, ct: Any, accept: str, status: int, content_type: str
) -> None:
    headers = {"accept": accept} if accept else {}
    reply = client(radiologist).get(ct.path + "/frames/1", headers=headers)
    assert reply.status == status
    if status == 200:
        assert reply.headers["content-type"].startswith(content_type)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("JPEG2000.dcm", "image/jp2"),
        ("MR_small_jpeg_ls_lossless.dcm", "image/jls"),
        ("MR_small_RLE.dcm", "image/dicom-rle"),
        ("SC_rgb_jpeg_dcmtk.dcm", "image/jpeg"),
    ],
)
def test_compressed_frames_by_media_type(
    client: Any, radiologist: Any, site: Any, test_file: Any, name: str, media_type: str
) -> None:
    file = store(site, test_file(name))
    asking = client(radiologist)
    stored = file.dataset.file_meta.TransferSyntaxUID
    for accept, expected in (
        (f'multipart/related; type="{media_type}"', media_type),
        ('multipart/related; type="*/*"', media_type),
        (FRAMES_ACCEPT, "application/octet-stream"),
    ):
        (part,) = asking.get(file.path + "/frames/1", headers={"accept": accept}).parts
        assert part.headers["content-type"] == f"{expected}; transfer-syntax={stored}"
        assert part.body == expected_frames(file.file, stored)[0]


def test_octet_stream_without_syntax_is_uncompressed(
    client: Any, radiologist: Any, site: Any, test_file: Any
) -> None:
    file = store(site, test_file("MR_small_RLE.dcm"))
    accept = {"accept": 'multipart/related; type="application/octet-stream"'}
    (part,) = client(radiologist).get(file.path + "/frames/1", headers=accept).parts
    assert part.transfer_syntax == EXPLICIT
    assert part.body == next(iter(iter_pixels(file.dataset, raw=True))).tobytes()


def test_frames_are_revalidated(client: Any, radiologist: Any, ct: Any) -> None:
    asking = client(radiologist)
    first = asking.get(ct.path + "/frames/1")
    again = asking.get(ct.path + "/frames/1", headers={"if-none-match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    other = asking.get(ct.path + "/frames/1", headers={"if-none-match": '"other"'})
    assert other.status == 200


def test_bulk_data_is_the_pixel_data(client: Any, radiologist: Any, site: Any) -> None:
    file = store(site, ct_file(frames=3, size=640))
    reply = client(radiologist).get(file.path + "/bulkdata/7FE00010")
    assert reply.parts[0].body == file.dataset.PixelData
    assert reply.pieces > 2
