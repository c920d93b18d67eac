"""Threads for database and file work, so that the event loop never waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from django.db import close_old_connections

from studies.dicomweb.errors import BusyError

P = ParamSpec("P")
T = TypeVar("T")


class Pool:
    """A bounded pool whose threads keep their Django connections, as CONN_MAX_AGE says."""

    def __init__(self, threads: int, name: str, max_waiting: int = 4096) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._max_waiting = threads + max_waiting
        self._under_way = 0

    async def run(self, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The job's result, from a thread. Raises BusyError where too many wait already."""
        if self._under_way >= self._max_waiting:
            raise BusyError
        self._under_way += 1
        try:
            return await self._run(job, *args, **kwargs)
        finally:
            self._under_way -= 1

    def later(self, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> None:
        """Start a job that nobody waits for; it must see to its own errors."""
        self._executor.submit(lambda: self._do(job, *args, **kwargs))

    async def _run(self, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: self._do(job, *args, **kwargs))

    def close(self) -> None:
        """Let the threads end."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    @staticmethod
    def _do(job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        close_old_connections()
        try:
            return job(*args, **kwargs)
        finally:
            close_old_connections()


class Once:
    """What many ask at the same time is asked once, and all have the answer."""

    def __init__(self) -> None:
        self._asked: dict[Hashable, asyncio.Future[Any]] = {}

    async def run(self, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer to `ask`, or to the same question of another who still waits for it."""
        future = self._asked.get(key)
        if future is None:
            future = asyncio.ensure_future(ask())
            self._asked[key] = future
            future.add_done_callback(lambda done: self._answered(key, done))
        answer: T = await asyncio.shield(future)
        return answer

    def _answered(self, key: Hashable, done: asyncio.Future[Any]) -> None:
        del self._asked[key]
        if not done.cancelled():
            done.exception()  # whoever asked may be gone
