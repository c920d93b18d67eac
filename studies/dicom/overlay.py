"""Corrected attributes laid over a stored instance while it is read; the stored bytes stay.

Elements at the top of the data set are replaced, added or left out; what they were goes into an
item of Original Attributes Sequence (PS3.3 C.12.1.1.9). All other bytes are those of the file.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, NamedTuple

from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_VR
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from studies.dicom import header
from studies.dicom.canonical import LONG_VR
from studies.dicom.errors import GateError, Reason
from studies.dicom.inflate import inflate
from studies.dicom.syntaxes import DEFLATED_LE, EXPLICIT_BE, IMPLICIT_LE
from studies.dicom.walker import ITEM, ITEM_END, SEQUENCE_END, UNDEFINED, looks_explicit

CHARACTER_SET: Final = 0x00080005
ORIGINAL_ATTRIBUTES: Final = 0x04000561
MODIFIED_ATTRIBUTES: Final = 0x04000550
MODIFIED_AT: Final = 0x04000562
MODIFYING_SYSTEM: Final = 0x04000563
SOURCE_OF_VALUES: Final = 0x04000564
REASON: Final = 0x04000565
SYSTEM: Final = "Lightbox PACS"
UTF8: Final = "ISO_IR 192"
PIXELS: Final = 0x7FE00000
BULKY: Final = frozenset({0x00420011, 0x54000100})
"""Encapsulated document, waveforms: never read whole for a correction of text."""
TEXT: Final = frozenset({"LO", "SH", "PN", "ST", "LT", "UT", "UC"})
MAX_DEPTH: Final = 64


@dataclass(frozen=True)
class Overlay:
    """Text by tag ("" empties an element), tags that are left out, and when that was decided.

    `at`: DT (PS3.5 6.2). Names have their groups joined by "=".
    """

    values: Mapping[int, str]
    removed: frozenset[int] = field(default_factory=frozenset)
    at: str = ""

    @cached_property
    def digest(self) -> str:
        """The same for overlays that make the same bytes."""
        said = [sorted(self.values.items()), sorted(self.removed), self.at]
        return hashlib.blake2b(json.dumps(said).encode(), digest_size=8).hexdigest()


class Patched(NamedTuple):
    """A corrected file: `before`, then the stored file from `rest_at` on."""

    before: bytes
    rest_at: int

    def size(self, file_size: int) -> int:
        return len(self.before) + file_size - self.rest_at


class _Element(NamedTuple):
    tag: int
    vr: str
    start: int
    value: int
    length: int
    end: int


@dataclass(frozen=True, slots=True)
class _Encoding:
    explicit: bool
    big: bool

    @property
    def order(self) -> str:
        return ">" if self.big else "<"

    def write(self, tag: int, vr: str, value: bytes) -> bytes:
        """An element of defined length (PS3.5 7.1)."""
        head = struct.pack(f"{self.order}HH", tag >> 16, tag & 0xFFFF)
        if not self.explicit:
            return head + struct.pack(f"{self.order}I", len(value)) + value
        if vr.encode() in LONG_VR:
            return head + vr.encode() + struct.pack(f"{self.order}HI", 0, len(value)) + value
        return head + vr.encode() + struct.pack(f"{self.order}H", len(value)) + value

    def item(self, content: bytes) -> bytes:
        return struct.pack(f"{self.order}HHI", 0xFFFE, 0xE000, len(content)) + content


Buffer = Any


def patch(data: Buffer, overlay: Overlay) -> Patched:
    """The corrected form of a Part 10 file, or of its beginning up to the pixel data.

    `data`: bytes or a map of a file that passed the gate; only what stands before the pixel data is
    read, of a deflated file all. Raises GateError where the structure does not hold.
    """
    try:
        start, syntax = _data_set(data)
        if syntax != DEFLATED_LE:
            return _patch(data, start, syntax, overlay)
        body = inflate(memoryview(data)[start:])
        before, rest_at = _patch(body, 0, syntax, overlay)
        if rest_at == 0 and not before:
            return Patched(b"", 0)
        packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = packer.compress(before) + packer.compress(body[rest_at:]) + packer.flush()
        return Patched(bytes(data[:start]) + packed + b"\0" * (len(packed) % 2), len(data))
    except (struct.error, IndexError) as error:
        raise GateError(Reason.BAD_STRUCTURE) from error


def _data_set(data: Buffer) -> tuple[int, str]:
    """Where the data set begins, and its transfer syntax (PS3.10 7.1)."""
    at, syntax = 132, ""
    while bytes(data[at : at + 2]) == b"\x02\x00":
        vr = bytes(data[at + 4 : at + 6])
        if vr in LONG_VR:
            length, value = struct.unpack("<I", data[at + 8 : at + 12])[0], at + 12
        else:
            length, value = struct.unpack("<H", data[at + 6 : at + 8])[0], at + 8
        if bytes(data[at + 2 : at + 4]) == b"\x10\x00":
            syntax = bytes(data[value : value + length]).rstrip(b"\0 ").decode("latin-1")
        at = value + length
    return at, syntax


def _patch(data: Buffer, start: int, syntax: str, overlay: Overlay) -> Patched:
    big = syntax == EXPLICIT_BE
    vr = bytes(data[start + 4 : start + 6])
    explicit = syntax != IMPLICIT_LE
    if len(vr) == 2 and not big:
        explicit = all(0x40 < byte < 0x5B for byte in vr)  # as the walk of the gate looks
    encoding = _Encoding(explicit, big)
    elements, end = _top(data, start, encoding)
    by_tag = {element.tag: element for element in elements}
    charset = _values(data, by_tag.get(CHARACTER_SET))
    texts = [text for tag, text in overlay.values.items() if dictionary_VR(tag) in TEXT]
    utf8 = not _fits(texts, charset)
    codec = "utf-8" if utf8 else _codec(charset) or "ascii"

    new: dict[int, bytes] = {}
    original: dict[int, bytes] = {}
    for tag, text in overlay.values.items():
        vr_name = dictionary_VR(tag)
        value = _encoded(text, vr_name, codec)
        there = by_tag.get(tag)
        was = bytes(data[there.value : there.value + there.length]) if there else None
        if was is not None and _same(was, value, vr_name, charset, codec):
            continue
        if was is None and not value:
            continue
        new[tag] = encoding.write(tag, vr_name, value)
        original[tag] = (
            bytes(data[there.start : there.end]) if there else encoding.write(tag, vr_name, b"")
        )
    gone = {tag for tag in overlay.removed if tag in by_tag}
    for tag in gone:
        original[tag] = bytes(data[by_tag[tag].start : by_tag[tag].end])
    if not original:
        return Patched(b"", 0)
    if utf8:
        there = by_tag.get(CHARACTER_SET)
        new[CHARACTER_SET] = encoding.write(CHARACTER_SET, "CS", UTF8.encode())
        original[CHARACTER_SET] = (
            bytes(data[there.start : there.end])
            if there
            else encoding.write(CHARACTER_SET, "CS", b"")
        )
    new[ORIGINAL_ATTRIBUTES] = _original_attributes(
        data, by_tag.get(ORIGINAL_ATTRIBUTES), encoding, original, overlay.at
    )
    if utf8 and not _ascii_only(data, elements):
        return _in_utf8(data, start, elements, end, encoding, new, gone)
    ordered = all(one.tag < other.tag for one, other in pairwise(elements))
    rest_at = end
    if ordered:
        rest_at = next((e.start for e in elements if e.tag > ORIGINAL_ATTRIBUTES), end)
    kept = {
        e.tag: bytes(data[e.start : e.end])
        for e in elements
        if e.start < rest_at and e.tag not in gone and e.tag & 0xFFFF
    }
    # Group lengths would be wrong now; they are retired (PS3.5 7.2).
    pieces = [part for _, part in sorted((kept | new).items())]
    return Patched(bytes(data[:start]) + b"".join(pieces), rest_at)


def _top(data: Buffer, at: int, encoding: _Encoding) -> tuple[list[_Element], int]:
    """The elements before the pixel data, and where they end."""
    found: list[_Element] = []
    size = len(data)
    while at + 8 <= size:
        element = _read(data, at, encoding)
        if element.tag >= PIXELS or element.tag == 0:
            break
        if element.length != UNDEFINED and element.value + element.length > size:
            break  # the head of an instance whose frames follow
        found.append(element)
        at = element.end
    return found, at


def _read(data: Buffer, at: int, encoding: _Encoding) -> _Element:
    order = encoding.order
    group, number = struct.unpack(f"{order}HH", data[at : at + 4])
    tag, vr, value = group << 16 | number, b"", at + 8
    if encoding.explicit:
        vr = bytes(data[at + 4 : at + 6])
        if vr in LONG_VR:
            value = at + 12
            length = struct.unpack(f"{order}I", data[at + 8 : at + 12])[0]
        elif looks_explicit(vr):
            length = struct.unpack(f"{order}H", data[at + 6 : at + 8])[0]
        else:
            vr, length = b"", struct.unpack(f"{order}I", data[at + 4 : at + 8])[0]
    else:
        length = struct.unpack(f"{order}I", data[at + 4 : at + 8])[0]
    if tag >= PIXELS:
        return _Element(tag, "", at, value, length, value)
    if length == UNDEFINED:
        inside = encoding
        if vr == b"UN" or not vr:  # implicit little endian inside (PS3.5 6.2.2)
            inside = _Encoding(explicit=False, big=False if vr else encoding.big)
        end = _after_items(data, value, inside, 0)
    else:
        end = value + length
    return _Element(tag, vr.decode("latin-1"), at, value, length, end)


def _after_items(data: Buffer, at: int, encoding: _Encoding, depth: int) -> int:
    """Where a sequence of undefined length ends."""
    if depth > MAX_DEPTH:
        raise GateError(Reason.TOO_DEEP)
    while True:
        group, number = struct.unpack(f"{encoding.order}HH", data[at : at + 4])
        mark = group << 16 | number
        length = struct.unpack(f"{encoding.order}I", data[at + 4 : at + 8])[0]
        at += 8
        if mark == SEQUENCE_END:
            return at
        if mark != ITEM:
            raise GateError(Reason.BAD_STRUCTURE)
        if length != UNDEFINED:
            at += length
            continue
        while True:
            group, number = struct.unpack(f"{encoding.order}HH", data[at : at + 4])
            if group << 16 | number == ITEM_END:
                at += 8
                break
            at = _read(data, at, encoding).end


def _values(data: Buffer, element: _Element | None) -> list[str]:
    if element is None:
        return []
    text = bytes(data[element.value : element.value + element.length]).decode("latin-1")
    return [part.strip(" \0") for part in text.split("\\")] if text.strip(" \0") else []


def _codec(charset: Sequence[str]) -> str | None:
    """Python's name of a single character set; None where code extensions are in use."""
    if len(charset) > 1:
        return None
    return python_encoding.get(charset[0] if charset else "", None)


