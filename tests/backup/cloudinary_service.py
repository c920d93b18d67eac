"""A Cloudinary that the official SDK talks to: signatures checked, errors on demand.

Written from the SDK's own requests; never compared with the real service.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import threading
import time
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

CLOUD, KEY, SECRET = "demo", "k1", "s3cr3t"
UNSIGNED = {"file", "api_key", "cloud_name", "resource_type", "signature"}


class CloudinaryService(ThreadingHTTPServer):
    """`objects` by public id. `fail` is a list of HTTP statuses for the next calls; `latency` in
    seconds for each; `half` cuts the next answers; `secret` may be changed under the client's feet.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int = 0, folder: Path | None = None) -> None:
        """With `folder` it keeps its objects there, and has them again when it is started anew."""
        super().__init__(("127.0.0.1", port), _Handler)
        self.objects: dict[str, bytes] = {} if folder is None else KeptObjects(folder)
        self.parts: dict[str, bytearray] = {}
        self.fail: list[int] = []
        self.half = 0
        self.latency = 0.0
        self.secret = SECRET
        self.limit = 100_000_000
        self.calls: list[str] = []
        self.guard = threading.Lock()
        threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> CloudinaryService:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.shutdown()
        self.server_close()


class KeptObjects(dict[str, bytes]):
    """Objects that are on the disk before anybody is told."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(
            (unquote(path.name), path.read_bytes())
            for path in folder.iterdir()
            if not path.name.startswith(".")
        )

    def __setitem__(self, name: str, content: bytes) -> None:
        path = self._folder / quote(name, safe="")
        draft = path.with_name(f".{threading.get_ident()}")
        draft.write_bytes(content)
        draft.replace(path)
        super().__setitem__(name, content)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CloudinaryService

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        form: dict[str, Any] = {}
        for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts():
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            form[str(name)] = content if name == "file" else content.decode()
        if self._interrupted("upload") or not self._signed(form):
            return
        if not re.fullmatch(rf"/v1_1/{CLOUD}/raw/upload", self.path):
            self._say(404, {"error": {"message": "unknown call"}})
        elif form.get("type") != "authenticated":
            self._say(400, {"error": {"message": "a public upload"}})
        else:
            self._take(form)

    def _take(self, form: dict[str, Any]) -> None:
        service, content, public_id = self.server, form["file"], form["public_id"]
        if span := self.headers.get("Content-Range"):
            match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", span)
            assert match is not None
            first, last, total = map(int, match.groups())
            with service.guard:
                held = service.parts.setdefault(self.headers["X-Unique-Upload-Id"], bytearray())
                if last < total - 1 and last - first + 1 < 5 * 1024 * 1024:
                    return self._say(400, {"error": {"message": "All parts must be larger"}})
                if first != len(held):
                    return self._say(400, {"error": {"message": "Invalid range"}})
                held += content
                if last != total - 1:
                    return self._say(200, {"done": False, "public_id": public_id})
                content = bytes(service.parts.pop(self.headers["X-Unique-Upload-Id"]))
        if len(content) > service.limit:
            return self._say(400, {"error": {"message": "File size too large"}})
        with service.guard:
            service.objects[public_id] = content
        return self._say(200, self._facts(public_id))

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if parts.path == f"/v1_1/{CLOUD}/raw/download":
            if not self._interrupted("download") and self._signed(query):
                self._download(query)
            return None
        token = base64.b64encode(f"{KEY}:{self.server.secret}".encode()).decode()
        if self.headers.get("authorization") != f"Basic {token}":
            return self._say(401, {"error": {"message": "unauthorized"}})
        if parts.path == f"/v1_1/{CLOUD}/usage":
            limits = {"raw_max_size_bytes": self.server.limit}
            return self._say(200, {"plan": "test", "media_limits": limits})
        base = f"/v1_1/{CLOUD}/resources/raw/authenticated"
        if parts.path == base:
            names = sorted(n for n in self.server.objects if n.startswith(query.get("prefix", "")))
            start, number = int(query.get("next_cursor", 0)), int(query["max_results"])
            page: dict[str, Any] = {
                "resources": [self._facts(n) for n in names[start : start + number]]
            }
            if start + number < len(names):
                page["next_cursor"] = str(start + number)
            return self._say(200, page)
        public_id = unquote(parts.path.removeprefix(base + "/"))
        if public_id in self.server.objects:
            return self._say(200, self._facts(public_id))
        return self._say(404, {"error": {"message": "Resource not found"}})

    def _download(self, query: dict[str, str]) -> None:
        if int(query["expires_at"]) < time.time():
            return self._say(401, {"error": {"message": "expired"}})
        found = self.server.objects.get(query["public_id"])
        if found is None:
            return self._say(404, {"error": {"message": "Resource not found"}})
        return self._send(200, found, "application/octet-stream")

    def _interrupted(self, call: str) -> bool:
        service = self.server
        time.sleep(service.latency)
        with service.guard:
            service.calls.append(call)
            status = service.fail.pop(0) if service.fail else 0
            half = service.half > 0
            service.half -= half
        if half:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"public_id": "x", ')
            self.close_connection = True
        elif status:
            self._say(status, {"error": {"message": f"failing with {status}"}})
        return half or bool(status)

    def _signed(self, form: dict[str, Any]) -> bool:
        wanted = "&".join(
            sorted(
                f"{name}={value}".replace("&", "%26")
                for name, value in form.items()
                if name not in UNSIGNED and value != ""
            )
        )
        right = any(
            hmac.compare_digest(
                make((wanted + self.server.secret).encode()).hexdigest(), form.get("signature", "")
            )
            for make in (hashlib.sha1, hashlib.sha256)
        )
        if form.get("api_key") == KEY and right:
            return True
        self._say(401, {"error": {"message": "Invalid Signature"}})
        return False

    def _facts(self, public_id: str) -> dict[str, Any]:
        content = self.server.objects[public_id]
        etag = hashlib.md5(content).hexdigest()
        return {"public_id": public_id, "bytes": len(content), "etag": etag, "version": 1}

    def _say(self, status: int, answer: dict[str, Any]) -> None:
        self._send(status, json.dumps(answer).encode(), "application/json")

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":  # a process of its own: PORT FOLDER [LATENCY]
    import sys

    service = CloudinaryService(int(sys.argv[1]), Path(sys.argv[2]))
    service.latency = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    threading.Event().wait()
