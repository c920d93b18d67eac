"""Slow clients and failures in the middle of an answer."""

from __future__ import annotations

import asyncio
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from studies import archive
from studies.dicomweb import servers
from studies.models import Instance
from tests.dicomweb.asking import ct_file, store


class Transport:
    """The parts of a Twisted transport that are asked."""

    def __init__(self, waiting: int) -> None:
        self.dataBuffer = b"x" * waiting
        self.offset = 0
        self._tempDataLen = 0
        self.aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


def sending_to(transport: Transport) -> Any:
    async def handle_reply(protocol: Any, message: Any) -> None: ...

    return partial(handle_reply, SimpleNamespace(channel=SimpleNamespace(transport=transport)))


async def test_waits_for_a_slow_client() -> None:
    transport = Transport(servers.HIGH_WATER + 1)
    waiting = asyncio.create_task(servers.drained(sending_to(transport), lambda: False))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    transport.offset = 2
    await asyncio.wait_for(waiting, 1)


async def test_waits_for_nobody_who_is_gone() -> None:
    transport = Transport(servers.HIGH_WATER + 1)
    await asyncio.wait_for(servers.drained(sending_to(transport), lambda: True), 1)


def test_cuts_the_connection() -> None:
    transport = Transport(0)
    servers.cut(sending_to(transport))
    assert transport.aborted
    with pytest.raises(ConnectionAbortedError):
        servers.cut(lambda message: None)


async def test_a_page_that_fails_under_way_is_cut() -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        raise RuntimeError

    transport = Transport(0)
    await servers.paced(fails)({"type": "http"}, None, sending_to(transport))
    assert transport.aborted


async def test_a_page_that_fails_before_it_has_begun_is_the_server_s() -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError

    transport = Transport(0)
    with pytest.raises(RuntimeError):
        await servers.paced(fails)({"type": "http"}, None, sending_to(transport))
    assert not transport.aborted


async def test_a_long_page_waits_for_a_slow_client() -> None:
    async def long(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await send({"type": "http.response.body", "body": b"x"})

    full = Transport(servers.HIGH_WATER + 1)
    task = asyncio.create_task(servers.paced(long)({"type": "http"}, None, sending_to(full)))
    await asyncio.sleep(0.05)
    assert not task.done()
    full.offset = 2
    await asyncio.wait_for(task, 1)
    assert not full.aborted


async def test_a_page_that_nobody_takes_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    async def long(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})

    monkeypatch.setattr(servers, "STALL_SECONDS", 0.05)
    full = Transport(servers.HIGH_WATER + 1)
    await servers.paced(long)({"type": "http"}, None, sending_to(full))
    assert full.aborted


@pytest.mark.django_db(transaction=True)
def test_half_a_study_is_not_passed_off_as_a_whole(
    client: Any, radiologist: Any, site: Any
) -> None:
    first = store(site, ct_file(number=1, seed=1))
    second = store(site, ct_file(number=2, seed=2))
    row = Instance.objects.get(sop_instance_uid=second.instance)
    archive.local_path(row.archive_key).unlink()
    with pytest.raises(ConnectionAbortedError):
        client(radiologist).get(first.study_path)