def _fits(texts: Sequence[str], charset: Sequence[str]) -> bool:
    if all(text.isascii() for text in texts):
        return True
    codec = _codec(charset) if charset and charset[0] != "ISO_IR 6" else "ascii"
    if codec is None or codec.startswith("iso2022"):
        return False
    try:
        return all(text.encode(codec).decode(codec) == text for text in texts)
    except (UnicodeError, LookupError):
        return False


def _encoded(text: str, vr: str, codec: str) -> bytes:
    value = text.encode() if text.isascii() else text.encode(codec)
    return value + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)


def _same(was: bytes, value: bytes, vr: str, charset: Sequence[str], codec: str) -> bool:
    drop = b" \0^" if vr == "PN" else b" \0"
    if was.isascii() and value.isascii() and b"\x1b" not in was:
        return was.strip(b" \0").rstrip(drop) == value.strip(b" \0").rstrip(drop)
    theirs = _codec(charset)
    if theirs is None:
        return False
    try:
        return was.decode(theirs).strip(" \0").rstrip(drop.decode()) == value.decode(codec).strip(
            " \0"
        ).rstrip(drop.decode())
    except (UnicodeError, LookupError):
        return False


def _original_attributes(
    data: Buffer,
    there: _Element | None,
    encoding: _Encoding,
    original: dict[int, bytes],
    at: str,
) -> bytes:
    """The sequence with one item more (PS3.3 C.12.1.1.9)."""
    if there is not None and there.vr in ("SQ", ""):
        items = bytes(data[there.value : there.end])
        if there.length == UNDEFINED:
            items = items[:-8]
    else:
        items = b""
        if there is not None:
            original = {**original, ORIGINAL_ATTRIBUTES: bytes(data[there.start : there.end])}
    modified = encoding.item(b"".join(part for _, part in sorted(original.items())))
    item = (
        encoding.write(MODIFIED_ATTRIBUTES, "SQ", modified)
        + encoding.write(MODIFIED_AT, "DT", _encoded(at, "DT", "ascii"))
        + encoding.write(MODIFYING_SYSTEM, "LO", _encoded(SYSTEM, "LO", "ascii"))
        + encoding.write(SOURCE_OF_VALUES, "LO", b"")
        + encoding.write(REASON, "CS", _encoded("CORRECT", "CS", "ascii"))
    )
    return encoding.write(ORIGINAL_ATTRIBUTES, "SQ", items + encoding.item(item))


