"""Other sides of deliveries: a FHIR server and a mail server, small and real."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

S = TypeVar("S", bound=socketserver.BaseServer)


class FhirServer(ThreadingHTTPServer):
    """Keeps what is PUT; answers `status` where it is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Fhir)
        self.kept: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.status = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/fhir"


class _Fhir(BaseHTTPRequestHandler):
    server: FhirServer

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(("PUT", self.path, self.headers.get("Authorization", "")))
        status = self.server.status or (200 if self.path in self.server.kept else 201)
        if status < 300:
            self.server.kept[self.path] = body
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Nothing on the test's output."""


class MailServer(socketserver.ThreadingTCPServer):
    """Just enough SMTP; refuses recipients that begin with "nobody"."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Mail)
        self.mails: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Mail(socketserver.StreamRequestHandler):
    server: MailServer

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self) -> None:
        self._say("220 mail")
        for raw in self.rfile:
            command = raw.decode().strip()
            if command.upper().startswith("RCPT TO:<NOBODY"):
                self._say("550 no such person")
            elif command.upper() == "DATA":
                self._say("354 go on")
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line.decode())
                self.server.mails.append("".join(lines))
                self._say("250 kept")
            elif command.upper() == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")


@contextmanager
def served(server: S) -> Iterator[S]:
    """The server in a thread, until the block ends."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
