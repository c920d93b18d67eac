"""The gate: a structural walk over a file before any parser sees it (PS3.5 7, PS3.10 7).

One pass checks every length, the depth of nesting and the UIDs, finds the pixel data, and writes
the data set in one canonical form whose SHA-256 says whether two files are the same image.

Canonical form: elements in their order, each as tag, length and value; without group 0002, group
lengths and trailing padding; little endian; text without its padding; sequences as items,
whatever their length encoding. DCMTK, and so Orthanc, rewrites just these.
"""

from __future__ import annotations

import hashlib
import mmap
import re
import struct
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydicom.datadict import DicomDictionary

from studies.dicom.errors import GateError, Reason
from studies.dicom.syntaxes import DEFLATED_LE, EXPLICIT_BE, IMPLICIT_LE, is_encapsulated

Buffer = bytes | bytearray | memoryview | mmap.mmap

UNDEFINED: Final = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_DATA = 0x7FE00010
PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, PIXEL_DATA})
OFFSET_TABLES = frozenset({0x7FE00001, 0x7FE00002})
# What a lossless or lossy transcoding alters beside the pixels.
TRANSCODED = frozenset({0x00280004, 0x00280006, 0x00282110, 0x00282112, 0x00282114})
TRAILING_PADDING = 0xFFFCFFFC

LONG_VR = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
TEXT_VR = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())
SWAPPED = {
    **dict.fromkeys((b"US", b"SS", b"OW", b"AT"), "u2"),
    **dict.fromkeys((b"UL", b"SL", b"FL", b"OL", b"OF"), "u4"),
    **dict.fromkeys((b"FD", b"OD", b"OV", b"SV", b"UV"), "u8"),
}
UID_SHAPE = re.compile(r"[0-9]+(?:\.[0-9]+)+\Z")
MAX_ELEMENTS = 200_000
MAX_DEPTH = 32
MAX_INFLATED = 1 << 30
FREE_INFLATED = 64 << 20
MAX_RATIO = 200
_u16 = {False: struct.Struct("<H"), True: struct.Struct(">H")}
_u32 = {False: struct.Struct("<I"), True: struct.Struct(">I")}
_tag = {False: struct.Struct("<HH"), True: struct.Struct(">HH")}
_head = struct.Struct("<IQ")
_sequences = frozenset(tag for tag, entry in DicomDictionary.items() if entry[0] == "SQ")
_texts = frozenset(
    tag for tag, entry in DicomDictionary.items() if entry[0].encode() in TEXT_VR
)


@dataclass(frozen=True, slots=True)
class PixelLocation:
    """Where the pixel data's value lies.

    Native: `offset` and `length`. Encapsulated: `fragments` as (offset, length) without the basic
    offset table, whose values are in `offset_table`. `deflated`: offsets count from the
    beginning of the inflated data set, not of the file.
    """

    offset: int
    length: int
    fragments: tuple[tuple[int, int], ...] = ()
    offset_table: tuple[int, ...] = ()
    extended_offsets: tuple[int, ...] = ()
    encapsulated: bool = False
    deflated: bool = False


@dataclass(frozen=True, slots=True)
class Gate:
    """What the walk found. Digests are hexadecimal SHA-256."""

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


