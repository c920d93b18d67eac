"""Sending one representation: bytes in hand or a stretch of a file, whole or by range."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from studies.dicomweb import ranges
from studies.dicomweb.exchange import Exchange, Header
from studies.dicomweb.instances import Instances, Location
from studies.dicomweb.room import room

CHUNK = 1 << 19
ACCEPT_RANGES: Header = (b"accept-ranges", b"bytes")
Read = Callable[[int, int], Awaitable[bytes]]


async def send_bytes(
    exchange: Exchange, headers: list[Header], etag: str, data: bytes, *, ranged: bool
) -> None:
    """A body that is in memory. `ranged`: Range is heeded, so `etag` must be a strong one."""
    status = 200
    if ranged:
        stretch = _stretch(exchange, etag, len(data))
        headers = [*headers, ACCEPT_RANGES]
        if stretch is not None:
            status = 206
            headers.append((b"content-range", stretch.content_range))
            data = data[stretch.start : stretch.start + stretch.length]
    await exchange.answer(status, headers, data)


async def send_stretch(
    exchange: Exchange, headers: list[Header], etag: str, length: int, read: Read
) -> None:
    """A body of `length` bytes that `read(offset, length)` gives piece by piece; heeds Range."""
    stretch = _stretch(exchange, etag, length)
    headers = [*headers, ACCEPT_RANGES]
    start, left, status = 0, length, 200
    if stretch is not None:
        start, left, status = stretch.start, stretch.length, 206
        headers.append((b"content-range", stretch.content_range))
    headers.append((b"content-length", b"%d" % left))
    async with room.stream():
        await exchange.begin(status, headers)
        if exchange.method != "HEAD":
            async for piece in pieces(read, left, start):
                await exchange.write(piece)
        await exchange.end()


def _stretch(exchange: Exchange, etag: str, length: int) -> ranges.Stretch | None:
    if exchange.method != "GET":
        return None
    return ranges.asked_for(exchange.headers, etag, length)


def reader(instances: Instances, location: Location, offset: int = 0) -> Read:
    """Reads the instance's file, counting from `offset`."""

    async def read(at: int, length: int) -> bytes:
        file = await instances.open(location)
        return await instances.read(file, offset + at, length)

    return read


async def pieces(read: Read, length: int, start: int = 0) -> AsyncIterator[bytes]:
    """All of `length` bytes from `start`."""
    at, end = start, start + length
    while at < end:
        piece = await read(at, min(CHUNK, end - at))
        yield piece
        at += len(piece)
