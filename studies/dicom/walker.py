"""The walk over a data set: every length checked, its canonical form written (PS3.5 7)."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from studies.dicom import canonical
from studies.dicom.canonical import LONG_VR, SEQUENCES
from studies.dicom.elements import KEPT, Raw
from studies.dicom.errors import GateError, Reason

UNDEFINED: Final = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_DATA: Final = 0x7FE00010
PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, PIXEL_DATA})
OFFSET_TABLES = frozenset({0x7FE00001, 0x7FE00002})
# What a transcoding alters beside the pixels; DCMTK notes even a lossless one in the description
# of derivation (0008,2111).
TRANSCODED = frozenset({0x00082111, 0x00280004, 0x00280006, 0x00282110, 0x00282112, 0x00282114})
TRAILING_PADDING: Final = 0xFFFCFFFC
BITS_ALLOCATED: Final = 0x00280100
NOTED = frozenset({0x00080016, 0x00080018, 0x0020000D, 0x0020000E, BITS_ALLOCATED})
_u16 = {False: struct.Struct("<H"), True: struct.Struct(">H")}
_u32 = {False: struct.Struct("<I"), True: struct.Struct(">I")}
_tag = {False: struct.Struct("<HH"), True: struct.Struct(">HH")}
_sequence_head = struct.Struct("<IQ2s")
Kept = dict[int, Raw]


@dataclass(frozen=True, slots=True)
class PixelLocation:
    """Where the pixel data's value lies.

    Native: `offset` and `length`. Encapsulated: `fragments` as (offset, length) without the basic
    offset table, whose values are in `offset_table`; `starts_frame` says of each fragment whether
    it begins as a JPEG or JPEG 2000 stream does. `deflated`: offsets count from the beginning of
    the inflated data set, not of the file. `tag` is one of Pixel Data, Float and Double Float.
    """

    offset: int
    length: int
    fragments: tuple[tuple[int, int], ...] = ()
    offset_table: tuple[int, ...] = ()
    extended_offsets: tuple[int, ...] = ()
    encapsulated: bool = False
    deflated: bool = False
    starts_frame: tuple[bool, ...] = ()
    tag: int = PIXEL_DATA


def _damaged() -> GateError:
    return GateError(Reason.BAD_STRUCTURE)


def looks_explicit(vr: bytes) -> bool:
    """Whether two bytes can be a VR; the same rule as pydicom's, so that both read alike."""
    return b"AA" <= vr <= b"ZZ"