def inspect(
    data: Buffer,
    *,
    max_size: int = 4 << 30,
    max_inflated: int = MAX_INFLATED,
    max_depth: int = MAX_DEPTH,
    max_elements: int = MAX_ELEMENTS,
) -> Gate:
    """Walk a Part 10 file once. Raises GateError with a Reason, and nothing else."""
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
) -> Gate:
    syntax = _uid_text(meta.get(0x00020010, b""))
    if not syntax:
        raise GateError(Reason.UNSUPPORTED_SYNTAX if meta else Reason.NOT_DICOM)
    if not UID_SHAPE.match(syntax):
        raise GateError(Reason.UNSUPPORTED_SYNTAX)
    deflated = syntax == DEFLATED_LE
    body: Buffer = _inflate(view[start:], max_inflated) if deflated else view
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
        uids = [_checked_uid(walker.uids.get(tag)) for tag in (0x00080016, 0x00080018)]
        study, series = (_checked_uid(walker.uids.get(t)) for t in (0x0020000D, 0x0020000E))
        core = hashlib.sha256(walker.core)
        dataset_digest = core.hexdigest()
        core.update(b"|" + bytes(walker.transcoded) + b"|" + walker.pixel_digest.encode())
        return Gate(
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
        )
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
        group, element = _tag[False].unpack_from(view, at)
        if group != 2:
            break
        vr = bytes(view[at + 4 : at + 6])
        if vr in LONG_VR:
            length, value = _u32[False].unpack_from(view, at + 8)[0], at + 12
        else:
            length, value = _u16[False].unpack_from(view, at + 6)[0], at + 8
        if value + length > size:
            raise GateError(Reason.BAD_STRUCTURE)
        if len(found) > 100:
            raise GateError(Reason.BAD_STRUCTURE)
        found[group << 16 | element] = bytes(view[value : value + length]) if length < 4096 else b""
        at = value + length
    return found, at


def _inflate(view: memoryview, limit: int) -> bytes:
    """Raw deflate (PS3.5 A.5), stopped where it grows beyond reason."""
    limit = min(limit, max(FREE_INFLATED, MAX_RATIO * len(view)))
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    pieces: list[bytes] = []
    total, source = 0, bytes(view)
    try:
        while not stream.eof:
            piece = stream.decompress(source, 4 << 20)
            source = stream.unconsumed_tail
            total += len(piece)
            if total > limit:
                raise GateError(Reason.INFLATE_LIMIT)
            if not piece and not source:
                break
            pieces.append(piece)
    except zlib.error as error:
        raise GateError(Reason.BAD_STRUCTURE) from error
    if not stream.eof:
        raise GateError(Reason.BAD_STRUCTURE)
    return b"".join(pieces)


