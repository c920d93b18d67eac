"""An upload endpoint that misbehaves on demand and counts what it was sent."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.servers.ports import free_port

Answer = Callable[[web.Request, bytes], "web.Response | None"]


class Receiver:
    """`POST /api/dicom/upload` as the portal answers it; `answer` may say something else.

    `posts` counts by SHA-256; `most` is the largest number of requests at the same time.
    """

    def __init__(self, *, delay: float = 0.0, ssl: Any = None) -> None:
        self.port = free_port()
        self.delay = delay
        self.ssl = ssl
        self.answer: Answer = lambda _request, _body: None
        self.posts: Counter[str] = Counter()
        self.headers: list[dict[str, str]] = []
        self.most = self._now = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.ssl else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Receiver:
        self._thread.start()
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def start(self) -> None:
        self._do(self._start())

    def stop(self) -> None:
        """Refuse connections until `start`."""
        self._do(self._stop())

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _start(self) -> None:
        app = web.Application(client_max_size=1 << 30)
        self._routes(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.ssl).start()

    def _routes(self, app: web.Application) -> None:
        app.router.add_post("/api/dicom/upload", self._take)

    async def _stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _take(self, request: web.Request) -> web.Response:
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            body = await request.read()
            self.headers.append(dict(request.headers))
            digest = hashlib.sha256(body).hexdigest()
            await asyncio.sleep(self.delay)
            if (other := self.answer(request, body)) is not None:
                return other
            if digest != request.headers["X-Content-SHA256"]:
                return web.Response(status=400, text="digest")
            self.posts[digest] += 1
            first = self.posts[digest] == 1
            return web.Response(
                status=201 if first else 200,
                text=json.dumps(
                    {
                        "outcome": "stored" if first else "duplicate",
                        "reason": None,
                        "words": "",
                        "instance": "1.2.3",
                    }
                ),
            )
        finally:
            self._now -= 1
