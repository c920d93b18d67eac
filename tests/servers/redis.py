"""A private Redis in a temporary folder."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.servers.child import ChildServer, require
from tests.servers.ports import free_port, listens, wait_until


class RedisServer:
    """Keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.child = ChildServer(folder / "redis.log")

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """For REDIS_URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        program = require("redis-server")
        options = [
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            str(self.folder),
        ]
        self.child.launch([program, "--port", str(self.port), *options])
        wait_until(self._answers, 15, "Redis starts")

    def _answers(self) -> bool:
        assert self.child.running, f"Redis ended:\n{self.child.tail()}"
        return listens(self.port)

    def stop(self) -> None:
        self.child.end(signal.SIGTERM)
