"""One digest for one data set: every encoding, order and padding; another for another value."""

from __future__ import annotations

import json
import mmap
import struct
import time
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.data.data_manager import DATA_ROOT
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from studies.dicom import canonical, frames, header, json_model
from studies.dicom.elements import Elements
from studies.dicom.errors import GateError, Reason
from studies.dicom.gate import Gate, inspect, walk

SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]


def image() -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (
        "1.2.3", "1.2.4", "1.2.5",
    )  # fmt: skip
    return dataset


def encoded(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    buffer = BytesIO()
    dataset.save_as(
        buffer,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
        enforce_file_format=True,
    )
    return buffer.getvalue()


def preface(syntax: str) -> bytes:
    """Everything up to the data set, to put bytes of one's own after."""
    content = encoded(image(), syntax)
    return content[: 144 + struct.unpack_from("<I", content, 140)[0]]


def explicit(tag: int, vr: str, value: bytes) -> bytes:
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    if vr.encode() in canonical.LONG_VR:
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def implicit(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


UIDS = [(0x00080016, b"1.2.840.10008.5.1.4.1.1.2\0"), (0x00080018, b"1.2.3\0"),
        (0x0020000D, b"1.2.4\0"), (0x0020000E, b"1.2.5\0")]  # fmt: skip


def written(*extra: bytes, order: bool = True) -> Gate:
    parts = [explicit(tag, "UI", value) for tag, value in UIDS] + list(extra)
    if order:
        parts.sort(key=lambda part: struct.unpack_from("<HH", part))
    return inspect(preface(ExplicitVRLittleEndian) + b"".join(parts))


def written_implicit(*extra: bytes) -> Gate:
    parts = [implicit(tag, value) for tag, value in UIDS] + list(extra)
    parts.sort(key=lambda part: struct.unpack_from("<HH", part))
    return inspect(preface(ImplicitVRLittleEndian) + b"".join(parts))


TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\\^="))
VALUES: dict[str, tuple[str, Any]] = {
    "PatientID": ("LO", TEXT),
    "PatientName": ("PN", TEXT),
    "StudyDescription": ("LO", TEXT),
    "Rows": ("US", st.integers(0, 65535)),
    "PixelAspectRatio": ("IS", st.lists(st.integers(0, 99), min_size=2, max_size=2)),
    "SliceLocation": ("DS", st.integers(-9999, 9999)),
    "RecommendedDisplayFrameRateInFloat": ("FL", st.floats(width=32, allow_nan=False)),
    "DiffusionBValue": ("FD", st.floats(allow_nan=False)),
    "SmallestImagePixelValue": ("US", st.integers(0, 65535)),
    "FrameIncrementPointer": ("AT", st.sampled_from([0x00181063, 0x00181065])),
    "ReferencePixelX0": ("SL", st.integers(-(2**31), 2**31 - 1)),
    "RedPaletteColorLookupTableData": ("OW", st.binary(max_size=8).map(lambda b: b + b)),
    "EncapsulatedDocument": ("OB", st.binary(max_size=9)),
}
PRIVATE = st.sampled_from(
    [("LO", "text"), ("US", 0), ("US", 8257), ("FD", 0.0), ("FD", 1.5), ("UL", 32), ("DS", "1.5")]
)


@st.composite
def datasets(draw: Any, depth: int = 2) -> Dataset:
    dataset = Dataset()
    for keyword in draw(st.sets(st.sampled_from(sorted(VALUES)), max_size=5)):
        vr, values = VALUES[keyword]
        dataset.add_new(keyword, vr, draw(values))
    if draw(st.booleans()):
        block = dataset.private_block(0x0029, "LIGHTBOX TEST", create=True)
        vr, value = draw(PRIVATE)
        block.add_new(0x10, vr, value)
    if depth and draw(st.booleans()):
        items = draw(st.lists(datasets(depth=depth - 1), max_size=3))
        dataset.ReferencedStudySequence = Sequence(items)
    return dataset


def lengths(dataset: Dataset, undefined: bool) -> None:
    for element in dataset:
        if element.VR == "SQ":
            element.is_undefined_length = undefined
            for item in element.value:
                item.is_undefined_length_sequence_item = undefined
                lengths(item, undefined)


def swap(dataset: Dataset) -> None:
    for element in dataset:
        if element.VR == "OW":
            dataset.add_new(
                element.tag, "OW", np.frombuffer(element.value, "<u2").astype(">u2").tobytes()
            )
        elif element.VR == "SQ":
            for item in element.value:
                swap(item)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(datasets())
def test_every_encoding_of_a_data_set_has_one_digest(extra: Dataset) -> None:
    digests = set()
    for undefined in (False, True):
        for syntax in SYNTAXES:
            dataset = image()
            dataset.update(deepcopy(extra))
            lengths(dataset, undefined)
            if syntax == ExplicitVRBigEndian:  # pydicom writes the bytes of OW as they are
                swap(dataset)
            found = inspect(encoded(dataset, syntax))
            digests.add((found.content_digest, found.dataset_digest))
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("vr", "one", "other"),
    [
        ("US", b"\0\0", b""),
        ("FD", bytes(8), b""),
        ("UL", b"\x20\0\0\0", b"\x20\x20\0\0"),
        ("LO", b"ab", b"ac"),
        ("OB", b"\1\0", b"\1\1"),
    ],
)
def test_private_values_that_differ(vr: str, one: bytes, other: bytes) -> None:
    digests = {written(explicit(0x00291010, vr, value)).content_digest for value in (one, other)}
    assert len(digests) == 2


@pytest.mark.parametrize("tag", [0x00291010, 0x00104000])
def test_padding_of_text_does_not_count(tag: int) -> None:
    values = [b"ab", b"ab ", b"ab\0", b"ab  "]
    found = {
        written(explicit(tag, vr, value)).content_digest for value in values for vr in ("LT", "UN")
    }
    found |= {written_implicit(implicit(tag, value)).content_digest for value in values}
    assert len(found) == 1


def test_a_number_is_not_its_empty_self() -> None:
    zero = written(explicit(0x00280010, "US", b"\0\0")).content_digest
    assert zero != written(explicit(0x00280010, "US", b"")).content_digest


def test_order_does_not_count_and_doubles_are_refused() -> None:
    first, second = explicit(0x00100010, "PN", b"A "), explicit(0x00100020, "LO", b"B ")
    sorted_digest = written(first, second).content_digest
    assert written(second, first, order=False).content_digest == sorted_digest
    with pytest.raises(GateError) as caught:
        written(first, second, first, order=False)
    assert caught.value.reason == Reason.BAD_STRUCTURE


def test_group_lengths_and_trailing_padding_do_not_count() -> None:
    plain = written().content_digest
    assert written(explicit(0x00080000, "UL", b"\1\0\0\0")).content_digest == plain
    assert written(explicit(0xFFFCFFFC, "OB", bytes(64))).content_digest == plain
    parts = b"".join(explicit(tag, "UI", value) for tag, value in UIDS)
    content = preface(ExplicitVRLittleEndian) + parts
    assert inspect(content + bytes(5000)).content_digest == plain
    with pytest.raises(GateError):
        inspect(content + bytes(100_000) + b"hidden")


ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 16) + implicit(0x00081150, b"1.2.840\0")