def _ascii_only(data: Buffer, elements: Sequence[_Element]) -> bool:
    """Whether every text reads alike in UTF-8. Unsure counts as no."""
    for e in elements:
        if e.tag in BULKY:
            continue
        vr = e.vr
        if not vr:
            try:
                vr = dictionary_VR(e.tag)
            except KeyError:
                vr = "UN"
        if vr not in TEXT and vr not in ("SQ", "UN"):
            continue
        raw = bytes(data[e.value : e.end])
        if e.length == UNDEFINED or vr in ("SQ", "UN"):
            if not raw.replace(b"\xff\xff\xff\xff", b"").replace(b"\xfe\xff", b"").isascii():
                return False
        elif not raw.isascii() or b"\x1b" in raw:
            return False
    return True


def _in_utf8(
    data: Buffer,
    start: int,
    elements: Sequence[_Element],
    end: int,
    encoding: _Encoding,
    new: dict[int, bytes],
    gone: set[int],
) -> Patched:
    """The corrected head with all its text in UTF-8: its own character set lacks a letter."""
    rest_at = next((e.start for e in elements if e.tag in BULKY), end)
    head = bytes(data[:start]) + b"".join(
        bytes(data[e.start : e.end])
        for e in sorted(elements)
        if e.start < rest_at and e.tag & 0xFFFF and e.tag not in gone
    )
    dataset = header.read(head if start else _bare(head))  # without a start: it was deflated
    dataset.decode()
    for tag in new:
        if tag in dataset:
            del dataset[tag]
    dataset.SpecificCharacterSet = UTF8
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = not encoding.big, not encoding.explicit
    write_dataset(out, dataset)
    rewritten = out.getvalue()
    written, _ = _top(rewritten, 0, encoding)
    parts = {e.tag: rewritten[e.start : e.end] for e in written}
    body = b"".join(part for _, part in sorted((parts | new).items()))
    return Patched(bytes(data[:start]) + body, rest_at)


