"""Frames and instances in other transfer syntaxes equal pydicom's decode of the stored ones."""

from __future__ import annotations

import asyncio
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import pixel_array

from studies.dicom.gate import inspect
from studies.dicom.syntaxes import (
    DEFLATED_FRAMES,
    EXPLICIT_LE,
    HTJ2K_LOSSLESS,
    HTJ2K_RPCL,
    JPEG_BASELINE,
    JPEG_LS,
)
from studies.dicomweb.negotiation import UNSHOWABLE
from studies.models import Instance
from studies.services import frame_cache
from studies.services.pixels import transcode_service
from tests.dicomweb.asking import FRAMES_ACCEPT, TEST_FILES, Stored, ct_file, store

pytestmark = pytest.mark.django_db(transaction=True)

LOSSLESS = {
    EXPLICIT_LE: "application/octet-stream",
    JPEG_LS: "image/jls",
    HTJ2K_LOSSLESS: "image/jphc",
    HTJ2K_RPCL: "image/jphc",
}
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
# One file of every transfer syntax and every kind of samples that pydicom ships.
FILES = [
    "693_J2KI.dcm",
    "CT_small.dcm",
    "ExplVR_BigEnd.dcm",
    "GDCMJ2K_TextGBR.dcm",
    "J2K_pixelrep_mismatch.dcm",
    "JPEGLSNearLossless_08.dcm",
    "JPEGLSNearLossless_16.dcm",
    "JPGExtended.dcm",
    "MR_small_RLE.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "SC_rgb_rle_16bit_2frame.dcm",
    "SC_rgb_rle_2frame.dcm",
    "SC_rgb_small_odd.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
    "examples_overlay.dcm",
    "examples_palette.dcm",
    "examples_ybr_color.dcm",
    "image_dfl.dcm",
]


def real(name: str) -> bytes:
    """A file that pydicom ships, with UIDs where it has none."""
    file = (TEST_FILES / name).read_bytes()
    dataset = pydicom.dcmread(BytesIO(file))
    missing = [one for one in UIDS if not dataset.get(one)]
    if not missing:
        return file
    for keyword in missing:
        setattr(dataset, keyword, f"1.2.3.{UIDS.index(keyword)}")
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    target = BytesIO()
    dataset.save_as(target, enforce_file_format=True)
    return target.getvalue()


def stored_pixels(dataset: Dataset, number: int) -> Any:
    """The samples of a frame by pydicom, colour as stored."""
    if dataset.file_meta.TransferSyntaxUID in UNSHOWABLE and dataset.BitsStored == 12:
        frame = next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))
        return imagecodecs.jpeg8_decode(frame)
    return pixel_array(dataset, index=number - 1, raw=True)


def decoded(body: bytes, syntax: str, wanted: Any) -> Any:
    """A frame's bytes as samples, by decoders of their own."""
    if syntax == EXPLICIT_LE:
        kind = wanted.dtype.newbyteorder("<")
        return np.frombuffer(body, kind).reshape(wanted.shape)
    if syntax == JPEG_LS:
        found = imagecodecs.jpegls_decode(body)
        return found.view(wanted.dtype.newbyteorder("=")) if found.dtype.kind == "u" else found
    found = imagecodecs.htj2k_decode(body)
    return found.transpose(1, 2, 0) if found.shape != wanted.shape and found.ndim == 3 else found


@pytest.mark.parametrize("name", FILES)
def test_lossless_frames_of_every_kind(client: Any, radiologist: Any, site: Any, name: str) -> None:
    file = store(site, real(name))
    asking = client(radiologist)
    count = int(file.dataset.get("NumberOfFrames") or 1)
    for number in {1, count}:
        wanted = stored_pixels(file.dataset, number)
        for syntax, media_type in LOSSLESS.items():
            if syntax == EXPLICIT_LE and name == "SC_ybr_full_422_uncompressed.dcm":
                continue  # its stored bytes are what was asked for: two pixels share colours
            accept = f'multipart/related; type="{media_type}"; transfer-syntax={syntax}'
            reply = asking.get(f"{file.path}/frames/{number}", headers={"accept": accept})
            assert reply.status == 200, (syntax, reply.body)
            (part,) = reply.parts
            assert part.headers["content-type"] == f"{media_type}; transfer-syntax={syntax}"
            assert np.array_equal(decoded(part.body, syntax, wanted), wanted), syntax


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("name", FILES)
def test_lossless_instances_of_every_kind(
    client: Any, radiologist: Any, site: Any, name: str, syntax: str
) -> None:
    file = store(site, real(name))
    accept = {"accept": f"application/dicom; transfer-syntax={syntax}"}
    reply = client(radiologist).get(file.path, headers=accept)
    assert reply.status == 200, reply.body
    before, after = file.dataset, pydicom.dcmread(BytesIO(reply.body))
    assert after.file_meta.TransferSyntaxUID == syntax
    assert reply.headers["content-type"] == f"application/dicom; transfer-syntax={syntax}"
    assert after.SOPInstanceUID == before.SOPInstanceUID
    assert after.file_meta.MediaStorageSOPInstanceUID == before.SOPInstanceUID
    if syntax == before.file_meta.TransferSyntaxUID:
        assert reply.body == file.file
        return
    # All but the pixels and their description is the same data set, by the gate's own measure.
    assert inspect(reply.body).dataset_digest == inspect(file.file).dataset_digest
    if after.SamplesPerPixel == 3:
        assert after.PlanarConfiguration == 0
        assert (after.PhotometricInterpretation == "YBR_RCT") == (
            syntax in {HTJ2K_LOSSLESS, HTJ2K_RPCL}
            and before.PhotometricInterpretation in {"RGB", "YBR_RCT"}
        )
    if before.file_meta.TransferSyntaxUID in UNSHOWABLE and before.BitsStored == 12:
        assert np.array_equal(pixel_array(after), stored_pixels(before, 1))
    else:
        assert np.array_equal(pixel_array(after), pixel_array(before))


