"""Threads for database and file work, so that the event loop never waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import close_old_connections

P = ParamSpec("P")
T = TypeVar("T")


class Pool:
    """A bounded pool whose threads keep their Django connections, as CONN_MAX_AGE says."""

    def __init__(self, threads: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The job's result, from a thread."""
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
