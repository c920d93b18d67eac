"""Answers that slow clients have not taken stay within a budget, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from studies.dicomweb import room as rooms
from studies.dicomweb.errors import BusyError
from studies.dicomweb.pool import Once, Pool
from studies.dicomweb.room import Room

MB = 2**20


class Sender:
    """What uvicorn's `send` is bound to: an object with a transport."""

    def __init__(self, transport: Any) -> None:
        self.transport = transport

    async def send(self, message: Any) -> None: ...


@contextlib.asynccontextmanager
async def connection() -> AsyncIterator[tuple[Sender, asyncio.StreamReader]]:
    """A server's side with its transport, and the client's reader, which takes when it likes."""
    accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()

    async def serve(_reader: Any, writer: asyncio.StreamWriter) -> None:
        accepted.set_result(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=65536)
    ours = await accepted
    try:
        yield Sender(ours.transport), reader
    finally:
        for one in (ours, writer):
            one.close()
            with contextlib.suppress(OSError):
                await one.wait_closed()
        server.close()
        await server.wait_closed()


async def test_what_is_taken_makes_room_for_who_waits() -> None:
    room = Room(limit=20 * MB)
    async with connection() as (sender, reader):
        await room.admit(16 * MB)
        sender.transport.write(bytes(16 * MB))
        room.sent(sender.send, 16 * MB)
        waits = asyncio.create_task(room.admit(8 * MB))
        await asyncio.sleep(0.2)
        assert not waits.done()
        await reader.readexactly(16 * MB)
        await asyncio.wait_for(waits, 5)
        room.sweep()
        assert room.held == 8 * MB


async def test_who_takes_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "STALL_SECONDS", 0.3)
    room = Room(limit=20 * MB)
    async with connection() as (sender, _):
        await room.admit(16 * MB)
        sender.transport.write(bytes(16 * MB))
        room.sent(sender.send, 16 * MB)
        await asyncio.wait_for(room.admit(19 * MB), 5)
        assert sender.transport.is_closing()
        assert room.held == 19 * MB


async def test_waiting_ends_with_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "WAIT_SECONDS", 0.1)
    room = Room(limit=MB)
    async with room.stream():
        with pytest.raises(BusyError):
            await room.admit(1)
        monkeypatch.setattr(rooms, "MAX_WAITING", 0)
        with pytest.raises(BusyError):
            await room.admit(1)
    await room.admit(MB)


async def test_who_goes_while_waiting_takes_no_room() -> None:
    room = Room(limit=MB)
    await room.admit(MB)
    waits = [asyncio.create_task(room.admit(MB)) for _ in range(3)]
    await asyncio.sleep(0.05)
    waits[0].cancel()
    await asyncio.sleep(0.05)
    room.released(MB)
    await asyncio.wait_for(waits[1], 5)
    assert room.held == MB
    room.released(MB)
    await asyncio.wait_for(waits[2], 5)
    room.released(MB)
    assert room.held == 0


async def test_one_answer_larger_than_the_limit_still_goes() -> None:
    room = Room(limit=MB)
    await asyncio.wait_for(room.admit(5 * MB), 1)
    assert room.held == 5 * MB


async def test_too_many_jobs_are_busy() -> None:
    pool = Pool(1, "test", max_waiting=2)
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def job() -> None:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(5)

    jobs = [asyncio.create_task(pool.run(job)) for _ in range(3)]
    await asyncio.sleep(0.05)
    with pytest.raises(BusyError):
        await pool.run(job)
    release.set()
    await asyncio.gather(*jobs)
    await pool.run(job)
    pool.close()


async def test_asked_once_for_all_even_when_the_first_goes() -> None:
    once, asked = Once(), []

    async def answer() -> int:
        asked.append(1)
        await asyncio.sleep(0.05)
        return 7

    first = asyncio.create_task(once.run("key", answer))
    others = [asyncio.create_task(once.run("key", answer)) for _ in range(5)]
    await asyncio.sleep(0.01)
    first.cancel()
    assert await asyncio.gather(*others) == [7] * 5
    assert len(asked) == 1
    assert await once.run("key", answer) == 7
    assert len(asked) == 2


async def test_errors_reach_all_who_asked() -> None:
    once = Once()

    async def fails() -> int:
        await asyncio.sleep(0.01)
        raise BusyError

    results = await asyncio.gather(
        *(once.run("key", fails) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(one, BusyError) for one in results)