@pytest.mark.parametrize(
    "name",
    [
        "ExplVR_BigEnd.dcm",
        "GDCMJ2K_TextGBR.dcm",
        "SC_rgb_rle_2frame.dcm",
        "SC_ybr_full_422_uncompressed.dcm",
        "examples_ybr_color.dcm",
        "image_dfl.dcm",
    ],
)
def test_jpeg_baseline_is_another_instance_that_says_so(
    client: Any, radiologist: Any, site: Any, name: str
) -> None:
    file = store(site, real(name))
    accept = {"accept": f"application/dicom; transfer-syntax={JPEG_BASELINE}"}
    if file.dataset.file_meta.TransferSyntaxUID == JPEG_BASELINE:
        assert client(radiologist).get(file.path, headers=accept).body == file.file
        return
    reply = client(radiologist).get(file.path, headers=accept)
    before, after = file.dataset, pydicom.dcmread(BytesIO(reply.body))
    assert inspect(reply.body).transfer_syntax_uid == JPEG_BASELINE
    difference = pixel_array(after).astype(int) - pixel_array(before)
    assert np.abs(difference).mean() < 3
    assert after.LossyImageCompression == "01"
    methods, ratios = after["LossyImageCompressionMethod"], after["LossyImageCompressionRatio"]
    assert methods.VM == ratios.VM == (2 if "422" in name else 1)
    assert after.LossyImageCompressionMethod in ("ISO_10918_1", ["ISO_10918_1"] * 2)
    assert after.ImageType[0] == "DERIVED"
    assert after.SOPInstanceUID != before.SOPInstanceUID
    source = after.SourceImageSequence[0]
    assert source.ReferencedSOPInstanceUID == before.SOPInstanceUID
    again = client(radiologist).get(file.path, headers=accept)
    assert again.body == reply.body
    color = after.SamplesPerPixel == 3
    assert after.PhotometricInterpretation == ("YBR_FULL_422" if color else "MONOCHROME2")


def test_jpeg_baseline_frame(client: Any, radiologist: Any, site: Any, test_file: Any) -> None:
    file = store(site, test_file("SC_rgb_rle.dcm"))
    accept = {"accept": f"image/jpeg; transfer-syntax={JPEG_BASELINE}"}
    reply = client(radiologist).get(file.path + "/frames/1", headers=accept)
    assert reply.headers["content-type"] == f"image/jpeg; transfer-syntax={JPEG_BASELINE}"
    difference = imagecodecs.jpeg8_decode(reply.body).astype(int) - pixel_array(file.dataset)
    assert np.abs(difference).mean() < 3


@pytest.mark.parametrize(
    ("name", "syntax"),
    [
        ("CT_small.dcm", JPEG_BASELINE),
        ("examples_palette.dcm", JPEG_BASELINE),
        ("rtdose.dcm", JPEG_LS),
        ("liver_1frame.dcm", HTJ2K_LOSSLESS),
        ("CT_small.dcm", "1.2.840.10008.1.2.4.90"),
        ("MR_small_RLE.dcm", "1.2.840.10008.1.2"),
        ("CT_small.dcm", "1.2.840.10008.1.2.2"),
        ("CT_small.dcm", "nonsense"),
    ],
)
def test_what_cannot_be_made_is_406(
    client: Any, radiologist: Any, site: Any, name: str, syntax: str
) -> None:
    file = store(site, real(name))
    asking = client(radiologist)
    part = f"*/*; transfer-syntax={syntax}"
    for path, accept in (
        (file.path, f"application/dicom; transfer-syntax={syntax}"),
        (file.study_path, f'multipart/related; type="application/dicom"; transfer-syntax={syntax}'),
        (file.study_path, f"application/zip; transfer-syntax={syntax}"),
        (file.path + "/frames/1", f"multipart/related; type={part}"),
    ):
        assert asking.get(path, headers={"accept": accept}).status == 406
    other = f"multipart/related; type={part}, multipart/related; type=*/*; q=0.5"
    assert asking.get(file.path + "/frames/1", headers={"accept": other}).status == 200
    other = f"application/dicom; transfer-syntax={syntax}, application/dicom; q=0.5"
    assert asking.get(file.path, headers={"accept": other}).body == file.file


