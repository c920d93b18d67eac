"""A web server for another's viewer: its files as they are, on an origin of its own."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class _Handler(SimpleHTTPRequestHandler):
    """Files of a folder; `replaced` bodies instead of some; index.html for a client's routes."""

    replaced: dict[str, bytes]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path not in self.replaced and not Path(self.translate_path(path)).is_file():
            path = self.path = "/index.html"
        body = self.replaced.get(path)
        if body is None:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class Site:
    """Serves `folder` on 127.0.0.1:`port` (0: any) while it is open."""

    def __init__(self, folder: Path, port: int, replaced: dict[str, bytes] | None = None) -> None:
        kind = type("Handler", (_Handler,), {"replaced": replaced or {}})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), partial(kind, directory=folder))
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Site:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
