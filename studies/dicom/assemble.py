"""A Part 10 file made of the DICOM JSON Model and its bulk data (PS3.18 10.5, F)."""

from __future__ import annotations

import base64
import binascii
import mmap
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID

from studies.dicom.errors import GateError, Reason
from studies.dicom.syntaxes import EXPLICIT_LE, IMPLICIT_LE, NATIVE, is_encapsulated, is_readable

PIXEL_DATA: Final = "7FE00010"
MAX_OTHER_BULK: Final = 64 * 2**20
"""Bytes of bulk data other than Pixel Data in one instance: those pass through memory."""

CHUNK: Final = 1 << 20
_ITEM = struct.Struct("<HHI")

# PS3.18 table 8.7.3-2: what a media type means where no transfer syntax is named.
DEFAULT_SYNTAX: Final = {
    "image/jpeg": "1.2.840.10008.1.2.4.70",
    "image/dicom-rle": "1.2.840.10008.1.2.5",
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "image/jpx": "1.2.840.10008.1.2.4.92",
    "image/jphc": "1.2.840.10008.1.2.4.201",
    "video/mpeg": "1.2.840.10008.1.2.4.100",
    "video/mp4": "1.2.840.10008.1.2.4.102",
}


@dataclass(frozen=True, slots=True)
class Bulk:
    """One part of bulk data: a stretch of a buffer. `transfer_syntax` is "" where none is named."""

    buffer: bytes | mmap.mmap
    start: int
    end: int
    media_type: str = "application/octet-stream"
    transfer_syntax: str = ""

    @property
    def size(self) -> int:
        return self.end - self.start

    def chunks(self) -> Iterator[bytes]:
        for at in range(self.start, self.end, CHUNK):
            yield self.buffer[at : min(at + CHUNK, self.end)]


def file_of(model: dict[str, Any], bulk: Mapping[str, Sequence[Bulk]]) -> Iterator[bytes]:
    """The file in pieces. `bulk`: the parts of each BulkDataURI, several being frames in order.

    Uncompressed becomes explicit little endian; compressed pixel data keep their transfer syntax,
    a part being a frame. The first piece comes after all checks. Raises GateError.
    """
    rest = {tag: element for tag, element in model.items() if not tag.startswith("0002")}
    pixels = rest.pop(PIXEL_DATA, None)
    pieces, vr = _pixels(pixels, bulk)
    syntax = _syntax(model, pieces)
    yield _header(rest, bulk, syntax)
    if pieces:
        yield from _pixel_element(pieces, vr, syntax)


def _pixels(element: Any, bulk: Mapping[str, Sequence[Bulk]]) -> tuple[Sequence[Bulk], str]:
    if element is None:
        return (), "OW"
    if not isinstance(element, dict):
        raise GateError(Reason.UNDECODABLE)
    vr = "OB" if element.get("vr") == "OB" else "OW"
    if "InlineBinary" in element:
        try:
            inline = base64.b64decode(element["InlineBinary"], validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise GateError(Reason.UNDECODABLE) from error
        return (Bulk(inline, 0, len(inline)),), vr
    if "BulkDataURI" in element:
        return _found(element["BulkDataURI"], bulk), vr
    return (), vr


def _found(uri: Any, bulk: Mapping[str, Sequence[Bulk]]) -> Sequence[Bulk]:
    """The parts of a URI: it names one of this request, and is never fetched."""
    parts = bulk.get(uri) if isinstance(uri, str) else None
    if not parts:
        raise GateError(Reason.MISSING_BULK)
    return parts


def _syntax(model: dict[str, Any], pieces: Sequence[Bulk]) -> str:
    if not pieces:
        return EXPLICIT_LE
    first = pieces[0]
    syntax = first.transfer_syntax or DEFAULT_SYNTAX.get(first.media_type, "")
    stated = model.get("00020010", {})
    values = stated.get("Value") if isinstance(stated, dict) else None
    if values and not first.transfer_syntax and first.media_type in DEFAULT_SYNTAX:
        syntax = str(values[0])
    syntax = EXPLICIT_LE if syntax in {"", IMPLICIT_LE} else syntax
    if (syntax in NATIVE and syntax != EXPLICIT_LE) or not is_readable(syntax):
        raise GateError(Reason.UNSUPPORTED_SYNTAX)
    return syntax


def _header(model: dict[str, Any], bulk: Mapping[str, Sequence[Bulk]], syntax: str) -> bytes:
    """File meta and data set without Pixel Data, which nearly always ends a data set."""
    taken = 0

    def other(tag: str, vr: str, uri: Any) -> bytes:
        nonlocal taken
        parts = _found(uri, bulk)
        taken += sum(part.size for part in parts)
        if taken > MAX_OTHER_BULK:
            raise GateError(Reason.TOO_LARGE)
        return b"".join(chunk for part in parts for chunk in part.chunks())

    try:
        dataset = Dataset.from_json(model, other)
        for tag in [tag for tag in dataset.keys() if tag > int(PIXEL_DATA, 16)]:  # noqa: SIM118
            del dataset[tag]
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.MediaStorageSOPClassUID = UID(str(dataset.get("SOPClassUID", "")))
        dataset.file_meta.MediaStorageSOPInstanceUID = UID(str(dataset.get("SOPInstanceUID", "")))
        dataset.file_meta.TransferSyntaxUID = UID(syntax)
        target = BytesIO()
        dataset.save_as(target, implicit_vr=False, little_endian=True, enforce_file_format=True)
    except GateError:
        raise
    except (Exception, RecursionError) as error:
        missing = not (model.get("00080016") and model.get("00080018"))
        raise GateError(Reason.MISSING_UID if missing else Reason.UNDECODABLE) from error
    return target.getvalue()


def _pixel_element(pieces: Sequence[Bulk], vr: str, syntax: str) -> Iterator[bytes]:
    if not is_encapsulated(syntax):
        size = sum(one.size for one in pieces)
        yield struct.pack("<HH2sHI", 0x7FE0, 0x0010, vr.encode(), 0, size + size % 2)
        for one in pieces:
            yield from one.chunks()
        yield bytes(size % 2)
        return
    yield struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    yield _ITEM.pack(0xFFFE, 0xE000, 0)
    for one in pieces:
        size = one.size
        yield _ITEM.pack(0xFFFE, 0xE000, size + size % 2)
        yield from one.chunks()
        yield bytes(size % 2)
    yield _ITEM.pack(0xFFFE, 0xE0DD, 0)
