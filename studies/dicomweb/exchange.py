"""One HTTP request and its answer, directly on ASGI: no Django request is built."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from studies.dicomweb import servers
from studies.dicomweb.errors import ClientGoneError, DicomWebError, MethodError, SlowClientError

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
RECEIVE_SECONDS = 60.0


class Exchange:
    """The request's parts that DICOMweb needs, and the sending of its answer."""

    __slots__ = (
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
        if error.status == 503:
            extra.append((b"retry-after", b"2"))
        await self.text(error.status, error.words, *extra)

    # Answers in pieces

    async def begin(self, status: int, headers: Iterable[Header]) -> None:
        self.started = True
        await self.send(
            {"type": "http.response.start", "status": status, "headers": [*headers, *ALWAYS]}
        )

    async def write(self, chunk: bytes) -> None:
        """Send a piece and wait until the client takes it. Raises ClientGoneError."""
        if self._listener is None:
            self._listener = asyncio.create_task(self._until_gone())
        if self._listener.done():
            raise ClientGoneError
        await self.send({"type": "http.response.body", "body": chunk, "more_body": True})
        await servers.drained(self.send, self._listener.done)

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
        """The body's pieces as they come. Raises ClientGoneError, SlowClientError."""
        while True:
            try:
                message = await asyncio.wait_for(self.receive(), RECEIVE_SECONDS)
            except TimeoutError:
                raise SlowClientError from None
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            if chunk := message.get("body", b""):
                yield chunk
            if not message.get("more_body", False):
                return
