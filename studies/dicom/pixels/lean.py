"""The data set before Pixel Data in one pass over its bytes, for pictures of uncompressed slices.

pydicom reads a header through many small calls, which costs as much as the JPEG of a CT slice. Here
the elements are only cut apart; pydicom makes values of those that are asked for. What is not
plain is left to pydicom altogether.
"""

from __future__ import annotations

from collections.abc import MutableMapping
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
Elements = MutableMapping[BaseTag, DataElement | RawDataElement]


def header(data: bytes) -> Dataset | None:
    """The data set of a little endian file that `data` begins with, up to Pixel Data at least; its
    text is not decoded by SpecificCharacterSet. None for what pydicom must read."""
    if data[128:132] != b"DICM":
        return None
    meta: Elements = {}
    at = _elements(data, 132, meta, explicit=True, end=0x00030000)
    found = meta.get(BaseTag(0x00020010))
    syntax = (found.value or b"").rstrip(b"\0 ").decode("ascii", "replace") if found else ""
    if at is None or syntax not in {EXPLICIT_LE, IMPLICIT_LE}:
        return None
    elements: Elements = {}
    explicit = syntax == EXPLICIT_LE
    if _elements(data, at, elements, explicit=explicit, end=FIRST_PIXELS) is None:
        return None
    dataset = Dataset(elements)
    dataset.set_original_encoding(not explicit, True)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    return dataset


def _elements(data: bytes, at: int, found: Elements, *, explicit: bool, end: int) -> int | None:
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
        key = BaseTag(tag)
        value = data[start:at]
        found[key] = RawDataElement(key, vr, length, value, start, not explicit, True, True)
    return None
