"""An S3 server process (moto), and a proxy before it that gets in the way as networks do."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.servers.ports import free_port

REFUSAL = """<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>{code}</Code><Message>no</Message></Error>"""


@contextmanager
def s3_process() -> Iterator[str]:
    """The address of a server of its own."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(url, timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, "the S3 server did not start"
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(10)


class S3Proxy:
    """Passes requests on; `trouble` is one of "", an S3 error code, "cut", "flip", "slow"."""

    def __init__(self, server: str) -> None:
        self.trouble = ""
        self.seen: list[tuple[str, str, str]] = []
        """Method, path and Range of every request."""
        host = server.removeprefix("http://")
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                proxy.seen.append((self.command, self.path, self.headers.get("Range", "")))
                trouble = proxy.trouble
                if trouble == "slow":
                    time.sleep(0.1)
                elif trouble not in ("", "cut", "flip"):
                    status = 503 if trouble == "SlowDown" else 403
                    self._answer(status, {}, REFUSAL.format(code=trouble).encode(), cut=False)
                    return
                connection = http.client.HTTPConnection(host, timeout=30)
                headers = {k: v for k, v in self.headers.items() if k.lower() != "expect"}
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                data = answer.read()
                kept = dict(answer.getheaders())
                connection.close()
                if trouble == "flip" and self.command == "GET" and data:
                    data = bytes([data[0] ^ 1]) + data[1:]
                self._answer(answer.status, kept, data, cut=trouble == "cut")

            def _answer(
                self, status: int, headers: dict[str, str], data: bytes, *, cut: bool
            ) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                        self.send_header(name, value)
                size = headers.get("Content-Length", "0") if self.command == "HEAD" else len(data)
                self.send_header("Content-Length", str(size))
                self.end_headers()
                if self.command == "HEAD":
                    return
                self.wfile.write(data[: len(data) // 2] if cut else data)
                if cut:
                    self.close_connection = True

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def count(self, method: str) -> int:
        """How many requests of a method came."""
        return sum(1 for one, _, _ in self.seen if one == method)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
