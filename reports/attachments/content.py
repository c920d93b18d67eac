"""What a file is, by its content: a PDF, a PNG or a JPEG. Pure; its name says nothing.

Only frames and sizes are looked at here, before anything is decoded; what is in the files is the
work of `washing`, in a process of its own.
"""

from __future__ import annotations

import struct

PDF, PNG, JPEG = "application/pdf", "image/png", "image/jpeg"
ENDINGS = {PDF: "pdf", PNG: "png", JPEG: "jpg"}
MAX_BYTES = 25 * 2**20
MAX_PIXELS = 100_000_000
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
# Frame headers of JPEG (ITU-T T.81 B.1.1.3), arithmetic coding included.
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


class NotTaken(Exception):
    """Why a file is not taken, in the user's words."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


def media_type(data: bytes) -> str:
    """The media type of the bytes. Raises NotTaken for everything but a whole PDF, PNG or JPEG."""
    if not data:
        raise NotTaken("The file is empty.")
    if len(data) > MAX_BYTES:
        raise NotTaken(f"The file is larger than {MAX_BYTES // 2**20} MB.")
    if data.startswith(b"%PDF-"):
        return _pdf(data)
    if data.startswith(_PNG_HEAD):
        return _png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    raise NotTaken("Only PDF, PNG and JPEG files are taken; this is none of them.")


def _pdf(data: bytes) -> str:
    # ISO 32000-1 7.5: header, and a trailer near the end.
    tail = data[-2048:]
    if data[5:8] not in {b"1.%d" % n for n in range(8)} | {b"2.0"} or b"%%EOF" not in tail:
        raise NotTaken("The PDF is not whole: it has no proper beginning or end.")
    if b"startxref" not in tail:
        raise NotTaken("The PDF is not whole: it has no proper beginning or end.")
    return PDF


def _png(data: bytes) -> str:
    if data[12:16] != b"IHDR" or b"IEND" not in data[-64:]:
        raise NotTaken("The PNG picture is not whole.")
    _fits(*struct.unpack(">II", data[16:24]))
    return PNG


def _jpeg(data: bytes) -> str:
    at = 2
    while at + 9 < len(data):
        if data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            _fits(width, height)
            if b"\xff\xd9" not in data[-4096:]:
                break
            return JPEG
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    raise NotTaken("The JPEG picture is not whole.")


def _fits(width: int, height: int) -> None:
    if not width or not height or width * height > MAX_PIXELS:
        raise NotTaken("The picture has no size, or more than 100 megapixels.")
