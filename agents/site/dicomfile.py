"""Is a file DICOM, and is all of it there? Reads headers only, skips values, keeps nothing."""

from __future__ import annotations

import struct
from typing import BinaryIO

COMPLETE = "complete"
TRUNCATED = "truncated"
OTHER = "other"

UNDEFINED = 0xFFFFFFFF
LONG = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
IMPLICIT = "1.2.840.10008.1.2"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.8.1"})
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
MAX_DEPTH = 30
MAX_ELEMENTS = 200_000


class _Truncated(Exception):
    """The file ends within an element."""


class _Unclear(Exception):
    """Nothing that this module can judge: the portal will."""


def inspect(file: BinaryIO, size: int) -> str:
    """ "complete", "truncated" or "other" (PS3.10 7.1: no preamble and prefix). Raises OSError.

    What cannot be judged, such as a deflated data set, counts as complete.
    """
    file.seek(0)
    if file.read(132)[128:] != b"DICM":
        return OTHER
    walk = _Walk(file, size)
    try:
        walk.file()
    except _Truncated:
        return TRUNCATED
    except _Unclear:
        return COMPLETE
    return COMPLETE


class _Walk:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self.input = file
        self.size = size
        self.at = 132
        self.elements = 0
        self.order = "<"
        self.explicit = True

    def file(self) -> None:
        """PS3.10 7.1: the meta information, then the data set to the end of the file."""
        syntax = ""
        while self.at < self.size:
            begin = self.at
            group = self._read(2)
            self.at = begin
            if group != b"\x02\0":
                break
            tag, _, length = self._header()
            value = self._value(length)
            if tag == 0x00020010:
                syntax = value.rstrip(b"\0 ").decode("ascii", "replace")
        else:
            raise _Truncated
        if syntax in DEFLATED:
            raise _Unclear
        self.explicit = syntax != IMPLICIT
        self.order = ">" if syntax == BIG_ENDIAN else "<"
        while self.at < self.size:
            self._element(0)

    def _element(self, depth: int) -> int:
        tag, kind, length = self._header()
        if length != UNDEFINED:
            self._skip(length)
        elif tag not in (ITEM_END, SEQUENCE_END):
            self._items(depth + 1, implicit=kind == b"UN")
        return tag

    def _items(self, depth: int, *, implicit: bool) -> None:
        """PS3.5 7.5: items until the sequence's delimiter; of undefined length each to its own."""
        if depth > MAX_DEPTH:
            raise _Unclear
        explicit, self.explicit = self.explicit, self.explicit and not implicit
        while True:
            tag, _, length = self._header()
            if tag == SEQUENCE_END:
                break
            if tag != ITEM:
                raise _Unclear
            if length != UNDEFINED:
                self._skip(length)
                continue
            while self._element(depth) != ITEM_END:
                pass
        self.explicit = explicit

    def _header(self) -> tuple[int, bytes, int]:
        """Tag, VR (b"" where implicit) and length of the element that begins here."""
        self.elements += 1
        if self.elements > MAX_ELEMENTS:
            raise _Unclear
        group, element = struct.unpack(self.order + "HH", self._read(4))
        tag = group << 16 | element
        if group == 0xFFFE or not self.explicit:
            return tag, b"", int(struct.unpack(self.order + "L", self._read(4))[0])
        kind = self._read(2)
        if not (kind.isalpha() and kind.isupper()):
            raise _Unclear
        if kind in LONG:
            self._read(2)
            return tag, kind, int(struct.unpack(self.order + "L", self._read(4))[0])
        return tag, kind, int(struct.unpack(self.order + "H", self._read(2))[0])

    def _value(self, length: int) -> bytes:
        if length > 1 << 16:
            self._skip(length)
            return b""
        return self._read(length)

    def _read(self, count: int) -> bytes:
        if self.at + count > self.size:
            raise _Truncated
        self.input.seek(self.at)
        data = self.input.read(count)
        if len(data) != count:
            raise _Truncated
        self.at += count
        return data

    def _skip(self, length: int) -> None:
        if self.at + length > self.size:
            raise _Truncated
        self.at += length
