"""What ASGI leaves to the server: waiting for a slow client, and cutting a failed answer short.

uvicorn's `send` waits by itself. Daphne's only queues, so a long download would grow in memory:
its `send` is a partial whose first argument is the Twisted request, whose transport we ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

HIGH_WATER = 4 * 2**20
POLL_SECONDS = 0.005


def _transport(send: Any) -> Any:
    """Daphne's socket behind this `send`; None with another server."""
    if not isinstance(send, partial) or not send.args:
        return None
    protocol = send.args[0]
    return getattr(getattr(protocol, "channel", None), "transport", None)


def _waiting(transport: Any) -> int:
    """Bytes that the socket has not taken yet."""
    return (
        len(getattr(transport, "dataBuffer", b""))
        - int(getattr(transport, "offset", 0))
        + int(getattr(transport, "_tempDataLen", 0))
    )


async def drained(send: Any, gone: Callable[[], bool]) -> None:
    """Wait while the server holds more than a few megabytes for a client that is still there."""
    transport = _transport(send)
    while transport is not None and _waiting(transport) > HIGH_WATER and not gone():
        await asyncio.sleep(POLL_SECONDS)


def cut(send: Any) -> None:
    """Close the connection, so that a half answer cannot be taken for a whole one."""
    transport = _transport(send)
    if transport is not None and hasattr(transport, "abortConnection"):
        transport.abortConnection()
        return
    raise ConnectionAbortedError
