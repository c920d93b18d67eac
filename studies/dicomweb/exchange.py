"""One HTTP request and its answer, directly on ASGI: no Django request is built."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from enum import Enum, auto
from time import monotonic
from typing import TYPE_CHECKING, Any

from django.conf import settings

from studies.dicomweb import cors, servers
from studies.dicomweb.errors import (
    ClientGoneError,
    DicomWebError,
    MethodError,
    RangeError,
    SlowClientError,
)

if TYPE_CHECKING:
    from studies.dicomweb.authority import Identity

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

ALWAYS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
NO_STORE: Header = (b"cache-control", b"no-store")
SLOWEST = 1024
"""Bytes a second that a body must come with, over a window of UPLOAD_WINDOW_SECONDS."""

LINGER_SECONDS = 2.0
LINGER_BYTES = 64 * 2**20


class Body(Enum):
    """How far the request's body is read."""

    UNREAD = auto()
    UNDER_WAY = auto()
    READ = auto()


class Exchange:
    """The request's parts that DICOMweb needs, and the sending of its answer."""

    __slots__ = (
        "_body",
        "_listener",
        "headers",
        "identity",
        "method",
        "path",
        "receive",
        "scope",
        "send",
        "started",
    )

    identity: Identity

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[str, str] = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        self.started = False
        self._body = Body.UNREAD
        self._listener: asyncio.Task[None] | None = None

    def not_modified(self, etag: str) -> bool:
        """Whether If-None-Match names this entity tag (weak comparison, RFC 9110 13.1.2)."""
        wanted = self.headers.get("if-none-match")
        if not wanted:
            return False
        opaque = etag.removeprefix("W/")
        return any(
            tag.strip().removeprefix("W/") == opaque or tag.strip() == "*"
            for tag in wanted.split(",")
        )

    # Answers of one piece

    async def answer(self, status: int, headers: Iterable[Header], body: bytes = b"") -> None:
        """Send a whole answer with its length."""
        await self.begin(status, [*headers, (b"content-length", b"%d" % len(body))])
        await self.end(body)

    async def text(self, status: int, words: str, *headers: Header) -> None:
        await self.answer(
            status,
            [(b"content-type", b"text/plain; charset=utf-8"), NO_STORE, *headers],
            f"{words}\n".encode(),
        )

    async def json(self, status: int, value: Any, *headers: Header) -> None:
        await self.answer(
            status,
            [(b"content-type", b"application/json"), NO_STORE, *headers],
            json.dumps(value, ensure_ascii=False).encode(),
        )

    async def fail(self, error: DicomWebError) -> None:
        """Send an error's status and words; cut the connection where an answer is under way."""
        if self.started:
            servers.cut(self.send)
            return
        extra: list[Header] = []
        if error.status == 401:
            extra.append((b"www-authenticate", b'Bearer realm="Lightbox PACS"'))
        if isinstance(error, MethodError):
            extra.append((b"allow", error.allow.encode()))
        if isinstance(error, RangeError):
            extra.append((b"content-range", b"bytes */%d" % error.length))
        if error.status in (503, 507):
            extra.append((b"retry-after", b"2"))
        if self._has_body_left():
            await self._fail_early(error, extra)
            return
        await self.text(error.status, error.words, *extra)

    def _has_body_left(self) -> bool:
        if self._body is Body.READ:
            return False
        length = self.headers.get("content-length", "0")
        return length.strip() != "0" or "transfer-encoding" in self.headers

    async def _fail_early(self, error: DicomWebError, extra: list[Header]) -> None:
        """Answer before the body is read, and go.

        The client gets the whole answer at once. Closing at once would make its own sending fail
        before it reads that answer (RFC 9112 9.6), so what it still sends is taken for a while.
        """
        body = f"{error.words}\n".encode()
        await self.begin(
            error.status,
            [
                (b"content-type", b"text/plain; charset=utf-8"),
                NO_STORE,
                *extra,
                (b"connection", b"close"),
                (b"content-length", b"%d" % len(body)),
            ],
        )
        await self.send({"type": "http.response.body", "body": body, "more_body": True})
        waits = self._body is Body.UNREAD and "expect" in self.headers
        if not waits and not isinstance(error, SlowClientError):  # else it sends nothing more
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER_SECONDS):
                    await self._discard()
        await self.end()

    async def _discard(self) -> None:
        left = LINGER_BYTES
        while left > 0:
            message = await self.receive()
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                return
            left -= len(message.get("body", b""))

    # Answers in pieces

    async def begin(self, status: int, headers: Iterable[Header]) -> None:
        self.started = True
        marks = cors.headers_for(self)
        await self.send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, *ALWAYS, *marks],
            }
        )

    async def write(self, chunk: bytes) -> None:
        """Send a piece and wait until the client takes it. Raises ClientGoneError."""
        if self._listener is None:
            self._listener = asyncio.create_task(self._until_gone())
        if self._listener.done():
            raise ClientGoneError
        taken = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(servers.STALL_SECONDS):
                await self.send({"type": "http.response.body", "body": chunk, "more_body": True})
            taken = await servers.drained(self.send, self._listener.done)
        if not taken:  # the client is there but takes nothing
            servers.abort(servers.transport_of(self.send))
            raise ClientGoneError

    async def end(self, body: bytes = b"") -> None:
        if self.method == "HEAD":
            body = b""
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    async def _until_gone(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def close(self) -> None:
        """Free what the answer used."""
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener

    # The body

    async def body(self) -> AsyncIterator[bytes]:
        """The body's pieces as they come.

        Raises ClientGoneError, and SlowClientError where less than SLOWEST bytes a second come in
        a window; the time that we take ourselves does not count.
        """
        window = float(settings.UPLOAD_WINDOW_SECONDS)
        waited, came = 0.0, 0
        self._body = Body.UNDER_WAY
        while True:
            start = monotonic()
            try:
                async with asyncio.timeout(window - waited):
                    message = await self.receive()
            except TimeoutError:
                raise SlowClientError from None
            waited += monotonic() - start
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            chunk = message.get("body", b"")
            came += len(chunk)
            if came >= SLOWEST * window:
                waited, came = 0.0, 0
            if not message.get("more_body", False):
                self._body = Body.READ
            if chunk:
                yield chunk
            if self._body is Body.READ:
                return
            if waited >= window:
                raise SlowClientError
