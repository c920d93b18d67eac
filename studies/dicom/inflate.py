"""Bounded inflating of deflated data sets (PS3.5 A.5, RFC 1951)."""

from __future__ import annotations

import zlib
from typing import Final

from studies.dicom.errors import GateError, Reason

MAX_INFLATED: Final = 1 << 30
FREE_INFLATED: Final = 64 << 20
MAX_RATIO: Final = 200
_IN: Final = 1 << 18
_OUT: Final = 4 << 20


def inflate(view: memoryview, limit: int = MAX_INFLATED) -> bytes:
    """Inflate a raw deflate stream, stopped where it grows beyond reason.

    Raises GateError: INFLATE_LIMIT above `limit` bytes, or above 64 MB at `MAX_RATIO` times the
    input; BAD_STRUCTURE for a stream that is damaged or ends early. Bytes after the end of the
    stream (a pad byte) are ignored.
    """
    limit = min(limit, max(FREE_INFLATED, MAX_RATIO * len(view)))
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    pieces: list[bytes] = []
    total = 0
    try:
        for at in range(0, len(view), _IN):
            source: bytes | memoryview = view[at : at + _IN]
            while True:
                piece = stream.decompress(source, _OUT)
                source = stream.unconsumed_tail
                total += len(piece)
                if total > limit:
                    raise GateError(Reason.INFLATE_LIMIT)
                if piece:
                    pieces.append(piece)
                if stream.eof or not (source or len(piece) == _OUT):
                    break
            if stream.eof:
                return b"".join(pieces)
    except zlib.error as error:
        raise GateError(Reason.BAD_STRUCTURE) from error
    raise GateError(Reason.BAD_STRUCTURE)
