"""ZIP archives as a stream (APPNOTE 6.3): members are stored, none is ever whole in memory.

Where a member's size and CRC are known beforehand its header says so, which every unpacker takes
and which makes the archive's length known; otherwise they follow the member.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from zlib import crc32

LIMIT_32: Final = 0xFFFFFFFF
LIMIT_16: Final = 0xFFFF
UTF8_AND_LATER, UTF8 = 0x0808, 0x0800
PLAIN, LARGE = 20, 45
MIDNIGHT_1980 = (0, 0x0021)
"""Time and date of every member: neither says anything about a patient."""

_local = struct.Struct("<4sHHHHHIIIHH")
_central = struct.Struct("<4sHHHHHHIIIHHHHHII")
_end = struct.Struct("<4sHHHHIIH")
_end64 = struct.Struct("<4sQHHIIQQQQ")
_locator64 = struct.Struct("<4sIQI")


@dataclass(slots=True)
class _Member:
    name: bytes
    offset: int
    size: int
    crc: int
    later: bool


class ZipWriter:
    """Makes the bytes around the members, which the caller sends in between."""

    def __init__(self) -> None:
        self._members: list[_Member] = []
        self._at = 0

    def begin(self, name: str, *, size: int, crc: int) -> bytes:
        """The header of a member whose bytes are known: exactly `size` of them must follow."""
        member = _Member(name.encode(), self._at, size, crc, later=False)
        self._members.append(member)
        header = _local_header(member)
        self._at += len(header) + size
        return header

    def begin_unknown(self, name: str) -> bytes:
        """The header of a member that is made while it is sent; `add` its pieces, then `finish`."""
        member = _Member(name.encode(), self._at, 0, 0, later=True)
        self._members.append(member)
        header = _local_header(member)
        self._at += len(header)
        return header

    def add(self, piece: bytes) -> None:
        """Count a piece of the member that was begun last."""
        member = self._members[-1]
        member.size += len(piece)
        member.crc = crc32(piece, member.crc)
        self._at += len(piece)

    def finish(self) -> bytes:
        """What follows a member that was begun by `begin_unknown`."""
        member = self._members[-1]
        found = struct.pack("<4sIQQ", b"PK\x07\x08", member.crc, member.size, member.size)
        self._at += len(found)
        return found

    def end(self) -> bytes:
        """The directory of all members."""
        directory = b"".join(_directory_entry(member) for member in self._members)
        return directory + _tail(len(self._members), self._at, len(directory))


def length(members: Sequence[tuple[str, int]]) -> int:
    """Bytes of an archive of members with these names and sizes, all known beforehand."""
    at = directory = 0
    for name, size in members:
        member = _Member(name.encode(), at, size, 0, later=False)
        directory += len(_directory_entry(member))
        at += len(_local_header(member)) + size
    return at + directory + len(_tail(len(members), at, directory))


def _local_header(member: _Member) -> bytes:
    large = member.later or member.size >= LIMIT_32
    extra = struct.pack("<HHQQ", 1, 16, member.size, member.size) if large else b""
    size = LIMIT_32 if large else member.size
    header = _local.pack(
        b"PK\x03\x04",
        LARGE if large else PLAIN,
        UTF8_AND_LATER if member.later else UTF8,
        0,
        *MIDNIGHT_1980,
        member.crc,
        size,
        size,
        len(member.name),
        len(extra),
    )
    return header + member.name + extra


def _directory_entry(member: _Member) -> bytes:
    values = []
    size, offset = member.size, member.offset
    if size >= LIMIT_32:
        values += [size, size]
        size = LIMIT_32
    if offset >= LIMIT_32:
        values.append(offset)
        offset = LIMIT_32
    extra = struct.pack(f"<HH{len(values)}Q", 1, 8 * len(values), *values) if values else b""
    version = LARGE if values or member.later else PLAIN
    entry = _central.pack(
        b"PK\x01\x02",
        version,
        version,
        UTF8_AND_LATER if member.later else UTF8,
        0,
        *MIDNIGHT_1980,
        member.crc,
        size,
        size,
        len(member.name),
        len(extra),
        0,
        0,
        0,
        0,
        offset,
    )
    return entry + member.name + extra


def _tail(count: int, offset: int, size: int) -> bytes:
    found = b""
    if count >= LIMIT_16 or offset >= LIMIT_32 or size >= LIMIT_32:
        found = _end64.pack(b"PK\x06\x06", 44, LARGE, LARGE, 0, 0, count, count, size, offset)
        found += _locator64.pack(b"PK\x06\x07", 0, offset + size, 1)
    few = min(count, LIMIT_16)
    return found + _end.pack(
        b"PK\x05\x06", 0, 0, few, few, min(size, LIMIT_32), min(offset, LIMIT_32), 0
    )
