"""Threads for requests that are used again, so that their database connections are.

Django gives every ASGI request a thread of its own and drops it, connection and all: opening the
next one costs as much as a small request, on PostgreSQL more.
"""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from asgiref.sync import ThreadSensitiveContext

# Idle threads that are kept, each with its connection.
KEPT = 16


class RequestThreads:
    """The ASGI application `inner`, each request's synchronous code in a thread lent for it."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._idle: list[Executor] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        executor = self._idle.pop() if self._idle else ThreadPoolExecutor(1, "request")
        try:
            async with ThreadSensitiveContext(executor=executor):
                await self._inner(scope, receive, send)
        finally:
            # A client that went away leaves its view running: the thread is lent once that ended.
            loop = asyncio.get_running_loop()
            executor.submit(_nothing).add_done_callback(lambda _: self._back(loop, executor))

    def _back(self, loop: asyncio.AbstractEventLoop, executor: Executor) -> None:
        # A loop that is closed has no more requests.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._keep, executor)

    def _keep(self, executor: Executor) -> None:
        if len(self._idle) < KEPT:
            self._idle.append(executor)
        else:
            executor.shutdown(wait=False)


def _nothing() -> None:
    return
