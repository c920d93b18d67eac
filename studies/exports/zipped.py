"""Files as a ZIP that is made while it is sent: no file is ever whole in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from zlib import crc32

from asgiref.sync import sync_to_async

from studies.dicomweb.archives import ZipWriter


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the archive. `pieces` is called twice and gives the same bytes: every unpacker
    takes a file whose size and checksum stand before it, some take no other."""

    name: str
    pieces: Callable[[], Iterator[bytes]]


def zip_pieces(members: Iterable[Member]) -> Iterator[bytes]:
    """The archive, piece by piece."""
    writer = ZipWriter()
    for member in members:
        size = crc = 0
        for piece in member.pieces():
            size += len(piece)
            crc = crc32(piece, crc)
        yield writer.begin(member.name, size=size, crc=crc)
        yield from member.pieces()
    yield writer.end()


async def streamed(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The same for an answer: each piece is made in a thread, when the one before has gone."""

    def following() -> bytes | None:
        return next(pieces, None)

    try:
        while (piece := await sync_to_async(following, thread_sensitive=False)()) is not None:
            yield piece
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            # Who goes away while a piece is made leaves its thread at work: it ends there.
            with suppress(ValueError):
                close()
