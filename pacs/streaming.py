"""Bodies as a stream under Daphne, as uvicorn does it.

Daphne calls the application when the whole body has come: it keeps the body in a temporary file
without a bound, then all of it in memory. So nobody could be refused before sending, no slow
sender be cut off, and a study of 10 GB would end the process. Here a request with a body begins
when its head is there; what the application has not taken yet is bounded.
"""

from __future__ import annotations

import time
from typing import Any

import daphne.http_protocol
from twisted.internet import reactor, tcp

READ = 256 * 1024
"""Bytes of one read of the socket while a body comes in; Twisted's 64 KB cost more turns."""

SENT = 1024 * 1024
"""Bytes of one write to the socket; Twisted's 128 KB cost a turn of the event loop each."""

QUEUED = 16
"""Messages, each of at most one read of the socket, before the socket is read no more."""

POLL_SECONDS = 0.002
SLOWEST = 1024
"""Bytes a second: a body that comes slower on the average counts against --http-timeout."""


class _NoFile:
    """In place of Daphne's body file. Being closed, it ends Daphne's own handing over."""

    closed = True

    def seek(self, *_position: int) -> None:
        pass

    def close(self) -> None:
        pass


class _Discard:
    """Takes what is left of a body that nobody wants any more."""

    def dataReceived(self, data: bytes) -> None:
        pass

    def noMoreData(self) -> None:
        pass


class StreamingRequest(daphne.http_protocol.WebRequest):  # type: ignore[misc]
    """A request whose application runs while its body comes in."""

    _streams = False
    _whole = False
    _paused = False
    _received = 0

    def gotLength(self, length: int | None) -> None:
        """The head is there. `length` is None for a chunked body."""
        if length == 0 or self.requestHeaders.hasHeader(b"Upgrade"):
            super().gotLength(length)
            return
        self._streams = True
        self.content = _NoFile()
        self.channel.transport.bufferSize = READ
        # What Request.requestReceived would set after the body.
        self.method, self.uri = self.channel._command, self.channel._path
        self.clientproto = self.channel._version
        self.path = self.uri.partition(b"?")[0]
        self.args: dict[bytes, list[bytes]] = {}
        self.process()

    def handleContentChunk(self, data: bytes) -> None:
        if not self._streams:
            super().handleContentChunk(data)
            return
        self._received += len(data)
        if self.finished or not self.application_queue:
            return
        self.application_queue.put_nowait({"type": "http.request", "body": data, "more_body": True})
        if self.application_queue.qsize() >= QUEUED and not self._paused:
            self._paused = True
            self.channel._networkProducer.pauseProducing()
            self._wait()

    def _wait(self) -> None:
        """Read on when the application has taken half of what waits for it."""
        channel = self.channel if not self.finished else None
        if channel is None:
            return
        if self.application_queue.qsize() > QUEUED // 2:
            channel.resetTimeout()  # it is not the client who is idle
            call_later: Any = reactor.callLater  # type: ignore[attr-defined]
            call_later(POLL_SECONDS, self._wait)
            return
        self._paused = False
        channel._networkProducer.resumeProducing()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """The body is there."""
        if not self._streams:
            super().requestReceived(command, path, version)
            return
        self._whole = True
        self.request_start = time.time()
        if not self.finished and self.application_queue:
            self.application_queue.put_nowait(
                {"type": "http.request", "body": b"", "more_body": False}
            )

    def finish(self) -> None:
        """The rest of a body that was answered early must not be read as the next request."""
        if self._streams and not self._whole and self.channel is not None:
            self.channel.persistent = False
            self.channel._transferDecoder = _Discard()
        super().finish()

    def check_timeouts(self) -> None:
        """A large body may take its time, as long as it comes, and so may a large answer. An answer
        that is cut must not look like a whole one, as Daphne's own end of it would."""
        if self._streams and not self._whole and self._received > SLOWEST * self.duration():
            return
        if not self._response_started or self.finished:
            super().check_timeouts()
            return
        limit = self.server.http_timeout
        if limit and self.duration() > limit and self.sentLength < SLOWEST * self.duration():
            self.channel.transport.abortConnection()


def stream_bodies() -> None:
    """Let Daphne's connections make these requests from now on."""
    tcp.Server.SEND_LIMIT = SENT
    daphne.http_protocol.WebRequest = StreamingRequest