def test_what_has_no_pixels_becomes_explicit(
    client: Any, radiologist: Any, site: Any, test_file: Any
) -> None:
    report = store(site, test_file("reportsi.dcm"))
    implicit = pydicom.dcmread(BytesIO(report.file))
    implicit.SOPInstanceUID = implicit.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    implicit.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    target = BytesIO()
    implicit.save_as(target, enforce_file_format=True, implicit_vr=True, little_endian=True)
    other = store(site, target.getvalue())
    accept = {"accept": f"application/dicom; transfer-syntax={JPEG_LS}"}
    assert client(radiologist).get(report.path, headers=accept).body == report.file
    made = client(radiologist).get(other.path, headers=accept)
    assert made.headers["content-type"].endswith(EXPLICIT_LE)
    assert inspect(made.body).content_digest == inspect(other.file).content_digest


def test_a_study_in_another_syntax(client: Any, radiologist: Any, site: Any) -> None:
    files = [store(site, ct_file(number=n, seed=n)) for n in (1, 2, 3)]
    accept = f'multipart/related; type="application/dicom"; transfer-syntax={HTJ2K_RPCL}'
    for path in (files[0].study_path, files[0].series_path):
        parts = client(radiologist).get(path, headers={"accept": accept}).parts
        assert [part.transfer_syntax for part in parts] == [HTJ2K_RPCL] * 3
        for part, file in zip(parts, files, strict=True):
            made = pydicom.dcmread(BytesIO(part.body))
            assert np.array_equal(pixel_array(made), pixel_array(file.dataset))


def extended(name: str = "JPGExtended.dcm") -> bytes:
    return (TEST_FILES / name).read_bytes()


def deflated_frames(frames: int = 2) -> bytes:
    """A file of Deflated Image Frame Compression, which no toolkit here writes."""
    dataset = pydicom.dcmread(BytesIO(ct_file(frames=frames)))
    size = len(dataset.PixelData) // frames
    found = []
    for number in range(frames):
        deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        frame = dataset.PixelData[number * size : (number + 1) * size]
        found.append(deflate.compress(frame) + deflate.flush())
    dataset.file_meta.TransferSyntaxUID = JPEG_LS
    dataset.PixelData = encapsulate(found)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    target = BytesIO()
    dataset.save_as(target, enforce_file_format=True)
    # pydicom does not know this transfer syntax; its UID is as long as the other with its padding.
    padded = DEFLATED_FRAMES.encode() + b"\0"
    return target.getvalue().replace(JPEG_LS.encode(), padded)


def big_endian() -> bytes:
    return (TEST_FILES / "MR_small_bigendian.dcm").read_bytes()


@pytest.mark.parametrize("make", [extended, deflated_frames, big_endian])
@pytest.mark.parametrize(
    "accept", ["", "*/*", FRAMES_ACCEPT, 'multipart/related; type="*/*"', "image/png, */*;q=0.1"]
)
def test_what_no_browser_decodes_goes_decoded(
    client: Any, radiologist: Any, site: Any, make: Any, accept: str
) -> None:
    file = store(site, make())
    asking = client(radiologist)
    stored = file.dataset.file_meta.TransferSyntaxUID
    (part,) = asking.get(file.path + "/frames/1", headers={"accept": accept}).parts
    assert part.transfer_syntax == EXPLICIT_LE
    named = f'multipart/related; type="*/*"; transfer-syntax={stored}'
    (own,) = asking.get(file.path + "/frames/1", headers={"accept": named}).parts
    assert own.transfer_syntax == stored
    assert own.body != part.body
    if make is deflated_frames:
        assert zlib.decompress(own.body.rstrip(b"\0") + b"\0", -15) == part.body
    elif make is extended:
        assert imagecodecs.jpeg8_decode(own.body).astype("<u2").tobytes() == part.body
    else:
        assert np.frombuffer(own.body, ">i2").astype("<i2").tobytes() == part.body


