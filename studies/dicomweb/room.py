"""How many bytes answers may hold in this process until their clients take them.

Servers keep what a slow client has not taken. Ten thousand of them must cost neither the memory nor
the service: beyond the limit requests wait their turn, then get 503, and who takes nothing is cut.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

from studies.dicomweb import servers
from studies.dicomweb.errors import BusyError

LIMIT = 256 * 2**20
STREAM = 2 * 2**20
MAX_WAITING = 4096
WAIT_SECONDS = 10.0
STALL_SECONDS = 30.0


@dataclass(slots=True)
class _Answer:
    """What a client has not taken yet."""

    transport: Any
    size: int
    seen: float


class Room:
    """A budget of bytes."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self.held = 0
        self._answers: list[_Answer] = []
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._sweeper: asyncio.Task[None] | None = None

    def _fits(self, size: int) -> bool:
        return self.held == 0 or self.held + size <= self._limit

    async def admit(self, size: int) -> None:
        """Wait for room and take it. Raises BusyError."""
        if not self._queue and self._fits(size):
            self.held += size
            return
        if len(self._queue) >= MAX_WAITING:
            raise BusyError
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._queue.append((size, turn))
        sweeper = self._sweeper
        if sweeper is None or sweeper.done() or sweeper.get_loop() is not loop:
            self._sweeper = asyncio.create_task(self._serve_queue())
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await turn
        except (TimeoutError, asyncio.CancelledError) as error:
            if turn.cancelled():
                with contextlib.suppress(ValueError):
                    self._queue.remove((size, turn))
            else:
                self.held -= size
            if isinstance(error, TimeoutError):
                raise BusyError from None
            raise

    def sent(self, send: Any, size: int) -> None:
        """An answer of `size` bytes went to the server: its room is free once the client has it."""
        transport = servers.transport_of(send)
        if transport is None or servers.waiting(transport) == 0:
            self.held -= size
        else:
            self._answers.append(_Answer(transport, size, monotonic()))

    def released(self, size: int) -> None:
        """An answer that was admitted came to nothing."""
        self.held -= size

    @contextlib.asynccontextmanager
    async def stream(self) -> AsyncIterator[None]:
        """Room for a download, of which only a piece is held at a time."""
        await self.admit(STREAM)
        try:
            yield
        finally:
            self.held -= STREAM

    def sweep(self) -> None:
        """See what clients took; cut off those who take nothing."""
        now = monotonic()
        left = []
        for answer in self._answers:
            waiting = min(servers.waiting(answer.transport), answer.size)
            if waiting < answer.size:
                self.held -= answer.size - waiting
                answer.size, answer.seen = waiting, now
            elif now - answer.seen > STALL_SECONDS:
                servers.abort(answer.transport)
            if answer.size:
                left.append(answer)
        self._answers = left

    async def _serve_queue(self) -> None:
        while self._queue:
            start = monotonic()
            self.sweep()
            while self._queue:
                size, turn = self._queue[0]
                if turn.done():  # gone, or tired of waiting
                    self._queue.popleft()
                elif self._fits(size):
                    self._queue.popleft()
                    self.held += size
                    turn.set_result(None)
                else:
                    break
            await asyncio.sleep(max(0.02, 10 * (monotonic() - start)))


room = Room()