def _bare(data_set: bytes) -> bytes:
    """A file around an inflated data set, for pydicom."""
    uid = b"1.2.840.10008.1.2.1\0"
    return (
        b"\0" * 128 + b"DICM" + b"\x02\x00\x10\x00UI" + struct.pack("<H", len(uid)) + uid + data_set
    )


# DICOM JSON (PS3.18 F)

Json = dict[str, Any]


def of_document(document: Json, overlay: Overlay) -> Json:
    """What the overlay changes in an instance's document: elements by tag, None for one that is
    left out. Nothing where the document says the same already."""
    changed: dict[str, Json | None] = {}
    original: Json = {}
    for tag, text in overlay.values.items():
        key, vr = f"{tag:08X}", dictionary_VR(tag)
        element = _json_element(vr, text)
        there = document.get(key)
        if _json_text(there) == _json_text(element) or (there is None and not text):
            continue
        changed[key] = element
        original[key] = there if there is not None else {"vr": vr}
    for tag in overlay.removed:
        key = f"{tag:08X}"
        if key in document:
            changed[key] = None
            original[key] = document[key]
    if original:
        item = {
            f"{MODIFIED_ATTRIBUTES:08X}": {"vr": "SQ", "Value": [dict(sorted(original.items()))]},
            f"{MODIFIED_AT:08X}": {"vr": "DT", "Value": [overlay.at]},
            f"{MODIFYING_SYSTEM:08X}": {"vr": "LO", "Value": [SYSTEM]},
            f"{SOURCE_OF_VALUES:08X}": {"vr": "LO"},
            f"{REASON:08X}": {"vr": "CS", "Value": ["CORRECT"]},
        }
        key = f"{ORIGINAL_ATTRIBUTES:08X}"
        items = document.get(key, {}).get("Value") or []
        changed[key] = {"vr": "SQ", "Value": [*items, item]}
    return changed


def merged(document: Json, changed: Mapping[str, Any] | None) -> Json:
    """A document with what `of_document` gave, in the order of its tags."""
    if not changed:
        return document
    whole = {**document, **changed}
    return {tag: element for tag, element in sorted(whole.items()) if element is not None}


def _json_element(vr: str, text: str) -> Json:
    if not text:
        return {"vr": vr}
    if vr == "PN":
        groups = zip(("Alphabetic", "Ideographic", "Phonetic"), text.split("="), strict=False)
        return {"vr": vr, "Value": [{key: group for key, group in groups if group}]}
    if vr == "IS":
        return {"vr": vr, "Value": [int(text)]}
    return {"vr": vr, "Value": [text]}


def _json_text(element: Json | None) -> Any:
    values = (element or {}).get("Value") or []
    value = values[0] if len(values) == 1 else values
    if isinstance(value, dict):
        return {key: str(group).rstrip(" ^") for key, group in value.items()}
    return value.strip() if isinstance(value, str) else value