def test_a_sequence_is_one_by_any_vr() -> None:
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 16) + explicit(0x00081150, "UI", b"1.2.840\0")
    for tag in (0x00081110, 0x00291010):
        digests = {
            written(explicit(tag, "SQ", item)).content_digest,
            written(explicit(tag, "UN", ITEM)).content_digest,
            written(explicit(tag, "UN", item)).content_digest,
            written_implicit(implicit(tag, ITEM)).content_digest,
        }
        assert len(digests) == 1


def test_tries_at_unknown_bytes_cannot_multiply() -> None:
    value = b"garbage "
    for _ in range(31):  # each level looks like items, and each try fails at its end
        inner = explicit(0x00291010, "UN", value)
        value = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner + b"garbage "
    begin = time.process_time()
    assert written(explicit(0x00291010, "UN", value)).sop_instance_uid
    assert time.process_time() - begin < 1


def test_large_values_are_not_copied_but_count() -> None:
    big = bytes(200_000)
    plain = written(explicit(0x00420011, "OB", big)).content_digest
    assert written_implicit(implicit(0x00420011, big)).content_digest == plain
    assert written(explicit(0x00420011, "OB", big[:-1] + b"\1")).content_digest != plain
    # A lone pad byte of an odd length does not count.
    assert written(explicit(0x00420011, "OB", big[:-1])).content_digest == plain


