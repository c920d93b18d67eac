"""A portal that says "burn this" and gives the images of it; what it gives is the test's choice."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import threading
from http import HTTPStatus
from typing import Any

from agents import protocol
from tests.agents_site.scripted import ScriptedPortal

PATH = re.compile(r"/api/agents/commands/([^/]+)/images/(?:(\d+)/)?")


class DiscPortal(ScriptedPortal):
    """`images` are the files of every command; `spoil` changes one on its way.

    `status`: instead of an answer. `hold`: no image is given until it is set.
    """

    def __init__(self) -> None:
        super().__init__()
        self.images: list[bytes] = []
        self.spoil: set[int] = set()
        self.status = 0
        self.fail_next = 0
        self.gate = threading.Event()
        self.gate.set()
        self.asked: list[tuple[str, str]] = []
        self.keys: set[str] = set()

    def burn(self, target: str = "", **more: Any) -> protocol.Command:
        params = {"studyIds": [1], "target": target}
        return self.command("burn-disc", params=params, ttl=600, **more)

    def words(self, command: protocol.Command) -> list[str]:
        """What the agent said that it is at, in order, once each."""
        said = [
            each.message
            for each in self.of(protocol.Progress)
            if each.id == command.id and each.message
        ]
        return list(dict.fromkeys(said))

    def _admit(self, connection: Any, request: Any) -> Any:
        found = PATH.fullmatch(request.path)
        if found is None:
            return super()._admit(connection, request)
        return self._images(connection, request, found)

    async def _images(self, connection: Any, request: Any, found: re.Match[str]) -> Any:
        self.keys.add(request.headers.get("Authorization", ""))
        command, number = found.groups()
        self.asked.append((command, number or ""))
        if self.status or self.fail_next:
            self.fail_next = max(self.fail_next - 1, 0)
            return connection.respond(HTTPStatus(self.status or 503), "no")
        if number is None:
            rows = [
                {"id": index, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                for index, data in enumerate(self.images)
            ]
            return self._answer(connection, json.dumps({"images": rows}).encode())
        while not self.gate.is_set():
            await asyncio.sleep(0.02)
        data = self.images[int(number)]
        if int(number) in self.spoil:
            data = data[:-1] + bytes([data[-1] ^ 1])
        return self._answer(connection, data)

    @staticmethod
    def _answer(connection: Any, body: bytes) -> Any:
        response = connection.respond(HTTPStatus.OK, "")
        response.body = body
        del response.headers["Content-Length"]
        response.headers["Content-Length"] = str(len(body))
        return response
