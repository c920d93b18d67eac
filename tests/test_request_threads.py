"""Threads of requests: used again, never while the one before still runs in it."""

from __future__ import annotations

import asyncio
import threading

from asgiref.sync import sync_to_async

from pacs.request_threads import KEPT, RequestThreads


def test_one_after_the_other_in_the_same_thread_and_at_once_in_others() -> None:
    seen: list[int] = []
    meet = threading.Barrier(3)

    def view(wait: bool) -> None:
        seen.append(threading.get_ident())
        if wait:
            meet.wait(30)

    async def page(scope: bool, receive: None, send: None) -> None:
        await sync_to_async(view)(scope)
        await sync_to_async(view)(scope)

    async def run() -> None:
        application = RequestThreads(page)
        for _ in range(3):
            await application(False, None, None)
            while not application._idle:
                await asyncio.sleep(0.001)
        assert len(set(seen)) == 1
        seen.clear()
        await asyncio.gather(*(application(True, None, None) for _ in range(3)))
        assert len(set(seen)) == 3

    asyncio.run(run())


def test_a_thread_is_not_lent_while_an_abandoned_view_runs_in_it() -> None:
    go_on, began = threading.Event(), threading.Event()

    def slow() -> None:
        began.set()
        go_on.wait(30)

    async def page(scope: object, receive: None, send: None) -> None:
        if scope == "slow":
            task = asyncio.ensure_future(sync_to_async(slow)())
            await asyncio.to_thread(began.wait, 30)
            task.cancel()
        else:
            await sync_to_async(int)()

    async def run() -> None:
        application = RequestThreads(page)
        await application("slow", None, None)
        await asyncio.wait_for(application("quick", None, None), 30)
        go_on.set()
        while len(application._idle) < 2:
            await asyncio.sleep(0.001)
        many = [application("quick", None, None) for _ in range(KEPT + 10)]
        await asyncio.gather(*many)
        await asyncio.sleep(0.05)
        assert len(application._idle) <= KEPT

    asyncio.run(run())