def test_order_of_quality(client: Any, radiologist: Any, ct: Stored) -> None:
    asking = client(radiologist)
    for accept, syntax in (
        ("image/jls;q=0.2, image/jphc;transfer-syntax=*;q=0.8", HTJ2K_LOSSLESS),
        ("image/jls;q=0.9, image/jphc;q=0.8", JPEG_LS),
        ("image/jls, image/jphc", JPEG_LS),
        ("image/jphc;q=0, image/jls;q=0.1", JPEG_LS),
        ("image/jphc;q=x, application/octet-stream;q=0.001", EXPLICIT_LE),
        ('multipart/related;type="image/jphc";transfer-syntax=1.2.840.10008.1.2.4.202', HTJ2K_RPCL),
    ):
        reply = asking.get(ct.path + "/frames/1", headers={"accept": accept})
        single = "multipart" not in accept
        found = reply.headers["content-type"] if single else reply.parts[0].headers["content-type"]
        assert found.endswith(f"transfer-syntax={syntax}")


def test_accept_in_the_query_counts_before_the_header(
    client: Any, radiologist: Any, ct: Stored
) -> None:
    path = ct.path + "/frames/1?accept=image/jls"
    reply = client(radiologist).get(path, headers={"accept": "text/html"})
    assert reply.headers["content-type"] == f"image/jls; transfer-syntax={JPEG_LS}"
    assert client(radiologist).get(ct.path + "?accept=text/html").status == 406
    many = "&".join(["accept=image/jls"] * 60)
    assert client(radiologist).get(f"{ct.path}/frames/1?{many}").status == 400


def test_made_frames_are_kept_within_bounds(
    client: Any, radiologist: Any, ct: Stored, settings: Any, tmp_path: Path
) -> None:
    settings.CACHE_DIR = tmp_path
    sha256 = Instance.objects.get().file_sha256
    accept = {"accept": "image/jls"}
    first = client(radiologist).get(ct.path + "/frames/1", headers=accept)
    kept = frame_cache.cache_file(sha256, 1, JPEG_LS)
    assert kept.read_bytes() == first.body
    kept.write_bytes(b"from the cache")
    assert client(radiologist).get(ct.path + "/frames/1", headers=accept).body == b"from the cache"
    settings.FRAME_CACHE_BYTES = 160_000
    for number in range(100):
        frame_cache.save(f"{number:064}", 1, JPEG_LS, bytes(9_000))
    total = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert 100_000 < total <= 160_000
    assert not kept.exists()


def test_the_same_frame_asked_at_once_is_made_once(
    client: Any, radiologist: Any, ct: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = transcode_service()
    made: list[int] = []
    real = service.frame

    def counted(*args: Any, **options: Any) -> bytes:
        made.append(1)
        return real(*args, **options)

    monkeypatch.setattr(service, "frame", counted)
    asking = client(radiologist)

    async def all_at_once() -> list[Any]:
        accept = {"accept": "image/jls"}
        ask = (asking.ask(ct.path + "/frames/1", headers=accept) for _ in range(50))
        return await asyncio.gather(*ask)

    replies = asyncio.run(all_at_once())
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 1
    assert len(made) <= 1


@pytest.mark.parametrize(
    ("way", "accept"),
    [
        ("/frames/1", "image/jls"),
        ("/frames/1", "image/jphc; transfer-syntax=1.2.840.10008.1.2.4.202"),
        ("", f"application/dicom; transfer-syntax={JPEG_LS}"),
        ("", "application/zip"),
        ("/bulkdata/7FE00010", "application/octet-stream"),
    ],
)
def test_who_gets_it(
    client: Any, radiologist: Any, stranger: Any, ct: Stored, way: str, accept: str
) -> None:
    headers = {"accept": accept, "range": "bytes=0-9"}
    assert client(radiologist).get(ct.path + way, headers=headers).status in {200, 206}
    assert client(stranger).get(ct.path + way, headers=headers).status == 404
    assert client().get(ct.path + way, headers=headers).status == 401


def test_progressive_frame_begins_with_a_whole_small_image(
    client: Any, radiologist: Any, site: Any
) -> None:
    file = store(site, ct_file(size=512))
    accept = {"accept": f"image/jphc;transfer-syntax={HTJ2K_RPCL}"}
    whole = client(radiologist).get(file.path + "/frames/1", headers=accept)
    length = len(whole.body)
    first = client(radiologist).get(
        file.path + "/frames/1", headers={**accept, "range": "bytes=0-19999"}
    )
    assert first.status == 206
    assert first.headers["content-range"] == f"bytes 0-19999/{length}"
    assert first.headers["content-length"] == "20000"
    assert whole.body.startswith(first.body)
    small = imagecodecs.htj2k_decode(first.body, skipres=3, resilient=True)
    assert np.array_equal(small, imagecodecs.htj2k_decode(whole.body, skipres=3))
