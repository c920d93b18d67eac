"""The gate: what passes, what is refused and why, and one digest for every encoding of an image."""

from __future__ import annotations

import contextlib
import struct
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.data.data_manager import DATA_ROOT
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from studies.dicom.errors import WORDS, GateError, Reason
from studies.dicom.gate import inspect

FILES = sorted(
    path
    for path in (Path(DATA_ROOT) / "test_files").rglob("*")
    if path.suffix in ("", ".dcm") and path.is_file()
)
NO_IMAGE_FILES = {  # lacking preamble, UIDs or transfer syntax, or cut off
    "ExplVR_BigEndNoMeta.dcm", "ExplVR_LitEndNoMeta.dcm", "JPEGLSNearLossless_08.dcm",
    "JPEGLSNearLossless_16.dcm", "MR_truncated.dcm", "SC_rgb_jls_lossy_line.dcm",
    "SC_rgb_jls_lossy_sample.dcm", "UN_sequence.dcm", "empty_charset_LEI.dcm",
    "meta_missing_tsyntax.dcm", "nested_priv_SQ.dcm", "no_meta.dcm", "no_meta_group_length.dcm",
    "priv_SQ.dcm", "rtplan_truncated.dcm", "rtstruct.dcm", "README",
}  # fmt: skip


def data(name: str = "CT_small.dcm") -> bytes:
    return Path(get_testdata_file(name)).read_bytes()


def encoded(dataset: Dataset, syntax: str) -> bytes:
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = BytesIO()
    dataset.save_as(
        buffer,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
    )
    return buffer.getvalue()


def reason(content: bytes, **limits: int) -> Reason:
    with pytest.raises(GateError) as caught:
        inspect(content, **limits)
    return caught.value.reason


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_real_files(path: Path) -> None:
    content = path.read_bytes()
    if path.name.startswith("DICOMDIR") or path.name in NO_IMAGE_FILES:
        with pytest.raises(GateError):
            inspect(content)
        return
    found = inspect(content)
    assert found.sop_instance_uid == str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "examples_rgb_color.dcm"])
def test_one_digest_for_every_native_encoding(name: str) -> None:
    found = set()
    for syntax in (
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        DeflatedExplicitVRLittleEndian,
    ):
        found.add(inspect(encoded(dcmread(get_testdata_file(name)), syntax)).content_digest)
    assert len(found) == 1


def test_big_endian_is_the_same_image() -> None:
    little = inspect(data("MR_small.dcm"))
    big = inspect(data("MR_small_bigendian.dcm"))
    assert little.pixel_digest == big.pixel_digest
    assert little.content_digest == big.content_digest


def test_lengths_of_sequences_do_not_count() -> None:
    digests = set()
    for undefined in (True, False):
        dataset = dcmread(get_testdata_file("CT_small.dcm"))
        inner = Dataset()
        inner.CodeValue = "1"
        outer = Dataset()
        outer.PurposeOfReferenceCodeSequence = Sequence([inner])
        for item in (inner, outer):
            item.is_undefined_length_sequence_item = undefined
        dataset.ReferencedStudySequence = Sequence([outer, outer])
        dataset["ReferencedStudySequence"].is_undefined_length = undefined
        digests.add(inspect(encoded(dataset, ExplicitVRLittleEndian)).content_digest)
    assert len(digests) == 1


@pytest.mark.parametrize("keyword", ["PatientID", "WindowCenter", "StudyDescription"])
def test_other_values_have_another_digest(keyword: str) -> None:
    dataset = dcmread(get_testdata_file("CT_small.dcm"))
    setattr(dataset, keyword, "42")
    changed = inspect(encoded(dataset, ExplicitVRLittleEndian))
    original = inspect(data())
    assert changed.content_digest != original.content_digest
    assert changed.pixel_digest == original.pixel_digest


def test_one_pixel_changes_the_digest() -> None:
    dataset = dcmread(get_testdata_file("CT_small.dcm"))
    dataset.PixelData = b"\1" + dataset.PixelData[1:]
    changed = inspect(encoded(dataset, ExplicitVRLittleEndian))
    assert changed.content_digest != inspect(data()).content_digest
    assert changed.dataset_digest == inspect(data()).dataset_digest


def test_empty_and_foreign() -> None:
    assert reason(b"") == Reason.EMPTY
    assert reason(b"%PDF-1.7" * 100) == Reason.NOT_DICOM
    assert reason(bytes(128) + b"DICM" + bytes(10_000_000)) == Reason.NOT_DICOM
    assert reason(data(), max_size=1000) == Reason.TOO_LARGE


@pytest.mark.parametrize("start", [b"MZ", b"\x7fELF", b"<html>", b"%PDF"])
def test_polyglot_preambles_pass(start: bytes) -> None:
    assert inspect(start.ljust(128, b"\0") + data()[128:]).sop_instance_uid


def test_nesting_is_bounded() -> None:
    head = data()[: data().index(b"\x08\x00\x05\x00")]
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    sequence = struct.pack("<HH2sHI", 0x0008, 0x1110, b"SQ", 0, 0xFFFFFFFF)
    for depth in (50, 1_500, 100_000):
        assert reason(head + (sequence + item) * depth) == Reason.TOO_DEEP


def test_deflate_bomb_is_stopped_early() -> None:
    content = encoded(dcmread(get_testdata_file("CT_small.dcm")), DeflatedExplicitVRLittleEndian)
    begin = 144 + struct.unpack_from("<I", content, 140)[0]
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(1024)) + packer.flush()
    assert len(bomb) < 2 << 20
    assert reason(content[:begin] + bomb) == Reason.INFLATE_LIMIT


def test_truncation_and_lies() -> None:
    assert reason(data()[:-1000]) == Reason.TRUNCATED_PIXELS
    assert reason(data("MR_small_RLE.dcm")[:-400]) == Reason.TRUNCATED_PIXELS
    lying = bytearray(data())
    at = lying.index(b"\x10\x00\x20\x00LO")
    struct.pack_into("<H", lying, at + 6, 60_000)
    assert reason(bytes(lying)) == Reason.BAD_STRUCTURE


@pytest.mark.parametrize("uid", ["../../etc/passwd", "1.2." + "9" * 70, "<img>", "1..2"])
def test_uids_that_are_none(uid: str) -> None:
    dataset = dcmread(get_testdata_file("CT_small.dcm"))
    dataset["StudyInstanceUID"]._value = uid
    assert reason(encoded(dataset, ExplicitVRLittleEndian)) == Reason.BAD_UID


def test_missing_uid() -> None:
    dataset = dcmread(get_testdata_file("CT_small.dcm"))
    del dataset.SeriesInstanceUID
    assert reason(encoded(dataset, ExplicitVRLittleEndian)) == Reason.MISSING_UID


def test_every_reason_has_words() -> None:
    assert set(WORDS) == set(Reason)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(
        ["CT_small.dcm", "JPEG2000.dcm", "image_dfl.dcm", "reportsi.dcm", "MR_small_RLE.dcm"]
    ),
    edits=st.lists(
        st.tuples(st.integers(0, 1 << 16), st.binary(min_size=1, max_size=8)), max_size=6
    ),
    cut=st.integers(0, 4000),
)
def test_damaged_files_end_in_a_reason(name: str, edits: list[tuple[int, bytes]], cut: int) -> None:
    content = bytearray(data(name))
    for at, piece in edits:
        at %= len(content)
        content[at : at + len(piece)] = piece
    content = content[: len(content) - cut] if cut % 3 == 0 else content
    with contextlib.suppress(GateError):
        assert inspect(bytes(content)).sop_instance_uid