def test_other_names_in_group_2_are_told_and_not_refused() -> None:
    assert not inspect(encoded(image())).meta_differs
    other = encoded(image()).replace(b"1.2.3\0", b"1.2.9\0", 1)
    assert inspect(other).meta_differs
    assert inspect(other).sop_instance_uid == "1.2.3"


@pytest.mark.parametrize("syntax", ["1.2.840.113619.5.2", "1.2.3", "1.2.840.10008.1.2.4.95"])
def test_unknown_syntaxes(syntax: str) -> None:
    content = encoded(image())
    with pytest.raises(GateError) as caught:
        inspect(content.replace(
            explicit(0x00020010, "UI", b"1.2.840.10008.1.2.1\0"),
            explicit(0x00020010, "UI", syntax.encode() + b"\0" * (len(syntax) % 2)),
        ))  # fmt: skip
    assert caught.value.reason == Reason.UNSUPPORTED_SYNTAX


def test_too_many_elements() -> None:
    with pytest.raises(GateError) as caught:
        inspect(encoded(image()), max_elements=3)
    assert caught.value.reason == Reason.TOO_LARGE


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x00082111, "ST", b"Lossless JPEG compression "),  # as dcmcjpeg writes
        (0x00280004, "CS", b"YBR_FULL"),
        (0x00280006, "US", b"\1\0"),
        (0x00282110, "CS", b"01"),
    ],
)
def test_what_transcoding_alters(tag: int, vr: str, value: bytes) -> None:
    changed, plain = written(explicit(tag, vr, value)), written()
    assert changed.dataset_digest == plain.dataset_digest
    assert changed.content_digest != plain.content_digest


def test_a_mapped_file_can_be_closed_after_a_refusal(tmp_path: Path) -> None:
    deep = explicit(0x00081110, "UN", b"x") * 2
    for content in (encoded(image()), preface(ExplicitVRLittleEndian) + deep):
        (tmp_path / "file").write_bytes(content)
        with (tmp_path / "file").open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            try:
                inspect(mapped)
            except GateError:
                mapped.close()
            else:
                mapped.close()


CORPUS = sorted(
    path for path in (Path(DATA_ROOT) / "test_files").glob("*.dcm") if path.stat().st_size < 200_000
)
HOSTILE = [b"\xff\xff\xff\xff", b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0", b"\xfe\xff\x0d\xe0",
           b"SQ", b"UN", bytes(8), b"\xe0\x7f\x10\x00"]  # fmt: skip


@settings(max_examples=400, deadline=5000, suppress_health_check=[HealthCheck.too_slow])
@given(
    path=st.sampled_from(CORPUS),
    edits=st.lists(
        st.tuples(
            st.integers(128, 1 << 18),
            st.one_of(st.sampled_from(HOSTILE), st.binary(min_size=1, max_size=8)),
            st.booleans(),
        ),
        min_size=1,
        max_size=8,
    ),
)
def test_what_passes_the_gate_the_others_survive(
    path: Path, edits: list[tuple[int, bytes, bool]]
) -> None:
    content = bytearray(path.read_bytes())
    for at, piece, inserted in edits:
        at %= len(content)
        content[at : at if inserted else at + len(piece)] = piece
    try:
        found, kept = walk(bytes(content))
        elements = Elements(kept, lambda: header.read(bytes(content)))
        facts = header.facts(elements)
        index = frames.index(found, facts)
        json.loads(json_model.to_json(elements, found))
        dataset = header.read(bytes(content))
        header.facts(dataset)
    except GateError:
        return
    json.loads(json_model.to_json(dataset, found))
    for number in {1, index.count} if index.count and not index.needs_decode else ():
        for offset, length in index.spans(number):
            assert 0 <= offset <= offset + length <= len(content)
