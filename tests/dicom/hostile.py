"""Files that nobody means well with, made from real ones."""

from __future__ import annotations

import sys
import zlib
from io import BytesIO

from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, generate_uid


def fresh(name: str = "CT_small.dcm", **values: object) -> Dataset:
    """A real file under new UIDs."""
    dataset = dcmread(get_testdata_file(name))
    dataset.StudyInstanceUID = generate_uid()
    dataset.SeriesInstanceUID = generate_uid()
    dataset.SOPInstanceUID = generate_uid()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def written(dataset: Dataset, **options: object) -> bytes:
    buffer = BytesIO()
    dataset.save_as(buffer, **options)
    return buffer.getvalue()


def nested(depth: int) -> bytes:
    dataset = fresh()
    inner = Dataset()
    inner.PatientComments = "innermost"
    for _ in range(depth):
        outer = Dataset()
        outer.ReferencedStudySequence = Sequence([inner])
        inner = outer
    dataset.update(inner)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        return written(dataset)
    finally:
        sys.setrecursionlimit(limit)


def deflate_bomb() -> bytes:
    dataset = fresh()
    del dataset.PixelData
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    plain = written(dataset)
    meta_end = 144 + int.from_bytes(plain[140:144], "little")
    body = zlib.decompress(plain[meta_end:], -zlib.MAX_WBITS)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    squeezed = packer.compress(body)
    squeezed += packer.compress(b"\xe0\x7f\x10\x00OW\0\0" + (2**30).to_bytes(4, "little"))
    zeros = bytes(2**20)
    for _ in range(2**10):
        squeezed += packer.compress(zeros)
    return plain[:meta_end] + squeezed + packer.flush()


def lying_length() -> bytes:
    data = bytearray(written(fresh()))
    at = data.index(b"\x10\x00\x20\x00LO")
    data[at + 6 : at + 8] = (60_000).to_bytes(2, "little")
    return bytes(data)


def huge_claims() -> bytes:
    return written(fresh(Rows=65535, Columns=65535, NumberOfFrames=999_999))


def truncated() -> bytes:
    return written(fresh())[:-5000]


def short_pixels() -> bytes:
    dataset = fresh()
    dataset.PixelData = dataset.PixelData[:1000]
    return written(dataset)


def no_uids() -> bytes:
    dataset = fresh()
    dataset.StudyInstanceUID = "../../etc/passwd"
    return written(dataset)


REFUSED = {
    "empty": lambda: b"",
    "non-DICOM": lambda: b"%PDF-1.7 this is no image" * 100,
    "DICM and 10 MB of zeros": lambda: bytes(128) + b"DICM" + bytes(10_000_000),
    "deflate bomb of 1 GB": deflate_bomb,
    "nested 50 deep": lambda: nested(50),
    "nested 1,500 deep": lambda: nested(1500),
    "lying length": lying_length,
    "65535 x 65535 x 999,999 frames": huge_claims,
    "truncated file": truncated,
    "truncated pixels": short_pixels,
    "UIDs that are no UIDs": no_uids,
}
