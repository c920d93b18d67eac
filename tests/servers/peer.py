"""An HTTP proxy that misbehaves on demand, to stand between the portal and Orthanc."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.servers.ports import free_port

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
Matcher = Callable[[str], bool]


class FaultyProxy:
    """Forwards to `127.0.0.1:target`; faults apply to paths for which `matches(path)` is true.

    `delay` seconds before every answer; the next `fail_next` requests are answered with `status`;
    of the next `cut_next` answers only `cut_after` bytes are sent before the connection breaks.
    `paths` lists what was asked for.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = free_port()
        self.delay = 0.0
        self.status = 503
        self.fail_next = 0
        self.cut_next = 0
        self.cut_after = 1000
        self.matches: Matcher = lambda _path: True
        self.paths: list[str] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> FaultyProxy:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def heal(self) -> None:
        """No faults from now on."""
        with self._lock:
            self.delay, self.fail_next, self.cut_next = 0.0, 0, 0

    def start(self) -> None:
        proxy = self
        self._closing.clear()

        class Handler(_Handler):
            owner = proxy

        self._server = _Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on; `start` listens on the same port again."""
        self._closing.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _fault(self, path: str) -> tuple[float, int | None, int | None]:
        with self._lock:
            self.paths.append(path)
            if not self.matches(path):
                return 0.0, None, None
            if self.fail_next > 0:
                self.fail_next -= 1
                return self.delay, self.status, None
            if self.cut_next > 0:
                self.cut_next -= 1
                return self.delay, None, self.cut_after
            return self.delay, None, None

    def _pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.delay and time.monotonic() < deadline and not self._closing.is_set():
            time.sleep(0.02)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    owner: FaultyProxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _forward(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        delay, status, cut = self.owner._fault(self.path)
        if delay:
            self.owner._pause(delay)
        if self.owner._closing.is_set():
            self._break()
        elif status is not None:
            self._answer(status, [], b"injected by the test")
        else:
            self._relay(body, cut)

    def _relay(self, body: bytes | None, cut: int | None) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.owner.target, timeout=60)
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP
        }
        try:
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            self._break()
            return
        finally:
            connection.close()
        self._answer(response.status, response.getheaders(), content, cut)

    def _answer(
        self, status: int, headers: list[tuple[str, str]], content: bytes, cut: int | None = None
    ) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content if cut is None else content[:cut])
        if cut is not None:
            self._break()

    def _break(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _forward
