"""What ASGI leaves to the server: waiting for a slow client, and cutting a failed answer short.

uvicorn's `send` waits by itself. Daphne's only queues, so a long download would grow in memory:
its `send` is a partial whose first argument is the Twisted request, whose transport we ask.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

import structlog

log = structlog.get_logger(__name__)

HIGH_WATER = 2**20
POLL_SECONDS = 0.005
STALL_SECONDS = 60.0


def _twisted(send: Any) -> Any:
    """Daphne's socket behind this `send`; None with another server."""
    if not isinstance(send, partial) or not send.args:
        return None
    protocol = send.args[0]
    return getattr(getattr(protocol, "channel", None), "transport", None)


def transport_of(send: Any) -> Any:
    """The socket behind this `send`, Daphne's or uvicorn's; None where it cannot be told."""
    found = _twisted(send)
    if found is not None:
        return found
    return getattr(getattr(send, "__self__", None), "transport", None)


def no_delay(send: Any) -> None:
    """Let small writes go at once (TCP_NODELAY).

    asyncio does that by itself, but not for the sockets that uvicorn's `--workers` share: there an
    answer whose head and body are two writes would wait 40 ms for the client's acknowledgement.
    """
    transport = transport_of(send)
    if hasattr(transport, "get_extra_info"):
        plug = transport.get_extra_info("socket")
        if plug is not None and plug.family in {socket.AF_INET, socket.AF_INET6}:
            with contextlib.suppress(OSError):  # it may be closed already
                plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def waiting(transport: Any) -> int:
    """Bytes that the client has not taken from this process yet."""
    if hasattr(transport, "get_write_buffer_size"):
        return 0 if transport.is_closing() else int(transport.get_write_buffer_size())
    if not getattr(transport, "connected", True):
        return 0
    return (
        len(getattr(transport, "dataBuffer", b""))
        - int(getattr(transport, "offset", 0))
        + int(getattr(transport, "_tempDataLen", 0))
    )


async def drained(send: Any, gone: Callable[[], bool]) -> bool:
    """Wait while the server holds more than a megabyte for a client that is still there.

    False where the client took nothing for STALL_SECONDS.
    """
    transport = _twisted(send)
    if transport is None:
        return True
    last, since = waiting(transport), monotonic()
    while last > HIGH_WATER and not gone():
        await asyncio.sleep(POLL_SECONDS)
        now = waiting(transport)
        if now < last:
            last, since = now, monotonic()
        elif monotonic() - since > STALL_SECONDS:
            return False
    return True


def paced(inner: Any) -> Any:
    """The ASGI application `inner`, whose long answers wait for the client, and are cut where they
    fail under way: Daphne would keep them whole, and end a broken one as if it were complete."""

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await inner(scope, receive, send)
            return
        begun = ended = False

        async def pacing(message: Any) -> None:
            nonlocal begun, ended
            await send(message)
            begun = True
            if message["type"] == "http.response.body":
                ended = not message.get("more_body", False)
                if not ended and not await drained(send, lambda: False):
                    abort(transport_of(send))
                    raise ConnectionAbortedError

        try:
            await inner(scope, receive, pacing)
        except Exception as error:
            if not begun or ended:
                raise
            if not isinstance(error, ConnectionAbortedError):
                log.exception("answer failed under way", error=type(error).__name__)
            cut(send)

    return outer


def abort(transport: Any) -> None:
    """Close a connection at once, whatever it still holds."""
    for name in ("abortConnection", "abort"):
        if hasattr(transport, name):
            getattr(transport, name)()
            return


def cut(send: Any) -> None:
    """Close the connection, so that a half answer cannot be taken for a whole one."""
    transport = _twisted(send)
    if transport is not None and hasattr(transport, "abortConnection"):
        transport.abortConnection()
        return
    raise ConnectionAbortedError
