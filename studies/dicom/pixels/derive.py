"""The data set of an instance that goes out in another transfer syntax (PS3.3 C.7.6.1.1, C.12.1).

Runs in the child process only. The frames are made one by one and follow the head, so that no
instance is ever whole in memory.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydicom import Dataset, dcmread
from pydicom.config import IGNORE, settings
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import UID

from studies.dicom.pixels import transcode
from studies.dicom.pixels.decode import PIXEL_KEYWORDS, CannotDecode, frame_count
from studies.dicom.pixels.transcode import Frame, Spans
from studies.dicom.syntaxes import (
    DEFLATED_LE,
    EXPLICIT_LE,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    is_encapsulated,
    is_video,
)

settings.writing_validation_mode = IGNORE

DEFERRED: Final = 1 << 20
JPEG_METHOD: Final = "ISO_10918_1"
WIDE = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
PIXELS = (0x7FE00001, 0x7FE00002, 0x7FE00003, 0x7FE00008, 0x7FE00009, 0x7FE00010)
SIGNATURES = 0xFFFAFFFA
TRAILING_PADDING = 0xFFFCFFFC


@dataclass(frozen=True, slots=True)
class Head:
    """A file up to Pixel Data, what stands after it, and what the frames will be.

    `frame_bytes`: length of each frame where it is native; 0 where frames are encapsulated;
    -1 where there is no pixel data.
    """

    before: bytes
    after: bytes
    syntax: str
    frames: int
    frame_bytes: int


def head(path: Path, spans: Spans | None, syntax: str) -> Head:
    """The head of the file in `syntax`; without pixels it becomes explicit little endian.

    Raises CannotDecode where `syntax` cannot hold this image.
    """
    source = _source_syntax(path)
    # A deflated data set cannot be read again later: all of it is read at once.
    dataset = dcmread(path, defer_size=None if source == DEFLATED_LE else DEFERRED)
    if is_video(source):
        raise CannotDecode("the frames of a video cannot be told apart here")
    keyword = next((one for one in PIXEL_KEYWORDS if one in dataset), None)
    _plain(dataset, little=dataset.original_encoding[1] is not False)
    if is_encapsulated(source) and "IconImageSequence" in dataset:
        del dataset.IconImageSequence  # its pixels would be in the old transfer syntax
    if keyword is None:
        return Head(_written(dataset, EXPLICIT_LE), b"", EXPLICIT_LE, 0, -1)
    frames = frame_count(dataset)
    tail = Dataset()
    for tag in [tag for tag in dataset.keys() if tag > 0x7FE00010]:  # noqa: SIM118
        if tag not in (SIGNATURES, TRAILING_PADDING):
            tail[tag] = dataset[tag]
        del dataset[tag]
    for number in (*PIXELS, SIGNATURES):
        if number in dataset:
            del dataset[number]
    size = -1
    if keyword == "PixelData":
        size = _describe(dataset, transcode.decoded(path, 1, spans), source, syntax)
    elif syntax != EXPLICIT_LE:
        raise CannotDecode("floating point cannot be made in that transfer syntax")
    else:
        size = int(dataset.Rows * dataset.Columns) * (4 if keyword == "FloatPixelData" else 8)
    if not is_encapsulated(syntax) and (size * frames) >= 0xFFFFFFFE:
        raise CannotDecode("this image is too long for that transfer syntax")
    return Head(
        _written(dataset, syntax) + _pixel_element(keyword, syntax, dataset, size * frames),
        (b"\0" if size > 0 and size * frames % 2 else b"") + _body(tail),
        syntax,
        frames,
        0 if is_encapsulated(syntax) else size,
    )


def _source_syntax(path: Path) -> str:
    meta = dcmread(path, specific_tags=[0x00080016], stop_before_pixels=True).file_meta
    return str(meta.TransferSyntaxUID)


def _plain(dataset: Dataset, *, little: bool) -> None:
    """Every element ready to be written explicit little endian.

    Elements that were read so go as they are. The others are converted; pydicom swaps numbers but
    not the words within bytes.
    """
    for tag in sorted(dataset.keys()):
        if int(tag) in PIXELS:
            continue
        raw = dataset.get_item(tag, keep_deferred=True)
        if isinstance(raw, RawDataElement) and little and raw.VR is not None and raw.value:
            continue
        element = dataset[tag]
        if element.VR == "SQ":
            for item in element.value:
                _plain(item, little=little)
        elif not little:
            _swap(element)


def _swap(element: DataElement) -> None:
    width = WIDE.get(str(element.VR))
    value = element.value
    if width and isinstance(value, bytes) and len(value) % width == 0:
        swapped = bytearray(len(value))
        for place in range(width):
            swapped[place::width] = value[width - 1 - place :: width]
        element.value = bytes(swapped)


def _describe(dataset: Dataset, first: Frame, source: str, syntax: str) -> int:
    """Set the image pixel attributes for `syntax`; the bytes of a native frame, or 0."""
    data = transcode.encoded(first, syntax)
    frames = frame_count(dataset)
    if first.bits_allocated == 1 and frames > 1 and first.pixels.size % 8:
        raise CannotDecode("frames of single bits cannot be told apart in that transfer syntax")
    dataset.PhotometricInterpretation = transcode.interpretation_after(first, syntax)
    if first.pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    elif "PlanarConfiguration" in dataset:
        del dataset.PlanarConfiguration
    if source == JPEG_BASELINE or source in JPEG_EXTENDED:
        _mark_lossy(dataset)
    if syntax == JPEG_BASELINE:
        native = len(transcode.encoded(first, EXPLICIT_LE))
        _mark_lossy(dataset, ratio=native / len(data))
        _derive(dataset)
    return 0 if is_encapsulated(syntax) else len(data)


def _mark_lossy(dataset: Dataset, ratio: float | None = None) -> None:
    """Once lossy, always lossy; each further compression adds its method (PS3.3 C.7.6.1.1.5)."""
    was = str(dataset.get("LossyImageCompression") or "") == "01"
    dataset.LossyImageCompression = "01"
    if was and ratio is None:
        return
    methods = _values(dataset.get("LossyImageCompressionMethod"))
    dataset.LossyImageCompressionMethod = [*methods, JPEG_METHOD]
    if ratio is not None:
        ratios = _values(dataset.get("LossyImageCompressionRatio"))[: len(methods)]
        if len(ratios) == len(methods):
            dataset.LossyImageCompressionRatio = [*ratios, f"{ratio:.2f}"]


def _values(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)


def _derive(dataset: Dataset) -> None:
    """A lossy copy is an instance of its own, which says of what (PS3.3 C.7.6.1.1.5, C.12.4.1)."""
    reference = Dataset()
    reference.ReferencedSOPClassUID = dataset.SOPClassUID
    reference.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator = "121320", "DCM"
    purpose.CodeMeaning = "Uncompressed predecessor"
    reference.PurposeOfReferenceCodeSequence = [purpose]
    dataset.SourceImageSequence = [reference]
    dataset.ImageType = ["DERIVED", *(_values(dataset.get("ImageType"))[1:] or ["SECONDARY"])]
    dataset.DerivationDescription = "Lossy JPEG baseline made for display"
    name = f"{dataset.SOPInstanceUID} {JPEG_BASELINE} {transcode.JPEG_QUALITY}"
    number = uuid.UUID(bytes=hashlib.sha256(name.encode()).digest()[:16], version=5).int
    dataset.SOPInstanceUID = UID(f"2.25.{number}")


def _written(dataset: Dataset, syntax: str) -> bytes:
    meta = FileMetaDataset()
    for keyword in ("SourceApplicationEntityTitle", "PrivateInformationCreatorUID"):
        if keyword in dataset.file_meta:
            setattr(meta, keyword, dataset.file_meta[keyword].value)
    meta.TransferSyntaxUID = UID(syntax)
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.ImplementationClassUID = UID("2.25.80302813137786398554742050926734630921")
    meta.ImplementationVersionName = "LIGHTBOX"
    out = DicomBytesIO()
    write_file_meta_info(out, meta)
    return b"\0" * 128 + b"DICM" + out.getvalue() + _body(dataset)


def _body(dataset: Dataset) -> bytes:
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    write_dataset(out, dataset)
    return bytes(out.getvalue())


def _pixel_element(keyword: str, syntax: str, dataset: Dataset, length: int) -> bytes:
    """Tag, VR and length of the pixel data, and an empty offset table (PS3.5 A.4)."""
    if is_encapsulated(syntax):
        return b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\0\0\0\0"
    number, vr = {
        "FloatPixelData": (8, b"OF"),
        "DoubleFloatPixelData": (9, b"OD"),
    }.get(keyword, (0x10, b"OW" if int(dataset.BitsAllocated) > 8 else b"OB"))
    size = (length + length % 2).to_bytes(4, "little")
    return b"\xe0\x7f" + number.to_bytes(2, "little") + vr + b"\0\0" + size
