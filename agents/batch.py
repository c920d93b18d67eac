"""Database work of agents' sockets: one thread, what comes together in one transaction.

A commit costs the disk more than the work in it. Two thousand agents that connect at once, or a
burst of results, share commits; each piece of work has a savepoint of its own and fails alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from django.db import close_old_connections, transaction

from agents import announce

log = structlog.get_logger(__name__)

# Others wait to write while a batch runs.
MOST = 50
# Seconds that the first waits for others: a burst becomes few batches, and work that knows how to
# be done for many at once is.
GATHER = 0.01
Together = Callable[[list[Any]], list[Any]]
Job = tuple[Callable[..., Any], tuple[Any, ...]]
Outcome = tuple[Any, BaseException | None]


class Batch:
    """`await batch.run(function, *arguments)`; of one event loop.

    `together`: function -> one that takes the arguments of several calls as a list of tuples and
    gives a list of their results. In the order of this mapping they precede one another.
    """

    def __init__(self, together: Mapping[Callable[..., Any], Together] | None = None) -> None:
        self._together = together or {}
        self._waiting: deque[tuple[Job, asyncio.Future[Any]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "agents")

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The function's result, once it is committed; what it raises, once it is rolled back."""
        return await self.begin(function, *arguments)

    def begin(self, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """The same, not waited for: what is begun later runs later."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(((function, arguments), future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work(), name="agents-batch")
        return future

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            await asyncio.sleep(GATHER)
            taken = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
            taken = [each for each in taken if not each[1].cancelled()]
            jobs = [job for job, _ in taken]
            outcomes = await loop.run_in_executor(self._thread, perform, jobs, self._together)
            for (_, future), (value, error) in zip(taken, outcomes, strict=True):
                if future.done():
                    continue
                if error is not None:
                    future.set_exception(error)
                else:
                    future.set_result(value)


def perform(
    jobs: list[Job], together: Mapping[Callable[..., Any], Together] | None = None
) -> list[Outcome]:
    """The outcome of each job, in one transaction; where that fails, in one each."""
    close_old_connections()
    try:
        with transaction.atomic(), announce.together():
            if len(jobs) == 1:
                function, arguments = jobs[0]
                return [(function(*arguments), None)]
            return _all(jobs, together or {})
    except Exception as error:
        if len(jobs) == 1:
            return [(None, error)]
        return [perform([job])[0] for job in jobs]
    finally:
        close_old_connections()


def _all(jobs: list[Job], together: Mapping[Callable[..., Any], Together]) -> list[Outcome]:
    """In their order, but what lies between two jobs of other kinds is done kind by kind."""
    outcomes: dict[int, Outcome] = {}
    begin = 0
    for place in range(len(jobs) + 1):
        if place < len(jobs) and jobs[place][0] in together:
            continue
        for function in together:
            same = [each for each in range(begin, place) if jobs[each][0] is function]
            done = _some([jobs[each] for each in same], together[function])
            outcomes.update(zip(same, done, strict=True))
        if place < len(jobs):
            outcomes[place] = _alone(jobs[place])
        begin = place + 1
    return [outcomes[place] for place in range(len(jobs))]


def _some(jobs: list[Job], together: Together) -> list[Outcome]:
    """Calls of one function at once; one by one where that fails."""
    if len(jobs) > 1:
        try:
            with transaction.atomic():
                return [(value, None) for value in together([each[1] for each in jobs])]
        except Exception as error:
            log.info("done one by one", error=type(error).__name__)
    return [_alone(job) for job in jobs]


def _alone(job: Job) -> Outcome:
    function, arguments = job
    try:
        with transaction.atomic():
            return function(*arguments), None
    except Exception as error:
        return None, error
