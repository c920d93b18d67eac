"""Values in one form, whatever their encoding, so that equal data sets have equal digests.

The form may not depend on the VR that a file states: implicit files state none, and DCMTK writes
`UN` for what it does not know. It is therefore chosen by the tag's entry in the dictionary, and
for tags without one (private, repeating groups) by the bytes themselves.
"""

from __future__ import annotations

import hashlib
import re
import struct
from typing import Final

import numpy as np
from pydicom._dicom_dict import DicomDictionary

LONG_VR: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_TEXT_VR = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())
_WORD = {
    **dict.fromkeys((b"US", b"SS", b"OW", b"AT"), 2),
    **dict.fromkeys((b"UL", b"SL", b"FL", b"OL", b"OF"), 4),
    **dict.fromkeys((b"FD", b"OD", b"OV", b"SV", b"UV"), 8),
}
SEQUENCES: Final = frozenset(tag for tag, entry in DicomDictionary.items() if entry[0] == "SQ")
# True: text, whose trailing padding is no part of the value (PS3.5 6.2). False: binary.
_IS_TEXT: Final = {tag: entry[0].encode() in _TEXT_VR for tag, entry in DicomDictionary.items()}
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]").search
_head = struct.Struct("<IQ")
_LARGE: Final = 1 << 16


def little(vr: bytes, content: bytes | memoryview, word: int = 0) -> bytes | memoryview:
    """A big endian value in little endian (PS3.5 7.3); bytes without words stay as they are."""
    size = word or _WORD.get(vr, 1)
    if size == 1 or len(content) % size:
        return content
    return np.frombuffer(content, f">u{size}").astype(f"<u{size}").tobytes()


def element(tag: int, vr: bytes, view: memoryview, big: bool) -> bytes:
    """The canonical bytes of an element that is no sequence: tag, length and value.

    Above 64 KB the value's SHA-256 stands for it, so that nothing large is copied.
    """
    value: bytes | memoryview = little(vr, view, 0) if big else view
    if len(value) > _LARGE:
        return _large(tag, value)
    content = bare(tag, bytes(value))
    return _head.pack(tag, len(content)) + content


def bare(tag: int, content: bytes) -> bytes:
    """A value without its padding, and binary of odd length padded as PS3.5 7.1.1 wants it."""
    is_text = _IS_TEXT.get(tag)
    if is_text is None:
        stripped = content.rstrip(b" \0")
        if not stripped:
            # Spaces are an empty text; zeros may well be a number.
            return content if b"\0" in content else b""
        is_text = _CONTROL(stripped) is None
        if is_text:
            return stripped
    elif is_text:
        return content.rstrip(b" \0")
    return content + b"\0" if len(content) & 1 else content


def _large(tag: int, value: bytes | memoryview) -> bytes:
    view = memoryview(value)
    end = len(view)
    if _IS_TEXT.get(tag):
        while end and view[end - 1] in b" \0":
            end -= 1
    digest = hashlib.sha256(view[:end])
    if end & 1:
        digest.update(b"\0")
        end += 1
    return _head.pack(tag, 1 << 63 | end) + digest.digest()
