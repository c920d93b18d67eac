"""Byte ranges of everything that goes in one part (RFC 9110 14)."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.dicomweb.asking import Stored, ct_file, store

pytestmark = pytest.mark.django_db(transaction=True)

OCTETS = "application/octet-stream"


@pytest.fixture
def ways(site: Any) -> list[tuple[str, str, bytes]]:
    """Path, Accept and whole body of a file, a frame, a value and pixels."""
    item = Dataset()
    item.EncapsulatedDocument = b"%PDF-1" + bytes(range(256)) * 10
    file = store(site, ct_file(size=600, frames=2, IconImageSequence=[item]))
    pixels: bytes = file.dataset.PixelData
    return [
        (file.path, "application/dicom", file.file),
        (file.path + "/frames/2", OCTETS, pixels[len(pixels) // 2 :]),
        (file.path + "/bulkdata/7FE00010", OCTETS, pixels),
        (file.path + "/bulkdata/00880200/1/00420011", OCTETS, item.EncapsulatedDocument),
    ]


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, None),
        ("bytes=5-9", 5, 10),
        ("bytes=100-99999999999999", 100, None),
        ("bytes=-7", -7, None),
        ("bytes=-99999999", 0, None),
        ("  Bytes = 5 - 9 ", 5, 10),
    ],
)
def test_one_range(
    client: Any, radiologist: Any, ways: Any, asked: str, start: int, end: int | None
) -> None:
    for path, accept, body in ways:
        reply = client(radiologist).get(path, headers={"accept": accept, "range": asked})
        assert reply.status == 206
        assert reply.body == body[start:end]
        first = start % len(body)
        last = first + len(reply.body) - 1
        assert reply.headers["content-range"] == f"bytes {first}-{last}/{len(body)}"
        assert reply.headers["content-length"] == str(len(reply.body))


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=99999999-99999999", "bytes=-0"])
def test_beyond_the_end_is_416(client: Any, radiologist: Any, ways: Any, asked: str) -> None:
    for path, accept, body in ways:
        reply = client(radiologist).get(path, headers={"accept": accept, "range": asked})
        assert reply.status == 416
        assert reply.headers["content-range"] == f"bytes */{len(body)}"
        assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=0-1,5-6",
        "bytes=9-5",
        "bytes=-",
        "bytes",
        "bytes=",
        "lines=0-1",
        "bytes=0x0-1",
        "bytes=١-٢".encode().decode("latin-1"),
        "bytes=0-1 junk",
        "bytes=--1",
        "bytes=" + "9" * 400 + "-",
        "",
    ],
)
def test_several_and_nonsense_are_ignored(
    client: Any, radiologist: Any, ways: Any, asked: str
) -> None:
    for path, accept, body in ways:
        headers = {"accept": accept, "range": asked.encode().decode("latin-1")}
        reply = client(radiologist).get(path, headers=headers)
        assert (reply.status, reply.body) == (200, body)
        assert reply.headers["accept-ranges"] == "bytes"


def test_only_get_and_only_in_one_part(client: Any, radiologist: Any, ways: Any) -> None:
    for path, accept, body in ways:
        headers = {"accept": accept, "range": "bytes=0-9"}
        head = client(radiologist).get(path, headers=headers, method="HEAD")
        assert (head.status, head.headers["content-length"]) == (200, str(len(body)))
        multipart = client(radiologist).get(path, headers={"range": "bytes=0-9"})
        assert multipart.status == 200
        assert multipart.parts[0].body == body


def test_if_range(client: Any, radiologist: Any, ways: Any) -> None:
    for path, accept, body in ways:
        asking = client(radiologist)
        etag = asking.get(path, headers={"accept": accept}).headers["etag"]
        assert etag.startswith('"')
        headers = {"accept": accept, "range": "bytes=0-9"}
        for condition, status in ((etag, 206), (f"W/{etag}", 200), ('"other"', 200)):
            reply = asking.get(path, headers={**headers, "if-range": condition})
            assert reply.status == status
            assert reply.body == (body[:10] if status == 206 else body)
        known = asking.get(path, headers={**headers, "if-none-match": etag})
        assert (known.status, known.body) == (304, b"")


@pytest.mark.parametrize(
    "accept",
    [
        "\x00",
        'multipart/related; type="application/octet-stream',
        "multipart/related;" * 500,
        "*/*;q=1e400",
        "*/*;q=nan",
        "*/*;q=-1",
        "image/jls;transfer-syntax=" + "1" * 5000,
        ",".join(f"image/x{n}" for n in range(2000)),
        'multipart/related; type="image/jls"; transfer-syntax="1.2.840.10008.1.2.4.80\r\nX: y"',
    ],
)
def test_hostile_accept(client: Any, radiologist: Any, ct: Stored, accept: str) -> None:
    for way in ("", "/frames/1", "/bulkdata/7FE00010", "/metadata"):
        reply = client(radiologist).get(ct.path + way, headers={"accept": accept})
        assert reply.status in {200, 406}
        assert b"\r\nX: y" not in reply.body


def test_metadata_as_xml_only_is_406(client: Any, radiologist: Any, ct: Stored) -> None:
    accept = {"accept": 'multipart/related; type="application/dicom+xml"'}
    for path in (ct.study_path, ct.series_path, ct.path):
        assert client(radiologist).get(path + "/metadata", headers=accept).status == 406
