"""The gate: a structural walk over a file before any parser sees it (PS3.5 7, PS3.10 7).

One pass checks every length, the depth of nesting and the UIDs, finds the pixel data, and writes
the data set in one canonical form whose SHA-256 says whether two files are the same image.

Canonical form: elements in the order of their tags, each as tag, length and value; without group
0002, group lengths and trailing padding; little endian; text without its padding; sequences as
items, whatever their length encoding. DCMTK, and so Orthanc, rewrites just these.
"""

from __future__ import annotations

import hashlib
import mmap
import re
import struct
from dataclasses import dataclass

from studies.dicom.canonical import LONG_VR
from studies.dicom.elements import Raw
from studies.dicom.errors import GateError, Reason
from studies.dicom.inflate import MAX_INFLATED, inflate
from studies.dicom.syntaxes import (
    DEFLATED_LE,
    EXPLICIT_BE,
    IMPLICIT_LE,
    is_encapsulated,
    is_readable,
)
from studies.dicom.walker import PixelLocation, Walker

__all__ = ["Gate", "PixelLocation", "inspect", "walk"]

Buffer = bytes | bytearray | memoryview | mmap.mmap

UID_SHAPE = re.compile(r"[0-9]+(?:\.[0-9]+)+\Z")
MAX_ELEMENTS = 200_000
MAX_DEPTH = 32
_u16 = struct.Struct("<H")
_u32 = struct.Struct("<I")
_tag = struct.Struct("<HH")


@dataclass(frozen=True, slots=True)
class Gate:
    """What the walk found. Digests are hexadecimal SHA-256.

    `meta_differs`: group 0002 names another instance than the data set. Real devices and
    anonymisers write such files; the data set counts, as for DCMTK.
    """

    transfer_syntax_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    content_digest: str
    dataset_digest: str
    pixel_digest: str
    pixel: PixelLocation | None
    elements: int
    meta_differs: bool = False


def inspect(
    data: Buffer,
    *,
    max_size: int = 4 << 30,
    max_inflated: int = MAX_INFLATED,
    max_depth: int = MAX_DEPTH,
    max_elements: int = MAX_ELEMENTS,
) -> Gate:
    """Check a Part 10 file. Raises GateError with a Reason, and nothing else."""
    return walk(
        data,
        max_size=max_size,
        max_inflated=max_inflated,
        max_depth=max_depth,
        max_elements=max_elements,
    )[0]


def walk(
    data: Buffer,
    *,
    max_size: int = 4 << 30,
    max_inflated: int = MAX_INFLATED,
    max_depth: int = MAX_DEPTH,
    max_elements: int = MAX_ELEMENTS,
) -> tuple[Gate, dict[int, Raw]]:
    """The same in one pass with the header's elements, for `Elements`."""
    size = len(data)
    if size == 0:
        raise GateError(Reason.EMPTY)
    if size > max_size:
        raise GateError(Reason.TOO_LARGE)
    if size < 140 or bytes(data[128:132]) != b"DICM":
        raise GateError(Reason.NOT_DICOM)
    view = memoryview(data)
    try:
        try:
            meta, start = _file_meta(view)
            return _inspect_dataset(view, meta, start, max_inflated, max_depth, max_elements)
        except (struct.error, IndexError) as error:
            raise GateError(Reason.BAD_STRUCTURE) from error
    finally:
        view.release()


def _inspect_dataset(
    view: memoryview,
    meta: dict[int, bytes],
    start: int,
    max_inflated: int,
    max_depth: int,
    max_elements: int,
) -> tuple[Gate, dict[int, Raw]]:
    syntax = _uid_text(meta.get(0x00020010, b""))
    if not syntax:
        raise GateError(Reason.UNSUPPORTED_SYNTAX if meta else Reason.NOT_DICOM)
    if not is_readable(syntax):
        raise GateError(Reason.UNSUPPORTED_SYNTAX)
    deflated = syntax == DEFLATED_LE
    body: Buffer = inflate(view[start:], max_inflated) if deflated else view
    walker = Walker(
        memoryview(body),
        explicit=syntax != IMPLICIT_LE,
        big=syntax == EXPLICIT_BE,
        encapsulated=is_encapsulated(syntax),
        deflated=deflated,
        max_depth=max_depth,
        max_elements=max_elements,
    )
    try:
        walker.walk_file(0 if deflated else start)
        uids = [_checked_uid(walker.noted.get(tag)) for tag in (0x00080016, 0x00080018)]
        study, series = (_checked_uid(walker.noted.get(t)) for t in (0x0020000D, 0x0020000E))
        stated = _uid_text(meta.get(0x00020003, b""))
        core = hashlib.sha256(walker.core)
        dataset_digest = core.hexdigest()
        core.update(
            b"|"
            + b"".join(walker.transcoded[tag] for tag in sorted(walker.transcoded))
            + b"|"
            + walker.pixel_digest.encode()
        )
        found = Gate(
            transfer_syntax_uid=syntax,
            sop_class_uid=uids[0],
            sop_instance_uid=uids[1],
            series_instance_uid=series,
            study_instance_uid=study,
            content_digest=core.hexdigest(),
            dataset_digest=dataset_digest,
            pixel_digest=walker.pixel_digest,
            pixel=walker.pixel,
            elements=walker.count,
            meta_differs=bool(stated) and stated != uids[1],
        )
        return found, walker.kept
    finally:
        walker.view.release()


def _uid_text(value: bytes) -> str:
    return value.rstrip(b"\0 ").decode("latin-1")


def _checked_uid(value: bytes | None) -> str:
    text = _uid_text(value or b"")
    if not text:
        raise GateError(Reason.MISSING_UID)
    if len(text) > 64 or not UID_SHAPE.match(text):
        raise GateError(Reason.BAD_UID)
    return text


def _file_meta(view: memoryview) -> tuple[dict[int, bytes], int]:
    """Group 0002, always explicit little endian (PS3.10 7.1), and where the data set begins."""
    found: dict[int, bytes] = {}
    at, size = 132, len(view)
    while at + 8 <= size:
        group, element = _tag.unpack_from(view, at)
        if group != 2:
            break
        vr = bytes(view[at + 4 : at + 6])
        if vr in LONG_VR:
            length, value = _u32.unpack_from(view, at + 8)[0], at + 12
        else:
            length, value = _u16.unpack_from(view, at + 6)[0], at + 8
        if value + length > size:
            raise GateError(Reason.BAD_STRUCTURE)
        if len(found) > 100:
            raise GateError(Reason.BAD_STRUCTURE)
        found[group << 16 | element] = bytes(view[value : value + length]) if length < 4096 else b""
        at = value + length
    return found, at
