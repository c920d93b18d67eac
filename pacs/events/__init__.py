"""Events to browsers and agents: written with the change, sent to the channel layer after commit.

Synchronous code sends through one event-loop thread per process, never through `async_to_sync`,
which leaves a thread and its descriptors behind for every call.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from typing import Any

import structlog

log = structlog.get_logger(__name__)
SEND_TIMEOUT = 5.0
QUEUE_LIMIT = 10_000
NEXT = "UPDATE events_sitesequence SET seq = seq + %s WHERE site_id = %s RETURNING seq"
COLUMNS = ("site_id", "seq", "type", "study_id", "at", "extra")


def group_name(site_id: int) -> str:
    """The channel group of a site's listeners."""
    return f"site-{site_id}"


def publish(type: str, *, site: int, study: int | None = None, **extra: Any) -> int:
    """Number and store an event in the caller's transaction; listeners hear of it after commit.

    Returns the site's new sequence number. `extra` carries ids and numbers only.
    """
    from django.db import transaction
    from django.utils import timezone

    from pacs import statements
    from pacs.events.models import SiteEvent

    with transaction.atomic(savepoint=False):
        seq = _advance(site, 1)
        event = (site, seq, type, study, timezone.now(), extra)
        statements.insert(SiteEvent, COLUMNS, [event])
        message = SiteEvent(**dict(zip(COLUMNS, event, strict=True))).message()
        transaction.on_commit(lambda: sender.send(group_name(site), message))
    return seq


def publish_together(site: int, found: list[tuple[str, dict[str, Any]]]) -> None:
    """The same for several events of one site, by type and `extra`, in their order."""
    from django.db import transaction
    from django.utils import timezone

    from pacs.events.models import SiteEvent

    with transaction.atomic(savepoint=False):
        first = _advance(site, len(found)) - len(found) + 1
        now = timezone.now()
        events = [
            SiteEvent(site_id=site, seq=first + place, type=type, at=now, extra=extra)
            for place, (type, extra) in enumerate(found)
        ]
        SiteEvent.objects.bulk_create(events)

        def tell() -> None:
            for event in events:
                sender.send(group_name(site), event.message())

        transaction.on_commit(tell)


def _advance(site: int, count: int) -> int:
    """The site's number after `count` more; its row stays locked until the commit."""
    from pacs import statements
    from pacs.events.models import SiteSequence

    found = statements.select(NEXT, [count, site])
    if not found:
        SiteSequence.objects.get_or_create(site_id=site)
        found = statements.select(NEXT, [count, site])
    return int(found[0][0])


class Sender:
    """One long-lived event-loop thread that hands messages to the channel layer, in order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: asyncio.Queue[tuple[str, dict[str, Any]]] | None = None
        self._pid = 0

    def send(self, group: str, message: dict[str, Any]) -> None:
        """Queue a group message; never blocks, never raises. A lost one is found by its number."""
        loop, queue = self._running()
        loop.call_soon_threadsafe(self._put, queue, (group, message))

    @staticmethod
    def _put(
        queue: asyncio.Queue[tuple[str, dict[str, Any]]], item: tuple[str, dict[str, Any]]
    ) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            queue.put_nowait(item)

    async def _drain(self, queue: asyncio.Queue[tuple[str, dict[str, Any]]]) -> None:
        """One message after another: the channel layer's pool stays at one connection."""
        from channels.layers import get_channel_layer

        while True:
            group, message = await queue.get()
            layer = get_channel_layer()
            if layer is None:
                continue
            try:
                async with asyncio.timeout(SEND_TIMEOUT):
                    await layer.group_send(group, {"type": "site.event", "event": message})
            except Exception as error:
                log.warning("event not sent", group=group, error=type(error).__name__)

    def _running(
        self,
    ) -> tuple[asyncio.AbstractEventLoop, asyncio.Queue[tuple[str, dict[str, Any]]]]:
        with self._lock:
            if self._loop is None or self._queue is None or self._pid != os.getpid():
                self._pid = os.getpid()
                self._loop = asyncio.new_event_loop()
                self._queue = asyncio.Queue(QUEUE_LIMIT)
                threading.Thread(
                    target=self._loop.run_until_complete,
                    args=(self._drain(self._queue),),
                    name="event-sender",
                    daemon=True,
                ).start()
            return self._loop, self._queue


sender = Sender()
