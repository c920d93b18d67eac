"""The data set before Pixel Data in one pass over its bytes, for pictures of uncompressed slices.

pydicom reads a header through many small calls, which costs as much as the JPEG of a CT slice. Here
the elements are only cut apart; pydicom makes values of those that are asked for. What is not
plain is left to pydicom altogether.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import Final

from pydicom import Dataset
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import UID

from studies.dicom.syntaxes import EXPLICIT_LE, IMPLICIT_LE

LONG: Final = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
"""Value representations whose length has four bytes (PS3.5 7.1.2)."""

SHORT: Final = frozenset(
    {
        b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN",
        b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US",
    }
)  # fmt: skip
FIRST_PIXELS: Final = 0x7FE00000
UNDEFINED: Final = 0xFFFFFFFF
TAG, WORD, DOUBLE = Struct("<HH").unpack_from, Struct("<H").unpack_from, Struct("<I").unpack_from
Element = tuple[int, str | None, bytes]
"""Tag, VR where it is said, and value."""

DISTANCES: Final = frozenset({0x00181164, 0x00182010})
"""ImagerPixelSpacing and NominalScannedPixelSpacing."""
OF_ONE_SLICE: Final = frozenset(range(0x00280106, 0x00280112))
"""Smallest and largest samples: nothing is shown by them, and slices differ in them."""
KINDS_KEPT: Final = 512
MAX_KEY: Final = 1 << 16


def header(data: bytes) -> Dataset | None:
    """The data set of a little endian file that `data` begins with, up to Pixel Data at least; its
    text is not decoded by SpecificCharacterSet. None for what pydicom must read."""
    found = _read(data, shown=False)
    return None if found is None else _dataset(*found)


def shown(data: bytes) -> Dataset | None:
    """Of `header`, what a frame is shown by without annotation, presentation state and profile:
    the image pixel and VOI LUT modules, distances, functional groups. Not to be altered: slices
    that are alike in it share one."""
    found = _read(data, shown=True)
    if found is None:
        return None
    syntax, elements = found
    if sum(len(value) for _, _, value in elements) > MAX_KEY:
        return _dataset(syntax, elements)
    return _shared(syntax, elements)


def _read(data: bytes, *, shown: bool) -> tuple[str, tuple[Element, ...]] | None:
    if data[128:132] != b"DICM":
        return None
    meta: list[Element] = []
    at = _cut(data, 132, meta, explicit=True, end=0x00030000, shown=False)
    syntax = next((value for tag, _, value in meta if tag == 0x00020010), b"")
    name = syntax.rstrip(b"\0 ").decode("ascii", "replace")
    if at is None or name not in {EXPLICIT_LE, IMPLICIT_LE}:
        return None
    elements: list[Element] = []
    explicit = name == EXPLICIT_LE
    if _cut(data, at, elements, explicit=explicit, end=FIRST_PIXELS, shown=shown) is None:
        return None
    return name, tuple(elements)


def _dataset(syntax: str, elements: tuple[Element, ...]) -> Dataset:
    implicit = syntax == IMPLICIT_LE
    found: dict[BaseTag, DataElement | RawDataElement] = {}
    for number, vr, value in elements:
        tag = BaseTag(number)
        found[tag] = RawDataElement(tag, vr, len(value), value, 0, implicit, True, True)
    dataset = Dataset(found)
    dataset.set_original_encoding(implicit, True)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    return dataset


_shared = lru_cache(maxsize=KINDS_KEPT)(_dataset)


def _cut(
    data: bytes, at: int, found: list[Element], *, explicit: bool, end: int, shown: bool
) -> int | None:
    """Cut the elements below the tag `end` apart, from offset `at` on; the offset behind them, or
    None where they are not plain or the data ends before."""
    size = len(data)
    before = -1
    while at + 12 <= size:
        group, element = TAG(data, at)
        tag = group << 16 | element
        if tag >= end:
            return at
        if tag <= before:
            return None
        before = tag
        if not explicit:
            vr, length, start = None, DOUBLE(data, at + 4)[0], at + 8
        elif (letters := data[at + 4 : at + 6]) in SHORT:
            vr, length, start = letters.decode(), WORD(data, at + 6)[0], at + 8
        elif letters in LONG:
            vr, length, start = letters.decode(), DOUBLE(data, at + 8)[0], at + 12
        else:
            return None
        at = start + length
        if length == UNDEFINED or at > size:
            return None
        if shown and (
            tag in OF_ONE_SLICE if group == 0x0028 else tag not in DISTANCES and group != 0x5200
        ):
            continue
        found.append((tag, vr, data[start:at]))
    return None