class Walker:
    """Walks one data set and writes its canonical form."""

    def __init__(
        self,
        view: memoryview,
        *,
        explicit: bool,
        big: bool,
        encapsulated: bool,
        deflated: bool,
        max_depth: int,
        max_elements: int,
    ) -> None:
        self.view = view
        self.explicit = explicit
        self.big = big
        self.encapsulated = encapsulated
        self.deflated = deflated
        self.max_depth = max_depth
        self.max_elements = max_elements
        self.count = 0
        self.core = bytearray()
        self.transcoded = bytearray()
        self.uids: dict[int, bytes] = {}
        self.pixel: PixelLocation | None = None
        self.pixel_digest = ""
        self.extended: bytes = b""

    def walk_file(self, start: int) -> None:
        """The whole data set, to the end of the file."""
        self._elements(start, len(self.view), self.explicit, self.big, 0, self.core)

    def _elements(
        self, at: int, end: int, explicit: bool, big: bool, depth: int, out: bytearray
    ) -> int:
        """Elements up to `end`, or to the item's delimiter inside one of undefined length."""
        view, tags, u16, u32 = self.view, _tag[big], _u16[big], _u32[big]
        last = -1
        while at < end:
            if at + 8 > end:
                return self._tail(at, end, depth)
            group, element = tags.unpack_from(view, at)
            tag = group << 16 | element
            if tag in (ITEM_END, SEQUENCE_END):
                if depth == 0:
                    raise GateError(Reason.BAD_STRUCTURE)
                return at
            if tag == 0:
                return self._tail(at, end, depth)
            vr = b""
            value = at + 8
            if explicit:
                vr = bytes(view[at + 4 : at + 6])
                if vr in LONG_VR:
                    value = at + 12
                    length = u32.unpack_from(view, at + 8)[0]
                elif vr.isalpha() and vr.isupper():
                    length = u16.unpack_from(view, at + 6)[0]
                else:  # some devices write single elements implicitly
                    vr, length = b"", u32.unpack_from(view, at + 4)[0]
            else:
                length = u32.unpack_from(view, at + 4)[0]
            self.count += 1
            if self.count > self.max_elements:
                raise GateError(Reason.BAD_STRUCTURE)
            if tag <= last:
                if tag == last:
                    raise GateError(Reason.BAD_STRUCTURE)
            last = tag
            if length != UNDEFINED and value + length > end:
                raise GateError(
                    Reason.TRUNCATED_PIXELS if tag in PIXEL_TAGS else Reason.BAD_STRUCTURE
                )
            at = self._value(tag, vr, value, length, end, explicit, big, depth, out)
        return at

    def _tail(self, at: int, end: int, depth: int) -> int:
        """What follows the last element may only be zeros."""
        if depth == 0 and not any(bytes(self.view[at : min(end, at + 65536)])):
            return end
        raise GateError(Reason.BAD_STRUCTURE)

    def _value(
        self,
        tag: int,
        vr: bytes,
        value: int,
        length: int,
        end: int,
        explicit: bool,
        big: bool,
        depth: int,
        out: bytearray,
    ) -> int:
        """One element's value; returns where the next element begins."""
        view = self.view
        if depth == 0 and (tag in PIXEL_TAGS or tag in OFFSET_TABLES):
            return self._pixels(tag, vr, value, length, end, big)
        is_private = bool(tag >> 16 & 1)
        if length == UNDEFINED:
            if vr in (b"OB", b"OW"):  # encapsulated pixels of an icon
                return self._nested_fragments(tag, value, end, out)
            # UN of undefined length is implicit little endian inside (PS3.5 6.2.2)
            inside = explicit and vr != b"UN"
            return self._sequence(tag, value, end, True, inside, big and inside, depth, out)
        stop = value + length
        if tag & 0xFFFF == 0:
            return stop
        if vr == b"SQ" or (not vr and tag in _sequences):
            self._sequence(tag, value, stop, False, explicit and vr == b"SQ", big, depth, out)
            return stop
        if vr in (b"", b"UN") and length >= 8 and (is_private or tag in _sequences):
            if bytes(view[value : value + 4]) == b"\xfe\xff\x00\xe0" and self._try_sequence(
                tag, value, stop, depth, out
            ):
                return stop
        content = bytes(view[value:stop])
        if vr in TEXT_VR or (not vr and tag in _texts) or is_private:
            content = content.rstrip(b" \0")
        elif big and (kind := SWAPPED.get(vr)) and length % int(kind[1]) == 0:
            content = np.frombuffer(content, f">{kind}").astype(f"<{kind}").tobytes()
        if tag == TRAILING_PADDING:
            return stop
        if depth == 0:
            if tag in (0x00080016, 0x00080018, 0x0020000D, 0x0020000E):
                self.uids[tag] = content
            if tag in TRANSCODED:
                out = self.transcoded
        out += _head.pack(tag, len(content))
        out += content
        return stop

    def _try_sequence(self, tag: int, value: int, stop: int, depth: int, out: bytearray) -> bool:
        """A private element of unknown VR that looks like items: taken for what it looks like."""
        draft = bytearray()
        count = self.count
        try:
            self._sequence(tag, value, stop, False, self.explicit, self.big, depth, draft)
        except (GateError, struct.error) as error:
            if isinstance(error, GateError) and error.reason == Reason.TOO_DEEP:
                raise
            draft = bytearray()
            self.count = count
            try:
                self._sequence(tag, value, stop, False, False, False, depth, draft)
            except (GateError, struct.error):
                self.count = count
                return False
        out += draft
        return True

    def _sequence(
        self,
        tag: int,
        at: int,
        end: int,
        undefined: bool,
        explicit: bool,
        big: bool,
        depth: int,
        out: bytearray,
    ) -> int:
        """Items up to `end` or the sequence's delimiter; returns where what follows begins."""
        if depth >= self.max_depth:
            raise GateError(Reason.TOO_DEEP)
        out += _head.pack(tag, UNDEFINED) + b"SQ"
        tags, u32 = _tag[big], _u32[big]
        while at < end:
            if at + 8 > end:
                raise GateError(Reason.BAD_STRUCTURE)
            group, element = tags.unpack_from(self.view, at)
            mark = group << 16 | element
            length = u32.unpack_from(self.view, at + 4)[0]
            at += 8
            if mark == SEQUENCE_END:
                if not undefined and at != end:
                    raise GateError(Reason.BAD_STRUCTURE)
                out += b"ES"
                return at
            if mark != ITEM:
                raise GateError(Reason.BAD_STRUCTURE)
            self.count += 1
            out += b"IT"
            if length == UNDEFINED:
                at = self._elements(at, end, explicit, big, depth + 1, out)
                if at + 8 > end or tags.unpack_from(self.view, at) != (0xFFFE, 0xE00D):
                    raise GateError(Reason.BAD_STRUCTURE)
                at += 8
            else:
                if at + length > end:
                    raise GateError(Reason.BAD_STRUCTURE)
                stop = at + length
                at = self._elements(at, stop, explicit, big, depth + 1, out)
                if at != stop:
                    # A delimiter inside an item of defined length: tolerated at its very end.
                    if at + 8 != stop:
                        raise GateError(Reason.BAD_STRUCTURE)
                    at = stop
            out += b"EI"
        if undefined:
            raise GateError(Reason.BAD_STRUCTURE)
        out += b"ES"
        return at

    def _fragments(self, at: int, end: int) -> tuple[list[tuple[int, int]], int]:
        """Items of encapsulated pixel data (PS3.5 A.4), and where what follows begins."""
        found: list[tuple[int, int]] = []
        while True:
            if at + 8 > end:
                raise GateError(Reason.TRUNCATED_PIXELS)
            group, element = _tag[False].unpack_from(self.view, at)
            length = _u32[False].unpack_from(self.view, at + 4)[0]
            at += 8
            if (group, element) == (0xFFFE, 0xE0DD):
                return found, at
            if (group, element) != (0xFFFE, 0xE000):
                raise GateError(Reason.BAD_STRUCTURE)
            if length == UNDEFINED or at + length > end:
                raise GateError(Reason.TRUNCATED_PIXELS)
            self.count += 1
            if self.count > self.max_elements:
                raise GateError(Reason.BAD_STRUCTURE)
            found.append((at, length))
            at += length

    def _nested_fragments(self, tag: int, at: int, end: int, out: bytearray) -> int:
        found, at = self._fragments(at, end)
        for offset, length in found:
            out += _head.pack(tag, length)
            out += self.view[offset : offset + length]
        return at

    def _pixels(self, tag: int, vr: bytes, value: int, length: int, end: int, big: bool) -> int:
        """Pixel data or an extended offset table at the top level."""
        if tag in OFFSET_TABLES:
            if length == UNDEFINED:
                raise GateError(Reason.BAD_STRUCTURE)
            if tag == 0x7FE00001:
                self.extended = bytes(self.view[value : value + length])
            return value + length
        if self.pixel is not None:
            raise GateError(Reason.BAD_STRUCTURE)
        digest = hashlib.sha256()
        if length != UNDEFINED:
            content: bytes | memoryview = self.view[value : value + length]
            if big and (kind := SWAPPED.get(vr)) and length % int(kind[1]) == 0:
                content = np.frombuffer(content, f">{kind}").astype(f"<{kind}").tobytes()
            digest.update(content)
            if length % 2:
                digest.update(b"\0")
            self.pixel = PixelLocation(value, length, deflated=self.deflated)
            self.pixel_digest = digest.hexdigest()
            return value + length
        if not self.encapsulated:
            raise GateError(Reason.BAD_STRUCTURE)
        found, at = self._fragments(value, end)
        table: tuple[int, ...] = ()
        if found:
            offset, size = found.pop(0)
            if size % 4:
                raise GateError(Reason.BAD_PIXELS)
            table = struct.unpack_from(f"<{size // 4}I", self.view, offset)
        for offset, size in found:
            digest.update(size.to_bytes(8, "little"))
            digest.update(self.view[offset : offset + size])
        extended: tuple[int, ...] = ()
        if self.extended and len(self.extended) % 8 == 0:
            extended = struct.unpack(f"<{len(self.extended) // 8}Q", self.extended)
        self.pixel = PixelLocation(
            value,
            at - value,
            fragments=tuple(found),
            offset_table=table,
            extended_offsets=extended,
            encapsulated=True,
        )
        self.pixel_digest = digest.hexdigest()
        return at