class Walker:
    """Walks one data set and writes its canonical form.

    Recursion ends at `max_depth`; `max_elements` bounds the work, tries included.
    """

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
        self.transcoded: dict[int, bytes] = {}
        self.noted: dict[int, bytes] = {}
        self.pixel: PixelLocation | None = None
        self.pixel_digest = ""
        self.extended = b""
        self.kept: Kept = {}

    def walk_file(self, start: int) -> None:
        """The whole data set, to the end of the file."""
        # Some writers state the other VR encoding in group 0002; pydicom looks, and so do we.
        vr = bytes(self.view[start + 4 : start + 6])
        if len(vr) == 2 and not self.big:
            self.explicit = all(0x40 < byte < 0x5B for byte in vr)
        self._elements(start, len(self.view), self.explicit, self.big, 0, self.core, self.kept)

    def _counted(self) -> None:
        self.count += 1
        if self.count > self.max_elements:
            raise GateError(Reason.TOO_LARGE)

    def _elements(
        self,
        at: int,
        end: int,
        explicit: bool,
        big: bool,
        depth: int,
        out: bytearray,
        kept: Kept | None,
    ) -> int:
        """Elements up to `end`, or to the item's delimiter inside one of undefined length.

        `kept` gets what Elements wants of them, up to the pixel data.
        """
        view, tags, u16, u32 = self.view, _tag[big], _u16[big], _u32[big]
        last, ordered, begin = -1, True, len(out)
        marks: list[tuple[int, int]] = []
        while at < end:
            if at + 8 > end:
                at = self._tail(at, end, depth)
                break
            group, number = tags.unpack_from(view, at)
            tag = group << 16 | number
            if tag >= ITEM:
                if depth == 0 and tag == SEQUENCE_END and not any(view[at + 4 : at + 8]):
                    at += 8  # a delimiter too many, as some toolkits write after UN sequences
                    continue
                if depth == 0 or tag != ITEM_END:
                    raise _damaged()
                break
            if tag == 0:
                at = self._tail(at, end, depth)
                break
            vr, value = b"", at + 8
            if explicit:
                vr = bytes(view[at + 4 : at + 6])
                if vr in LONG_VR:
                    value = at + 12
                    length = u32.unpack_from(view, at + 8)[0]
                elif looks_explicit(vr):
                    length = u16.unpack_from(view, at + 6)[0]
                else:  # some devices write single elements implicitly
                    vr, length = b"", u32.unpack_from(view, at + 4)[0]
            else:
                length = u32.unpack_from(view, at + 4)[0]
            self._counted()
            if tag <= last:
                if tag == last:
                    raise _damaged()
                ordered = False
            last = tag
            if length != UNDEFINED and value + length > end:
                raise GateError(
                    Reason.TRUNCATED_PIXELS
                    if depth == 0 and tag in PIXEL_TAGS
                    else Reason.BAD_STRUCTURE
                )
            marks.append((tag, len(out)))
            self._keep(tag, vr, value, length, big, depth, kept)
            at = self._value(tag, vr, value, length, end, explicit, big, depth, out, kept)
        if not ordered:
            _sort(out, begin, marks)
        return at

    def _keep(
        self,
        tag: int,
        vr: bytes,
        value: int,
        length: int,
        big: bool,
        depth: int,
        kept: Kept | None,
    ) -> None:
        if kept is None:
            return
        if depth == 0 and (self.pixel is not None or tag in PIXEL_TAGS):
            return  # what follows is no part of the header
        content = bytes(self.view[value : value + length]) if length <= KEPT else None
        kept[tag] = Raw(vr.decode("latin-1") or None, content, not big)

    def _tail(self, at: int, end: int, depth: int) -> int:
        """What follows the last element may only be zeros."""
        if depth:
            raise _damaged()
        for start in range(at, end, 1 << 16):
            if bytes(self.view[start : min(end, start + (1 << 16))]).strip(b"\0"):
                raise _damaged()
        return end

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
        kept: Kept | None,
    ) -> int:
        """One element's value; returns where the next element begins."""
        if depth == 0 and (tag in PIXEL_TAGS or tag in OFFSET_TABLES):
            return self._pixels(tag, vr, value, length, end, big)
        items: list[Kept] | None = None
        if kept is not None and (vr == b"SQ" if explicit else tag in SEQUENCES):
            items = []
            kept[tag] = Raw(vr.decode() or None, items, not big)
        if length == UNDEFINED:
            if vr in (b"OB", b"OW") or (not vr and tag == PIXEL_DATA):  # an icon, compressed
                return self._nested_fragments(tag, value, end, out)
            # UN of undefined length is implicit little endian inside (PS3.5 6.2.2)
            inside = explicit and vr != b"UN"
            return self._sequence(tag, value, end, True, inside, big and inside, depth, out, items)
        stop = value + length
        if tag & 0xFFFF == 0 or tag == TRAILING_PADDING or tag >> 16 == 2:
            return stop
        if vr == b"SQ" or (not vr and tag in SEQUENCES):
            inside = explicit and vr == b"SQ"
            self._sequence(tag, value, stop, False, inside, big, depth, out, items)
            return stop
        if (
            length >= 8
            and bytes(self.view[value : value + 4]) == b"\xfe\xff\x00\xe0"
            and (tag >> 16 & 1 or tag in SEQUENCES)
            and self._try_sequence(tag, value, stop, depth, out)
        ):
            return stop
        content = canonical.element(tag, vr, self.view[value:stop], big)
        if depth == 0:
            if tag in NOTED:
                self.noted[tag] = content[12:]
            elif tag in TRANSCODED:
                self.transcoded[tag] = content
                return stop
        out += content
        return stop

    def _try_sequence(self, tag: int, value: int, stop: int, depth: int, out: bytearray) -> bool:
        """Bytes of an element whose VR tells nothing, taken for the items they look like.

        One try only, and its elements stay counted: nested tries cannot multiply the work.
        """
        draft = bytearray()
        explicit = looks_explicit(bytes(self.view[value + 12 : min(value + 14, stop)]))
        try:
            self._sequence(tag, value, stop, False, explicit, False, depth, draft, None)
        except struct.error:
            return False
        except GateError as error:
            if error.reason != Reason.BAD_STRUCTURE:
                raise
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
        items: list[Kept] | None,
    ) -> int:
        """Items up to `end` or the sequence's delimiter; returns where what follows begins."""
        if depth >= self.max_depth:
            raise GateError(Reason.TOO_DEEP)
        out += _sequence_head.pack(tag, UNDEFINED, b"SQ")
        tags, u32 = _tag[big], _u32[big]
        while at < end:
            if at + 8 > end:
                raise _damaged()
            group, number = tags.unpack_from(self.view, at)
            mark = group << 16 | number
            length = u32.unpack_from(self.view, at + 4)[0]
            at += 8
            if mark == SEQUENCE_END:
                if not undefined and at != end:
                    raise _damaged()
                out += b"ES"
                return at
            if mark != ITEM:
                raise _damaged()
            self._counted()
            out += b"IT"
            kept: Kept | None = None
            if items is not None:
                kept = {}
                items.append(kept)
            if length == UNDEFINED:
                at = self._elements(at, end, explicit, big, depth + 1, out, kept)
                if at + 8 > end or tags.unpack_from(self.view, at) != (0xFFFE, 0xE00D):
                    raise _damaged()
                at += 8
            else:
                stop = at + length
                if stop > end:
                    raise _damaged()
                at = self._elements(at, stop, explicit, big, depth + 1, out, kept)
                if at != stop:
                    # A delimiter inside an item of defined length: tolerated at its very end.
                    if at + 8 != stop:
                        raise _damaged()
                    at = stop
            out += b"EI"
        if undefined:
            raise _damaged()
        out += b"ES"
        return at

    def _fragments(self, at: int, end: int) -> tuple[list[tuple[int, int]], int]:
        """Items of encapsulated pixel data (PS3.5 A.4), and where what follows begins."""
        found: list[tuple[int, int]] = []
        while True:
            if at + 8 > end:
                raise GateError(Reason.TRUNCATED_PIXELS)
            group, number = _tag[False].unpack_from(self.view, at)
            length = _u32[False].unpack_from(self.view, at + 4)[0]
            at += 8
            if (group, number) == (0xFFFE, 0xE0DD):
                return found, at
            if (group, number) != (0xFFFE, 0xE000):
                raise _damaged()
            if length == UNDEFINED or at + length > end:
                raise GateError(Reason.TRUNCATED_PIXELS)
            self._counted()
            found.append((at, length))
            at += length

    def _nested_fragments(self, tag: int, at: int, end: int, out: bytearray) -> int:
        found, at = self._fragments(at, end)
        out += _sequence_head.pack(tag, UNDEFINED, b"FR")
        for offset, length in found[1:]:  # the first is the basic offset table
            out += canonical.element(ITEM, b"OB", self.view[offset : offset + length], False)
        out += b"RF"
        return at

    def _pixels(self, tag: int, vr: bytes, value: int, length: int, end: int, big: bool) -> int:
        """Pixel data or an extended offset table at the top level."""
        if tag in OFFSET_TABLES:
            if length == UNDEFINED:
                raise _damaged()
            if tag == 0x7FE00001:
                self.extended = bytes(self.view[value : value + length])
            return value + length
        if self.pixel is not None:
            raise _damaged()
        if length != UNDEFINED:
            self._native(tag, vr, value, length, big)
            return value + length
        if not self.encapsulated:
            raise _damaged()
        return self._encapsulated(tag, value, end)

    def _native(self, tag: int, vr: bytes, value: int, length: int, big: bool) -> None:
        content: bytes | memoryview = self.view[value : value + length]
        if big and length:
            bits = int.from_bytes(self.noted.get(BITS_ALLOCATED, b""), "little")
            # Samples of 32 bits in OW are swapped as such by every toolkit that writes them.
            word = bits // 8 if vr == b"OW" and bits in (32, 64) else 0
            content = canonical.little(vr, content, word)
        digest = hashlib.sha256(content)
        if length % 2:
            digest.update(b"\0")
        self.pixel = PixelLocation(value, length, deflated=self.deflated, tag=tag)
        self.pixel_digest = digest.hexdigest()

    def _encapsulated(self, tag: int, value: int, end: int) -> int:
        found, at = self._fragments(value, end)
        table: tuple[int, ...] = ()
        if found:
            offset, size = found.pop(0)
            if size % 4:
                raise GateError(Reason.BAD_PIXELS)
            table = struct.unpack_from(f"<{size // 4}I", self.view, offset)
        digest = hashlib.sha256()
        starts = []
        for offset, size in found:
            starts.append(bytes(self.view[offset : offset + 2]) in (b"\xff\xd8", b"\xff\x4f"))
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
            starts_frame=tuple(starts),
            tag=tag,
        )
        self.pixel_digest = digest.hexdigest()
        return at


def _sort(out: bytearray, begin: int, marks: list[tuple[int, int]]) -> None:
    """Elements that a device wrote out of order, put in the order of their tags."""
    ends = [*(start for _, start in marks[1:]), len(out)]
    pieces = sorted(
        (tag, bytes(out[start:stop])) for (tag, start), stop in zip(marks, ends, strict=True)
    )
    if any(one[0] == two[0] for one, two in pairwise(pieces)):
        raise _damaged()
    out[begin:] = b"".join(piece for _, piece in pieces)
