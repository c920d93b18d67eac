"""A portal of a test: takes uploads and gives commands, again and again until each has ended."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import WSMsgType, web

from agents import protocol
from tests.agents_site.receiver import Receiver
from tests.agents_site.releases import Shelf


class WholePortal(Receiver):
    """What is not ended is sent again at every registration, as the product does."""

    def __init__(self) -> None:
        super().__init__()
        self.shelf = Shelf()
        self.open: dict[str, protocol.Command] = {}
        self.results: list[protocol.Result] = []
        self.events: list[protocol.Event] = []
        self.registered = 0
        self._socket: web.WebSocketResponse | None = None

    def _routes(self, app: web.Application) -> None:
        super()._routes(app)
        app.router.add_get("/ws/agents/", self._agent)
        app.router.add_get("/api/agents/release/{rest:.*}", self._release)

    def command(self, name: str, params: dict[str, Any]) -> str:
        """Give a command; its id."""
        made = protocol.Command(
            id=uuid.uuid4().hex,
            idempotency_key=uuid.uuid4().hex,
            command=name,
            params=params,
            ttl=600,
            expires_at=datetime.now(UTC) + timedelta(seconds=600),
            requester="ann",
        )
        self.open[made.id] = made
        self._do(self._send(made))
        return made.id

    async def _send(self, message: protocol.Message) -> None:
        if self._socket is not None:
            await self._socket.send_str(protocol.encode(message))

    async def _agent(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for each in socket:
            if each.type != WSMsgType.TEXT:
                break
            message = protocol.decode(each.data)
            if isinstance(message, protocol.Register):
                self._socket = socket
                await self._send(
                    protocol.Registered(agent_id=1, name="T", site="M", now=datetime.now(UTC))
                )
                for command in list(self.open.values()):
                    await self._send(command)
                self.registered += 1
            elif isinstance(message, protocol.Result):
                self.results.append(message)
                self.open.pop(message.id, None)
                await self._send(protocol.Accepted(id=message.id, of="result"))
            elif isinstance(message, protocol.Event):
                self.events.append(message)
                await self._send(protocol.Accepted(id=message.id, of="event"))
        if self._socket is socket:
            self._socket = None
        return socket

    async def _release(self, request: web.Request) -> web.Response:
        headers = {key.lower(): each for key, each in request.headers.items()}
        given = self.shelf(request.path_qs, headers)
        assert given is not None
        return web.Response(status=given[0], headers=given[1], body=given[2])

    def wait(self, check: Any, what: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not check():
            assert time.monotonic() < deadline, f"{what}; {self.results[-3:]}"
            time.sleep(0.01)
